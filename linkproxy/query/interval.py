"""How many clicks were people's: intervals for counts of judged visits, and for shares.

The judge gives each possible click a probability, and probabilities of one mailing are not wrong
independently: what fools the judge once fools it again, in one message, one domain, one campaign.
So the model is, with scores in decibans:

- the possible clicks of one client in one message are one person's or one machine's: one draw;
- every domain has an effect of its own that shifts all its scores (its gateway, its habits);
- the campaign has two, one for what was counted and one for what was not, since a judge that
  takes machines for people and one that takes people for machines err for different reasons.

Effects are normal with the standard deviations of ``Spread``; a campaign is drawn many times, and
the interval lies between the quantiles of the counts (a logistic-normal mixture; McCulloch and
Searle, "Generalized, Linear, and Mixed Models", 2001, chapter 8). The seed is fixed: the same
visits give the same interval.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.model.lean import lean
from linkproxy.query.interval_rest import Cells, Drawn, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from linkproxy.query.interval_rest import Rest

LEVEL = 0.95
_SEED = 20_261_122
_MOST_DRAWS, _LEAST_DRAWS = 600, 250
_WORK = 150_000  # draws times cells: a tenth of a second
_MOST_CELLS = 600  # more of them, and the small domains are imagined together
_NEVER = 60.0  # decibans from which no effect makes a person likely


@lean(frozen=True, slots=True)
class Candidate:
    """What one client did with one message: so many possible clicks, all a person's or none.

    ``units``: so many clients, each by itself, did the same.
    """

    domain: str
    score: float  # decibans, as settled
    clicks: int = 1
    units: int = 1


@dataclass(frozen=True, slots=True)
class Spread:
    """How far scores may be off together: standard deviations in decibans.

    Set by hand: 3 decibans are a factor of two in the odds, and the reviewed weights are no more
    exact than that. What is taken for people can be off by a factor of five: a mailing may meet
    scanners that no rule knows. ``python -m bench.detection`` measures whether the intervals hold.
    """

    counted: float = 7.0  # a campaign's visits taken for people
    removed: float = 4.0  # a campaign's visits not taken for people
    domain: float = 3.0


SPREAD = Spread()


@dataclass(frozen=True, slots=True)
class Interval:
    """Between ``low`` and ``high`` with the stated probability; ``expected`` is the mean."""

    low: float
    high: float
    expected: float
    level: float = LEVEL


def human_interval(
    candidates: Iterable[Candidate],
    *,
    counted: int,
    level: float = LEVEL,
    spread: Spread = SPREAD,
    seed: int = _SEED,
) -> Interval:
    """Return the interval for the number of people's clicks behind a campaign's visits.

    ``counted`` is the size of the click log, the judge's own best answer: it is always inside.
    """
    return clicks_between(imagine(candidates, spread=spread, seed=seed), counted=counted, level=level)


def imagine(
    candidates: Iterable[Candidate], *, human: float = 0.0, spread: Spread = SPREAD, seed: int = _SEED
) -> list[Drawn]:
    """Return what people did in each of several hundred imagined campaigns.

    ``human``: up to this score, in decibans, a client is among those that were taken for people.
    """
    cells = _cells(candidates)
    size = sum(map(len, cells.values()))
    draws = max(_LEAST_DRAWS, min(_MOST_DRAWS, _WORK // max(1, size)))
    source = random.Random(seed)  # noqa: S311  (a simulation, not a secret)
    large, rest = (cells, None) if size <= _MOST_CELLS else split(cells)
    return [_draw(large, rest, spread, source, human) for _ in range(draws)]


def clicks_between(drawn: Sequence[Drawn], *, counted: int, level: float = LEVEL) -> Interval:
    """Return the interval for clicks that imagined campaigns give; it holds ``counted``."""
    return between([one.clicks for one in drawn], measured=counted, level=level)


def between(drawn: Sequence[float], *, measured: float, level: float) -> Interval:
    """Return the interval that draws of a figure give; it holds the figure as it was measured."""
    order = sorted(drawn)
    tail = (1 - level) / 2
    return Interval(
        low=min(measured, _quantile(order, tail)),
        high=max(measured, _quantile(order, 1 - tail)),
        expected=sum(order) / len(order),
        level=level,
    )


def _cells(candidates: Iterable[Candidate]) -> Cells:
    cells: Cells = defaultdict(Counter)
    for item in candidates:
        if item.score < _NEVER:
            cells[item.domain][round(item.score), item.clicks] += item.units
    return cells


def _draw(
    cells: Cells, rest: Rest | None, spread: Spread, source: random.Random, human: float = 0.0
) -> Drawn:
    """Return what people did in one imagined campaign."""
    counted, removed = source.gauss(0.0, spread.counted), source.gauss(0.0, spread.removed)
    total, known, others = rest.draw(source, counted, removed, spread.domain, human) if rest else (0, 0, 0)
    for rows in cells.values():
        domain = source.gauss(0.0, spread.domain)
        for (score, clicks), count in rows.items():
            shifted = score + domain + (counted if score < 0 else removed)
            people = _binomial(source, count, 1 / (1 + 10 ** (shifted / 10)))
            total += clicks * people
            if score <= human:
                known += people
            else:
                others += people
    return Drawn(total, known, others)


def _binomial(source: random.Random, count: int, chance: float) -> int:
    """Return how many of ``count`` happened: exact for few or rare, else by the normal's shape."""
    if count == 1:  # most of them are
        return int(source.random() < chance if chance <= 0.5 else source.random() >= 1 - chance)
    if chance > 0.5:
        return count - _binomial(source, count, 1 - chance)
    if count <= 12:
        return sum(source.random() < chance for _ in range(count))
    mean = count * chance
    if mean < 12:
        return _by_gaps(source, count, chance)
    drawn = round(source.gauss(mean, math.sqrt(mean * (1 - chance))))
    return min(count, max(0, drawn))


def _by_gaps(source: random.Random, count: int, chance: float) -> int:
    """Walk from one happening to the next: gaps are geometric, so that rare things cost little."""
    if chance < 1e-12:
        return 0
    rate = math.log1p(-chance)
    place, happened = 0, 0
    while True:
        place += int(math.log(1.0 - source.random()) / rate) + 1
        if place > count:
            return happened
        happened += 1


def _quantile(order: Sequence[float], share: float) -> float:
    return float(order[min(len(order) - 1, max(0, round(share * (len(order) - 1))))])


def wilson(happened: int, count: int) -> Interval:
    """Return Wilson's interval for a share (Wilson 1927): honest for few, never below 0 or above 1."""
    from statistics import NormalDist

    if count == 0:
        return Interval(0.0, 1.0, 0.0)
    z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
    share = happened / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Interval(max(0.0, centre - half), min(1.0, centre + half), share)


def share_record(happened: int, count: int) -> dict[str, float | None]:
    """Return a share with Wilson's interval as a JSON-able object; null where there is nothing to share."""
    if not count:
        return {"value": None, "low": None, "high": None}
    found = wilson(happened, count)
    return {"value": round(found.expected, 4), "low": round(found.low, 4), "high": round(found.high, 4)}
