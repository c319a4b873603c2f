"""What the processes of one server tell each other: memory they share, a row of numbers each.

A row holds how its worker is and all that it counts. The supervisor makes the board before it
starts workers, so nothing needs a file, a socket, or an answer from somebody who may be dead.
Counts stay in their row when a worker dies, and who gets the row next counts on from there:
the sums that a scraper sees never go down.
"""

from __future__ import annotations

import mmap
import time
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import Metric as Family

from linkproxy.server.loop import Loop
from linkproxy.telemetry import METRICS, SIGNAL, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from linkproxy.server.journal import Journal
    from linkproxy.telemetry import Metrics

SEATS: Final = 256
"""Rows of the board; more than the processes of two generations."""

BEAT_SECONDS: Final = 1.0
LATE_SECONDS: Final = 10.0
"""A worker that was not heard of for so long is not counted on."""

_STATE: Final = 3  # the columns before the counts
_BYTES: Final = 8

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and its labels."""


@dataclass(frozen=True, slots=True)
class State:
    """How a worker is: ``beat_at`` in monotonic seconds, 0 for nobody; ``public``: it serves links."""

    beat_at: float = 0.0
    public: bool = False
    spilling: bool = False


class Board:
    """The shared memory; made once, before any worker is started."""

    def __init__(self, metrics: Metrics) -> None:
        self.places = {key: place for place, key in enumerate(_keys(metrics), _STATE)}
        self._width = _STATE + len(self.places)
        self._cells = memoryview(mmap.mmap(-1, SEATS * self._width * _BYTES)).cast("d")

    def read(self, seat: int) -> State:
        """Return how the worker of a seat is."""
        row = seat * self._width
        beat_at, public, spilling = self._cells[row : row + _STATE]
        return State(beat_at, bool(public), bool(spilling))

    def answering(self, now: float) -> list[State]:
        """Return how the public workers are that have been heard of lately; ``now`` is monotonic."""
        states = (self.read(seat) for seat in range(SEATS))
        return [state for state in states if state.public and now - state.beat_at < LATE_SECONDS]

    def write(self, seat: int, state: State) -> None:
        """Say how the worker of a seat is; the beat last, so that who sees it sees the rest."""
        row = seat * self._width
        self._cells[row + 1] = float(state.public)
        self._cells[row + 2] = float(state.spilling)
        self._cells[row] = state.beat_at

    def counts(self, seat: int) -> list[float]:
        """Return the counts of a seat, in the order of ``places``."""
        row = seat * self._width
        return [float(value) for value in self._cells[row + _STATE : row + self._width]]

    def put_count(self, seat: int, place: int, value: float) -> None:
        """Set one count of a seat."""
        self._cells[seat * self._width + place] = value

    def sums(self) -> list[float]:
        """Return the counts of all seats, added up."""
        return [sum(column) for column in zip(*map(self.counts, range(SEATS)), strict=True)]


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker's row of the board."""

    board: Board
    number: int


class Counts:
    """What one worker counts, on top of what its seat held when it came."""

    def __init__(self, seat: Seat, metrics: Metrics) -> None:
        self._board = seat.board
        self._seat = seat.number
        self._metrics = metrics
        self._before = seat.board.counts(seat.number)

    def push(self) -> None:
        """Write the counts to the board."""
        for family in self._metrics.registry.collect():
            for sample in family.samples:
                place = self._board.places.get((sample.name, tuple(sorted(sample.labels.items()))))
                if place is not None:
                    self._board.put_count(self._seat, place, self._before[place - _STATE] + sample.value)

    def summed(self) -> CollectorRegistry:
        """Return a registry that exports the sums of all workers, this one's newest counts included."""
        self.push()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Sums(self._metrics, self._board))
        return registry


class _Sums:
    """A collector (prometheus_client's word) of the board's sums."""

    def __init__(self, metrics: Metrics, board: Board) -> None:
        self._metrics = metrics
        self._board = board

    def collect(self) -> Iterator[Family]:
        sums = dict(zip(self._board.places, self._board.sums(), strict=True))
        for family in self._metrics.registry.collect():
            summed = Family(family.name, family.documentation, family.type)
            for sample in family.samples:
                key = sample.name, tuple(sorted(sample.labels.items()))
                summed.add_sample(sample.name, sample.labels, sums.pop(key, sample.value))
            for name, labels in [key for key in sums if key[0] == f"{family.name}_total" and sums[key]]:
                # What only others count: a label value that nobody should have.
                summed.add_sample(name, dict(labels), sums[name, labels])
            yield summed


class Beat(Loop):
    """Says once a second that the worker is there, how it is, and what it has counted.

    It begins before the store is opened, since an upgrade of a large one takes minutes, and ends after
    all else, since what is under way may take its time too. ``journal`` is for a public worker to set.
    """

    def __init__(self, seat: Seat, counts: Counts) -> None:
        super().__init__(BEAT_SECONDS)
        self._seat = seat
        self.counts = counts
        self.journal: Journal | None = None

    async def once(self) -> None:
        """Write state and counts."""
        self.counts.push()
        journal = self.journal
        state = State(time.monotonic(), journal is not None, journal is not None and journal.failing)
        self._seat.board.write(self._seat.number, state)

    async def close(self) -> None:
        """Leave the last counts behind, and a last sign of life, of one who no longer serves.

        Without one the supervisor would take who is about to end for hung.
        """
        await super().close()
        self.counts.push()
        self._seat.board.write(self._seat.number, State(time.monotonic()))


def _keys(metrics: Metrics) -> list[Key]:
    """Return every sample that a worker can export, ``unknown`` labels included."""
    keys = dict.fromkeys(
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in metrics.registry.collect()
        for sample in family.samples
    )
    signals = sorted({value for _, labels in keys for name, value in labels if name == SIGNAL})
    for metric in METRICS:
        if metric.kind is not Counter or not metric.labels:
            continue
        allowed: Mapping[str, tuple[str, ...]] = {
            label: (*(signals if label == SIGNAL else values), UNKNOWN) for label, values in metric.labels
        }
        for values in product(*allowed.values()):
            keys[metric.exported, tuple(sorted(zip(allowed, values, strict=True)))] = None
    return list(keys)
