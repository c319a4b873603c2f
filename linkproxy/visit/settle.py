"""Settle a message: judge its visits again with what came after, and find the clicks."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING

from linkproxy.model import (
    NO_DELIVERY,
    Afterlife,
    AnswerKind,
    CampaignKind,
    Click,
    JournalEntry,
    LinkKind,
    LinkRole,
    MessageHistory,
    Settlement,
    Sibling,
    Verdict,
    VerdictKind,
)
from linkproxy.visit import arrivals, in_step, learn
from linkproxy.visit.signals import timing
from linkproxy.visit.signals.redirect import given_out_for
from linkproxy.visit.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from linkproxy.model import Delivery, Facts, Lesson, Step
    from linkproxy.visit.policy import Policy

WENT_ON = frozenset({AnswerKind.REDIRECT, AnswerKind.HOP, AnswerKind.NEUTRAL, AnswerKind.CONTINUED})
"""Answers of visits that can be clicks: who was shown a page by mistake wanted the target too."""

SIBLINGS_EACH_SIDE = 128
"""How many visits before and behind it a settled verdict looks at: a flood must not hold up the store."""


def revise(history: MessageHistory, *, policy: Policy, now: float) -> Settlement:
    """Return the settled verdicts of a message's open visits, and what that does to its clicks.

    The same history gives the same settlement, whoever computes it and how often.
    """
    history = replace(history, known_at=now)
    opened = {
        entry.visit_id: facts_again(entry, history, policy)
        for entry in history.entries
        if entry.visit_id in history.open_ids
    }
    revised = {
        entry.visit_id: judge(entry.visit, opened[entry.visit_id], policy)
        for entry in history.entries
        if entry.visit_id in opened
    }
    human = [entry for entry in history.entries if _is_click(entry, revised.get(entry.visit_id))]
    withdrawn = (history.clicked & revised.keys()) - {entry.visit_id for entry in human}
    gone = [entry for entry in history.entries if entry.visit_id in withdrawn]
    return Settlement(
        revised=tuple(revised.items()),
        clicks=tuple(_clicks(human, history.clicked, revised, policy, gone)),
        settled_at=now,
        withdrawn=tuple(sorted(withdrawn)),
        steps=tuple((visit_id, facts.step) for visit_id, facts in opened.items() if facts.step is not None),
        lesson=_lesson(history, opened, revised, policy),
        afterlives=tuple(
            (visit_id, facts.afterlife) for visit_id, facts in opened.items() if facts.afterlife is not None
        ),
    )


def _lesson(
    history: MessageHistory, opened: Mapping[int, Facts], revised: Mapping[int, Verdict], policy: Policy
) -> Lesson | None:
    """Return what the message teaches; of a flood its beginning says enough."""

    def judged(entry: JournalEntry, facts: Facts) -> Verdict:
        known = facts is opened.get(entry.visit_id)  # the very facts of the settled verdict
        return revised[entry.visit_id] if known else judge(entry.visit, facts, policy)

    again = [
        (entry, opened.get(entry.visit_id) or facts_again(entry, history, policy))
        for entry in history.entries[: learn.MOST_VISITS]
    ]
    return learn.lesson(
        history,
        again,
        judged,
        policy.learning,
        timing.people_by(
            CampaignKind.MARKETING, arrivals.early_seconds(history.delivery, policy.learning), policy
        ),
    )


def judge_again(entry: JournalEntry, history: MessageHistory, policy: Policy) -> Verdict:
    """Judge one visit with its siblings on both sides and the delivery as known now."""
    return judge(entry.visit, facts_again(entry, history, policy), policy)


def facts_again(entry: JournalEntry, history: MessageHistory, policy: Policy) -> Facts:
    """Return what is known of a visit when it is settled."""
    siblings = tuple(
        as_sibling(other)
        for other in _around(entry, history.entries)
        if abs(other.visit.at - entry.visit.at) <= policy.reach_seconds
    )
    delivery = history.delivery if history.delivery != NO_DELIVERY else entry.facts.delivery
    return replace(
        entry.facts,
        siblings=siblings,
        delivery=delivery,
        answer=entry.answer,
        settled=True,
        step=_step_again(entry, history, delivery, policy),
        afterlife=_afterlife_again(entry, history),
    )


def _around(entry: JournalEntry, entries: Sequence[JournalEntry]) -> Sequence[JournalEntry]:
    """Return the visits that arrived next before and next behind one; all are in order of arrival."""
    place = bisect_left(entries, entry.visit_id, key=lambda other: other.visit_id)
    behind = place + 1 if place < len(entries) and entries[place].visit_id == entry.visit_id else place
    return (
        *entries[max(0, place - SIBLINGS_EACH_SIDE) : place],
        *entries[behind : behind + SIBLINGS_EACH_SIDE],
    )


def _afterlife_again(entry: JournalEntry, history: MessageHistory) -> Afterlife | None:
    """Return what followed the visit; without a look-up, what was frozen."""
    if history.engagements is None:
        return entry.settled_afterlife
    own = tuple(item for item in history.engagements if item.visit_id == entry.visit_id)
    return Afterlife(history.known_at, own, history.engaged)


def _step_again(
    entry: JournalEntry, history: MessageHistory, delivery: Delivery, policy: Policy
) -> Step | None:
    """Return who was in step on both sides; without a look-up, what was frozen."""
    frozen = (entry.facts.step, entry.settled_step)
    if history.neighbours is None or entry.facts.step is None:
        return entry.settled_step or entry.facts.step
    seen = in_step.Seen(
        entry.visit.at, entry.visit.key, entry.facts.profile_id, in_step.delivered_at(delivery)
    )
    return in_step.fuller((in_step.step(seen, history.neighbours, policy.in_step), *frozen))


def clicks_of(
    entries: Sequence[JournalEntry], verdicts: Mapping[int, Verdict], policy: Policy
) -> tuple[Click, ...]:
    """Return all clicks among a message's visits under settled verdicts, which are by visit id."""
    human = [
        entry
        for entry in entries
        if entry.visit_id in verdicts and _is_click(entry, verdicts[entry.visit_id])
    ]
    return tuple(_clicks(human, frozenset(), verdicts, policy))


