"""Which visits are open: those in ``open_visit``, and the newest ones, which wait to be brought in.

Of messages in no order nearly each visit has a page of its own; the more are brought in together, in
order of message, the fewer pages are written for each. But whoever comes meanwhile waits. So some
thousand are gathered, sorted, and placed a part with each commit.

What counts is ``meta.indexed``: visits up to that id are in ``open_visit`` until they are settled; all
after it are open, whether they have been placed or not. It moves when the last part is placed, so
that nobody else needs to know of a run, and one that is given up has changed nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

    from linkproxy.store.memory import Message

RUN_VISITS = 8_192
"""So many are gathered, and remembered until they are brought in."""

PART_VISITS = 128
"""So many of them are placed with a commit; twice as many are gathered with one."""

_A_PART = 32
"""A commit of so many visits does two parts, of twice as many three, lest they come faster than they go."""

_WAITING = "SELECT id, campaign_id, recipient_id FROM visit WHERE id > ? ORDER BY id"
_ALL = """INSERT OR IGNORE INTO open_visit (campaign_id, recipient_id, visit_id, at)
SELECT campaign_id, recipient_id, id, at FROM visit WHERE id > ? ORDER BY campaign_id, recipient_id, id"""
_KEY = "campaign_id, recipient_id, visit_id"
_RUN = f"""CREATE TEMP TABLE IF NOT EXISTS run (
    campaign_id INTEGER, recipient_id INTEGER, visit_id INTEGER, at REAL, PRIMARY KEY ({_KEY})
) WITHOUT ROWID"""
_GATHER = f"""INSERT INTO temp.run ({_KEY}, at)
SELECT campaign_id, recipient_id, id, at FROM visit WHERE id > ? AND id <= ?"""
_PART_END = f"SELECT {_KEY} FROM temp.run WHERE ({_KEY}) > (?, ?, ?) ORDER BY {_KEY} LIMIT 1 OFFSET ?"
_PLACE = f"""INSERT OR IGNORE INTO open_visit ({_KEY}, at)
SELECT {_KEY}, at FROM temp.run WHERE ({_KEY}) > (?, ?, ?) AND ({_KEY}) <= (?, ?, ?) ORDER BY {_KEY}"""
_GIVE_UP = "DELETE FROM temp.run"
_INDEXED = "UPDATE meta SET value = ? WHERE name = 'indexed'"

_Key = tuple[int, int, int]
_FIRST: Final[_Key] = (0, 0, 0)
_LAST: Final[_Key] = (1 << 62, 0, 0)


class OpenVisits:
    """Knows the visits that wait, by message, and brings them into ``open_visit``.

    Used inside the writer's transactions; whoever undoes one starts anew.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.indexed = 0  # meta.indexed
        self._waiting: dict[Message, list[int]] = {}
        self._leaving: dict[Message, list[int]] = {}  # those of the run
        self._run_to = 0  # the newest visit of the run
        self._gathered = 0  # the newest visit of it that is gathered
        self._placed = _FIRST  # the last key of it that is in open_visit
        self._patience = RUN_VISITS

    def start(self, indexed: int) -> None:
        """Begin anew with what waits now."""
        self._db.execute(_RUN)
        self._give_up()
        self.indexed = indexed
        self._waiting = {}
        self.read(indexed)

    def read(self, after: int) -> None:
        """Learn of all visits after an id; all of them wait."""
        for visit_id, campaign_id, recipient_id in self._db.execute(_WAITING, (after,)):
            self.add((campaign_id, recipient_id), visit_id)

    def add(self, message: Message, visit_id: int) -> None:
        """Note a visit, in order of arrival."""
        if visit_id > self.indexed:
            self._waiting.setdefault(message, []).append(visit_id)

    def __contains__(self, message: Message) -> bool:
        """Tell whether a visit of a message waits."""
        return message in self._waiting or message in self._leaving

    def of(self, message: Message) -> list[int]:
        """Return the visits of a message that wait, in order of arrival."""
        return self._leaving.get(message, []) + self._waiting.get(message, [])

    def moved(self, indexed: int) -> None:
        """Note that another process has brought visits in, and leave the next ones to it, if it lives."""
        if indexed == self.indexed:
            return
        messages = {**self._leaving, **self._waiting}
        kept = {message: [each for each in self.of(message) if each > indexed] for message in messages}
        self._waiting = {message: ids for message, ids in kept.items() if ids}
        self._give_up()
        self.indexed = indexed
        self._patience = 2 * RUN_VISITS

    def bring_in_some(self, newest: int, came: int) -> None:
        """Do a part of the work, if there is enough to be done.

        ``newest`` is the newest visit, ``came`` how many this transaction brings.
        """
        for _ in range(1 + came // _A_PART):
            self._go_on(newest)

    def bring_in(self, newest: int) -> None:
        """Leave none waiting."""
        if self._waiting or self._leaving:
            self._db.execute(_ALL, (self.indexed,))
            self._brought_in(newest)
            self._waiting = {}

    def _go_on(self, newest: int) -> None:
        if self._gathered < self._run_to:
            self._gather()
        elif self._run_to:
            self._place()
        elif newest - self.indexed >= self._patience:
            self._run_to, self._gathered = newest, self.indexed
            self._leaving, self._waiting = self._waiting, {}

    def _gather(self) -> None:
        until = min(self._gathered + 2 * PART_VISITS, self._run_to)
        self._db.execute(_GATHER, (self._gathered, until))
        self._gathered = until

    def _place(self) -> None:
        end = self._db.execute(_PART_END, (*self._placed, PART_VISITS - 1)).fetchone()
        self._db.execute(_PLACE, (*self._placed, *(end or _LAST)))
        if end is None:
            self._brought_in(self._run_to)
        else:
            self._placed = end

    def _brought_in(self, newest: int) -> None:
        self._db.execute(_INDEXED, (newest,))
        self.indexed = newest
        self._give_up()
        self._patience = RUN_VISITS

    def _give_up(self) -> None:
        self._db.execute(_GIVE_UP)
        self._leaving, self._run_to, self._gathered, self._placed = {}, 0, 0, _FIRST
