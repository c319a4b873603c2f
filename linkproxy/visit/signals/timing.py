"""When a visit comes, counted from delivery."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from linkproxy.model import DeliverySource, Family
from linkproxy.visit.arrivals import tells_when
from linkproxy.visit.curves import piece, share_by
from linkproxy.visit.signals.table import Finding, Look, Signal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from linkproxy.model import CampaignKind
    from linkproxy.visit.policy import Policy

EXACT = frozenset({DeliverySource.MX, DeliverySource.PROVIDER})
_UNITS = ((7200.0, 60.0, 0, "min"), (172_800.0, 3600.0, 1, "h"), (math.inf, 86_400.0, 1, "days"))
LEAST_SHARE = 1e-6  # keeps the ratio of two rare things finite


Ways = tuple[tuple[float, float, float, tuple[tuple[float, ...], ...]], ...]
"""By how much earlier a delivery may have been, with the slopes of machines and of people there, and
then (share, later, base and slope of machines, of people) for each row of errors that says so."""


@dataclass(frozen=True, slots=True)
class Curves:
    """Two cumulative curves, ready to be read at a delay of which the error is known.

    Between two edges each way to be wrong lies within the same pieces of both curves.
    """

    values: Mapping[str, Any]  # of the rule that they were made of, held so that its id() stays its own
    words: str
    spread: float
    edges: tuple[float, ...]  # seconds since delivery
    ways: tuple[Ways, ...]  # up to each edge, and behind the last


def _delay(look: Look) -> Finding | None:
    facts, rule = look.facts, look.rule
    delivery, floor, most = facts.delivery, rule.values["floor"], rule.weight
    curves = _curves(rule.values, delivery.source, facts.campaign.kind)
    elapsed = look.visit.at - delivery.delivered_at
    machine, person = _densities(curves, elapsed)
    if not machine:
        return None
    weight = 10 * math.log10(machine / person)
    if not floor <= weight <= most:
        weight = max(floor, min(most, weight))
    weight = round(weight, 1)
    return Finding(weight, f"{_spoken(elapsed)}{curves.words}") if weight else None


def _spoken(seconds: float) -> str:
    """Return a delay as people tell it, to two figures or more."""
    if seconds < 600:
        return f"{seconds:.0f} s"
    return next(
        f"{seconds / unit:.{places}f} {word}" for most, unit, places, word in _UNITS if seconds < most
    )


def people_by(kind: CampaignKind, seconds: float, policy: Policy) -> float:
    """Return the share of people's visits that come within so many seconds of delivery."""
    return share_by(policy.rules["timing.delay"].values[kind.value], seconds)


def _before_delivery(look: Look) -> Finding | None:
    delivery = look.facts.delivery
    early = delivery.delivered_at - look.visit.at
    values = look.rule.values
    if delivery.source not in EXACT or not values["slack_seconds"] < early <= values["most_seconds"]:
        return None
    return Finding(look.rule.weight, f"{early:.0f} s before delivery ({delivery.source.value})")


def _densities(curves: Curves, elapsed: float) -> tuple[float, float]:
    """Return how dense machines' and people's visits lie at a delay; 0 for what cannot have been.

    Averaged over the ways in which the delivery time may be off, each a span of seconds.
    """
    spread, log = curves.spread, math.log
    machine = person = 0.0
    for earlier, slope, person_slope, spans in curves.ways[bisect_left(curves.edges, elapsed)]:
        high = (elapsed + earlier) * spread
        end = log(high)
        until, person_until = slope * end, person_slope * end
        for share, later, base, rise, person_base, person_rise in spans:
            low = (elapsed - later) / spread
            start = log(low) if low > 0 else 0.0  # there the curves are flat
            machines, people = until - rise * start + base, person_until - person_rise * start + person_base
            # As wide as the error is, also where it reaches back before the delivery.
            weight = share / (high - low)
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
        errors = values["error"][source.value] if tells_when(source, kind) else ()
        curves, spread = (values["machine"], values[kind.value]), values["spread"]
        edges = {0.0}
        for _, earlier, later in errors:
            edges |= {-earlier, later}
            for delay, _ in itertools.chain(*curves):
                edges |= {delay / spread - earlier, delay * spread + later}
        ends = sorted(edges)
        amid = [(left + right) / 2 for left, right in itertools.pairwise((ends[0] - 2, *ends, ends[-1] + 2))]
        known = _CURVES[id(values), source, kind] = Curves(
            values,
            f" after delivery ({source.value})",
            spread,
            tuple(ends),
            tuple(_ways(curves, errors, spread, elapsed) for elapsed in amid),
        )
    return known


def _ways(
    curves: Sequence[Sequence[Sequence[float]]],
    errors: Sequence[Sequence[float]],
    spread: float,
    elapsed: float,
) -> Ways:
    """Return what a delay may be wrong by, where it can have been."""
    found = []
    for earlier, rows in itertools.groupby(errors, key=itemgetter(1)):
        high = (elapsed + earlier) * spread
        if high <= 0:
            continue
        (until, slope), (person_until, person_slope) = (piece(curve, high) for curve in curves)
        spans = []
        for share, _, later in rows:
            (base, rise), (person_base, person_rise) = (
                piece(curve, (elapsed - later) / spread) for curve in curves
            )
            spans.append((share, later, until - base, rise, person_until - person_base, person_rise))
        found.append((earlier, slope, person_slope, tuple(spans)))
    return tuple(found)


SIGNALS = (
    Signal("timing.delay", Family.TIMING, _delay),
    Signal("timing.before-delivery", Family.TIMING, _before_delivery),
)
