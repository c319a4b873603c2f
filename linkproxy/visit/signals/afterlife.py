"""What came after: buttons pressed on our own pages, and what targets told of the visit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import AnswerKind, Family, LinkKind
from linkproxy.visit.signals.table import Finding, Look, Signal

if TYPE_CHECKING:
    from linkproxy.model import Engagement

_TOLD = frozenset({AnswerKind.REDIRECT, AnswerKind.CONTINUED})
"""Answers whose target was given a click id."""


def _continue(look: Look) -> Finding | None:
    return _pressed(look, LinkKind.CONTENT, AnswerKind.NEUTRAL)


def _person(look: Look) -> Finding | None:
    return _pressed(look, LinkKind.BAIT, AnswerKind.BAIT)


def _pressed(look: Look, kind: LinkKind, page: AnswerKind) -> Finding | None:
    """Judge a button by the time since its page was shown to the same client."""
    link, visit = look.facts.link, look.visit
    if visit.method != "POST" or link is None or link.kind is not kind:
        return None
    shown = [
        item.at
        for item in look.burst
        if item.key == visit.key and item.answer is page and item.at <= visit.at
    ]
    if not shown:
        return None
    waited = visit.at - max(shown)
    quick = waited < look.rule.values["quick_seconds"]
    weight = look.rule.values["quick_weight"] if quick else look.rule.weight
    return Finding(weight, f"{waited:.1f} s after the page was shown")


def _engaged(look: Look) -> Finding | None:
    """Judge what was told by how long it lasted, from where it came, and what else the client did.

    Scanners run a page's scripts for a few seconds, and may follow a link of it.
    """
    known, values = look.facts.afterlife, look.rule.values
    told = [item for item in known.engagements if _is_possible(item, look)] if known else []
    if not told:
        return None
    best = min(told, key=lambda item: _weight(item, look))
    others = {item.key for item in look.burst if item.key != look.visit.key}
    weight = _weight(best, look)
    if len(others) >= values["sweep_links"]:
        weight = max(weight, values["sweep_weight"])
    return Finding(weight, f"{best.seconds_on_page:.0f} s, pages: {best.pages}, told by {best.kind}")


def _is_possible(told: Engagement, look: Look) -> bool:
    """Tell whether it lasted at all, and no longer than the time that has passed."""
    values = look.rule.values
    passed = told.at - look.visit.at + values["slack_seconds"]
    return bool(values["least_seconds"] <= told.seconds_on_page <= passed)


def _weight(told: Engagement, look: Look) -> float:
    values = look.rule.values
    stayed = told.seconds_on_page >= values["long_seconds"] or told.pages > 1
    weight = look.rule.weight if stayed else values["brief_weight"]
    elsewhere = told.network and look.facts.network and told.network != look.facts.network
    return max(weight, values["elsewhere_weight"]) if elsewhere else weight


def _silent(look: Look) -> Finding | None:
    """Speak only of sites that are known to tell, and when there was time enough to tell."""
    known, values, link = look.facts.afterlife, look.rule.values, look.facts.link
    if known is None or known.engagements or look.facts.answer not in _TOLD:
        return None
    if link is None or link.kind is not LinkKind.CONTENT or known.engaged < values["least_engaged"]:
        return None
    # A target that had a parameter of that name was given no click id, so it cannot tell.
    if f"{look.facts.campaign.click_id}=".lower() in link.target.lower():
        return None
    waited = known.known_at - look.visit.at
    if waited < values["quiet_seconds"]:
        return None
    return Finding(look.rule.weight, f"nothing in {waited:.0f} s, while {known.engaged} others engaged")


SIGNALS = (
    Signal("afterlife.continue", Family.AFTERLIFE, _continue),
    Signal("afterlife.person", Family.AFTERLIFE, _person),
    Signal("afterlife.engaged", Family.AFTERLIFE, _engaged),
    Signal("afterlife.silent", Family.AFTERLIFE, _silent),
)
