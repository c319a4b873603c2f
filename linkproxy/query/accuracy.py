"""How often the judge is right, as far as visits that gave themselves away can tell.

The unit is the message: a sweep of forty links is one machine that was noticed or not. Each
visit is scored without the families of evidence that label it (``labels.py``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from linkproxy.model import VerdictKind
from linkproxy.query.interval import share_record
from linkproxy.query.labels import WARNING, labels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from linkproxy.query.labels import Label
    from linkproxy.store.api import Filter, Store
    from linkproxy.visit.policy import Policy

LEAST_MESSAGES = 20
"""Labelled messages that a domain needs for a row of its own: small domains are personal data."""

OTHER_DOMAINS = "(other domains)"


@dataclass(slots=True)
class Tally:
    """Labelled messages by what the judge made of them without their label."""

    machines: Counter[VerdictKind] = field(default_factory=Counter)
    people: Counter[VerdictKind] = field(default_factory=Counter)
    visits: int = 0

    def add(self, other: Tally) -> None:
        """Take the messages of another tally in."""
        self.machines += other.machines
        self.people += other.people
        self.visits += other.visits

    @property
    def messages(self) -> int:
        """All labelled messages."""
        return self.machines.total() + self.people.total()


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What the labels say, as a whole and by source of the label, domain and gateway."""

    whole: Tally
    sources: dict[str, Tally]
    domains: dict[str, Tally]
    gateways: dict[str, Tally]
    contradictory: int


async def measure(
    store: Store, where: Filter, policy: Policy, advance: Callable[[int], object] = lambda _done: None
) -> Accuracy:
    """Go through the settled visits that ``where`` names (campaign, since, until).

    ``advance`` hears how many visits were gone through since.
    """
    found = Accuracy(Tally(), {}, {}, {}, 0)
    contradictory = 0
    async for message in store.messages(where, reach_seconds=policy.reach_seconds):
        advance(len(message.own))
        judged = [(item.entry, item.entry.settled) for item in message.own if item.entry.settled is not None]
        labels = labels_of(judged, policy)
        contradictory += labels.contradictory
        inside = [item for item, at in _with_times(labels.labels, judged) if where.spans(at)]
        if inside:
            _add_message(found, inside)
    return Accuracy(found.whole, found.sources, _without_small(found.domains), found.gateways, contradictory)


def _with_times(labels: Iterable[Label], judged: Iterable[tuple[Any, Any]]) -> list[tuple[Label, float]]:
    times = {entry.visit_id: entry.visit.at for entry, _ in judged}
    return [(label, times[label.visit_id]) for label in labels]


def _add_message(found: Accuracy, labels: list[Label]) -> None:
    for machine in (True, False):
        same = [label for label in labels if label.machine is machine]
        if not same:
            continue
        tally = _tally_of(same, machine=machine)
        first = same[0]
        found.whole.add(tally)
        found.domains.setdefault(first.domain, Tally()).add(tally)
        found.gateways.setdefault(first.gateway, Tally()).add(tally)
        for source in sorted({name for label in same for name in label.sources}):
            mine = [label for label in same if source in label.sources]
            found.sources.setdefault(source, Tally()).add(_tally_of(mine, machine=machine))


def _tally_of(labels: list[Label], *, machine: bool) -> Tally:
    """Count a message once: a machine by its luckiest visit, and a person by theirs."""
    order = (VerdictKind.HUMAN, VerdictKind.UNCERTAIN, VerdictKind.MACHINE)
    luckiest = min((label.kind for label in labels), key=order.index)
    counted = Counter([luckiest])
    nothing: Counter[VerdictKind] = Counter()
    return Tally(counted if machine else nothing, nothing if machine else counted, len(labels))


def _without_small(domains: dict[str, Tally]) -> dict[str, Tally]:
    kept: dict[str, Tally] = {}
    for name, tally in sorted(domains.items(), key=lambda item: (-item[1].messages, item[0])):
        shown = name if name and tally.messages >= LEAST_MESSAGES else OTHER_DOMAINS
        kept.setdefault(shown, Tally()).add(tally)
    return kept


# --- as JSON -----------------------------------------------------------------------------------


def accuracy_record(accuracy: Accuracy) -> dict[str, Any]:
    """Return the figures as a JSON-able object; shares with Wilson's 95 % interval."""
    return {
        "warning": WARNING,
        "contradictory_visits": accuracy.contradictory,
        "whole": tally_record(accuracy.whole),
        "by_label": _records(accuracy.sources),
        "by_domain": _records(accuracy.domains),
        "by_gateway": _records(accuracy.gateways),
    }


def _records(tallies: dict[str, Tally]) -> list[dict[str, Any]]:
    return [{"name": name} | tally_record(tally) for name, tally in tallies.items()]


def tally_record(tally: Tally) -> dict[str, Any]:
    """Return one row: machines counted as people, and people not counted."""
    machines, people = tally.machines.total(), tally.people.total()
    return {
        "visits": tally.visits,
        "machines": {
            "messages": machines,
            **{kind.value: tally.machines[kind] for kind in VerdictKind},
            "counted_share": share_record(tally.machines[VerdictKind.HUMAN], machines),
        },
        "people": {
            "messages": people,
            **{kind.value: tally.people[kind] for kind in VerdictKind},
            "lost_share": share_record(people - tally.people[VerdictKind.HUMAN], people),
        },
    }
