"""One node, visit by visit: group commit, as ``linkproxy.server.batches`` does it.

What waits when a commit begins is that commit, at most ``MOST_AT_ONCE``; a commit takes a fixed time (the
disk, or the way to the database and back) and a time for each visit. The model lets nothing overlap:
a real node reads and writes sockets while the disk syncs, so it is a little better than its model.

With SQLite, settling takes turns with visits at the one writer: a turn settles several messages.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from linkproxy.server.journal import MOST_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

SWEEP_SECONDS = 1.0
"""All links of a sweep came within a second (craft-campaign issue 546)."""


@dataclass(frozen=True, slots=True)
class Node:
    """What a commit takes."""

    commit_seconds: float
    visit_seconds: float
    most: int = MOST_AT_ONCE

    @property
    def highest(self) -> float:
        """Return the visits a second that it cannot exceed."""
        return self.most / (self.commit_seconds + self.most * self.visit_seconds)

    def mean_commit(self, rate: float) -> float:
        """Return the visits of a commit when one follows another: as many as come meanwhile."""
        return rate * self.commit_seconds / (1 - rate * self.visit_seconds)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of it; times in seconds."""

    answers: Sequence[float]  # how long each visit waited for its answer, ascending
    commits: int
    busy: float  # the share of time

    @property
    def mean(self) -> float:
        """Return the mean time to an answer."""
        return fmean(self.answers)

    def quantile(self, share: float) -> float:
        """Return the time within which such a share was answered; 0 when nobody came."""
        if not self.answers:
            return 0.0
        return self.answers[min(len(self.answers) - 1, int(share * len(self.answers)))]


def waiting(rate: float, service_seconds: float) -> float:
    """Return the mean time in an M/D/1 queue with its service (Pollaczek and Khinchine)."""
    load = rate * service_seconds
    return service_seconds + load * service_seconds / (2 * (1 - load))


def arrivals(
    chance: Random, *, sweeps: float, links: int, clicks: float, seconds: float, nodes: int = 1
) -> list[float]:
    """Return when one of some nodes behind a balancer is visited, ascending; rates are of all nodes."""
    times = []
    at = -SWEEP_SECONDS  # so that sweeps are under way when the clock starts
    while sweeps and (at := at + chance.expovariate(sweeps)) < seconds:
        times += [at + chance.random() * SWEEP_SECONDS for _ in range(links) if chance.randrange(nodes) == 0]
    at = 0.0
    while clicks and (at := at + chance.expovariate(clicks / nodes)) < seconds:
        times.append(at)
    return sorted(at for at in times if 0 <= at < seconds)


def play(node: Node, times: Sequence[float], turns: Sequence[tuple[float, float]] = ()) -> Played:
    """Answer visits that come at ascending times; ``turns`` of the settler: ready at, seconds.

    A turn that is ready goes first if the writer's last work was a commit, or if nobody waits.
    """
    answers: list[float] = []
    now = worked = 0.0
    visit = turn = commits = 0
    visits_turn = True
    while visit < len(times):
        ready = turn < len(turns) and turns[turn][0] <= max(now, times[visit])
        if ready and (not visits_turn or times[visit] > max(now, turns[turn][0])):
            begin = max(now, turns[turn][0])
            now = begin + turns[turn][1]
            turn, visits_turn = turn + 1, True
        else:
            begin = max(now, times[visit])
            taken = min(bisect_right(times, begin, visit), visit + node.most)
            now = begin + node.commit_seconds + (taken - visit) * node.visit_seconds
            answers += [now - at for at in times[visit:taken]]
            visit, commits, visits_turn = taken, commits + 1, False
        worked += now - begin
    return Played(sorted(answers), commits, worked / now if now else 0.0)
