"""The index of open visits, which new visits come into behind everybody's back.

Of messages in no order nearly each visit has a page of its own in ``open_visit``; the more are brought in
together, in order of message, the fewer pages are written for each. So some thousands wait, and are
remembered until then. They go in by message, some with each commit: whoever waits for a commit waits for
those few and not for all of them.

``indexed`` in ``meta`` is the newest visit up to which all have been brought in. Of those above it some may
have been as well, and even settled since, which only the process that did it knows: whoever reads both
takes a visit once (sqlite_facts.py, sqlite_reads.py), and what is settled is not opened again.
"""

from __future__ import annotations

import math
from itertools import chain, islice
from typing import TYPE_CHECKING

from linkproxy.store.sqlite_rows import compact

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from linkproxy.store.memory import Message

STEP = 16_384
"""So many visits wait before the first of them goes in."""

_SORTED_AT_ONCE = 512
"""Pieces in order are put in order as a whole in less than half of the time, and people wait for that."""

_LEAST_AT_ONCE = 512
"""Messages that go in with a commit, or twice as many as it has visits, so that more go in than come."""

_BEGUN = """INSERT INTO meta (name, value) VALUES ('indexing', ?)
ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
_INDEXED = "UPDATE meta SET value = max(value, ?) WHERE name = 'indexed'"
_INSERT = "INSERT OR IGNORE INTO open_visit (campaign_id, recipient_id, visit_id, at)"
_SOME = f"""{_INSERT} SELECT campaign_id, recipient_id, visit.id, at
FROM json_each(?) wanted CROSS JOIN visit ON visit.id = wanted.value WHERE settled_verdict IS NULL"""
_ALL = f"""{_INSERT} SELECT campaign_id, recipient_id, id, at FROM visit
WHERE id > ? AND settled_verdict IS NULL ORDER BY campaign_id, recipient_id, id"""
_WAITING = "SELECT id, campaign_id, recipient_id, at FROM visit WHERE id > ? ORDER BY id"


class OpenIndex:
    """What ``open_visit`` lacks, and how it gets there; used inside the writer's transactions alone."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.indexed = 0
        self.waiting: dict[Message, list[int]] = {}  # visits that open_visit lacks, by message
        self._newest = 0
        self._begun = 0  # what is being brought in ends with this visit, here or in another process
        self._moving: Iterator[Message] | None = None
        self._sorted: list[list[Message]] = []  # those that wait, in pieces, each in order
        self._unsorted: list[Message] = []
        self._oldest = math.inf  # none that waits has come before, and none that is being brought in
        self._oldest_moving = math.inf

    def start(self, indexed: int, begun: int, newest: int) -> None:
        """Begin anew with what the journal says, up to its newest visit."""
        self._forget()
        self.indexed, self._begun = indexed, begun
        self.read(indexed, newest)

    def read(self, after: int, newest: int) -> None:
        """Learn from the journal which visits wait."""
        self.add((row[0], row[1:3], row[3]) for row in self._db.execute(_WAITING, (after,)))
        self._newest = newest

    def add(self, arrivals: Iterable[tuple[int, Message, float]]) -> None:
        """Note visits that ``open_visit`` lacks: id, message and time, in order of arrival."""
        waiting, visit_id, oldest = self.waiting, self._newest, self._oldest
        for visit_id, message, at in arrivals:
            if message in waiting:
                waiting[message].append(visit_id)
            else:
                waiting[message] = [visit_id]
                self._unsorted.append(message)
            oldest = min(oldest, at)
        self._newest, self._oldest = visit_id, oldest
        if len(self._unsorted) >= _SORTED_AT_ONCE:
            self._sort()

    def told(self, indexed: int, begun: int) -> None:
        """Note how far other processes are."""
        self._begun = begun
        if indexed <= self.indexed:
            return
        waiting, oldest = self.waiting, min(self._oldest, self._oldest_moving)
        self._forget()
        self.indexed, self._oldest = indexed, oldest
        self.waiting = dict(_above(indexed, waiting))
        self._unsorted = list(self.waiting)

    def step(self, visits: int) -> None:
        """Bring some in with a commit of so many visits, if enough wait or others have not gone in yet."""
        if self._moving is None and self._newest - self.indexed >= self._enough():
            self._begin()
        if self._moving is not None:
            messages = list(islice(self._moving, max(_LEAST_AT_ONCE, 2 * visits)))
            self._bring(messages)
            if not messages:
                self._end()

    def bring(self, message: Message) -> None:
        """Bring in what waits of one message."""
        if message in self.waiting:
            self._bring([message])

    def bring_all(self) -> None:
        """Bring in whatever waits."""
        if self.waiting or self._moving is not None:
            self._db.execute(_ALL, (self.indexed,))
            self._db.execute(_INDEXED, (self._newest,))
            newest = self._newest
            self._forget()
            self.indexed = newest

    def bring_old(self, before: float) -> None:
        """Bring in whatever waits if one of them may have come before a time."""
        if min(self._oldest, self._oldest_moving) < before:
            self.bring_all()

    def among(self, messages: Iterable[Message]) -> frozenset[Message]:
        """Return those of which a visit waits."""
        return frozenset(message for message in messages if message in self.waiting)

    def _enough(self) -> int:
        """Return how many must wait; twice as many when another process has begun, and may have died."""
        return 2 * STEP if self._begun > self.indexed else STEP

    def _begin(self) -> None:
        self._begun = self._newest
        self._db.execute(_BEGUN, (self._begun,))
        self._sort()
        self._moving, self._sorted = iter(sorted(chain.from_iterable(self._sorted))), []
        self._oldest_moving, self._oldest = self._oldest, math.inf

    def _sort(self) -> None:
        self._unsorted.sort()
        self._sorted.append(self._unsorted)
        self._unsorted = []

    def _end(self) -> None:
        self._db.execute(_INDEXED, (self._begun,))
        self.indexed = self._begun
        self._moving, self._oldest_moving = None, math.inf

    def _bring(self, messages: Sequence[Message]) -> None:
        ids = [visit_id for message in messages for visit_id in self.waiting.pop(message, ())]
        if ids:
            self._db.execute(_SOME, (compact(ids),))

    def _forget(self) -> None:
        self.waiting = {}
        self._moving, self._sorted, self._unsorted = None, [], []
        self._oldest = self._oldest_moving = math.inf


def _above(indexed: int, waiting: dict[Message, list[int]]) -> Iterator[tuple[Message, list[int]]]:
    for message, ids in waiting.items():
        left = [visit_id for visit_id in ids if visit_id > indexed]
        if left:
            yield message, left
