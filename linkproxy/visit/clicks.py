"""Which settled visits are clicks: human ones, with their double requests merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import AnswerKind, Click, JournalEntry, LinkKind, Verdict, VerdictKind
from linkproxy.visit.signals.redirect import given_out_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from linkproxy.visit.policy import Policy

WENT_ON = frozenset({AnswerKind.REDIRECT, AnswerKind.HOP, AnswerKind.NEUTRAL, AnswerKind.CONTINUED})
"""Answers of visits that can be clicks: who was shown a page by mistake wanted the target too."""


def clicks_of(
    entries: Sequence[JournalEntry],
    verdicts: Mapping[int, Verdict],
    policy: Policy,
    logged: frozenset[int] = frozenset(),
) -> tuple[Click, ...]:
    """Return all clicks among a message's visits under settled verdicts, which are by visit id.

    Requests that stand for the same click are one. ``logged``: visits that the click log holds; each
    keeps its click as long as it is a person's, and its double requests are merged into it.
    """
    human = [entry for entry in entries if is_click(entry, verdicts.get(entry.visit_id))]
    return tuple(click for group in _groups(human, policy) for click in _of_group(group, verdicts, logged))


def is_click(entry: JournalEntry, verdict: Verdict | None) -> bool:
    """Tell whether a visit under a settled verdict is a click or a double request of one."""
    link = entry.facts.link
    return (
        verdict is not None
        and verdict.kind is VerdictKind.HUMAN
        and entry.visit.method in {"GET", "POST"}
        and entry.answer in WENT_ON
        and (link is None or link.kind is LinkKind.CONTENT)
    )


def are_doubles(one: JournalEntry, other: JournalEntry, policy: Policy) -> bool:
    """Tell whether two visits stand for the same click."""
    first, second = sorted((one, other), key=_when)
    return _is_double(second, first, policy)


def _groups(human: Sequence[JournalEntry], policy: Policy) -> list[list[JournalEntry]]:
    groups: list[list[JournalEntry]] = []
    # By time, not arrival: visits read back from the spill file arrive late.
    for entry in sorted(human, key=_when):
        group = next((group for group in groups if _is_double(entry, group[0], policy)), None)
        if group is None:
            groups.append([entry])
        else:
            group.append(entry)
    return groups


def _of_group(
    group: Sequence[JournalEntry], verdicts: Mapping[int, Verdict], logged: frozenset[int]
) -> list[Click]:
    heads = [entry for entry in group if entry.visit_id in logged] or [_head(group, verdicts)]
    merged = len(group) - len(heads)
    return [
        _click(entry, verdicts[entry.visit_id], merged=0 if place else merged)
        for place, entry in enumerate(heads)
    ]


def _when(entry: JournalEntry) -> tuple[float, int]:
    return entry.visit.at, entry.visit_id


def _head(group: Sequence[JournalEntry], verdicts: Mapping[int, Verdict]) -> JournalEntry:
    """Return the request that a click is known by: the first one of the likeliest person's."""
    likeliest = min(group, key=lambda entry: verdicts[entry.visit_id].score)
    return next(entry for entry in group if entry.visit.network == likeliest.visit.network)


def _is_double(entry: JournalEntry, head: JournalEntry, policy: Policy) -> bool:
    if entry.visit.key != head.visit.key:
        return False
    if given_out_for(entry.visit.hop_at, head.visit.at):
        return True
    apart = entry.visit.at - head.visit.at
    if entry.visit.network != head.visit.network and apart <= policy.twin_seconds:
        # A scanner looks at what a person has just followed, or is about to: neither costs nor adds one.
        return True
    # Continue is pressed by whoever was shown the page, after any time of reading.
    continued = entry.answer is AnswerKind.CONTINUED and head.answer is AnswerKind.NEUTRAL
    return _same_client(entry, head) and (apart <= policy.merge_seconds or continued)


def _same_client(entry: JournalEntry, other: JournalEntry) -> bool:
    return entry.facts.profile_id == other.facts.profile_id or (
        entry.visit.network != "" and entry.visit.network == other.visit.network
    )


def _click(entry: JournalEntry, verdict: Verdict, *, merged: int) -> Click:
    return Click(
        visit_id=entry.visit_id,
        at=entry.visit.at,
        campaign_id=entry.visit.campaign_id,
        recipient_id=entry.visit.recipient_id,
        key=entry.visit.key,
        score=verdict.score,
        reasons=verdict.reasons,
        verified=entry.visit.verified,
        merged=merged,
    )
