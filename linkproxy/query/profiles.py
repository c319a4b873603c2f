"""Domain profiles as people and programs read them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.query.export import Column
from linkproxy.query.filters import format_time, short_time
from linkproxy.visit import learn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.model import DomainProfile
    from linkproxy.visit.policy import Policy


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """A profile with what it says now; shares are None where nothing was seen to take them of."""

    profile: DomainProfile
    machines: float  # messages followed by a machine, worn off until now
    people: float
    machine_share: float  # mean of the Beta posterior
    shift: float  # decibans that it moves the prior, by itself

    @property
    def scan_delay_seconds(self) -> float | None:
        """The geometric mean of the delays from delivery to the first machine visit."""
        found = self.profile
        return round(math.exp(found.delay_ln_sum / found.delays), 1) if found.delays > 0 else None

    @property
    def takes_bait(self) -> float | None:
        """The share of machines that took bait where there was some."""
        return _share(self.profile.baited, self.profile.baits_offered)

    @property
    def current_browsers(self) -> float | None:
        """The share of machines with the headers of a current browser."""
        return _share(self.profile.browsers, self.profile.machines)


def row_of(profile: DomainProfile, policy: Policy, now: float) -> ProfileRow:
    """Return what a profile says at a time."""
    rules = policy.learning
    kept = learn.worn(now - profile.taught_at, rules.half_life_days * learn.DAY_SECONDS)
    machines, people = profile.machines * kept, profile.people * kept
    base = rules.base_machines / (rules.base_machines + rules.base_people)
    return ProfileRow(
        profile=profile,
        machines=round(machines, 1),
        people=round(people, 1),
        machine_share=round(learn.machine_share(base, machines, people, rules), 3),
        shift=sum(weight for _, weight in learn.shifts(learn.recall([profile], now, rules), rules)),
    )


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 3) if whole > 0 else None


PROFILE_COLUMNS: Sequence[Column[ProfileRow]] = (
    Column("scope", "Of", lambda row: row.profile.scope),
    Column("name", "Name", lambda row: row.profile.name, folds=True),
    Column("recipients", "Recipients", lambda row: row.profile.recipients, spare=5),
    Column("machines", "Machines", lambda row: row.machines),
    Column("people", "People", lambda row: row.people),
    Column("machine_share", "Share", lambda row: row.machine_share),
    Column("shift", "Shift", lambda row: row.shift),
    Column("scan_delay_seconds", "Delay (s)", lambda row: row.scan_delay_seconds, spare=2),
    Column("takes_bait", "Bait", lambda row: row.takes_bait, spare=3),
    Column("current_browsers", "Browsers", lambda row: row.current_browsers, spare=4),
    Column(
        "taught_at",
        "Last lesson (UTC)",
        lambda row: format_time(row.profile.taught_at),
        lambda row: short_time(row.profile.taught_at),
        spare=6,
    ),
)
