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
    """Everything a signal may look at."""

    visit: Visit
    facts: Facts
    rule: Rule
    policy: Policy

    @property
    def burst(self) -> tuple[Sibling, ...]:
        """Siblings of the same client, or with the same headers from elsewhere.

        Scanners rotate addresses and keep their headers; a person caught in a sweep has both
        of their own. An unknown client or profile is like no other.
        """
        facts = self.facts
        return tuple(
            sibling
            for sibling in facts.siblings
            if (facts.network and sibling.network == facts.network)
            or (facts.profile_id and sibling.profile_id == facts.profile_id)
        )


@dataclass(frozen=True, slots=True)
class Signal:
    """One named piece of evidence; ``look`` returns None when it has nothing to say."""

    name: str
    family: Family
    meaning: str  # one sentence for docs/judging.md
    look: Callable[[Look], Finding | None]
