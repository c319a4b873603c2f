"""Rates: macro-averages over actors, so that neither long sweeps nor common actors drown the rest."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from statistics import fmean, median
from typing import TYPE_CHECKING, TypeVar

from bench.detection.truth import MachineUnit, PersonUnit, Units, merge
from bench.detection.truth import units as truth_units
from linkproxy.model import LinkKind, VerdictKind
from linkproxy.visit.clicks import WENT_ON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.detection.played import Asked, Played
    from bench.detection.traffic import MailKind
    from linkproxy.model import Verdict

Unit = TypeVar("Unit", MachineUnit, PersonUnit, MachineUnit | PersonUnit)
LOWEST, HIGHEST, STEPS = -32.0, 96.0, 9
"""Decibans between which a threshold is looked for, by halving."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of how many."""

    hits: int
    of: int

    @property
    def share(self) -> float:
        """Return the share; 0 of nothing is 0."""
        return self.hits / self.of if self.of else 0.0

    @property
    def upper(self) -> float:
        """Return the upper end of the 95 % interval (Wilson, 1927)."""
        if not self.of:
            return 1.0
        z, n, p = 1.96, self.of, self.share
        middle = p + z * z / (2 * n)
        width = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return min(1.0, (middle + width) / (1 + z * z / n))


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a run; shares of machines and of people are means of the actors' own rates."""

    machines_counted: float  # without those that nobody could tell from a person
    machines_all: float
    single_unknown: Rate  # stealth on a single link in a domain without history
    single_known: Rate  # the same in a domain with earlier mail to 20 recipients or more
    known_untold: Rate  # of these, those of senders that tell no delivery time
    people_lost: float
    people_uncertain: float  # the part of the loss that is uncertain, not machine
    shown_neutral: Rate
    stranded: Rate
    settle_seconds: float  # median over clicks, from visit to settled verdict


def summary(units: Units) -> Summary:
    """Return the figures of a run."""
    people = units.people
    known = [unit for unit in units.machines if unit.single and unit.known]
    return Summary(
        machines_counted(units),
        macro(rates(units.machines, lambda unit: unit.counted)),
        overall([unit for unit in units.machines if unit.hidden], lambda unit: unit.counted),
        overall(known, lambda unit: unit.counted),
        overall([unit for unit in known if not unit.told], lambda unit: unit.counted),
        macro(rates(people, lambda unit: not unit.counted)),
        macro(rates(people, lambda unit: not unit.counted and _uncertain(unit))),
        overall(people, lambda unit: unit.neutral),
        overall(people, lambda unit: unit.stranded),
        median(settle_times(units)) if people else 0.0,
    )


def machines_counted(units: Units) -> float:
    """Return the rate of machines' messages with a counted click, of those that can be told at all."""
    return macro(rates([unit for unit in units.machines if not unit.hidden], lambda unit: unit.counted))


def people_lost(units: Units) -> float:
    """Return the rate of human clicks that are not counted."""
    return macro(rates(units.people, lambda unit: not unit.counted))


def rates(
    units: Iterable[Unit], hit: Callable[[Unit], bool], *, by_mail: bool = False
) -> dict[tuple[str, MailKind | None], Rate]:
    """Return each actor's rate, if wanted for each kind of mail apart."""
    hits: Counter[tuple[str, MailKind | None]] = Counter()
    of: Counter[tuple[str, MailKind | None]] = Counter()
    for unit in units:
        key = unit.actor, unit.mail if by_mail else None
        of[key] += 1
        hits[key] += hit(unit)
    return {key: Rate(hits[key], of[key]) for key in of}


def macro(found: dict[tuple[str, MailKind | None], Rate]) -> float:
    """Return the mean of the actors' rates."""
    return fmean(rate.share for rate in found.values()) if found else 0.0


def overall(units: Sequence[Unit], hit: Callable[[Unit], bool]) -> Rate:
    """Return the rate over all units."""
    return Rate(sum(map(hit, units)), len(units))


def settle_times(units: Units) -> list[float]:
    """Return the seconds from each person's visit to its settled verdict."""
    return [
        asked.entry.settled_at - asked.at
        for unit in units.people
        for asked in unit.requests
        if asked.entry is not None and asked.entry.settled_at is not None
    ] or [0.0]


def verdict_of(asked: Asked) -> Verdict | None:
    """Return the settled verdict on a request, the first one while it is not settled."""
    entry = asked.entry
    return None if entry is None else entry.settled or entry.verdict


@dataclass(frozen=True, slots=True)
class AtLoss:
    """The judge with its threshold moved to where it loses as many clicks as another method."""

    threshold: float  # decibans
    machines_counted: float
    people_lost: float


class Moved:
    """Runs judged again with the threshold elsewhere; what was looked at once is kept."""

    def __init__(self, runs: Sequence[Played]) -> None:
        self._runs = runs
        self._known: dict[float, AtLoss] = {}

    def at_loss(self, lost: float) -> AtLoss:
        """Return the judge at the lowest threshold at which it loses no more than ``lost``."""
        low, high = LOWEST, HIGHEST
        best = self._at(high)
        for _ in range(STEPS):
            middle = (low + high) / 2
            found = self._at(middle)
            if found.people_lost <= lost:
                best, high = found, middle
            else:
                low = middle
        return best

    def _at(self, threshold: float) -> AtLoss:
        if threshold not in self._known:
            counted = partial(at_threshold, threshold=threshold)
            units = merge(truth_units(played, counted) for played in self._runs)
            self._known[threshold] = AtLoss(threshold, machines_counted(units), people_lost(units))
        return self._known[threshold]


def at_threshold(asked: Asked, *, threshold: float) -> bool:
    """Return whether a visit would be counted if everything up to ``threshold`` were a person's.

    Below the shipped threshold the click log says so, which merges requests of one click.
    """
    found, entry = verdict_of(asked), asked.entry
    if found is None or entry is None or found.score > threshold:
        return False
    if found.kind is VerdictKind.HUMAN:
        return asked.clicked
    link = entry.facts.link
    content = link is None or link.kind is LinkKind.CONTENT
    decided = any(item.decisive for item in found.evidence)
    return entry.answer in WENT_ON and content and entry.visit.method in {"GET", "POST"} and not decided


def worst(units: Units) -> list[tuple[str, MailKind | None, Rate, list[MachineUnit | PersonUnit]]]:
    """Return where the judge is wrong, the highest rate first, with the units themselves."""
    wrong: dict[tuple[str, MailKind | None], list[MachineUnit | PersonUnit]] = defaultdict(list)
    of: Counter[tuple[str, MailKind | None]] = Counter()
    every: list[MachineUnit | PersonUnit] = [*units.machines, *units.people]
    for unit in every:
        key = unit.actor, unit.mail
        of[key] += 1
        if _is_wrong(unit):
            wrong[key].append(unit)
    rows = [(actor, mail, Rate(len(found), of[actor, mail]), found) for (actor, mail), found in wrong.items()]
    return sorted(rows, key=lambda row: -row[2].share)


def _is_wrong(unit: MachineUnit | PersonUnit) -> bool:
    if isinstance(unit, MachineUnit):
        return unit.counted
    return not unit.counted or unit.neutral or unit.stranded


def _uncertain(unit: PersonUnit) -> bool:
    found = [verdict_of(asked) for asked in unit.requests]
    return any(verdict is not None and verdict.kind == "uncertain" for verdict in found)
