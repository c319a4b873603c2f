"""Fit how much each signal weighs to labelled visits: logistic regression in decibans.

Every signal gets one factor on its weights. The fit is the most probable one when each factor is
believed, before any label, to lie around its centre (the shipped weight) with a standard deviation
of ``BELIEF`` of that: with few labels little moves. Limits are shares of the centre, too, so that fitting
what was fitted leads no further.

The share of machines among labels says nothing about mail, so both sides are made to weigh the same
(as in case-control studies; Prentice and Pyke, Biometrika 66, 1979). There is no intercept: to the
judge a signal that is silent is no evidence, so a weight is what hearing it says, and not the
difference between hearing it and not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BELIEF = 0.5
LOWEST, HIGHEST = 0.0, 3.0  # of the centre: evidence is never turned round, and never more than tripled
_ROUNDS, _STEPS, _HALVINGS = 4, 25, 30
_AT_LIMIT = 1e-9  # a factor so near to its limit is held there: rounding must not free it again
_NATS = math.log(10) / 10  # natural units of log odds in a deciban


@dataclass(frozen=True, slots=True)
class Clue:
    """One signal that spoke of a visit: its name, its family and its weight in decibans."""

    name: str
    family: str
    weight: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A labelled visit."""

    machine: bool
    clues: tuple[Clue, ...]


Row = tuple[dict[str, float], float, float, float]
"""Decibans by fitted signal, decibans of the others, +1 machine or -1 person, weight."""


def fit_factors(samples: Mapping[Sample, float], centres: Mapping[str, float]) -> dict[str, float]:
    """Return the factor of each signal in ``centres``; other signals keep their weights.

    ``samples`` are alike visits together, with what they weigh: a message's visits share one.

    ``centres`` are the factors that would give the shipped weights: 1 unless an operator changed them,
    and above 0.
    """
    factors = dict(centres)
    sides = _side_weights(samples)
    for _ in range(_ROUNDS):
        # Which of a family's evidence counts depends on the factors, so both take turns.
        rows = [
            (
                *_split(_counted(sample, factors), factors),
                1.0 if sample.machine else -1.0,
                weight * sides[sample.machine],
            )
            for sample, weight in samples.items()
        ]
        factors = _climb(rows, factors, centres)
    return factors


def _side_weights(samples: Mapping[Sample, float]) -> dict[bool, float]:
    """Return what makes both sides weigh as much as the lighter one; nothing is made of nothing."""
    totals = {
        side: sum(weight for sample, weight in samples.items() if sample.machine is side)
        for side in (True, False)
    }
    least = min(totals.values())
    return {side: least / total if total else 0.0 for side, total in totals.items()}


def _counted(sample: Sample, factors: Mapping[str, float]) -> list[Clue]:
    """Return the strongest of each family on each side, as the judge does."""
    strongest: dict[tuple[str, bool], tuple[float, Clue]] = {}
    for clue in sample.clues:
        side = (clue.family, clue.weight > 0)
        strength = abs(clue.weight) * factors.get(clue.name, 1.0)
        if side not in strongest or strength > strongest[side][0]:
            strongest[side] = (strength, clue)
    return [clue for _, clue in strongest.values()]


def _split(clues: Iterable[Clue], factors: Mapping[str, float]) -> tuple[dict[str, float], float]:
    fitted = {clue.name: clue.weight for clue in clues if clue.name in factors}
    return fitted, sum(clue.weight for clue in clues if clue.name not in factors)


