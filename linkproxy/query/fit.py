"""Fit how much each signal weighs to labelled visits: logistic regression in decibans.

Every signal gets one factor on its weights. The fit is the most probable one when each factor is
believed, before any label, to lie around its centre (the shipped weight) with a standard deviation
of ``BELIEF``: with few labels little moves. The share of machines among labels says nothing about
mail, so an intercept takes it up and is thrown away (Prentice and Pyke, "Logistic disease incidence
models and case-control studies", 1979).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BELIEF = 0.5
LOWEST, HIGHEST = 0.0, 3.0  # a factor never turns evidence round, and never more than triples it
_INTERCEPT_BELIEF = 30.0  # decibans
_ROUNDS, _STEPS = 4, 25
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

    ``centres`` are the factors that would give the shipped weights: 1 unless an operator changed them.
    """
    factors = dict(centres)
    intercept = 0.0
    for _ in range(_ROUNDS):
        # Which of a family's evidence counts depends on the factors, so both take turns.
        rows = [
            (*_split(_counted(sample, factors), factors), 1.0 if sample.machine else -1.0, weight)
            for sample, weight in samples.items()
        ]
        factors, intercept = _climb(rows, factors, centres, intercept)
    return factors


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
    rows: Sequence[Row], factors: Mapping[str, float], centres: Mapping[str, float], intercept: float
) -> tuple[dict[str, float], float]:
    """Take Newton's steps to the top; the log posterior is concave, so there is one."""
    names = sorted(factors)
    at = [factors[name] for name in names] + [intercept]
    aims = [centres[name] for name in names] + [0.0]
    beliefs = [BELIEF] * len(names) + [_INTERCEPT_BELIEF]
    for _ in range(_STEPS):
        slope, bend = _derivatives(rows, names, at)
        for place, (aim, belief) in enumerate(zip(aims, beliefs, strict=True)):
            slope[place] -= (at[place] - aim) / belief**2
            bend[place][place] += 1 / belief**2
        step = _solve(bend, slope)
        longest = max(map(abs, step))
        scale = min(1.0, 2.0 / longest) if longest else 1.0
        at = [value + scale * move for value, move in zip(at, step, strict=True)]
        if longest < 1e-6:
            break
    fitted = zip(names, at, strict=False)
    return {name: min(HIGHEST, max(LOWEST, value)) for name, value in fitted}, at[-1]


def _derivatives(
    rows: Sequence[Row], names: Sequence[str], at: Sequence[float]
) -> tuple[list[float], list[list[float]]]:
    """Return the slope of the log likelihood and its bend (the negative second derivative)."""
    places = {name: place for place, name in enumerate(names)}
    last = len(names)
    slope = [0.0] * (last + 1)
    bend = [[0.0] * (last + 1) for _ in range(last + 1)]
    for fitted, other, sign, weight in rows:
        terms = [(places[name], value) for name, value in fitted.items()] + [(last, 1.0)]
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