def as_sibling(entry: JournalEntry) -> Sibling:
    """Return a journal entry as another visit's judge sees it."""
    link = entry.facts.link
    return Sibling(
        visit_id=entry.visit_id,
        at=entry.visit.at,
        method=entry.visit.method,
        key=entry.visit.key,
        kind=link.kind if link else LinkKind.CONTENT,
        role=link.role if link else LinkRole.BODY,
        client=entry.visit.client,
        network=entry.visit.network,
        profile_id=entry.facts.profile_id,
        verdict=(entry.settled or entry.verdict).kind,
        answer=entry.answer,
        hop_at=entry.visit.hop_at,
        hop_cookie=entry.visit.hop_cookie,
    )


def _clicks(
    human: Sequence[JournalEntry],
    clicked: frozenset[int],
    revised: Mapping[int, Verdict],
    policy: Policy,
    withdrawn: Sequence[JournalEntry] = (),
) -> list[Click]:
    """Return one new click for each group of requests that stand for the same one.

    A group whose click was ``withdrawn`` keeps one: that of its other requests, settled before.
    """
    groups: list[list[JournalEntry]] = []
    # By time, not arrival: visits read back from the spill file arrive late.
    for entry in sorted(human, key=_when):
        group = next((group for group in groups if _is_double(entry, group[0], policy)), None)
        if group is None:
            groups.append([entry])
        else:
            group.append(entry)
    clicks = []
    for group in groups:
        head = _head(group, revised)
        verdict = revised.get(head.visit_id)
        if verdict is None and any(_are_doubles(head, gone, policy) for gone in withdrawn):
            verdict = head.settled
        if verdict is not None and not any(entry.visit_id in clicked for entry in group):
            clicks.append(_click(head, verdict, merged=len(group) - 1))
    return clicks


def _when(entry: JournalEntry) -> tuple[float, int]:
    return entry.visit.at, entry.visit_id


def _are_doubles(one: JournalEntry, other: JournalEntry, policy: Policy) -> bool:
    first, second = sorted((one, other), key=_when)
    return _is_double(second, first, policy)


def _head(group: Sequence[JournalEntry], revised: Mapping[int, Verdict]) -> JournalEntry:
    """Return the request that a click is known by: the first one of the likeliest person's."""
    likeliest = min(group, key=lambda entry: _score(entry, revised))
    return next(entry for entry in group if entry.visit.network == likeliest.visit.network)


def _score(entry: JournalEntry, revised: Mapping[int, Verdict]) -> float:
    found = revised.get(entry.visit_id) or entry.settled
    return found.score if found else 0.0


def _is_click(entry: JournalEntry, verdict: Verdict | None) -> bool:
    link = entry.facts.link
    found = verdict or entry.settled
    return (
        found is not None
        and found.kind is VerdictKind.HUMAN
        and entry.visit.method in {"GET", "POST"}
        and entry.answer in WENT_ON
        and (link is None or link.kind is LinkKind.CONTENT)
    )


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
