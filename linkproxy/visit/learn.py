"""What messages teach of a recipient's domain and gateway, and what that says of a later visit.

A profile is trained on verdicts that know neither the profile nor what the domain's other
recipients did, so it never confirms itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from linkproxy.model import (
    MOST_TEACHERS,
    OF_MESSAGE,
    DomainProfile,
    Learned,
    Lesson,
    LinkKind,
    ProfileScope,
    VerdictKind,
)
from linkproxy.visit import agents, arrivals, mailed, reputation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from linkproxy.model import Facts, JournalEntry, MessageHistory, Verdict, Visit

    Rejudge = Callable[[JournalEntry, Facts], Verdict]

DAY_SECONDS = 86400.0
FEWEST_RECIPIENTS = 20
"""Whatever a policy says: fewer are persons, not a domain."""

MOST_VISITS = 256
"""Visits of a message that are judged again for its lesson."""

LEAST_PRIOR, MOST_PRIOR = 0.01, 1_000_000.0
_PRIORS = f"from {LEAST_PRIOR:g} to {MOST_PRIOR:,.0f}"
"""Of a Beta prior's counts: with less a share comes to 1 exactly, whose logarithm nobody can take."""

AGAIN_SHARE = 0.25
"""What a domain's further messages teach of a wide network: one company must not speak for its provider."""

SHORTEST_DELAY = 0.5  # seconds; what came earlier came at once, by clocks that differ
_OF_DOMAIN = (ProfileScope.EARLY, ProfileScope.MAILED)
_APART = (ProfileScope.EARLY, ProfileScope.MAILED, ProfileScope.NETWORK)
"""Scopes that count something else than messages followed."""

_OWN_MACHINES = frozenset({"request.speculation", "request.office-precheck"})
"""A person's own browser or Office program: they say nothing of the gateway."""


@dataclass(frozen=True, slots=True)
class Learning:
    """How profiles are learned and weighed: the table [learning] of the rules."""

    half_life_days: float
    min_recipients: int
    base_machines: float
    base_people: float
    most_against: float
    most_for: float
    least_score: float
    early_seconds: float
    early_mailing_seconds: float
    early_wait_seconds: float
    early_least: float
    early_doubt: float
    mailed_share: float
    network_domains: int
    network_machines: float
    network_people: float

    def faults(self) -> list[str]:
        """Return what is wrong with the values, one line each."""
        checks = (
            (self.half_life_days > 0, "learning.half_life_days must be above 0"),
            (
                FEWEST_RECIPIENTS <= self.min_recipients <= MOST_TEACHERS,
                f"learning.min_recipients must be from {FEWEST_RECIPIENTS} to {MOST_TEACHERS}",
            ),
            *(
                (LEAST_PRIOR <= getattr(self, name) <= MOST_PRIOR, f"learning.{name} must be {_PRIORS}")
                for name in ("base_machines", "base_people", "network_machines", "network_people")
            ),
            (self.most_against >= 0, "learning.most_against must not be below 0"),
            (self.most_for >= 0, "learning.most_for must not be below 0"),
            (self.early_seconds > 0, "learning.early_seconds must be above 0"),
            (self.early_mailing_seconds > 0, "learning.early_mailing_seconds must be above 0"),
            (self.early_wait_seconds >= 0, "learning.early_wait_seconds must not be below 0"),
            (self.early_least >= 0, "learning.early_least must not be below 0"),
            (self.early_doubt >= 1, "learning.early_doubt must not be below 1"),
            (0.01 <= self.mailed_share <= 0.99, "learning.mailed_share must be from 0.01 to 0.99"),
            (self.network_domains >= 1, "learning.network_domains must be at least 1"),
        )
        return [text for right, text in checks if not right]


# --- teaching ----------------------------------------------------------------------------------


