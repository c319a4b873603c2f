"""When a visit comes, counted from delivery."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from linkproxy.model import DeliverySource, Family
from linkproxy.visit.signals.table import Finding, Look, Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

Curve = "Sequence[Sequence[float]]"

EXACT = frozenset({DeliverySource.MX, DeliverySource.PROVIDER})
LEAST_SHARE = 1e-6  # keeps the ratio of two rare things finite


def _delay(look: Look) -> Finding | None:
    delivery, values = look.facts.delivery, look.rule.values
    if delivery.source is DeliverySource.NONE:
        return None
    earlier, later = values["error"][delivery.source.value]
    elapsed = look.visit.at - delivery.delivered_at
    low, high = (elapsed - later) / values["spread"], (elapsed + earlier) * values["spread"]
    if high <= 0:
        return None
    machine = _share(values["machine"], low, high)
    person = _share(values[look.facts.campaign.kind.value], low, high)
    weight = 10 * math.log10(machine / person)
    weight = round(max(values["floor"], min(look.rule.weight, weight)), 1)
    return Finding(weight, f"{elapsed:.0f} s after delivery ({delivery.source.value})") if weight else None


def _before_delivery(look: Look) -> Finding | None:
    delivery = look.facts.delivery
    early = delivery.delivered_at - look.visit.at
    if delivery.source not in EXACT or early <= look.rule.values["slack_seconds"]:
        return None
    return Finding(look.rule.weight, f"{early:.0f} s before delivery ({delivery.source.value})")


def _share(curve: Sequence[Sequence[float]], low: float, high: float) -> float:
    """Return the share of visits between two delays, in seconds."""
    return max(LEAST_SHARE, _cumulative(curve, high) - _cumulative(curve, low))


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
