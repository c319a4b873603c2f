"""The sums of rollups in SQLite: changes are collected and written once a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.store.rollups import Change, Figure, MessageSums, State

if TYPE_CHECKING:
    import sqlite3

    from linkproxy.store.sqlite_session import Message

_ORDER = tuple(Figure)
_FIGURES = ", ".join(_ORDER)
_ADD = f"""INSERT INTO rollup (campaign_id, state, part, name, {_FIGURES})
VALUES (?, ?, ?, ?{", ?" * len(Figure)})
ON CONFLICT (campaign_id, state, part, name) DO UPDATE
SET {", ".join(f"{figure} = {figure} + excluded.{figure}" for figure in Figure)}"""
_DROP_EMPTY = f"""DELETE FROM rollup WHERE campaign_id = ? AND state = ? AND part = ? AND name = ?
AND {" AND ".join(f"{figure} = 0" for figure in Figure)}"""
_ADD_POSSIBLE = """INSERT INTO rollup_possible (campaign_id, state, domain, score, clicks, units)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (campaign_id, state, domain, score, clicks) DO UPDATE SET units = units + excluded.units"""
_DROP_IMPOSSIBLE = """DELETE FROM rollup_possible
WHERE campaign_id = ? AND state = ? AND domain = ? AND score = ? AND clicks = ? AND units = 0"""
_MERGE = f"""INSERT INTO rollup (campaign_id, state, part, name, {_FIGURES})
SELECT r.campaign_id, r.state, r.part, '', {_FIGURES} FROM campaign c CROSS JOIN rollup r
ON r.campaign_id = c.id AND r.state = 'kept' AND r.part = 'domain' AND r.name = ? WHERE true
ON CONFLICT (campaign_id, state, part, name) DO UPDATE
SET {", ".join(f"{figure} = {figure} + excluded.{figure}" for figure in Figure)}"""
_MERGE_POSSIBLE = """INSERT INTO rollup_possible (campaign_id, state, domain, score, clicks, units)
SELECT r.campaign_id, r.state, '', r.score, r.clicks, r.units FROM campaign c CROSS JOIN rollup_possible r
ON r.campaign_id = c.id AND r.state = 'kept' AND r.domain = ? WHERE true
ON CONFLICT (campaign_id, state, domain, score, clicks) DO UPDATE SET units = units + excluded.units"""
_CURSOR = "SELECT recipient_id FROM rollup_rebuild WHERE campaign_id = ?"
_MESSAGE = """SELECT raw, counted, clicks, possible, shapes FROM rollup_message
WHERE campaign_id = ? AND recipient_id = ?"""
_PUT_MESSAGE = """INSERT OR REPLACE INTO rollup_message
(campaign_id, recipient_id, raw, counted, clicks, possible, shapes) VALUES (?, ?, ?, ?, ?, ?, ?)"""
_DROP_MESSAGE = "DELETE FROM rollup_message WHERE campaign_id = ? AND recipient_id = ?"


class Ledger:
    """Collects changes of one transaction and writes them at its end, each row once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._cursors: dict[int, int] = {}
        self._changes: dict[tuple[int, State], Change] = {}

    def add(self, message: Message, change: Change, times: int = 1) -> None:
        """Change what can be counted again from the journal and the click log."""
        self._of(message[0], State.LIVE).add_all(change, times)
        if message[1] <= self._rebuilt_to(message[0]):
            self._of(message[0], State.FRESH).add_all(change, times)

    def keep(self, message: Message, change: Change) -> None:
        """Keep what is purged."""
        self.add(message, change, -1)
        self._of(message[0], State.KEPT).add_all(change)

    def recount(self, message: Message, change: Change) -> None:
        """Add a message to what is being counted again."""
        self._of(message[0], State.FRESH).add_all(change)

    def write(self) -> None:
        """Write what was collected."""
        for (campaign_id, state), change in self._changes.items():
            self._write(campaign_id, state, change)
        self._changes.clear()

    def forget_domain(self, domain: str) -> None:
        """Tell what is kept of a domain under no name: nobody there is known any more."""
        for statement in (_MERGE, _MERGE_POSSIBLE):
            self._db.execute(statement, (domain,))
        for table, part in (("rollup", " AND part = 'domain'"), ("rollup_possible", "")):
            column = "name" if part else "domain"
            self._db.execute(
                f"DELETE FROM {table} WHERE campaign_id IN (SELECT id FROM campaign) "
                f"AND state = 'kept'{part} AND {column} = ?",
                (domain,),
            )

    def _of(self, campaign_id: int, state: State) -> Change:
        return self._changes.setdefault((campaign_id, state), Change())

    def _rebuilt_to(self, campaign_id: int) -> int:
        if campaign_id not in self._cursors:
            row = self._db.execute(_CURSOR, (campaign_id,)).fetchone()
            self._cursors[campaign_id] = row[0] if row else -1
        return self._cursors[campaign_id]

    def _write(self, campaign_id: int, state: State, change: Change) -> None:
        places = change.by_place()
        self._db.executemany(
            _ADD,
            [
                (campaign_id, state, *place, *[figures.get(figure, 0) for figure in _ORDER])
                for place, figures in places.items()
            ],
        )
        self._db.executemany(
            _DROP_EMPTY,
            [
                (campaign_id, state, *place)
                for place, figures in places.items()
                if any(count < 0 for count in figures.values())
            ],
        )
        units = sorted((unit, count) for unit, count in change.possible.items() if count)
        self._db.executemany(_ADD_POSSIBLE, [(campaign_id, state, *unit, count) for unit, count in units])
        gone = [(campaign_id, state, *unit) for unit, count in units if count < 0]
        self._db.executemany(_DROP_IMPOSSIBLE, gone)


def read_message(db: sqlite3.Connection, message: Message) -> MessageSums:
    """Return what is kept of a message beyond its visits."""
    row = db.execute(_MESSAGE, message).fetchone()
    return MessageSums.from_values(*row) if row else MessageSums()


def write_message(db: sqlite3.Connection, message: Message, sums: MessageSums) -> None:
    """Keep that; what is empty takes no row."""
    if sums.is_empty:
        db.execute(_DROP_MESSAGE, message)
    else:
        db.execute(_PUT_MESSAGE, (*message, *sums.values()))
