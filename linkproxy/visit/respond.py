"""Choose what a visit gets. docs/judging.md has the same as a table."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, assert_never

from linkproxy.model import (
    Answer,
    AnswerKind,
    Facts,
    Family,
    Link,
    LinkKind,
    MachineAnswer,
    MessageLink,
    Verdict,
    VerdictKind,
    Visit,
)

if TYPE_CHECKING:
    from linkproxy.visit.policy import Policy

WEAK_FAMILIES = frozenset({Family.IN_STEP})
"""Evidence of what others did: with the bait's window, not enough for the neutral page alone."""

_OF_OTHERS = frozenset({"network.learned", "request.as-machines", "message.scattered"})
"""Signals outside the weak families that tell of what others did."""

MOST_REDIRECTS: Final = 4096
"""Answers that lead to one target, which visits share."""

# To read a member off its class costs 0.08 us before Python 3.12.
_HUMAN: Final = VerdictKind.HUMAN
_CONTENT: Final = LinkKind.CONTENT
_OPEN: Final = LinkKind.OPEN
_REDIRECT = AnswerKind.REDIRECT

BY_SIGNAL = {
    "request.speculation": AnswerKind.RETRY,
    "request.office-precheck": AnswerKind.PRECHECK,
}


def choose(
    visit: Visit, facts: Facts, verdict: Verdict, policy: Policy, *, extra_hop: bool = False
) -> Answer:
    """Return the answer for a judged visit of a known link; ``extra_hop`` allows one."""
    link = facts.link
    if link is None:
        return Answer(AnswerKind.NOT_FOUND)
    if link.kind is _OPEN:
        return by_kind(visit, link)
    for item in verdict.evidence:
        if item.name in BY_SIGNAL and visit.method != "POST":
            return Answer(BY_SIGNAL[item.name], link.target)
    if verdict.kind is not _HUMAN and link.kind is _CONTENT and visit.method != "POST":
        if _is_turned_aside(facts, verdict, policy):
            return Answer(AnswerKind.NEUTRAL, link.target)
        if extra_hop and _goes_round(visit, facts, verdict, policy):
            return Answer(AnswerKind.HOP, link.target)
    return by_kind(visit, link)


def by_kind(visit: Visit, link: Link | MessageLink) -> Answer:
    """Return what anyone gets from a link of this kind, whatever they are taken for."""
    pressed = visit.method == "POST"
    if link.kind is _CONTENT:
        return Answer(AnswerKind.CONTINUED, link.target) if pressed else _redirect(link.target)
    match link.kind:
        case LinkKind.BAIT:
            return Answer(AnswerKind.BAIT, link.target)
        case LinkKind.UNSUBSCRIBE:
            if not visit.verified:
                # A reference that nobody signed can be anybody's; it must not opt people out.
                return Answer(AnswerKind.REDIRECT if link.target else AnswerKind.NOT_FOUND, link.target)
            return Answer(AnswerKind.UNSUBSCRIBED if pressed else AnswerKind.UNSUBSCRIBE, link.target)
        case LinkKind.OPEN:
            return Answer(AnswerKind.PICTURE)
        case _:
            assert_never(link.kind)


@lru_cache(maxsize=MOST_REDIRECTS)
def _redirect(target: str) -> Answer:
    return Answer(AnswerKind.REDIRECT, target)


def _goes_round(visit: Visit, facts: Facts, verdict: Verdict, policy: Policy) -> bool:
    """Tell whether an uncertain visit gets the extra hop: once, and never a second time in a row.

    Whoever comes back without the nonce has met something on the way that cuts it off, and must
    not be sent round in circles.
    """
    return (
        verdict.kind is VerdictKind.UNCERTAIN
        and visit.method == "GET"
        and visit.hop_at is None
        and not visit.hop_cookie
        and not any(
            item.answer is AnswerKind.HOP
            and item.key == visit.key
            and (item.network == facts.network or item.profile_id == facts.profile_id)
            and item.at >= visit.at - policy.hop_seconds
            for item in facts.siblings
        )
    )


def _is_turned_aside(facts: Facts, verdict: Verdict, policy: Policy) -> bool:
    """Tell whether a machine gets the neutral page: what others did must not be what tips the scales.

    Whoever comes early in a domain that is scanned, from a network that scanners rent, may be a person.
    """
    if verdict.kind is not VerdictKind.MACHINE or facts.campaign.machine_answer is not MachineAnswer.NEUTRAL:
        return False
    speaking = [item for item in verdict.evidence if item.counted and item.weight > 0]
    own = [item for item in speaking if item.family not in WEAK_FAMILIES and item.name not in _OF_OTHERS]
    others = sum(item.weight for item in speaking) - sum(item.weight for item in own)
    return verdict.score - others >= policy.neutral and any(item.name != "bait.beside" for item in own)
