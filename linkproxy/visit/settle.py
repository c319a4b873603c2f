"""Settle a message: judge its visits again with what came after, and find the clicks."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

from linkproxy.model import (
    NO_DELIVERY,
    Afterlife,
    CampaignKind,
    JournalEntry,
    LinkKind,
    LinkRole,
    MessageHistory,
    Settlement,
    Sibling,
    Verdict,
)
from linkproxy.visit import arrivals, in_step, learn, opens, resemblance
from linkproxy.visit.clicks import are_doubles, clicks_of, is_click
from linkproxy.visit.signals import timing
from linkproxy.visit.signals.headers import is_driven
from linkproxy.visit.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from linkproxy.model import Click, Delivery, Facts, Lesson, Step, StrayCounts
    from linkproxy.visit.policy import Policy

STANDS_AFTER_SECONDS = 86_400.0
"""A click that has been settled for so long stands: whoever acts on clicks has acted by then."""

SIBLINGS_EACH_SIDE = 128
"""How many visits before and behind it a settled verdict looks at: a flood must not hold up the store."""


class _Clicks(TypedDict):
    clicks: tuple[Click, ...]
    merged: tuple[tuple[int, int], ...]
    withdrawn: tuple[int, ...]


def revise(history: MessageHistory, *, policy: Policy, now: float) -> Settlement:
    """Return the settled verdicts of a message's open visits, and what that does to its clicks.

    The same history gives the same settlement, whoever computes it and how often.
    """
    history = replace(history, known_at=now)
    standing = _standing(history)
    opened = {
        entry.visit_id: facts_again(entry, history, policy)
        for entry in history.entries
        if entry.visit_id in history.open_ids and entry.visit_id not in standing
    }
    revised = {
        entry.visit_id: judge(entry.visit, opened[entry.visit_id], policy)
        for entry in history.entries
        if entry.visit_id in opened
    }
    return Settlement(
        revised=tuple(revised.items()),
        settled_at=now,
        standing=tuple(sorted(standing & history.open_ids)),
        steps=tuple((visit_id, facts.step) for visit_id, facts in opened.items() if facts.step is not None),
        lesson=_lesson(history, opened, revised, policy),
        afterlives=tuple(
            (visit_id, facts.afterlife) for visit_id, facts in opened.items() if facts.afterlife is not None
        ),
        strays=tuple(
            (entry.visit_id, opened[entry.visit_id].strays)
            for entry in history.entries
            if entry.visit_id in opened and opened[entry.visit_id].strays != entry.facts.strays
        ),
        beside_driven=tuple(visit_id for visit_id, facts in opened.items() if facts.beside_driven),
        **_of_clicks(history, revised, policy),
    )


def _standing(history: MessageHistory) -> frozenset[int]:
    """Return the visits whose click is too old to be withdrawn, and which are left as they are."""
    since = history.known_at - STANDS_AFTER_SECONDS
    return frozenset(visit_id for visit_id, at in history.clicked_at if at < since)


def _of_clicks(history: MessageHistory, revised: Mapping[int, Verdict], policy: Policy) -> _Clicks:
    """Return what the verdicts do to the click log: clicks that are new, withdrawn, or stand for more."""
    before = {entry.visit_id: entry.settled for entry in history.entries if entry.settled is not None}
    clicks = clicks_of(history.entries, {**before, **revised}, policy, history.clicked)
    if not history.clicked:
        return _Clicks(
            clicks=tuple(click for click in clicks if click.visit_id in revised), merged=(), withdrawn=()
        )
    by_id = {entry.visit_id: entry for entry in history.entries}
    gone = [
        by_id[visit_id]
        for visit_id in sorted(history.clicked & revised.keys())
        if not is_click(by_id[visit_id], revised[visit_id])
    ]
    stood = clicks_of(history.entries, before, policy, history.clicked)
    merged = {click.visit_id: click.merged for click in clicks if click.visit_id in history.clicked}
    return _Clicks(
        clicks=tuple(
            click
            for click in clicks
            if click.visit_id not in history.clicked
            # A click that is withdrawn leaves its place to a double request that was settled before.
            and (
                click.visit_id in revised
                or any(are_doubles(by_id[click.visit_id], entry, policy) for entry in gone)
            )
        ),
        merged=tuple(sorted(merged.items() - {(click.visit_id, click.merged) for click in stood})),
        withdrawn=tuple(entry.visit_id for entry in gone),
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
        if not opens.is_open(entry.facts)
    ]
    return learn.lesson(
        history,
        again,
        judged,
        policy.learning,
        early_share=timing.people_by(
            CampaignKind.MARKETING, arrivals.early_seconds(history.delivery, policy.learning), policy
        ),
        driven=is_driven,
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
    delivery = _delivery_of(entry, history.delivery)
    facts = replace(
        entry.facts,
        delivery=delivery,
        answer=entry.answer,
        settled=True,
        beside_driven=_is_beside_driven(entry, history, policy),
        step=_step_again(entry, history, delivery, policy),
        afterlife=_afterlife_again(entry, history),
        strays=_strays_again(entry, history, policy),
    )
    return opens.beside(facts, siblings)


def _delivery_of(entry: JournalEntry, told: Delivery) -> Delivery:
    """Return the delivery that a visit followed.

    Told again by the same word, a later one is another copy's: a reminder, the next receipt. Who came
    before that one followed the copy that was known then. A better word corrects a worse one instead.
    """
    known = entry.facts.delivery
    another_copy = told.source is known.source and known.delivered_at <= entry.visit.at < told.delivered_at
    return known if another_copy or told == NO_DELIVERY else told


def _is_beside_driven(entry: JournalEntry, history: MessageHistory, policy: Policy) -> bool:
    """Tell whether another visit is as likely a driven browser's: at any time before, or within reach.

    Looked at are the first visits of the message, which a replay knows, too.
    """
    if not entry.facts.learned:
        return False
    first = sorted((*history.entries, *history.beyond), key=lambda other: other.visit_id)[:SIBLINGS_EACH_SIDE]
    return any(
        other.facts.profile_id != entry.facts.profile_id
        and other.facts.network != entry.facts.network
        and other.visit.at - entry.visit.at <= policy.reach_seconds
        and is_driven(other.visit)
        and not opens.is_open(other.facts)
        for other in first
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


def _strays_again(entry: JournalEntry, history: MessageHistory, policy: Policy) -> StrayCounts:
    """Return the changed links on both sides; without a look-up, what was frozen."""
    frozen = entry.settled_strays or entry.facts.strays
    known = history.strays.get(entry.visit.client, ()) if history.strays else ()
    near = [item for item in known if abs(item.at - entry.visit.at) <= policy.stray_seconds]
    if not near:
        return frozen
    found = resemblance.count(entry.visit, entry.facts.profile_id, near, history.tokens)
    return resemblance.fuller(found, frozen)


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
