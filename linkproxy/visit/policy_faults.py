"""What is wrong with a policy whose values are each of the right type: limits and curves out of order."""

from __future__ import annotations

import itertools
from datetime import date
from typing import TYPE_CHECKING, Any

from linkproxy.model import CampaignKind
from linkproxy.visit.facts import LOOK_BACK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_RISING = ("in-step.together", "in-step.same-delay", "in-step.unsubscribes", "message.rotates")
"""Signals of whose curve the last row that is reached holds."""

_ABOVE_NOTHING = ("hold_seconds", "max_hold_seconds", "reach_seconds", "stray_seconds")


def faults(tree: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with thresholds and curves, one line each."""
    signals = tree["signals"]
    timing = signals["timing.delay"]
    found = _of_limits(tree["policy"])
    for name in ("machine", *CampaignKind):
        if not _is_distribution(timing[name]):
            found.append(
                f"signals.timing.delay.{name} must be rows [seconds above 0, share by then], both rising, "
                "with shares from 0 to 1"
            )
    if timing["spread"] <= 1:
        found.append("signals.timing.delay.spread must be above 1")
    if not 0 <= signals["message.most-links"]["share"] < 1:
        found.append("signals.message.most-links.share must be from 0 to below 1")
    found += [
        f"signals.{name}.curve must have its rows in order of their first numbers"
        for name in _RISING
        if not _rises([row[0] for row in signals[name]["curve"]])
    ]
    return found + _of_dates(tree["engines"])


def _of_dates(engines: Mapping[str, Any]) -> list[str]:
    found = []
    for name, rows in engines.items():
        dates = [row[1] for row in rows if isinstance(row, list)]
        try:
            in_order = _rises([date.fromisoformat(text).toordinal() for text in dates])
        except ValueError:
            in_order = False
        if not in_order:
            found.append(f"engines.{name} must be rows [version, its date as 2026-05-01], in order of dates")
    return found


def _of_limits(limits: Mapping[str, float]) -> list[str]:
    found = []
    if not limits["human"] < limits["machine"] <= limits["neutral"]:
        found.append("policy: human must be below machine, and machine not above neutral")
    found += [f"policy.{key} must be above 0" for key in _ABOVE_NOTHING if limits[key] <= 0]
    if limits["reach_seconds"] > LOOK_BACK_SECONDS:
        found.append(f"policy.reach_seconds must be at most {LOOK_BACK_SECONDS:g}, a day")
    return found


def _is_distribution(curve: Sequence[Sequence[float]]) -> bool:
    if not curve:
        return False
    delays, shares = zip(*curve, strict=True)
    in_order = delays[0] > 0 and len(set(delays)) == len(delays) and _rises(delays) and _rises(shares)
    return in_order and shares[0] >= 0 and shares[-1] <= 1


def _rises(numbers: Sequence[float]) -> bool:
    return all(one <= other for one, other in itertools.pairwise(numbers))
