"""Whose network an address belongs to: longest prefix first, then the autonomous system."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from linkproxy.model import Zone, ZoneRole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

V = TypeVar("V")
Word = TypeVar("Word", bound=StrEnum)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class _Certainty(StrEnum):
    """How sure it is that nobody but machines comes from a scanner's network."""

    CERTAIN = "certain"
    PROBABLE = "probable"  # what a row means that does not say


@dataclass(frozen=True, slots=True, eq=False)
class Prefixes(Generic[V]):
    """Values by network: a table for each IP version and prefix length."""

    tables: Mapping[tuple[int, int], Mapping[int, V]]
    lengths: Mapping[int, tuple[int, ...]]  # by IP version, longest first

    @classmethod
    def of(cls, rows: Iterable[tuple[Network, V]]) -> Prefixes[V]:
        """Build the tables; of one network twice, the later value holds."""
        tables: dict[tuple[int, int], dict[int, V]] = {}
        for network, value in rows:
            table = tables.setdefault((network.version, network.prefixlen), {})
            table[int(network.network_address) >> (network.max_prefixlen - network.prefixlen)] = value
        lengths = {
            version: tuple(sorted((length for v, length in tables if v == version), reverse=True))
            for version in (4, 6)
        }
        return cls(tables, lengths)

    def find(self, address: Address) -> tuple[V, int] | None:
        """Return the value of the smallest network around an address, and that prefix's length."""
        number, width = int(address), address.max_prefixlen
        for length in self.lengths[address.version]:
            value = self.tables[address.version, length].get(number >> (width - length))
            if value is not None:
                return value, length
        return None


@dataclass(frozen=True, slots=True)
class Match:
    """Why an address is in a zone."""

    zone: Zone
    rule: str  # the network or the autonomous system that matched: "40.92.0.0/14", "AS8075"
    source: str  # where the rule comes from


@dataclass(frozen=True, slots=True, eq=False)
class Ranges(Generic[V]):
    """Values by IPv4 address: a value holds from its first address up to the next one's."""

    firsts: Sequence[int]
    values: Sequence[V | None]

    @classmethod
    def of(cls, prefixes: Prefixes[V]) -> Ranges[V]:
        """Lay networks out side by side, the smallest around each address uppermost."""
        edges = {0}
        for (version, length), table in prefixes.tables.items():
            if version == 4:
                edges |= {edge << (32 - length) for prefix in table for edge in (prefix, prefix + 1)}
        firsts = sorted(edges - {1 << 32})
        found = [prefixes.find(ipaddress.IPv4Address(first)) for first in firsts]
        return cls(firsts, [item[0] if item else None for item in found])

    def find(self, number: int) -> V | None:
        """Return the value of an address, given as a number."""
        return self.values[bisect_right(self.firsts, number) - 1]


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """The networks of rules/networks.toml, ready for look-up."""

    prefixes: Prefixes[Zone]
    ranges: Ranges[Zone]  # the same for IPv4, looked up ten times as fast
    blank: frozenset[str]  # first parts of IPv4 addresses that are in no zone, as most are
    systems: Mapping[int, Zone]
    sources: Mapping[str, str]  # by the zone's name

    def find(self, client: str, asn: int = 0) -> Zone | None:
        """Return the zone of an address; None for none, and for what is no address."""
        if client.partition(".")[0] in self.blank:
            return self.systems.get(asn) if asn else None
        number = ipv4(client)
        if number is not None:
            zone = self.ranges.find(number)
            return self.systems.get(asn) if zone is None and asn else zone
        address = parse(client)
        found = self.prefixes.find(address) if address else None
        return found[0] if found else self.systems.get(asn)

    def match(self, client: str, asn: int = 0) -> Match | None:
        """Return the zone of an address with the rule that says so; slower than ``find``."""
        address = parse(client)
        found = self.prefixes.find(address) if address else None
        if address and found:
            zone, length = found
            rule = str(ipaddress.ip_network((address, length), strict=False))
            return Match(zone, rule, self.sources[zone.name])
        by_system = self.systems.get(asn)
        return Match(by_system, f"AS{asn}", self.sources[by_system.name]) if by_system else None


