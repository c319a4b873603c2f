"""Check-points in the background: the log's pages go into the database beside the writer."""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Literal

from linkproxy.store.api import StoreError
from linkproxy.store.sqlite_connect import FileSettings, connect
from linkproxy.store.sqlite_lock import FileLock

if TYPE_CHECKING:
    from linkproxy.store.sqlite_session import Session

_EVERY_CHANGES = 1_000
"""Changed rows between check-points: so little of the log that each takes less time than a commit."""

_LONG_LOG_PAGES = 16_000
"""A log of this length begins anew even if writers must wait: 64 MB in pages of 4 kB."""

_PAUSE_SECONDS = 0.02
_CLOSE_SECONDS = 10.0


Nudge = Literal["move", "cut", "end"]


class Checkpointer:
    """A thread with a connection of its own, kept: to open one costs as much as to make a check-point."""

    def __init__(self, settings: FileSettings) -> None:
        self._settings = settings
        self._lock = FileLock(settings.path)
        self._nudges: queue.SimpleQueue[Nudge] = queue.SimpleQueue()
        self._changes = 0
        self._cut_again = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take nudges."""
        self._thread = threading.Thread(target=self._loop, name="linkproxy-checkpoint", daemon=True)
        self._thread.start()

    def committed(self, session: Session) -> None:
        """Take note of a commit; the writer calls this after each."""
        changes = session.db.total_changes
        if self._cut_again:
            self._cut_again, session.wants_cut = False, True
        if session.wants_cut or not 0 <= changes - self._changes < _EVERY_CHANGES:
            self._changes = changes
            self._nudges.put("cut" if session.wants_cut else "move")
            session.wants_cut = False

    def close(self) -> None:
        """End; a check-point under way is finished."""
        if self._thread is not None:
            self._nudges.put("end")
            self._thread.join(_CLOSE_SECONDS)
            self._thread = None

    def _loop(self) -> None:
        db: sqlite3.Connection | None = None
        while (nudge := self._nudges.get()) != "end":
            try:
                db = db or connect(self._settings)
                self._checkpoint(db, cut=nudge == "cut")
            except (sqlite3.Error, StoreError, OSError):
                # The log is kept and grows until a check-point works; the writer, which meets the
                # same disk, is the one to complain. What was erased is still in it, so it is cut later.
                self._cut_again = self._cut_again or nudge == "cut"
                if db is not None:
                    db.close()
                    db = None
        if db is not None:
            db.close()
        self._lock.close()

    def _checkpoint(self, db: sqlite3.Connection, *, cut: bool) -> None:
        """Move the log's pages; in a writer's turn cut it when asked, or begin it anew when it is long.

        Begun anew it keeps its file: commits that overwrite are synced in about half the time of
        commits that make a file longer.
        """
        _, pages, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if cut:
            # If a reader outlasts the wait, the next commit tries again.
            self._cut_again = self._is_cut_late(db)
        elif pages > _LONG_LOG_PAGES:
            # The next check-point tries again.
            self._in_turn(db, "RESTART")

    def _is_cut_late(self, db: sqlite3.Connection) -> bool:
        """Cut the log as soon as nobody reads; return whether the wait for that was in vain."""
        until = time.monotonic() + self._settings.lock_seconds
        while self._in_turn(db, "TRUNCATE"):
            if time.monotonic() >= until:
                return True
            time.sleep(_PAUSE_SECONDS)
        return False

    def _in_turn(self, db: sqlite3.Connection, mode: Literal["TRUNCATE", "RESTART"]) -> bool:
        """Make a check-point while no writer of ours is at work; return whether a reader was in its way.

        No reader is waited for, since writers wait for us: a backup reads for minutes.
        """
        db.execute("PRAGMA busy_timeout = 0")
        self._lock.acquire()
        try:
            busy, _, _ = db.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        finally:
            self._lock.release()
        return bool(busy)
