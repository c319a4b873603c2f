"""Who visits when: the busiest day of a sender, in visits for each second.

Delays after sending are those of ``bench.detection.schedule``, which names their sources. All campaigns
have one size and one shape; they begin on full slots, since people set mailings to full and half
hours. What comes later than midnight is added to the same day: the days before were mailed on, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from bench.detection import schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

DAY = 86_400
BIN = 10
"""Seconds; within a bin the rate is taken for constant."""

DAYS_A_MONTH = 30
_BINS = DAY // BIN
_LAST = 7 * _BINS


def told(default: float, meaning: str) -> float:
    """Declare a figure that the command line can change."""
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True, slots=True)
class Sender:
    """What is sent, and who follows links in it."""

    mails: float = told(1e9, "mails a month")
    recipients: float = told(500_000, "of one campaign; of small senders a sixtieth of the month's mails")
    send_minutes: float = told(60, "that one campaign takes to go out")
    busy: float = told(2, "mails of the busiest day for each of a mean day's")
    hours: float = told(10, "of a day in which campaigns begin")
    slot_minutes: float = told(30, "campaigns begin on multiples of this")
    scanned: float = told(0.2, "share of mails whose links a machine follows")
    links: float = told(10, "that such a machine follows, within a second")
    click_rate: float = told(0.03, "share of mails that a person clicks in")
    visits_a_clicker: float = told(1.5, "of a person who clicks: other links, double clicks, the extra hop")

    @property
    def machine_visits(self) -> float:
        """Return visits of machines for each mail."""
        return self.scanned * self.links

    @property
    def visits(self) -> float:
        """Return visits for each mail."""
        return self.machine_visits + self.click_rate * self.visits_a_clicker

    @property
    def campaigns(self) -> int:
        """Return how many campaigns begin on the busiest day."""
        size = min(self.recipients, self.mails / 60)
        return max(1, round(self.mails / DAYS_A_MONTH * self.busy / size))


@dataclass(frozen=True, slots=True)
class Day:
    """Messages for each second, by bin: those that a sweep begins in, and those that a person clicks in."""

    sweeps: Sequence[float]
    clickers: Sequence[float]

    def visits(self, sender: Sender) -> list[float]:
        """Return visits for each second, by bin."""
        pairs = zip(self.sweeps, self.clickers, strict=True)
        return [sweeps * sender.links + clickers * sender.visits_a_clicker for sweeps, clickers in pairs]

    def part(self, of: int) -> Day:
        """Return the share of one among so many equal installations."""
        return Day([rate / of for rate in self.sweeps], [rate / of for rate in self.clickers])


def busiest_day(sender: Sender, chance: Random) -> Day:
    """Return the busiest day; the slots of its campaigns are drawn."""
    mails = sender.mails / DAYS_A_MONTH * sender.busy
    slots = max(1, int(sender.hours * 60 / sender.slot_minutes))
    begun = [0] * slots
    for _ in range(sender.campaigns):
        begun[chance.randrange(slots)] += 1
    sending = sender.send_minutes * 60
    of_machines, of_people = (_folded(after, sending) for after in (swept_by, clicked_by))
    apart = round(sender.slot_minutes * 60 / BIN)
    sweeps, clickers = [0.0] * _BINS, [0.0] * _BINS
    for slot, number in enumerate(begun):
        scale = number / sender.campaigns * mails / BIN
        for place in range(_BINS if number else 0):
            where = (place + slot * apart) % _BINS
            sweeps[where] += scale * sender.scanned * of_machines[place]
            clickers[where] += scale * sender.click_rate * of_people[place]
    return Day(sweeps, clickers)


def swept_by(after: float) -> float:
    """Return the share of sweeps that have begun so many seconds after sending."""
    return sum(share * _log_share(after, low, high) for low, high, share in schedule.SWEEPS)


def clicked_by(after: float) -> float:
    """Return the share of people's clicks that have come so many seconds after sending."""
    first_hour, first_share = schedule.CLICKS[0]
    share = first_share * min(1.0, _log_normal(after) / _log_normal(first_hour))
    pairs = pairwise(schedule.CLICKS)
    return share + sum(part * _log_share(after, low, high) for (low, _), (high, part) in pairs)


def _log_share(after: float, low: float, high: float) -> float:
    if after <= low:
        return 0.0
    return min(1.0, math.log(after / low) / math.log(high / low))


def _log_normal(after: float) -> float:
    median, sigma = schedule.FIRST_HOUR
    if after <= schedule.QUICKEST:
        return 0.0
    return 0.5 * (1 + math.erf(math.log(after / median) / sigma / math.sqrt(2)))


@cache
def _folded(share_by: Callable[[float], float], sending: float) -> Sequence[float]:
    """Return the share of a campaign's messages in each bin of a day, with later days added to it.

    Mails go out evenly over ``sending`` seconds: the integral of ``share_by`` over that time.
    """
    steps = max(1, round(sending / BIN))
    by = [share_by(place * BIN) for place in range(_LAST + 1)]
    whole = [0.0]
    for before, after in pairwise(by):
        whole.append(whole[-1] + (before + after) / 2)
    reached = [(whole[place] - whole[max(0, place - steps)]) / steps for place in range(_LAST + 1)]
    folded = [0.0] * _BINS
    for place in range(_LAST):
        folded[place % _BINS] += reached[place + 1] - reached[place]
    return folded
