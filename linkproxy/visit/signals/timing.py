"""When a visit comes, counted from delivery."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from linkproxy.model import DeliverySource, Family
from linkproxy.visit.signals.table import Finding, Look, Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

Span = tuple[float, float, float]

EXACT = frozenset({DeliverySource.MX, DeliverySource.PROVIDER})
LEAST_SHARE = 1e-6  # keeps the ratio of two rare things finite


def _delay(look: Look) -> Finding | None:
    delivery, values = look.facts.delivery, look.rule.values
    if delivery.source is DeliverySource.NONE:
        return None
    elapsed = look.visit.at - delivery.delivered_at
    spans = _spans(elapsed, values["error"][delivery.source.value], values["spread"])
    if not spans:
        return None
    machine = _density(values["machine"], spans)
    person = _density(values[look.facts.campaign.kind.value], spans)
    weight = 10 * math.log10(machine / person)
    weight = round(max(values["floor"], min(look.rule.weight, weight)), 1)
    return Finding(weight, f"{elapsed:.0f} s after delivery ({delivery.source.value})") if weight else None


def _before_delivery(look: Look) -> Finding | None:
    delivery = look.facts.delivery
    early = delivery.delivered_at - look.visit.at
    if delivery.source not in EXACT or early <= look.rule.values["slack_seconds"]:
        return None
    return Finding(look.rule.weight, f"{early:.0f} s before delivery ({delivery.source.value})")


def _spans(elapsed: float, errors: Sequence[Sequence[float]], spread: float) -> list[Span]:
    """Return (share, from, to) for each way in which the delivery time may be off, in seconds."""
    spans = [
        (share, (elapsed - later) / spread, (elapsed + earlier) * spread) for share, earlier, later in errors
    ]
    return [(share, max(0.0, low), high) for share, low, high in spans if high > 0]


def _density(curve: Sequence[Sequence[float]], spans: Sequence[Span]) -> float:
    """Return how dense visits lie at a delay, averaged over its spans."""
    return sum(
        share * max(LEAST_SHARE, _cumulative(curve, high) - _cumulative(curve, low)) / (high - low)
        for share, low, high in spans
    )


def _cumulative(curve: Sequence[Sequence[float]], delay: float) -> float:
    """Return the share up to a delay: straight lines over the logarithm of time."""
    if delay <= curve[0][0]:
        return curve[0][1]
    for (left, below), (right, above) in itertools.pairwise(curve):
        if delay <= right:
            return below + (above - below) * math.log(delay / left) / math.log(right / left)
    return curve[-1][1]


SIGNALS = (
    Signal(
        "timing.delay",
        Family.TIMING,
        "How long after delivery the visit came, on the curves of machines and of people.",
        _delay,
    ),
    Signal(
        "timing.before-delivery",
        Family.TIMING,
        "A visit from before the message was delivered, by an exact clock.",
        _before_delivery,
    ),
)
