"""When a visit comes, counted from delivery."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.model import DeliverySource, Family
from linkproxy.visit.arrivals import tells_when
from linkproxy.visit.signals.table import Finding, Look, Signal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from linkproxy.model import CampaignKind
    from linkproxy.visit.policy import Policy

EXACT = frozenset({DeliverySource.MX, DeliverySource.PROVIDER})
LEAST_SHARE = 1e-6  # keeps the ratio of two rare things finite


@dataclass(frozen=True, slots=True)
class Curves:
    """Two cumulative curves ready for look-up: between any two delays of theirs, base + slope * ln(delay)."""

    values: Mapping[str, Any]  # of the rule that they were made of, held so that its id() stays its own
    source: str
    errors: Sequence[Sequence[float]]
    delays: tuple[float, ...]
    pieces: tuple[tuple[float, float, float, float], ...]  # base and slope of machines, then of people


def _delay(look: Look) -> Finding | None:
    delivery, values = look.facts.delivery, look.rule.values
    kind = look.facts.campaign.kind
    if not tells_when(delivery.source, kind):
        return None
    curves = _curves(values, delivery.source, kind)
    elapsed = look.visit.at - delivery.delivered_at
    machine, person = _densities(curves, elapsed, values["spread"])
    if not machine:
        return None
    weight = 10 * math.log10(machine / person)
    weight = round(max(values["floor"], min(look.rule.weight, weight)), 1)
    return Finding(weight, f"{elapsed:.0f} s after delivery ({curves.source})") if weight else None


def people_by(kind: CampaignKind, seconds: float, policy: Policy) -> float:
    """Return the share of people's visits that come within so many seconds of delivery."""
    base, slope = _piece(policy.rules["timing.delay"].values[kind.value], seconds)
    return base + slope * math.log(seconds)


def _before_delivery(look: Look) -> Finding | None:
    delivery = look.facts.delivery
    early = delivery.delivered_at - look.visit.at
    if delivery.source not in EXACT or early <= look.rule.values["slack_seconds"]:
        return None
    return Finding(look.rule.weight, f"{early:.0f} s before delivery ({delivery.source.value})")


def _densities(curves: Curves, elapsed: float, spread: float) -> tuple[float, float]:
    """Return how dense machines' and people's visits lie at a delay; 0 for what cannot have been.

    Averaged over the ways in which the delivery time may be off, each a span of seconds.
    """
    delays, pieces, log = curves.delays, curves.pieces, math.log
    machine = person = 0.0
    for share, earlier, later in curves.errors:
        low, high = (elapsed - later) / spread, (elapsed + earlier) * spread
        if high <= 0:
            continue
        # As wide as the error is, also where it reaches back before the delivery.
        weight = share / (high - low)
        base, slope, person_base, person_slope = pieces[bisect_left(delays, low)]
        until, rise, person_until, person_rise = pieces[bisect_left(delays, high)]
        if low > 0:
            start = log(low)
            base, person_base = base + slope * start, person_base + person_slope * start
        end = log(high)
        machines, people = until + rise * end - base, person_until + person_rise * end - person_base
        machine += weight * machines if machines > LEAST_SHARE else weight * LEAST_SHARE
        person += weight * people if people > LEAST_SHARE else weight * LEAST_SHARE
    return machine, person


_CURVES: dict[tuple[int, str, str], Curves] = {}
_MOST_CURVES = 64


def _curves(values: Mapping[str, Any], source: DeliverySource, kind: CampaignKind) -> Curves:
    known = _CURVES.get((id(values), source, kind))
    if known is None:
        if len(_CURVES) >= _MOST_CURVES:
            _CURVES.clear()
        machine, person = values["machine"], values[kind.value]
        delays = sorted({delay for delay, _ in (*machine, *person)})
        # A piece ends at its delay; before the first and behind the last one the curves are flat.
        pieces = tuple((*_piece(machine, delay), *_piece(person, delay)) for delay in (*delays, math.inf))
        errors = values["error"][source.value]
        known = _CURVES[id(values), source, kind] = Curves(
            values, source.value, errors, tuple(delays), pieces
        )
    return known


def _piece(curve: Sequence[Sequence[float]], delay: float) -> tuple[float, float]:
    """Return base and slope of a curve just before a delay: straight lines over the logarithm of time."""
    if delay <= curve[0][0]:
        return curve[0][1], 0.0
    for (left, below), (right, above) in itertools.pairwise(curve):
        if delay <= right:
            slope = (above - below) / math.log(right / left)
            return below - slope * math.log(left), slope
    return curve[-1][1], 0.0


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
