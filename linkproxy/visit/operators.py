"""What the operator knows better: rows ``[operator.NAME]`` of the policy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from linkproxy.model.names import ascii_name, domain_name
from linkproxy.visit.networks import Prefixes, parse, read_networks, read_systems, read_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from linkproxy.visit.networks import Address

_CROPPED = 600  # characters of an agent that are looked at; real ones stay below 400


class Says(StrEnum):
    """What a row says of the visits that it matches."""

    MACHINE = "machine"
    PERSON = "person"
    NOT_SCANNER = "not-scanner"  # nobody's word for a person, but network and agent prove nothing


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One row: every kind of criterion that it names must match, by any of its entries."""

    name: str
    says: Says
    note: str
    cidrs: Prefixes[bool] | None
    asns: frozenset[int]
    agents: Sequence[re.Pattern[str]]  # none: it names none
    domains: frozenset[str]

    def matches(self, address: Address | None, *, asn: int, agent: str | None, domain: str) -> bool:
        """Return whether a visit is meant; what is not known of it matches nothing."""
        return (
            (self.cidrs is None or (address is not None and self.cidrs.find(address) is not None))
            and (not self.asns or asn in self.asns)
            and (not self.agents or (agent is not None and self._names(agent[:_CROPPED])))
            and (not self.domains or domain in self.domains)
        )

    def _names(self, agent: str) -> bool:
        return any(pattern.search(agent) for pattern in self.agents)

    @property
    def by_network(self) -> bool:
        """Whether an address alone decides: it names neither agents nor domains."""
        return not self.agents and not self.domains


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """All rows by name."""

    rows: Mapping[str, Row]

    def find(self, client: str, *, asn: int, agent: str | None, domain: str) -> tuple[str, ...]:
        """Return the names of the rows that mean a visit; ``domain`` is the recipient's."""
        if not self.rows:
            return ()
        address, domain = parse(client), ascii_name(domain.lower())
        return tuple(
            name
            for name, row in self.rows.items()
            if row.matches(address, asn=asn, agent=agent, domain=domain)
        )


def operator(tables: Mapping[str, Mapping[str, Any]]) -> Operator:
    """Build the rows; raise ValueError naming the row and what is wrong with it."""
    return Operator({name: _row(name, table) for name, table in tables.items()})


def _row(name: str, table: Mapping[str, Any]) -> Row:
    where = f"operator.{name}"
    networks = read_networks(table["cidrs"], where)
    row = Row(
        name=name,
        says=read_word(Says, table["says"], f"{where}.says"),
        note=table["note"],
        cidrs=Prefixes.of((network, True) for network in networks) if networks else None,
        asns=frozenset(read_systems(table["asns"], where)),
        agents=_agents(table, where),
        domains=frozenset(domain_name(str(domain)) for domain in table["domains"]),
    )
    if row.cidrs is None and not row.asns and row.by_network:
        raise ValueError(f"{where} would mean every visit; give it cidrs, asns, agents or domains")
    return row


def _agents(table: Mapping[str, Any], where: str) -> Sequence[re.Pattern[str]]:
    """Return the plain texts as one pattern, and each regular expression as its own; case does not matter.

    Joined, one could spoil another: flags must come first, and a back-reference would mean another group.
    """
    texts = "|".join(map(re.escape, _texts(table["agents"], f"{where}.agents")))
    found = [re.compile(texts, re.IGNORECASE)] if texts else []
    for pattern in _texts(table["agent_patterns"], f"{where}.agent_patterns"):
        try:
            found.append(re.compile(pattern, re.IGNORECASE))
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(
                f'{where}.agent_patterns: "{pattern}" is no regular expression: {error}'
            ) from None
    return found


def _texts(values: Iterable[Any], where: str) -> list[str]:
    found = list(values)
    for value in found:
        if not isinstance(value, str) or not value:
            raise ValueError(f"{where}: {value!r} is no text; an empty one would match every agent")
    return found
