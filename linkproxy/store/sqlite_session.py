"""What the writer's thread holds: its connection, and what it remembers between transactions.

Everything remembered is a copy: bounded, and dropped when another process has changed the
original. ``refresh`` finds that out at the start of each batch.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from linkproxy.model import CampaignId, StrayTrace
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.api import StoreError
from linkproxy.store.memory import Bounds, CampaignTable, HeldProfile, KnownProfile, Memory, Message, Recent
from linkproxy.store.sqlite_connect import FileSettings, connect, place
from linkproxy.store.sqlite_domains import HAS_NEIGHBOURS, read_neighbours, remember_neighbours
from linkproxy.store.sqlite_open import OpenVisits
from linkproxy.visit.facts import MOST_SIBLINGS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from linkproxy.store.privacy import Privacy

__all__ = ["Bounds", "CampaignTable", "HeldProfile", "KnownProfile", "Memory", "Message", "Recent", "Session"]

_STRAYS_A_CLIENT = 64
"""Strays counted of one client; more of them say no more."""

_STATE = "SELECT name, value FROM meta WHERE name IN ('epoch', 'indexed', 'erasures')"
_ERASED = """INSERT INTO meta (name, value) VALUES ('erasures', 1)
ON CONFLICT (name) DO UPDATE SET value = value + 1"""
_SEQUENCES = "SELECT name, seq FROM sqlite_sequence WHERE name IN ('visit', 'stray', 'settle_pass')"
_NEWS = f"SELECT id, campaign_id, recipient_id, {HAS_NEIGHBOURS} FROM visit WHERE id > ? ORDER BY id"
_BY_ID = f"""SELECT campaign_id, recipient_id, {rows.SIBLING} FROM visit
WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"""
_CHANGED = "SELECT campaign_id, recipient_id FROM settle_pass WHERE id > ?"
_VISITED = "SELECT 1 FROM open_visit WHERE campaign_id = ? AND recipient_id = ? LIMIT 1"

PASSES_KEPT = 10_000
"""Notes of changed messages that are kept for the other processes; who missed more forgets them all."""


class Session:
    """The writer's connection with its memory; used by the writer's thread alone."""

    def __init__(
        self,
        settings: FileSettings,
        *,
        privacy: Privacy,
        clock: Callable[[], float],
        bounds: Bounds,
        file_inode: int,
    ) -> None:
        self.path = settings.path
        self.privacy = privacy
        self.clock = clock
        self.bounds = bounds
        self.db = connect(settings)
        self.memory = Memory.bounded(bounds)
        self.wants_cut = False
        self._inode = file_inode
        self.newest_visit = 0
        self.newest_stray = 0
        self.open = OpenVisits(self.db)
        self._version = -1
        self._epoch = -1
        self._erasures = 0
        self._stray_seen = 0
        self._settle_seen = 0
        self._blank = True

    def check_in_place(self) -> None:
        """Raise StoreError when the file we hold is no longer the one at its path."""
        found, writable = place(self.path)
        if found != self._inode:
            raise StoreError(
                f"{self.path}: the file was removed or replaced while in use; "
                "put it back or restart linkproxy"
            )
        if not writable:
            raise StoreError(
                f"{self.path}: it is read-only, as `store copy --live` leaves it; set store.url to what "
                f"it was copied to, or go on with this one: chmod u+w {self.path}*"
            )

    def forget(self) -> None:
        """Drop what is remembered, since some of it may have been undone."""
        self.memory.forget()
        self._version = -1
        self._blank = True

    def changed(self) -> None:
        """Note that what ``forget_lookups`` names changes in this transaction."""
        self.db.execute("UPDATE meta SET value = value + 1 WHERE name = 'epoch'")
        self.memory.forget_lookups()

    def erased(self) -> None:
        """Note that somebody is erased in this transaction: every process forgets all and begins anew."""
        self.changed()  # which the release before looks at
        self.db.execute(_ERASED)
        self.forget()

    def refresh(self) -> None:
        """Learn what other processes have committed since our last transaction.

        ``PRAGMA data_version`` changes with commits of other connections only
        (sqlite.org/pragma.html#pragma_data_version).
        """
        (version,) = self.db.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return
        if self._blank:
            self._start()
        else:
            self._catch_up()
        self._version = version

    def saw(self, messages: Sequence[Message], *, stray: int) -> None:
        """Note our own newest rows, which nobody needs to tell us of; visits have had the next ids."""
        for visit_id, message in enumerate(messages, self.newest_visit + 1):
            self.open.add(message, visit_id)
        self.newest_visit += len(messages)
        self.newest_stray = self._stray_seen = stray
        self.open.bring_in_some(self.newest_visit, len(messages))

    def index(self) -> None:
        """Bring open_visit up to date."""
        self.refresh()
        self.open.bring_in(self.newest_visit)

    def delivered(self, message: Message) -> None:
        """Note that a message's delivery changes in this transaction; only visited ones are remembered."""
        self.memory.messages.drop(message)
        if message in self.open or self.db.execute(_VISITED, message).fetchone():
            self.tell(message)

    def tell(self, message: Message) -> None:
        """Tell other processes that a message's verdicts or its delivery have changed."""
        self.memory.settled.put(CampaignId(message[0]), True)
        row = self.db.execute(
            "INSERT INTO settle_pass (campaign_id, recipient_id) VALUES (?, ?) RETURNING id", message
        ).fetchone()
        self.db.execute("DELETE FROM settle_pass WHERE id <= ?", (row[0] - PASSES_KEPT,))

    def _start(self) -> None:
        """Begin with empty memory: messages are read when they are asked for, strays now."""
        newest = self._sequences()
        self.newest_visit, self.newest_stray = newest.get("visit", 0), newest.get("stray", 0)
        self._settle_seen = newest.get("settle_pass", 0)
        self._epoch, indexed, self._erasures = self._state()
        self.open.start(indexed)
        self._stray_seen = self.newest_stray - self.bounds.clients
        self._read_strays()
        read_neighbours(self, 0, self.newest_visit)
        self._blank = False

    def _catch_up(self) -> None:
        epoch, indexed, erasures = self._state()
        if erasures != self._erasures:
            self.memory.forget()
            self._start()
            return
        if epoch != self._epoch:
            self.memory.forget_lookups()
            self._epoch = epoch
        newest, before = self._sequences(), self.newest_visit
        self.newest_visit = newest.get("visit", 0)
        self._learn_visits(before, indexed)
        if newest.get("settle_pass", 0) > self._settle_seen:
            self._drop_changed(newest["settle_pass"])
            self.memory.learned.clear()
        self.newest_stray = newest.get("stray", 0)
        if self.newest_stray > self._stray_seen:
            self._read_strays()

    def _state(self) -> tuple[int, int, int]:
        """Return the epoch, the newest visit that open_visit may hold, and how many were erased."""
        state = dict(self.db.execute(_STATE))
        return int(state["epoch"]), int(state["indexed"]), int(state.get("erasures", 0))

    def _sequences(self) -> dict[str, int]:
        """Return the greatest id that each AUTOINCREMENT table ever had."""
        return {str(name): int(newest) for name, newest in self.db.execute(_SEQUENCES)}

    def sequence(self, table: str) -> int:
        """Return the greatest id that an AUTOINCREMENT table ever had."""
        row = self.db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return int(row[0]) if row else 0

    def _learn_visits(self, before: int, indexed: int) -> None:
        """Remember others' visits; of very many, only what is not read when it is asked for."""
        self.open.moved(indexed)
        if self.newest_visit - before > self.bounds.news:
            self.memory.siblings.clear()
            self.open.read(max(before, indexed))
            read_neighbours(self, before, self.newest_visit)
        elif self.newest_visit > before:
            self._read_news(before)

    def _read_news(self, after: int) -> None:
        """Remember others' visits as if they were ours."""
        known, asked, in_step = self.memory.siblings, [], False
        for visit_id, campaign_id, recipient_id, has_neighbours in self.db.execute(_NEWS, (after,)):
            message = (campaign_id, recipient_id)
            self.open.add(message, visit_id)
            if message in known:
                asked.append(visit_id)
            in_step = in_step or has_neighbours
        if in_step:
            remember_neighbours(self, after)
        for row in visits_by_id(self.db, asked):
            siblings = known[row[:2]]
            siblings.append(rows.sibling_from(row[2:]))
            del siblings[:-MOST_SIBLINGS]

    def _drop_changed(self, newest: int) -> None:
        if newest - self._settle_seen > min(self.bounds.news, PASSES_KEPT):
            self.memory.siblings.clear()
            self.memory.messages.clear()
            self.memory.settled.clear()
        else:
            for message in self.db.execute(_CHANGED, (self._settle_seen,)):
                self.memory.siblings.drop(message)
                self.memory.messages.drop(message)
                self.memory.settled.put(message[0], True)
        self._settle_seen = newest

    def _read_strays(self) -> None:
        rows = self.db.execute(
            "SELECT id, client, at, target, profile_id, campaign_id, recipient_id FROM stray "
            "WHERE id > ? ORDER BY id",
            (self._stray_seen,),
        )
        for self._stray_seen, client, *trace in rows:
            self.remember_stray(client, StrayTrace(*trace))

    def remember_stray(self, client: str, trace: StrayTrace) -> None:
        """Keep in mind a stray of a client, as the privacy setting stores it."""
        if not client:
            return
        traces = self.memory.strays.get(client)
        if traces is None:
            traces = deque(maxlen=_STRAYS_A_CLIENT)
            self.memory.strays.put(client, traces)
        traces.append(trace)


def visits_by_id(db: sqlite3.Connection, ids: Sequence[int]) -> Iterable[rows.Row]:
    """Return campaign, recipient and SIBLING of visits, in order of arrival."""
    return db.execute(_BY_ID, (rows.compact(ids),)) if ids else ()
