"""What in a message may have been a click: the units that an interval for people's clicks counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from linkproxy.model import VerdictKind
from linkproxy.query.interval import Candidate
from linkproxy.visit.settle import clicks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from linkproxy.model import Click, JournalEntry, Verdict
    from linkproxy.store.review import FrozenMessage
    from linkproxy.visit.policy import Policy


def candidates_of(message: FrozenMessage, policy: Policy) -> list[Candidate]:
    """Return the possible clicks of a message, those of one client under one score together.

    Clicks of the log come first; a visit that repeats one of them is no other possible click.
    Decisive evidence leaves no possibility.
    """
    settled = {
        item.entry.visit_id: item.entry.settled
        for item in message.visits[message.carried :]
        if item.entry.settled is not None and not any(found.decisive for found in item.entry.settled.evidence)
    }
    entries = [item.entry for item in message.visits if item.entry.visit_id in settled]
    by_id = {entry.visit_id: entry for entry in entries}
    clicks = clicks_of(entries, settled, policy)
    known = {(by_id[click.visit_id].visit.key, _client(by_id[click.visit_id])) for click in clicks}
    others = [
        entry
        for entry in entries
        if settled[entry.visit_id].kind is not VerdictKind.HUMAN
        and (entry.visit.key, _client(entry)) not in known
    ]
    return _units([*clicks, *_if_human(others, settled, policy)], by_id)


def _if_human(
    entries: Sequence[JournalEntry], settled: dict[int, Verdict], policy: Policy
) -> Iterable[Click]:
    """Return the clicks that these visits would be if they were a person's, likeliest first.

    A visit that is shown a page and its Continue are one; the likelier of both speaks for it.
    """
    supposed = {entry.visit_id: replace(settled[entry.visit_id], kind=VerdictKind.HUMAN) for entry in entries}
    best: dict[tuple[str, int], float] = {}
    for entry in entries:
        place = (entry.visit.key, _client(entry))
        best[place] = min(best.get(place, float("inf")), settled[entry.visit_id].score)
    at = {entry.visit_id: (entry.visit.key, _client(entry)) for entry in entries}
    return [replace(click, score=best[at[click.visit_id]]) for click in clicks_of(entries, supposed, policy)]


def _units(clicks: Iterable[Click], by_id: dict[int, JournalEntry]) -> list[Candidate]:
    sizes: Counter[tuple[int, int]] = Counter()
    domain = ""
    for click in clicks:
        entry = by_id[click.visit_id]
        domain = entry.recipient.domain
        sizes[_client(entry), round(click.score)] += 1
    return [Candidate(domain, float(score), count) for (_, score), count in sizes.items()]


def _client(entry: JournalEntry) -> int:
    """Return who it was: the same headers, as a person keeps them and as a sweep does."""
    return entry.facts.profile_id


def removed_by(verdict: Verdict) -> str:
    """Return the main reason of a machine's verdict: what is decisive, else the heaviest signal."""
    decisive = [item.name for item in verdict.evidence if item.decisive]
    heavy = max(
        (item for item in verdict.evidence if item.counted and item.weight > 0),
        key=lambda item: item.weight,
        default=None,
    )
    return decisive[0] if decisive else heavy.name if heavy else "prior"