def lesson(
    history: MessageHistory,
    again: Sequence[tuple[JournalEntry, Facts]],
    judge: Rejudge,
    rules: Learning,
    *,
    early_share: float = 0.0,
    driven: Callable[[Visit], bool] = lambda _: False,
) -> Lesson | None:
    """Return what a message's newly settled visits teach; None when that is nothing.

    ``again`` are all visits of the history with their facts as known now. Each visit teaches in
    the first pass that settles it; within reach a message teaches each thing once. ``early_share``
    is the share of people's visits that come early; ``driven`` tells browsers as scanners drive them.
    """
    judged = [
        (entry, facts, judge(entry, unprompted(facts)))
        for entry, facts in again
        if entry.visit.hop_at is None
    ]
    fresh = [item for item in judged if item[0].visit_id in history.open_ids and item[0].settled is None]
    known = [item for item in judged if item[0].settled is not None]
    if not fresh:
        return None
    machines = [item for item in fresh if _is_scan(item[2], rules)]
    scanned = bool(machines) and not any(_is_scan(verdict, rules) for _, _, verdict in known)
    clicked = any(_is_click(*item) for item in fresh) and not any(_is_click(*item) for item in known)
    entry, facts, _ = fresh[0]
    found = Lesson(
        domain=entry.recipient.domain if facts.step is not None else "",
        gateway=facts.gateway,
        recipient_id=entry.visit.recipient_id,
        half_life_seconds=rules.half_life_days * DAY_SECONDS,
        people=int(clicked),
        networks=reputation.of_visits(fresh, judge),
    )
    early, later = arrivals.count(fresh, known, rules)
    if found.domain and early + later:
        odds = early_share / (1 - early_share)
        found = replace(found, early=float(early), early_people=later * odds)
    if found.domain and history.recipients is not None:
        visited = mailed.is_visited(fresh, driven)
        found = replace(found, visited=int(visited), mailed=mailed.charge(history, rules))
    if scanned:
        found = _of_scan(found, machines)
    return found if scopes(found) else None


def unprompted(facts: Facts) -> Facts:
    """Return facts without what the domain or gateway has taught, or its other recipients did.

    Nor do they have what came of the extra hop, which a profile may have been the reason of.
    """
    siblings = tuple(item for item in facts.siblings if item.hop_at is None)
    return replace(facts, learned=(), gateway="", step=None, siblings=siblings, answer=None)


def _of_scan(found: Lesson, machines: Sequence[tuple[JournalEntry, Facts, Verdict]]) -> Lesson:
    entry, facts, verdict = machines[0]
    delivery = facts.delivery
    known = delivery.source in OF_MESSAGE
    delay = max(SHORTEST_DELAY, entry.visit.at - delivery.delivered_at) if known else None
    return replace(
        found,
        machines=1,
        baits_offered=int(facts.bait_count > 0),
        baited=int(any(_kind(facts) is LinkKind.BAIT for _, facts, _ in machines)),
        browsers=int(any(item.name == "request.coherent" for item in verdict.evidence)),
        delay_seconds=delay,
    )


def _kind(facts: Facts) -> LinkKind | None:
    return facts.link.kind if facts.link else None


def _is_scan(verdict: Verdict, rules: Learning) -> bool:
    likely = verdict.kind is VerdictKind.MACHINE or verdict.score >= rules.least_score
    return likely and not any(
        item.name in _OWN_MACHINES
        or (item.name == "request.previewer" and item.detail in agents.SOCIAL_PREVIEWERS)
        for item in verdict.evidence
    )


def _is_click(entry: JournalEntry, facts: Facts, verdict: Verdict) -> bool:
    return (
        verdict.kind is VerdictKind.HUMAN
        and entry.visit.method == "GET"
        and _kind(facts) in (None, LinkKind.CONTENT)
    )


def taught(profile: DomainProfile, found: Lesson, at: float, *, by_another: bool = True) -> DomainProfile:
    """Return a profile after a lesson at a time; what came before is worn off until then.

    ``by_another``: a recipient, or of a network a domain, taught it that had not before.
    """
    if profile.taught_at - at <= DAY_SECONDS:  # else it was taught by a clock that was ahead
        at = max(at, profile.taught_at)
    kept = worn(at - profile.taught_at, found.half_life_seconds)
    if profile.scope in _APART:
        machines, people = _taught_apart(profile, found)
        share = AGAIN_SHARE if profile.scope is ProfileScope.NETWORK and not by_another else 1.0
        return replace(
            profile,
            machines=profile.machines * kept + share * machines,
            people=profile.people * kept + share * people,
            taught_at=at,
        )
    delay = found.delay_seconds
    return replace(
        profile,
        machines=profile.machines * kept + found.machines,
        people=profile.people * kept + found.people,
        baits_offered=profile.baits_offered * kept + found.baits_offered,
        baited=profile.baited * kept + found.baited,
        browsers=profile.browsers * kept + found.browsers,
        delays=profile.delays * kept + (delay is not None),
        delay_ln_sum=profile.delay_ln_sum * kept + (math.log(delay) if delay is not None else 0.0),
        taught_at=at,
    )


