"""Read-only connections, a few at a time, beside the writer."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiosqlite

from linkproxy.store.api import StoreError
from linkproxy.store.sqlite_errors import store_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from linkproxy.store.sqlite_rows import Row

_READERS = 3

OPEN_VISIT = """CREATE TEMP VIEW IF NOT EXISTS open_visit AS
SELECT campaign_id, recipient_id, visit_id, at, again FROM main.open_visit
WHERE visit_id <= (SELECT value FROM main.meta WHERE name = 'indexed')
UNION ALL SELECT campaign_id, recipient_id, id, at, 0 FROM main.visit
WHERE id > (SELECT value FROM main.meta WHERE name = 'indexed')"""
"""Readers see the newest visits as open, though the writer brings them in some thousands at a time.

A temporary view goes before a table of its name (sqlite.org/lang_naming.html).
"""


class Readers:
    """A pool of connections that cannot write."""

    def __init__(self, path: Path, lock_seconds: float) -> None:
        self._path = path
        self._lock_seconds = lock_seconds
        self._idle: list[aiosqlite.Connection] = []
        self._turns = asyncio.Semaphore(_READERS)
        self._open = False

    def start(self) -> None:
        """Begin to lend connections."""
        self._open = True

    async def fetch(self, statement: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
        """Return all rows of a statement; raise StoreError."""
        async with self.lend() as db:
            return [tuple(row) for row in await db.execute_fetchall(statement, values)]

    async def fetch_one(self, statement: str, values: Sequence[Any] | dict[str, Any] = ()) -> Row | None:
        """Return the first row, None without one."""
        found = await self.fetch(statement, values)
        return found[0] if found else None

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[aiosqlite.Connection]:
        """Lend a connection; one that fails is not lent again."""
        if not self._open:
            raise StoreError(f"{self._path}: the store is closed")
        async with self._turns:
            try:
                db = self._idle.pop() if self._idle else await self._connect()
            except sqlite3.Error as error:
                raise store_error(error, self._path) from error
            try:
                yield db
            except sqlite3.Error as error:
                await db.close()
                raise store_error(error, self._path) from error
            except BaseException:
                # A cancelled read may still run on the connection's thread.
                await db.close()
                raise
            self._idle.append(db)

    async def close(self) -> None:
        """Wait for reads under way and close all connections."""
        self._open = False
        for _ in range(_READERS):
            await self._turns.acquire()
        for db in self._idle:
            await db.close()
        self._idle.clear()
        for _ in range(_READERS):
            self._turns.release()

    async def _connect(self) -> aiosqlite.Connection:
        db = aiosqlite.connect(
            f"{self._path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            timeout=self._lock_seconds,
        )
        # A store that an error left open must not keep the process alive.
        thread: Any = getattr(db, "_thread", db)
        thread.daemon = True
        opened = await db
        try:
            await opened.execute(OPEN_VISIT)
        except BaseException:
            # Its thread holds on to what was raised, and so to the connection: nobody would collect it.
            await opened.close()
            raise
        return opened
