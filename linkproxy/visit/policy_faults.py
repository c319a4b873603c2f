"""What is wrong with a policy whose values are each of the right type: limits, curves, patterns, dates.

Much of it is read by many signals, or while messages are settled, so it is looked at when the policy
is read.
"""

from __future__ import annotations

import itertools
import re
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from linkproxy.model import CampaignKind
from linkproxy.visit.curves import LEAST_STEP, share_by
from linkproxy.visit.facts import LOOK_BACK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_RISING: Final = ("in-step.together", "in-step.same-delay", "in-step.unsubscribes", "message.rotates")
"""Signals of whose curve the last row that is reached holds."""
_ABOVE_NOTHING: Final = ("hold_seconds", "max_hold_seconds", "reach_seconds", "stray_seconds")
_BETWEEN: Final = {
    ("request.as-machines", "usual_share"): (0.001, 1.0),
    ("request.as-machines", "usual"): (0.01, 1e6),
    ("request.as-machines", "mistaken_share"): (0.0, 1.0),
}
"""What is divided by, or a logarithm is taken of."""
_PATTERNS: Final = ("programs", "browsers", "robot_words", "office", "own_engines", "dead_platforms")
"""The lists of [agents] that hold regular expressions; the others hold plain texts."""
_MOST_EARLY: Final = 0.99  # of people, who come before what is early ends
_LEAST_SHARE: Final = 0.001
_ENGINES: Final = ("chromium", "firefox", "safari")


def faults(tree: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong, a line each; ``tree`` has the types of the shipped rules."""
    signals = tree["signals"]
    yield from _of_limits(tree["policy"])
    yield from _of_delays(signals["timing.delay"], tree["learning"])
    if not 0 <= signals["message.most-links"]["share"] < 1:
        yield "signals.message.most-links.share must be from 0 to below 1"
    for (signal, name), (least, most) in _BETWEEN.items():
        if not least <= signals[signal][name] <= most:
            yield f"signals.{signal}.{name} must be from {least:g} to {most:,.0f}"
    for name in _RISING:
        if not _rises([row[0] for row in signals[name]["curve"]]):
            yield f"signals.{name}.curve must have its rows in order of their first numbers"
    yield from _of_patterns(tree)
    for name in _ENGINES:
        if not _are_versions(tree["engines"][name]):
            yield f'engines.{name} must be rows such as [150, "2026-06-30"], versions and dates rising'


def _of_limits(limits: Mapping[str, float]) -> Iterator[str]:
    if not limits["human"] < limits["machine"] <= limits["neutral"]:
        yield "policy: human must be below machine, and machine not above neutral"
    yield from (f"policy.{key} must be above 0" for key in _ABOVE_NOTHING if limits[key] <= 0)
    if limits["reach_seconds"] > LOOK_BACK_SECONDS:
        yield f"policy.reach_seconds must be at most {LOOK_BACK_SECONDS:g}, a day"


def _of_delays(values: Mapping[str, Any], learning: Mapping[str, float]) -> Iterator[str]:
    bad = [name for name in ("machine", *CampaignKind) if not _is_distribution(values[name])]
    for name in bad:
        yield (
            f"signals.timing.delay.{name} must be rows of [seconds, share by then], both rising: "
            "seconds above 0, shares from 0 to 1"
        )
    for source, rows in values["error"].items():
        if not _are_errors(rows):
            yield (
                f"signals.timing.delay.error.{source} must be rows of [share, earlier by, later by]: "
                f"shares of {_LEAST_SHARE:g} or more that come to 1, and seconds not below 0"
            )
    if values["spread"] <= 1:
        yield "signals.timing.delay.spread must be above 1"
    if CampaignKind.MARKETING in bad:
        return
    # What comes later tells how many people come early; of a share of 1 nobody comes later.
    for name in ("early_seconds", "early_mailing_seconds"):
        if learning[name] > 0 and share_by(values[CampaignKind.MARKETING], learning[name]) > _MOST_EARLY:
            yield f"learning.{name} must be sooner: by then {_MOST_EARLY:.0%} of people have come"


def _is_distribution(curve: Sequence[Sequence[float]]) -> bool:
    if not curve:
        return False
    delays, shares = zip(*curve, strict=True)
    in_order = delays[0] > 0 and all(
        other / one > 1 + LEAST_STEP for one, other in itertools.pairwise(delays)
    )
    return in_order and _rises(shares) and shares[0] >= 0 and shares[-1] <= 1


def _are_errors(rows: Sequence[Sequence[float]]) -> bool:
    """Tell whether rows are ways to be wrong: shares of all, and seconds earlier and later."""
    if any(share < _LEAST_SHARE or earlier < 0 or later < 0 for share, earlier, later in rows):
        return False
    return not rows or abs(sum(share for share, _, _ in rows) - 1) <= _LEAST_SHARE


def _of_patterns(tree: Mapping[str, Any]) -> Iterator[str]:
    lists = {f"agents.{name}": tree["agents"][name] for name in _PATTERNS}
    lists |= {f"fingerprints.{name}": patterns for name, patterns in tree["fingerprints"].items()}
    for name, patterns in lists.items():
        yield from (f"{name}: {fault}" for fault in map(_pattern_fault, patterns) if fault)


def _pattern_fault(pattern: str) -> str | None:
    if not pattern:
        return "an empty text would match every agent"
    try:
        re.compile(f"(?:{pattern})")  # as one of several that are tried at once
    except (re.error, OverflowError, RecursionError) as error:
        return f'"{pattern}" is no regular expression: {error}'
    return None


def _are_versions(rows: Sequence[Sequence[Any]]) -> bool:
    try:
        known = [(int(version), date.fromisoformat(day)) for version, day in rows]
    except ValueError:
        return False
    versions = [version for version, _ in known]
    return len(set(versions)) == len(versions) and _rises(versions) and _rises([day for _, day in known])


def _rises(values: Sequence[Any]) -> bool:
    return all(one <= other for one, other in itertools.pairwise(values))
