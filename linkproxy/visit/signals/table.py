"""What a signal is. The ordered table of all signals is ``linkproxy.visit.signals.SIGNALS``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from linkproxy.model import Facts, Family, Sibling, Visit
    from linkproxy.visit.policy import Policy, Rule


@dataclass(frozen=True, slots=True)
class Finding:
    """What a signal saw: its weight in decibans, and the thing itself for a person to read."""

    weight: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """Everything a signal may look at.

    ``burst`` are the siblings of the same client, or with the same headers from elsewhere.
    """

    visit: Visit
    facts: Facts
    burst: tuple[Sibling, ...]
    rule: Rule
    policy: Policy


@dataclass(frozen=True, slots=True)
class Signal:
    """One named piece of evidence; ``look`` returns None when it has nothing to say.

    ``of_request``: it looks at nothing but method, profile, HTTP version, TLS and the day, so that
    one answer serves all requests that are alike.
    """

    name: str
    family: Family
    meaning: str  # one sentence for docs/judging.md
    look: Callable[[Look], Finding | None]
    of_request: bool = False


def burst_of(facts: Facts) -> tuple[Sibling, ...]:
    """Return the siblings that may be the same client's.

    Scanners rotate addresses and keep their headers; a person caught in a sweep has both of their
    own. An unknown client or profile is like no other.
    """
    return tuple(
        sibling
        for sibling in facts.siblings
        if (facts.network and sibling.network == facts.network)
        or (facts.profile_id and sibling.profile_id == facts.profile_id)
    )