def _taught_apart(profile: DomainProfile, found: Lesson) -> tuple[float, float]:
    if profile.scope is ProfileScope.EARLY:
        return found.early, found.early_people
    if profile.scope is ProfileScope.MAILED:
        return found.visited, found.mailed
    return next(((machines, people) for name, machines, people in found.networks if name == profile.name))


def worn(seconds: float, half_life_seconds: float) -> float:
    """Return the share of a lesson that is left after a time."""
    return float(0.5 ** (max(0.0, seconds) / half_life_seconds))


def scopes(found: Lesson) -> tuple[tuple[ProfileScope, str], ...]:
    """Return which profiles a lesson is for."""
    named = []
    if found.machines or found.people:
        named += [(ProfileScope.DOMAIN, found.domain), (ProfileScope.GATEWAY, found.gateway)]
    if found.early or found.early_people:
        named.append((ProfileScope.EARLY, found.domain))
    if found.visited or found.mailed:
        named.append((ProfileScope.MAILED, found.domain))
    named += [(ProfileScope.NETWORK, name) for name, _, _ in found.networks]
    return tuple((scope, name) for scope, name in named if name)


# --- what it says ------------------------------------------------------------------------------


def recall(profiles: Iterable[DomainProfile], at: float, rules: Learning) -> tuple[Learned, ...]:
    """Return what profiles say at a time, without those that too few recipients have taught."""
    half_life = rules.half_life_days * DAY_SECONDS
    found = []
    for profile in profiles:
        if not profile.recipients or profile.recipients < _fewest(profile.scope, rules):
            continue
        if profile.scope is ProfileScope.EARLY and _is_young(profile, at, rules):
            continue
        kept = worn(at - profile.taught_at, half_life)
        counts = (round(count * kept, 3) for count in (profile.machines, profile.people, profile.browsers))
        found.append(Learned(profile.scope, profile.name, *counts))
    return tuple(found)


def _fewest(scope: ProfileScope, rules: Learning) -> int:
    """Return how many recipients must have taught: a wide network is nobody's, a domain may be somebody's."""
    return rules.network_domains if scope is ProfileScope.NETWORK else rules.min_recipients


def _is_young(early: DomainProfile, at: float, rules: Learning) -> bool:
    """Tell whether people's later visits have hardly had time to come, so that all are early as yet."""
    return early.people < rules.early_least and at - early.taught_at < rules.early_wait_seconds


def machine_share(share: float, machines: float, people: float, rules: Learning) -> float:
    """Return the mean of the Beta posterior whose prior has the mean ``share`` and the stated weight."""
    weight = rules.base_machines + rules.base_people
    return (share * weight + machines) / (weight + machines + people)


def shifts(learned: Sequence[Learned], rules: Learning) -> tuple[tuple[Learned, float], ...]:
    """Return by how many decibans each profile moves the prior; the gateway's comes first.

    Their sum stays within the policy's caps. Machines that pass for people count to the domain's.
    """
    unseen = mailed.passing(learned, rules)
    base = share = rules.base_machines / (rules.base_machines + rules.base_people)
    moved = 0.0
    found = []
    for scope in (ProfileScope.GATEWAY, ProfileScope.DOMAIN):
        item = next((item for item in learned if item.scope is scope), None)
        if scope is ProfileScope.DOMAIN and unseen:
            name = next(item.name for item in learned if item.scope in _OF_DOMAIN)
            item = item or Learned(scope, name, 0.0, 0.0)
            # Until now they passed for people of as many messages.
            people = max(0.0, item.people - unseen)
            item = replace(item, machines=round(item.machines + unseen, 3), people=round(people, 3))
        if item is None:
            continue
        share = machine_share(share, item.machines, item.people, rules)
        total = max(-rules.most_for, min(rules.most_against, _logit(share) - _logit(base)))
        found.append((item, round(total - moved, 1)))
        moved += found[-1][1]
    return tuple(found)


def _logit(share: float) -> float:
    return 10 * math.log10(share / (1 - share))