def _climb(
    rows: Sequence[Row], factors: Mapping[str, float], centres: Mapping[str, float]
) -> dict[str, float]:
    """Take Newton's steps to the top; the log posterior is concave, so there is one within the limits.

    A factor that would leave the limits is held there, and the others go on without it (Bertsekas,
    "Projected Newton methods", SIAM J. Control and Optimization 20, 1982): cut off at the end, they
    would still lean on what it had come to beyond.
    """
    names = sorted(factors)
    middles = [centres[name] for name in names]
    at = [_within(factors[name], centres[name]) for name in names]
    height = _height(rows, names, at, middles)
    for _ in range(_STEPS):
        step = _newton_step(rows, names, at, middles)
        longest = max(map(abs, step), default=0.0)
        scale = min(1.0, 2.0 / longest) if longest else 1.0
        # A whole step may lead over the top and down the other side: where labels contradict strong
        # evidence the slope is steep and the bend says nothing of what lies below.
        for _ in range(_HALVINGS):
            there = [
                _within(value + scale * move, middle)
                for value, move, middle in zip(at, step, middles, strict=True)
            ]
            risen = _height(rows, names, there, middles) - height
            if risen >= 0:
                break
            scale /= 2
        else:
            break
        moved = max(map(abs, map(float.__sub__, there, at)), default=0.0)
        at, height = there, height + risen
        if moved < 1e-6:
            break
    return dict(zip(names, at, strict=True))


def _newton_step(
    rows: Sequence[Row], names: Sequence[str], at: Sequence[float], middles: Sequence[float]
) -> list[float]:
    """Return by how much each factor is to move; 0 for those that a limit holds."""
    slope, bend = _derivatives(rows, names, at)
    for place, middle in enumerate(middles):
        slope[place] -= (at[place] - middle) / (BELIEF * middle) ** 2
        bend[place][place] += 1 / (BELIEF * middle) ** 2
    free = [
        place
        for place, value in enumerate(at)
        if abs(_within(value + slope[place], middles[place]) - value) > _AT_LIMIT
    ]
    found = _solve([[bend[place][also] for also in free] for place in free], [slope[place] for place in free])
    step = [0.0] * len(names)
    for place, move in zip(free, found, strict=True):
        step[place] = move
    return step


def _height(
    rows: Sequence[Row], names: Sequence[str], at: Sequence[float], middles: Sequence[float]
) -> float:
    """Return the log posterior, but for a constant."""
    places = {name: place for place, name in enumerate(names)}
    likelihood = 0.0
    for fitted, other, sign, weight in rows:
        score = other + sum(at[places[name]] * value for name, value in fitted.items())
        likelihood += weight * math.log(_logistic(sign * score))
    belief = sum(
        ((value - middle) / (BELIEF * middle)) ** 2 for value, middle in zip(at, middles, strict=True)
    )
    return likelihood - belief / 2


def _within(factor: float, centre: float) -> float:
    return min(HIGHEST * centre, max(LOWEST * centre, factor))


def _derivatives(
    rows: Sequence[Row], names: Sequence[str], at: Sequence[float]
) -> tuple[list[float], list[list[float]]]:
    """Return the slope of the log likelihood and its bend (the negative second derivative)."""
    places = {name: place for place, name in enumerate(names)}
    slope = [0.0] * len(names)
    bend = [[0.0] * len(names) for _ in names]
    for fitted, other, sign, weight in rows:
        terms = [(places[name], value) for name, value in fitted.items()]
        score = other + sum(at[place] * value for place, value in terms)
        wrong = _logistic(-sign * score)
        pull = weight * sign * wrong * _NATS
        curve = weight * wrong * (1 - wrong) * _NATS**2
        for place, value in terms:
            slope[place] += pull * value
            for across, also in terms:
                bend[place][across] += curve * value * also
    return slope, bend


def _logistic(decibans: float) -> float:
    return 1 / (1 + math.exp(-max(-500.0, min(500.0, decibans * _NATS))))


def _solve(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Solve a symmetric positive definite system by elimination."""
    size = len(right)
    rows = [[*matrix[place], right[place]] for place in range(size)]
    for place in range(size):
        pivot = rows[place][place]
        for below in range(place + 1, size):
            share = rows[below][place] / pivot
            if share:
                rows[below] = [low - share * high for low, high in zip(rows[below], rows[place], strict=True)]
    found = [0.0] * size
    for place in reversed(range(size)):
        known = sum(rows[place][after] * found[after] for after in range(place + 1, size))
        found[place] = (rows[place][size] - known) / rows[place][place]
    return found
