"""Whose network an address belongs to: longest prefix first, then the autonomous system."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from linkproxy.model import Zone, ZoneRole

if TYPE_CHECKING:
    from collections.abc import Mapping

Prefixes = dict[tuple[int, int], dict[int, Zone]]
"""(IP version, prefix length) -> network number -> zone."""


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """The networks of rules/networks.toml, ready for look-up."""

    prefixes: Prefixes
    lengths: Mapping[int, tuple[int, ...]]  # by IP version, longest first
    systems: Mapping[int, Zone]

    def find(self, client: str, asn: int = 0) -> Zone | None:
        """Return the zone of an address; None for none, and for what is no address."""
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            return self.systems.get(asn)
        number, width = int(address), address.max_prefixlen
        for length in self.lengths.get(address.version, ()):
            zone = self.prefixes[address.version, length].get(number >> (width - length))
            if zone is not None:
                return zone
        return self.systems.get(asn)


def catalogue(tables: Mapping[str, Mapping[str, Any]]) -> Catalogue:
    """Build a catalogue; raise ValueError naming the network and what is wrong with it."""
    prefixes: Prefixes = {}
    systems: dict[int, Zone] = {}
    for name, rows in tables.items():
        zone = Zone(name, _role(name, rows["role"]), certain=rows["certainty"] == "certain")
        for text in rows["cidrs"]:
            network = _network(name, text)
            shift = network.max_prefixlen - network.prefixlen
            table = prefixes.setdefault((network.version, network.prefixlen), {})
            table[int(network.network_address) >> shift] = zone
        systems.update(dict.fromkeys(rows["asns"], zone))
    lengths = {
        version: tuple(sorted((length for v, length in prefixes if v == version), reverse=True))
        for version in (4, 6)
    }
    return Catalogue(prefixes, lengths, systems)


def _role(name: str, text: str) -> ZoneRole:
    try:
        return ZoneRole(text)
    except ValueError:
        known = ", ".join(ZoneRole)
        raise ValueError(f'networks.{name}.role must be one of {known}, not "{text}"') from None


def _network(name: str, text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f'networks.{name}.cidrs: "{text}" is no network: {error}') from None
