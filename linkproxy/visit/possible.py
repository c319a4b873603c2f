"""What in a message may have been a click: the units that an interval for people's clicks counts."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from linkproxy.model import VerdictKind
from linkproxy.visit.clicks import clicks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from linkproxy.model import Click, JournalEntry, MessageHistory, PossibleClicks, Settlement, Verdict
    from linkproxy.visit.policy import Policy

MOST_LOOKED_AT = 512
"""Settled visits of one message that are looked at, the first ones: more of them are a flood."""


def with_possible(history: MessageHistory, settlement: Settlement, policy: Policy) -> Settlement:
    """Return a settlement that also says what in its message may have been a click."""
    entries = sorted((*history.entries, *history.beyond), key=lambda entry: entry.visit_id)
    verdicts = {entry.visit_id: entry.settled for entry in entries if entry.settled is not None}
    return replace(settlement, possible=possible_clicks(entries, verdicts | dict(settlement.revised), policy))


def possible_among(entries: Sequence[JournalEntry], policy: Policy) -> PossibleClicks:
    """Return the possible clicks among visits of a message as they are settled."""
    settled = {entry.visit_id: entry.settled for entry in entries if entry.settled is not None}
    return possible_clicks(entries, settled, policy)


def possible_clicks(
    entries: Sequence[JournalEntry], verdicts: Mapping[int, Verdict], policy: Policy
) -> PossibleClicks:
    """Return the possible clicks of a message, those of one client together, at the mean of their scores.

    ``verdicts`` are the settled ones by visit id. Clicks of the log come first; a visit that repeats
    one of them is no other possible click. Decisive evidence leaves no possibility.
    """
    settled = [entry for entry in entries if entry.visit_id in verdicts][:MOST_LOOKED_AT]
    open_to_doubt = {
        entry.visit_id: verdicts[entry.visit_id]
        for entry in settled
        if not any(found.decisive for found in verdicts[entry.visit_id].evidence)
    }
    looked_at = [entry for entry in settled if entry.visit_id in open_to_doubt]
    by_id = {entry.visit_id: entry for entry in looked_at}
    clicks = clicks_of(looked_at, open_to_doubt, policy)
    known = {(by_id[click.visit_id].visit.key, _client(by_id[click.visit_id])) for click in clicks}
    others = [
        entry
        for entry in looked_at
        if open_to_doubt[entry.visit_id].kind is not VerdictKind.HUMAN
        and (entry.visit.key, _client(entry)) not in known
    ]
    return _units([*clicks, *_if_human(others, open_to_doubt, policy)], by_id)


def _if_human(
    entries: Sequence[JournalEntry], settled: Mapping[int, Verdict], policy: Policy
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


def _units(clicks: Iterable[Click], by_id: Mapping[int, JournalEntry]) -> PossibleClicks:
    scores: dict[int, list[float]] = {}
    for click in clicks:
        scores.setdefault(_client(by_id[click.visit_id]), []).append(click.score)
    return tuple(sorted((round(fmean(found)), len(found)) for found in scores.values()))


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
