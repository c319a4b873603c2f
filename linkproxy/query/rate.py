"""How sure a click rate is, and the difference of two: the judge may err, and who clicks is chance.

A rate speaks of more people than those it was measured on: the same mail to as many others of the
kind would not bring the same clickers. So both doubts are drawn together. For each imagined campaign
(``interval.py``) with c clickers among n delivered messages rates are drawn from
Beta(c + 1/2, n - c + 1/2), Jeffreys' posterior of a binomial share (Brown, Cai and DasGupta,
"Interval Estimation for a Binomial Proportion", Statistical Science 16, 2001, section 3.1).

Rollups know clients and their clicks, and not which clients came to the same message:

- clients that were taken for people have so many clickers on average, and what is left of a clicker
  when some of their clients turn out to be machines follows from that;
- others that turn out to be people are spread over all messages, so some are clickers already.

The seed is fixed: the same visits give the same interval.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from linkproxy.query.interval import LEVEL, Interval, between
from linkproxy.query.interval_rest import Drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEED = 20_261_124
_ALONE = (Drawn(0, 0, 0),)
_DRAWS = 2_000
"""At least so many draws of a rate, several of each imagined campaign: chance is cheap to draw."""
_TURNS = 4
"""How often each rate of one campaign is held against one of another, so that tails are smooth."""


@dataclass(frozen=True, slots=True)
class ImaginedRate:
    """A click rate as it was measured, and as it was drawn, in no order."""

    measured: float
    drawn: tuple[float, ...]

    def interval(self, level: float = LEVEL) -> Interval:
        """Return between what the rate lies; what was measured is always inside."""
        return between(self.drawn, measured=self.measured, level=level)


def imagined_rate(drawn: Sequence[Drawn], *, clickers: int, delivered: int, known: int) -> ImaginedRate:
    """Return the rate of a campaign with so many clickers, of whom there are ``known`` clients.

    ``drawn`` are its imagined campaigns; without any, nothing of it is in doubt but chance.
    """
    source = random.Random(_SEED)  # noqa: S311  (a simulation, not a secret)
    imagined = [_clickers(one, clickers, delivered, known) for one in drawn or _ALONE]
    return ImaginedRate(
        clickers / delivered,
        tuple(
            source.betavariate(found + 0.5, delivered - found + 0.5)
            for _ in range(math.ceil(_DRAWS / len(imagined)))
            for found in imagined
        ),
    )


def difference(of: ImaginedRate, to: ImaginedRate, level: float = LEVEL) -> Interval:
    """Return how far one rate lies above another, as if judge and chance erred in each by itself.

    In two halves of one list the judge errs alike, so this is rather too wide than too narrow.
    """
    source = random.Random(_SEED + 1)  # noqa: S311
    # One seed made the draws of both, so their order must not match.
    ones = source.sample(of.drawn, len(of.drawn))
    others = source.sample(to.drawn, len(to.drawn))
    most = max(len(ones), len(others))
    found = list(
        chain.from_iterable(
            (
                ones[place % len(ones)] - others[(place + turn * most // _TURNS) % len(others)]
                for place in range(most)
            )
            for turn in range(_TURNS)
        )
    )
    return between(found, measured=of.measured - to.measured, level=level)


def _clickers(one: Drawn, clickers: int, delivered: int, known: int) -> float:
    """Return how many messages have a click of a person in one imagined campaign."""
    doubted = min(clickers, known)
    people = float(clickers - doubted)  # what is not among the possible clicks stays as it is
    if doubted:
        people += doubted * (1 - (1 - min(1.0, one.known / known)) ** (known / doubted))
    return min(delivered, people + one.others * (1 - people / delivered))
