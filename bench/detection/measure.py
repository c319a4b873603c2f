"""Rates: macro-averages over actors, so that neither long sweeps nor common actors drown the rest."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from bench.detection.drive import Asked
    from bench.detection.traffic import MailKind
    from bench.detection.truth import MachineUnit, PersonUnit, Units
    from linkproxy.model import Verdict

Unit = TypeVar("Unit", "MachineUnit", "PersonUnit")


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
    """The four figures, each the mean of the actors' own rates."""

    machines_counted: float
    people_lost: float
    people_uncertain: float  # the part of the loss that is uncertain, not machine
    shown_neutral: Rate
    stranded: Rate
    settle_seconds: float  # median over clicks, from visit to settled verdict


def summary(units: Units) -> Summary:
    """Return the four figures of a run; messages that nobody could tell have no part in the first."""
    barred = [unit for unit in units.machines if not unit.no_bar]
    people = units.people
    return Summary(
        macro(rates(barred, lambda unit: unit.counted)),
        macro(rates(people, lambda unit: not unit.counted)),
        macro(rates(people, lambda unit: not unit.counted and _uncertain(unit))),
        overall(people, lambda unit: unit.neutral),
        overall(people, lambda unit: unit.stranded),
        median(settle_times(units)) if people else 0.0,
    )


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


def at_threshold(asked: Asked, threshold: float) -> bool:
    """Return whether a visit would be counted if everything up to ``threshold`` were a person's."""
    found = verdict_of(asked)
    if found is None or asked.entry is None or asked.request.method not in {"GET", "POST"}:
        return False
    went_on = asked.entry.answer in {"redirect", "neutral", "continued"}
    link = asked.entry.facts.link
    content = link is None or link.kind == "content"
    return went_on and content and found.score <= threshold and not any(item.decisive for item in found.evidence)


def worst(units: Units) -> list[tuple[str, MailKind | None, Rate, list[MachineUnit | PersonUnit]]]:
    """Return where the judge is wrong, the highest rate first, with the units themselves."""
    wrong: dict[tuple[str, MailKind | None], list[MachineUnit | PersonUnit]] = defaultdict(list)
    of: Counter[tuple[str, MailKind | None]] = Counter()
    for unit in (*units.machines, *units.people):
        key = unit.actor, unit.mail
        of[key] += 1
        if _is_wrong(unit):
            wrong[key].append(unit)
    rows = [(actor, mail, Rate(len(found), of[actor, mail]), found) for (actor, mail), found in wrong.items()]
    return sorted(rows, key=lambda row: -row[2].share)


def _is_wrong(unit: MachineUnit | PersonUnit) -> bool:
    if hasattr(unit, "no_bar"):
        return unit.counted
    return not unit.counted or unit.neutral or unit.stranded


def _uncertain(unit: PersonUnit) -> bool:
    found = [verdict_of(asked) for asked in unit.requests]
    return any(verdict is not None and verdict.kind == "uncertain" for verdict in found)
