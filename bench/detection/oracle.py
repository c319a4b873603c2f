"""What the best of judges could do about one visit: an oracle that no judge has.

Stealth on a single link of a domain without history leaves two things to go by: when it came, and
which browser it seems to be. The oracle knows the very distributions that the simulation draws both
from, and orders visits by their true likelihood ratio, which nobody can better (Neyman and Pearson
1933). It does not know networks, as nobody does who has no database of them and meets a provider for
the first time.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from bench.detection import actors_people, population, programs, schedule
from bench.detection.traffic import Links, MailKind, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from bench.detection.traffic import Headers

DRAWS = 60_000
A_DECADE = 25  # cells of delay in a factor of ten
ALLOWED = 0.01
"""The loss at which the other one is told."""

CURVES: dict[MailKind, Callable[[Random], float]] = {
    MailKind.SINGLE: schedule.click,
    MailKind.TRANSACTIONAL: schedule.reset,
}


@dataclass(frozen=True, slots=True)
class Best:
    """The best that can be had of visits of one kind by what is looked at."""

    mail: MailKind
    seen: str
    machines_counted: float  # where ALLOWED of the people are lost
    people_lost: float  # where ALLOWED of the machines are counted
    error: float  # the mean of both at its least


def best(seed: int, draws: int = DRAWS) -> list[Best]:
    """Return what the oracle does on each kind of mail, by delay alone and with the browser."""
    chance = Random(f"oracle {seed}")
    rows = []
    for mail, curve in CURVES.items():
        machines = [(_cell(schedule.sweep(chance)), _class(_machine(chance))) for _ in range(draws)]
        people = [(_cell(curve(chance)), _class(_person(chance, mail))) for _ in range(draws)]
        rows.append(_best(mail, "delay", [cell for cell, _ in machines], [cell for cell, _ in people]))
        rows.append(_best(mail, "delay, browser", machines, people))
    return rows


def _machine(chance: Random) -> Headers:
    return programs.stealth(chance, secure=True)


def _person(chance: Random, mail: MailKind) -> Headers:
    links = Links((), (), (), (), ())
    home = population.domain("reader.example", "", 1, chance)
    scene = Scene("oracle", mail, home, "", "", links, True, 0.0, 0.0, False, chance)
    return actors_people.ordinary(scene).headers


def _cell(delay: float) -> int:
    return round(A_DECADE * math.log10(max(1.0, delay)))


def _class(headers: Headers) -> tuple[str, ...]:
    """Return what of a browser the two kinds of visitors differ in: system, engine, where it came from."""
    known = dict(headers)
    agent = known["user-agent"]
    system = agent.partition("(")[2].partition(";")[0].partition(" ")[0]
    engine = next((name for name in ("Edg/", "Chrome/", "Firefox/", "Safari/") if name in agent), "")
    return system, engine, known.get("sec-fetch-site", "")


def _best(mail: MailKind, seen: str, machines: Sequence[Hashable], people: Sequence[Hashable]) -> Best:
    """Walk from the cells that speak most for a machine to those that speak most for a person."""
    theirs, ours = Counter(machines), Counter(people)
    cells = sorted({*theirs, *ours}, key=lambda cell: -theirs[cell] / (theirs[cell] + ours[cell]))
    counted, lost = 1.0, 0.0
    steps = [Best(mail, seen, counted, lost, 0.5)]
    for cell in cells:
        counted -= theirs[cell] / len(machines)
        lost += ours[cell] / len(people)
        steps.append(Best(mail, seen, counted, lost, (counted + lost) / 2))
    return Best(
        mail,
        seen,
        min(max(0.0, step.machines_counted) for step in steps if step.people_lost <= ALLOWED),
        min(step.people_lost for step in steps if step.machines_counted <= ALLOWED),
        max(0.0, min(step.error for step in steps)),
    )
