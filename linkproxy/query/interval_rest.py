"""The many small domains of a large campaign, imagined together.

Drawing each of ten thousand domains hundreds of times takes minutes. Given the campaign's effects,
domains are independent, so what people clicked in many of them is normal: its mean and variance are sums
over domains. Both are taken over the domain effect by quadrature, once for each shift of a score.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

Cells = dict[str, Counter[tuple[int, int]]]
"""By domain: how many candidates have a score, rounded to one deciban, and so many clicks."""

MOST_DRAWN = 400
"""Cells of the largest domains that are drawn one by one."""

_CLASS = 6  # decibans: scores that near move together under a domain's effect
_REACH = 4.0  # standard deviations of the domain effect
_NODES = 33
_STEP = 0.5  # decibans between two values of a shift that are worked out


class Drawn(NamedTuple):
    """What people did in one imagined campaign: their clicks, and by how many clients they came.

    ``known`` clients are among those that were taken for people, ``others`` are not.
    """

    clicks: int
    known: float
    others: float


@dataclass(frozen=True, slots=True)
class Rest:
    """What is needed of the small domains.

    ``sums``: of each score, its clients, their clicks, and the squares of these. ``pairs``: for two
    classes of scores, the sum over domains of the product of their clicks; ``classes`` are those in them.
    """

    sums: Sequence[tuple[int, int, int, int]]
    pairs: Mapping[tuple[int, int], int]
    classes: frozenset[int]

    def draw(
        self, source: random.Random, counted: float, removed: float, domain: float, human: float = 0.0
    ) -> Drawn:
        """Return what people did in one imagined campaign with these effects, in decibans.

        ``human``: up to this score a client is a known one.
        """
        mean = variance = known = others = 0.0
        most = 0
        for score, units, clicks, squares in self.sums:
            chance, uncertain, _ = _moments(_shifted(score, counted, removed), domain)
            mean += clicks * chance
            most += clicks
            if score <= human:
                known += units * chance
            else:
                others += units * chance
            variance += squares * uncertain
        spreads = {score: _moments(_shifted(score, counted, removed), domain)[2] for score in self.classes}
        # Chances of one domain rise and fall together, so that their spreads add up.
        variance += sum(weight * spreads[one] * spreads[two] for (one, two), weight in self.pairs.items())
        drawn = min(most, max(0, round(source.gauss(mean, math.sqrt(variance)))))
        # What makes clicks more or fewer than their mean makes clients so.
        share = drawn / mean if mean else 0.0
        return Drawn(drawn, known * share, others * share)


def split(cells: Cells) -> tuple[Cells, Rest]:
    """Return the domains with most clicks, as many as are drawn one by one, and the rest of them."""
    order = sorted(cells, key=lambda name: (-_size(cells[name]), name))
    large: Cells = {}
    drawn = 0
    for name in order:
        drawn += len(cells[name])
        if drawn > MOST_DRAWN:
            break
        large[name] = cells[name]
    return large, _rest([cells[name] for name in order[len(large) :]])


def _size(rows: Counter[tuple[int, int]]) -> int:
    return sum(clicks * count for (_, clicks), count in rows.items())


def _rest(domains: Sequence[Counter[tuple[int, int]]]) -> Rest:
    units: dict[int, int] = {}
    total: dict[int, int] = {}
    squares: dict[int, int] = {}
    pairs: dict[tuple[int, int], int] = {}
    for rows in domains:
        classes: dict[int, int] = {}
        for (score, clicks), count in rows.items():
            weight = clicks * count
            units[score] = units.get(score, 0) + count
            total[score] = total.get(score, 0) + weight
            squares[score] = squares.get(score, 0) + clicks * weight
            place = score // _CLASS
            classes[place] = classes.get(place, 0) + weight
        weights = list(classes.items())
        for number, (one, weight) in enumerate(weights):
            pairs[one, one] = pairs.get((one, one), 0) + weight * weight
            for two, other in weights[number + 1 :]:
                pairs[one, two] = pairs.get((one, two), 0) + 2 * weight * other
    middle = _CLASS // 2
    named = {(one * _CLASS + middle, two * _CLASS + middle): weight for (one, two), weight in pairs.items()}
    return Rest(
        [(score, units[score], clicks, squares[score]) for score, clicks in total.items()],
        named,
        frozenset(score for pair in named for score in pair),
    )


def _shifted(score: int, counted: float, removed: float) -> float:
    return round((score + (counted if score < 0 else removed)) / _STEP) * _STEP


@lru_cache(maxsize=4096)
def _moments(shifted: float, domain: float) -> tuple[float, float, float]:
    """Return a person's chance, its mean variance as a lot, and its spread, over the domain effect."""
    if domain <= 0:
        chance = _chance(shifted)
        return chance, chance * (1 - chance), 0.0
    places = [_REACH * (2 * node / (_NODES - 1) - 1) for node in range(_NODES)]
    weights = [math.exp(-place * place / 2) for place in places]
    whole = sum(weights)
    chances = [_chance(shifted + domain * place) for place in places]
    mean = sum(map(float.__mul__, chances, weights)) / whole
    square = sum(chance * chance * weight for chance, weight in zip(chances, weights, strict=True)) / whole
    return mean, mean - square, math.sqrt(max(0.0, square - mean * mean))


def _chance(score: float) -> float:
    return float(1 / (1 + 10 ** (score / 10)))
