"""What another policy would have made of the journal: which verdicts change, and which clicks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from linkproxy.model import MessageHistory, Settlement, VerdictKind
from linkproxy.query.filters import format_time
from linkproxy.visit.possible import with_possible
from linkproxy.visit.replay import Replayed, clicks_under, replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.model import Click, Verdict
    from linkproxy.store.api import Filter
    from linkproxy.store.review import FrozenMessage
    from linkproxy.visit.policy import Policy

EXAMPLES = 3
"""Visits shown for each kind of change."""

Change = tuple[VerdictKind, VerdictKind]
"""From the verdict in the journal to the one under the other policy."""


@dataclass(frozen=True, slots=True)
class Example:
    """A visit whose settled verdict changes."""

    visit_id: int
    at: float
    campaign: str
    recipient: str
    old: Verdict
    new: Verdict


@dataclass(slots=True)
class Clicks:
    """Clicks of a campaign: in the log now, and what another policy would add and take away."""

    now: int = 0
    gained: int = 0
    lost: int = 0


@dataclass(slots=True)
class Comparison:
    """What a replay found, so far; memory grows with campaigns, not with visits."""

    visits: int = 0
    messages: int = 0
    first: Counter[Change] = field(default_factory=Counter)
    settled: Counter[Change] = field(default_factory=Counter)
    rescored: int = 0  # visits with the same settled verdict and another score
    clicks: dict[str, Clicks] = field(default_factory=dict)
    examples: dict[Change, list[Example]] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """How many settled verdicts are of another kind."""
        return sum(count for (old, new), count in self.settled.items() if old is not new)

    def add(self, message: FrozenMessage, policy: Policy, where: Filter) -> bool:
        """Judge one message again; return whether applying it would write anything."""
        replayed = replay(message.visits, policy)
        inside = [item for item in replayed[message.carried :] if where.spans(item.entry.visit.at)]
        if not inside:
            return False
        self.messages += 1
        self.visits += len(inside)
        for item in inside:
            self._add_visit(item)
        moved = self._add_clicks(message, replayed, inside, policy)
        return moved or any(_differs(item) for item in inside)

    def _add_visit(self, item: Replayed) -> None:
        self.first[item.entry.verdict.kind, item.first.kind] += 1
        old, new = item.entry.settled, item.settled
        if old is None or new is None:
            return
        change = (old.kind, new.kind)
        self.settled[change] += 1
        if old.kind is new.kind:
            self.rescored += old.score != new.score
            return
        shown = self.examples.setdefault(change, [])
        if len(shown) < EXAMPLES:
            entry = item.entry
            who = entry.recipient.address or entry.recipient.reference
            name = entry.facts.campaign.name
            shown.append(Example(entry.visit_id, entry.visit.at, name, who, old, new))

    def _add_clicks(
        self,
        message: FrozenMessage,
        replayed: Sequence[Replayed],
        inside: Sequence[Replayed],
        policy: Policy,
    ) -> bool:
        ids = {item.entry.visit_id for item in inside}
        logged = _logged(message)
        found = {click.visit_id for click in clicks_under(replayed, policy, logged)} & ids
        logged &= ids
        tally = self.clicks.setdefault(inside[0].entry.facts.campaign.name, Clicks())
        tally.now += len(logged)
        tally.gained += len(found - logged)
        tally.lost += len(logged - found)
        return found != logged


def _differs(item: Replayed) -> bool:
    """Tell whether a settled verdict would be written anew; a hash alone is no difference."""
    old, new = item.entry.settled, item.settled
    return old is not None and new is not None and (old.kind, old.score) != (new.kind, new.score)


def settlement_of(message: FrozenMessage, policy: Policy, where: Filter, now: float) -> Settlement:
    """Return what applying a replay writes for one message: verdicts, clicks, withdrawn clicks."""
    replayed = replay(message.visits, policy)
    inside = [item for item in replayed[message.carried :] if where.spans(item.entry.visit.at)]
    ids = {item.entry.visit_id for item in inside if item.settled is not None}
    logged = _logged(message)
    clicks = [click for click in clicks_under(replayed, policy, logged) if click.visit_id in ids]
    settlement = Settlement(
        revised=tuple(
            (item.entry.visit_id, item.settled)
            for item in inside
            if item.settled is not None and _differs(item)
        ),
        clicks=tuple(_new(clicks, logged)),
        settled_at=now,
        merged=tuple((click.visit_id, click.merged) for click in clicks if click.visit_id in logged),
        withdrawn=tuple(sorted((logged & ids) - {click.visit_id for click in clicks})),
    )
    known = tuple(item.entry for item in (*message.visits, *message.beyond))
    return with_possible(MessageHistory(known, frozenset(), frozenset()), settlement, policy)


def _logged(message: FrozenMessage) -> frozenset[int]:
    return frozenset(item.entry.visit_id for item in message.visits if item.clicked)


def _new(clicks: Sequence[Click], logged: frozenset[int]) -> list[Click]:
    return [click for click in clicks if click.visit_id not in logged]


# --- as JSON -----------------------------------------------------------------------------------


def comparison_record(comparison: Comparison, policy: Policy) -> dict[str, Any]:
    """Return what a replay found as a JSON-able object."""
    return {
        "policy": policy.digest,
        "messages": comparison.messages,
        "visits": comparison.visits,
        "changed": comparison.changed,
        "rescored": comparison.rescored,
        "first": _changes(comparison.first),
        "settled": _changes(comparison.settled),
        "clicks": [
            {"campaign": name, "now": item.now, "gained": item.gained, "lost": item.lost}
            for name, item in sorted(comparison.clicks.items())
        ],
        "examples": [
            _example_record(item) for _, shown in sorted(comparison.examples.items()) for item in shown
        ],
    }


def _changes(counts: Counter[Change]) -> list[dict[str, Any]]:
    return [{"from": old, "to": new, "visits": count} for (old, new), count in sorted(counts.items())]


def _example_record(example: Example) -> dict[str, Any]:
    return {
        "visit_id": example.visit_id,
        "at": format_time(example.at),
        "campaign": example.campaign,
        "recipient": example.recipient,
        "from": {
            "verdict": example.old.kind,
            "score": example.old.score,
            "reasons": list(example.old.reasons),
        },
        "to": {"verdict": example.new.kind, "score": example.new.score, "reasons": list(example.new.reasons)},
    }
