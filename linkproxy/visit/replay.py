"""Judge a message of the journal again, from what was known at the time and nothing else.

The same policy gives the same verdicts and clicks as the live run; another one shows what it
would have made of the same visits. Who was answered how is history and stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from linkproxy.model import MessageHistory
from linkproxy.visit import opens
from linkproxy.visit.clicks import clicks_of
from linkproxy.visit.facts import MOST_SIBLINGS
from linkproxy.visit.settle import as_sibling, facts_again
from linkproxy.visit.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.model import Click, Delivery, JournalEntry, Verdict
    from linkproxy.visit.policy import Policy


class Frozen(Protocol):
    """A journal entry with what was known when it was settled; a store's FrozenVisit is one."""

    @property
    def entry(self) -> JournalEntry: ...

    @property
    def seen_id(self) -> int:
        """The newest visit that the settle pass knew, 0 if that was not written down."""

    @property
    def delivery(self) -> Delivery: ...

    @property
    def beside_driven(self) -> bool:
        """Whether it knew a visit as likely a driven browser's, which may be purged, or not asked for."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a policy makes of one visit; ``settled`` is None while its hold window is open."""

    entry: JournalEntry
    first: Verdict
    settled: Verdict | None


def replay(visits: Sequence[Frozen], policy: Policy) -> tuple[Replayed, ...]:
    """Return what a policy makes of a message's visits, which are in order of arrival."""
    entries = [item.entry for item in visits]
    return tuple(
        Replayed(item.entry, _first(item.entry, entries[:place], policy), _settled(item, entries, policy))
        for place, item in enumerate(visits)
    )


def clicks_under(
    replayed: Sequence[Replayed], policy: Policy, logged: frozenset[int] = frozenset()
) -> tuple[Click, ...]:
    """Return the clicks of a message under a policy that replayed it; ``logged`` as of ``clicks_of``."""
    settled = {item.entry.visit_id: item.settled for item in replayed if item.settled is not None}
    return clicks_of([item.entry for item in replayed], settled, policy, logged)


def _first(entry: JournalEntry, before: Sequence[JournalEntry], policy: Policy) -> Verdict:
    since = entry.visit.at - policy.reach_seconds
    siblings = tuple(as_sibling(other) for other in before[-MOST_SIBLINGS:] if other.visit.at >= since)
    return judge(entry.visit, opens.beside(entry.facts, siblings), policy)


def _settled(item: Frozen, entries: Sequence[JournalEntry], policy: Policy) -> Verdict | None:
    entry = item.entry
    if entry.settled is None:
        return None
    known = tuple(other for other in entries if _was_known(other, item))
    history = MessageHistory(known, frozenset(), frozenset(), delivery=item.delivery)
    facts = facts_again(entry, history, policy)
    if item.beside_driven:
        facts = replace(facts, beside_driven=True)
    return judge(entry.visit, facts, policy)


def _was_known(other: JournalEntry, item: Frozen) -> bool:
    if item.seen_id:
        return other.visit_id <= item.seen_id
    settled_at = item.entry.settled_at
    return settled_at is None or other.visit.at <= settled_at
