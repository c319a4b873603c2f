"""Does the interval hold? Whole campaigns with actor mixes of their own, and their true clicks.

Unlike the main population, these have the shares of life: few readers click, and from a twentieth
to four fifths of the recipients are scanned, by one to five kinds of machines. In the unfamiliar
half one family dominates that the policy in force has never met (leave_out.py).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from bench.detection import population
from bench.detection.actors_machines import MACHINES, PREVIEWERS
from bench.detection.actors_people import PEOPLE
from bench.detection.population import Letter, Mailing
from bench.detection.traffic import MailKind, Truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.detection.played import Played
    from linkproxy.query.reports import Report

KINDS = (MailKind.MANY, MailKind.MANY, MailKind.MANY, MailKind.SINGLE, MailKind.TRANSACTIONAL)
READERS = (30, 90)
SCANNED = (0.05, 0.8)  # B2C below 10 %, B2B 20 to 80 % (M3AAWG, as vendors quote it)
CLICKING = {MailKind.MANY: (0.03, 0.2), MailKind.SINGLE: (0.05, 0.3), MailKind.TRANSACTIONAL: (0.4, 0.9)}
_FAMILIES = sorted({machine.family for machine in MACHINES})


@dataclass(frozen=True, slots=True)
class Held:
    """One campaign: what is true, what was counted, and the interval; the same of its rate if it has one."""

    campaign: str
    true: int
    counted: int
    low: float
    high: float
    rate: HeldRate | None = None

    @property
    def covers(self) -> bool:
        """Return whether the truth lies inside."""
        return self.low <= self.true <= self.high


@dataclass(frozen=True, slots=True)
class HeldRate:
    """A click rate: the probability with which readers clicked, what was measured, and the interval."""

    true: float
    measured: float
    low: float
    high: float

    @property
    def covers(self) -> bool:
        """Return whether the truth lies inside."""
        return self.low <= self.true <= self.high


def campaign(number: int, seed: int, family: str = "") -> list[Letter]:
    """Return the mails of one campaign; ``family`` dominates its scanners if given."""
    chance = Random(f"campaign {seed} {number} {family}")
    mail = chance.choice(KINDS)
    begins = population.START + chance.uniform(0.0, 10 * population.DAY)
    mailing = Mailing(
        f"campaign-{family or 'mixed'}-{number}", mail, chance.choice(population.STREAMS), begins
    )
    scanners = _scanners(chance, family)
    share, clicking = chance.uniform(*SCANNED), chance.uniform(*CLICKING[mail])
    mailing = replace(mailing, clicking=clicking)
    left, letters = chance.randint(*READERS), []
    while left > 0:
        count = min(left, round(1 + chance.expovariate(1 / 5.0)))
        left -= count
        scanner = chance.choice(scanners) if chance.random() < share else ""
        name = f"d{left}.{mailing.name.replace(' ', '-')}.example"
        home = replace(population.domain(name, scanner, count, chance), stream=0)
        for place in range(count):
            reader = population.reader_of(home, place, chance.choice(PEOPLE).name)
            letters.append(population.letter(reader, mailing, seed, clicking))
    return letters


def _scanners(chance: Random, family: str) -> list[str]:
    kinds = chance.sample([machine.name for machine in (*MACHINES, *PREVIEWERS)], chance.randint(1, 5))
    if not family:
        return kinds
    return [machine.name for machine in MACHINES if machine.family == family] * 3 + kinds[:1]


def unfamiliar(seed: int, count: int) -> list[str]:
    """Return the families that dominate where nothing was tuned on them."""
    return Random(f"unfamiliar {seed}").sample(_FAMILIES, min(count, len(_FAMILIES)))


def held(played: Played, letters: Sequence[Letter]) -> list[Held]:
    """Return each campaign's intervals beside its true clicks and rate."""
    rates = {letter.mailing.name: letter.mailing.clicking for letter in letters}
    clicks: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for asked in played.asked:
        if asked.request.truth is Truth.CLICK:
            clicks[played.scenes[asked.message].campaign].add((asked.message, asked.request.click))
    found = []
    for name, made in played.reports.items():
        low = made.interval.low if made.interval else 0.0
        high = made.interval.high if made.interval else 0.0
        found.append(Held(name, len(clicks[name]), made.clicks, low, high, _rate(made, rates[name])))
    return found


def _rate(made: Report, true: float | None) -> HeldRate | None:
    """Return the rate of a campaign whose sender tells of deliveries; the others have none."""
    if true is None or made.imagined_rate is None:
        return None
    found = made.imagined_rate.interval()
    return HeldRate(true, made.imagined_rate.measured, found.low, found.high)
