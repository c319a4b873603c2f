"""What came after: buttons that were pressed on our own pages."""

from __future__ import annotations

from linkproxy.model import AnswerKind, Family, LinkKind
from linkproxy.visit.signals.table import Finding, Look, Signal


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


SIGNALS = (
    Signal("afterlife.continue", Family.AFTERLIFE, "Continue was pressed on the neutral page.", _continue),
    Signal(
        "afterlife.person",
        Family.AFTERLIFE,
        "'I am a person' was pressed on the bait's page.",
        _person,
    ),
)