def parse(client: str) -> Address | None:
    """Return an address, None for what is none (unknown, hashed, truncated)."""
    try:
        return ipaddress.ip_address(client)
    except ValueError:
        return None


def ipv4(client: str) -> int | None:
    """Return an IPv4 address in its usual spelling as a number; whatever is spelt otherwise is None."""
    try:
        first, second, third, fourth = client.split(".")
        return _OCTETS[first] << 24 | _OCTETS[second] << 16 | _OCTETS[third] << 8 | _OCTETS[fourth]
    except (KeyError, ValueError):
        return None


_OCTETS = {str(number): number for number in range(256)}


_MAPPED_BITS = 96  # of ::ffff:0:0/96

WIDE_BITS = {4: 16, 6: 32}
"""Prefixes about as wide as what a provider is given: one of them is one provider's."""


@lru_cache(maxsize=16384)
def wide_of(network: str) -> tuple[int, str] | None:
    """Return (IP version, wide network) of a visit's network; None for what is unknown or disguised."""
    first, second, rest = network.split(".", 2) if network.count(".") == 3 else ("", "", "")
    if first in _OCTETS and second in _OCTETS and rest.removesuffix(".0/24") in _OCTETS:
        return 4, f"{first}.{second}.0.0/16"  # as nearly all are spelt; the way below takes 20 us
    try:
        found = ipaddress.ip_network(network)
    except ValueError:
        return None
    return found.version, str(found.supernet(new_prefix=WIDE_BITS[found.version]))


def catalogue(tables: Mapping[str, Mapping[str, Any]]) -> Catalogue:
    """Build a catalogue; raise ValueError naming the network and what is wrong with it."""
    rows: list[tuple[Network, Zone]] = []
    systems: dict[int, Zone] = {}
    for name, table in tables.items():
        where = f"networks.{name}"
        role = read_word(ZoneRole, table["role"], f"{where}.role")
        certainty = read_word(_Certainty, table["certainty"] or "probable", f"{where}.certainty")
        zone = Zone(name, role, certain=certainty is _Certainty.CERTAIN)
        rows += [(network, zone) for network in read_networks(table["cidrs"], where)]
        systems.update(dict.fromkeys(read_systems(table["asns"], where), zone))
    sources = {name: table["source"] for name, table in tables.items()}
    prefixes = Prefixes.of(rows)
    ranges = Ranges.of(prefixes)
    return Catalogue(prefixes, ranges, frozenset(_blank(ranges)), systems, sources)


def _blank(ranges: Ranges[Zone]) -> Iterator[str]:
    for text, number in _OCTETS.items():
        first, last = number << 24, (number + 1 << 24) - 1
        within = slice(bisect_right(ranges.firsts, first) - 1, bisect_right(ranges.firsts, last))
        if not any(ranges.values[within]):
            yield text


def read_word(words: type[Word], text: str, where: str) -> Word:
    """Return one of a closed set of words; raise ValueError that lists them."""
    try:
        return words(text)
    except ValueError:
        raise ValueError(f'{where} must be one of {", ".join(words)}, not "{text}"') from None


def plain_network(text: str) -> Network:
    """Return a network as visits' addresses are: one of IPv4 that is written as mapped into IPv6 is IPv4.

    RFC 4291 section 2.5.5.2; so programs log who came over a socket for both. Raises ValueError.
    """
    network = ipaddress.ip_network(text)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return ipaddress.ip_network((mapped, network.prefixlen - _MAPPED_BITS))


def read_networks(texts: Iterable[Any], where: str) -> list[Network]:
    """Return networks in CIDR form; raise ValueError that names the first that is none."""
    found = []
    for text in texts:
        try:
            # A number would be taken for an address by itself.
            found.append(plain_network(str(text)))
        except ValueError as error:
            raise ValueError(f'{where}.cidrs: "{text}" is no network: {error}') from None
    return found


def read_systems(numbers: Iterable[Any], where: str) -> list[int]:
    """Return numbers of autonomous systems; raise ValueError that names the first that is none."""
    found = list(numbers)
    for number in found:
        if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 1 << 32:
            raise ValueError(f"{where}.asns: {number!r} is no number of an autonomous system, such as 64496")
    return found
