"""Who takes in and scans the mail of a recipient's domain, as its MX records tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from linkproxy.visit.networks import read_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class GatewayRole(StrEnum):
    """What a gateway is to the people behind it."""

    FILTER = "filter"  # a scanning service in front of somebody's mail server
    HOSTER = "hoster"  # mailboxes of companies and private domains
    FREEMAIL = "freemail"  # mailboxes of anybody; its domains say nothing of who has them


@dataclass(frozen=True, slots=True)
class Gateway:
    """One row of rules/gateways.toml."""

    name: str
    role: GatewayRole
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class Gateways:
    """The rows, found by the longest suffix of a mail server's name."""

    by_suffix: Mapping[str, Gateway]
    by_name: Mapping[str, Gateway]

    def find(self, mx: Sequence[str]) -> Gateway | None:
        """Return the gateway of a domain's mail servers, the most preferred one first.

        A domain may list its filter beside its hoster; what mail meets first is what counts.
        """
        for host in mx:
            labels = host.lower().rstrip(".").split(".")
            for start in range(len(labels)):
                found = self.by_suffix.get(".".join(labels[start:]))
                if found is not None:
                    return found
        return None


def gateways(tables: Mapping[str, Mapping[str, Any]], priors: Iterable[str]) -> Gateways:
    """Build the table; raise ValueError naming the row and what is wrong with it.

    ``priors`` are the gateways that the policy gives a prior.
    """
    by_suffix: dict[str, Gateway] = {}
    by_name: dict[str, Gateway] = {}
    for name, row in tables.items():
        role = read_word(GatewayRole, row["role"], f"gateways.{name}.role")
        by_name[name] = Gateway(name, role, row["source"])
        for suffix in row["suffixes"]:
            if not isinstance(suffix, str) or not suffix.strip("."):
                raise ValueError(f"gateways.{name}.suffixes: {suffix!r} is no end of a mail server's name")
            by_suffix[suffix.lower().strip(".")] = by_name[name]
    for name in priors:
        if name not in by_name:
            raise ValueError(f"prior.gateway.{name} is no gateway; [gateways.{name}] would make it one")
    return Gateways(by_suffix, by_name)
