"""Recipients of one domain that are hit in step: told from people by likeness and by density.

Addresses play no part, so that rotating them hides nothing, and a company behind one address is
not blamed for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from linkproxy.model import OF_MESSAGE, Step
from linkproxy.model.lean import lean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from linkproxy.model import Delivery, LinkKey, Neighbour


@dataclass(frozen=True, slots=True)
class StepRules:
    """What counts as in step: the table [in_step] of the rules."""

    near_seconds: float
    span_seconds: float
    unsubscribe_seconds: float
    peak: float
    excused: float
    delay_share: float
    delay_seconds: float
    delay_most_seconds: float
    spread_seconds: float
    most: int

    def faults(self) -> list[str]:
        """Return what is wrong with the values, one line each."""
        faults = [
            f"in_step.{name} must be above 0"
            for name in ("near_seconds", "unsubscribe_seconds", "most")
            if getattr(self, name) <= 0
        ]
        if self.span_seconds <= self.near_seconds:
            faults.append("in_step.span_seconds must be above near_seconds")
        return faults


@lean(frozen=True, slots=True)
class Seen:
    """The visit that others may be in step with."""

    at: float
    key: LinkKey
    profile_id: int
    delivered_at: float | None


def delivered_at(delivery: Delivery) -> float | None:
    """Return when that very message was delivered; None when only the mailing's time is known."""
    return delivery.delivered_at if delivery.source in OF_MESSAGE else None


def step(seen: Seen, neighbours: Iterable[Neighbour], rules: StepRules, *, most: int | None = None) -> Step:
    """Count who is in step with a visit; ``neighbours`` are one for each other recipient.

    The same link by other headers counts half: scanners draw their headers from a few, people have
    their own, and a person may come amid a scan of others' messages.
    """
    at, span_seconds = seen.at, rules.span_seconds
    around = delays = unsubscribes = 0
    together = together_by_link = same_delay = same_delay_by_link = 0
    for other in islice(neighbours, most):
        came = other.unsubscribe_at
        if came is not None and abs(came - at) <= rules.unsubscribe_seconds:
            unsubscribes += 1
        apart = abs(other.at - at)
        if apart > span_seconds:
            continue
        headers, link = other.profile_id == seen.profile_id, other.key == seen.key
        same = None
        if seen.delivered_at is not None and other.delivered_at is not None:
            same = _same_delay(at - seen.delivered_at, other.at - other.delivered_at, rules)
            if abs(seen.delivered_at - other.delivered_at) >= rules.spread_seconds:
                delays += 1
                same_delay += same and headers
                same_delay_by_link += same and link and not headers
        if apart > rules.near_seconds:
            around += headers or link
        elif same or (same is None and headers and link):
            together += headers
            together_by_link += link and not headers
    together += together_by_link // 2
    return Step(together, around, same_delay + same_delay_by_link // 2, delays, unsubscribes)


def fuller(known: Iterable[Step | None]) -> Step | None:
    """Return the one that has seen most: what is remembered fades, what was frozen does not."""
    found = [item for item in known if item is not None]
    return max(found, key=lambda item: item.together + item.around + item.unsubscribes, default=None)


def beyond_people(found: Step, rules: StepRules) -> float:
    """Return how many recipients came together beyond what the minutes around excuse.

    Around a newsletter at 9 a.m. many come in those minutes, and some of them in the same seconds.
    """
    share = rules.near_seconds / (rules.span_seconds - rules.near_seconds)
    return found.together - min(rules.excused, found.around * share * rules.peak)


def _same_delay(mine: float, theirs: float, rules: StepRules) -> bool:
    slack = min(rules.delay_most_seconds, rules.delay_share * max(mine, theirs))
    return abs(mine - theirs) <= max(rules.delay_seconds, slack)
