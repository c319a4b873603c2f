"""Connections to PostgreSQL: a small pool, transactions, and what becomes of a lost commit.

Transactions are begun by hand, since a statement list sent at once (begin, settings, locks) costs
one round trip. All locks are of the transaction, never of the session, so that a pooler that lends
connections by transaction (PgBouncer) may stand between.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from linkproxy.store.api import StoreError
from linkproxy.store.postgres_errors import FAULTS, is_of_connection, store_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from linkproxy.store.sqlite_rows import Row

_CONNECTIONS = 8
_COMMAND_SECONDS = 60.0
_STATUS_SECONDS = 0.1  # between two looks at what became of a commit


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the database is and how to speak to it; ``url`` without the password."""

    url: str
    password: str = ""
    pooler: bool = False  # a pooler lends connections by transaction: no prepared statements
    synchronous: str = "on"  # synchronous_commit
    lock_seconds: float = 5.0

    @property
    def where(self) -> str:
        """Return the database as a reader knows it."""
        parts = urlsplit(self.url)
        named = parse_qs(parts.query).get("host", [""])[-1]
        host = parts.hostname or (named if named[:1] != "/" else "") or "the local server"
        return f"{host}{f':{parts.port}' if parts.port else ''}/{parts.path.lstrip('/')}"


class _UnknownYetError(Exception):
    """The server is away, or has not found out itself."""


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection that is given back clean: nothing here is of the session."""

    def get_reset_query(self) -> str:
        return ""


@dataclass(slots=True, eq=False)
class Transaction:
    """A transaction under way; ``xid`` makes the outcome of a lost commit known.

    ``proof``: a statement that finds a row if it was committed, and its values. A server that
    crashed gives the ids of transactions that had not reached its log out again, so that the
    outcome of ``xid`` alone may be another one's.
    ``policies``: rule sets that it has stored, which nobody may remember before it is committed.
    ``turn``: a connection does one statement at a time, and one may be asked for beside another.
    """

    db: Any
    xid: str = ""
    proof: tuple[str, tuple[Any, ...]] | None = None
    policies: set[str] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def fetch(self, statement: str, *values: Any) -> Sequence[Row]:
        """Return all rows of a statement."""
        async with self.turn:
            found: Sequence[Row] = await self.db.fetch(statement, *values)
            return found

    async def fetch_one(self, statement: str, *values: Any) -> Row | None:
        """Return the first row, None without one."""
        async with self.turn:
            row: Row | None = await self.db.fetchrow(statement, *values)
            return row

    async def execute(self, statement: str, *values: Any) -> int:
        """Run a statement and return how many rows it touched."""
        async with self.turn:
            status = await self.db.execute(statement, *values)
        number = status.rpartition(" ")[2]
        return int(number) if number.isdigit() else 0


class Database:
    """A pool of connections to one database, for one event loop."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.where = settings.where
        self._pool: Any = None
        self._closing = asyncio.Event()

    async def open(self) -> None:
        """Connect; raise StoreError."""
        settings = self.settings
        self._closing.clear()
        try:
            self._pool = await asyncpg.create_pool(
                settings.url,
                password=settings.password or None,
                min_size=0,  # kept up, it would log a traceback while the server is away
                max_size=_CONNECTIONS,
                timeout=max(1.0, settings.lock_seconds),
                command_timeout=_COMMAND_SECONDS,
                connection_class=_Connection,
                **({"statement_cache_size": 0} if settings.pooler else {}),
            )
        except (*FAULTS, ValueError) as error:
            raise store_error(error, self.where) from error

    def stop_asking(self) -> None:
        """Let nobody ask any more what became of a commit: the store is about to be closed."""
        self._closing.set()

    async def close(self) -> None:
        """Wait for what is under way, then let all connections go."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(_COMMAND_SECONDS):
                await pool.close()
        except FAULTS:
            pool.terminate()

    def break_off(self) -> None:
        """Cut all connections, whatever is under way on them: a server that hangs would hold up a stop."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def fetch(self, statement: str, *values: Any) -> Sequence[Row]:
        """Return all rows of a statement that stands alone; raise StoreError."""
        async with self._lend() as db:
            found: Sequence[Row] = await db.fetch(statement, *values)
            return found

    async def fetch_one(self, statement: str, *values: Any) -> Row | None:
        """Return its first row, None without one."""
        found = await self.fetch(statement, *values)
        return found[0] if found else None

    async def execute(self, statement: str, *values: Any) -> None:
        """Run a statement that is a transaction of its own."""
        async with self._lend() as db:
            await db.execute(statement, *values)

    @asynccontextmanager
    async def transaction(self, locks: str = "", *, wait_seconds: float = 0.0) -> AsyncIterator[Transaction]:
        """Begin, take ``locks`` (statements), and commit at the end; raise StoreError.

        Whatever is raised inside undoes the transaction. A commit whose answer was lost is looked
        up if the transaction's id is known, however long the server stays away, so that an error
        means that nothing was written.
        """
        begin = self._begin(wait_seconds or self.settings.lock_seconds) + locks
        async with self._lend(begin) as db:
            work = Transaction(db)
            try:
                yield work
            except BaseException:
                await _roll_back(db)
                raise
            try:
                await db.execute("COMMIT")
            except FAULTS as error:
                if not (is_of_connection(error) and await self._was_committed(work)):
                    raise

    def _begin(self, wait_seconds: float) -> str:
        # Whatever the database's default: each statement has to see what was committed while this
        # transaction waited for its locks.
        return (
            "BEGIN ISOLATION LEVEL READ COMMITTED; "
            f"SET LOCAL synchronous_commit = {self.settings.synchronous}; "
            f"SET LOCAL lock_timeout = {int(wait_seconds * 1000)}; SET LOCAL jit = off; "
            "SET LOCAL plan_cache_mode = force_generic_plan; "
        )

    @asynccontextmanager
    async def _lend(self, begin: str = "") -> AsyncIterator[Any]:
        if self._pool is None:
            raise StoreError(f"{self.where}: the store is closed")
        pool = self._pool
        db = None
        try:
            db = await self._begun(pool, begin)
            yield db
        except FAULTS as error:
            if db is not None and isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                # What a session may is settled when it begins: a new one finds out what holds by now.
                db.terminate()
            raise store_error(error, self.where) from error
        finally:
            if db is not None:
                await pool.release(db)

    async def _begun(self, pool: Any, begin: str) -> Any:
        """Return a connection with its transaction begun; one that had died unnoticed is replaced."""
        for last in (False, True):
            db = await pool.acquire(timeout=self.settings.lock_seconds)
            try:
                if begin:
                    await db.execute(begin)
            except BaseException as error:
                if isinstance(error, FAULTS) and is_of_connection(error) and not last:
                    await pool.release(db)
                    continue
                await _roll_back(db)
                await pool.release(db)
                raise
            return db
        raise AssertionError("unreachable")

    async def _was_committed(self, work: Transaction) -> bool:
        """Ask new connections what became of a transaction; False if it is undone, or nobody will tell."""
        while work.xid and not self._closing.is_set():
            with suppress(_UnknownYetError):
                return await self._status(work.xid) == "committed" and await self._is_proved(work)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _STATUS_SECONDS)
        return False

    async def _is_proved(self, work: Transaction) -> bool:
        if work.proof is None:
            return True
        statement, values = work.proof
        try:
            return await self.fetch_one(statement, *values) is not None
        except StoreError as error:
            raise _UnknownYetError from error

    async def _status(self, xid: str) -> str:
        try:
            row = await self.fetch_one("SELECT pg_xact_status($1::text::xid8)", xid)
        except StoreError as error:
            if isinstance(error.__cause__, asyncpg.DataError):
                return ""  # it never heard of it: a replica that was behind has taken over
            raise _UnknownYetError from error
        if row is not None and row[0] == "in progress":
            raise _UnknownYetError
        return str(row[0]) if row else ""


async def _roll_back(db: Any) -> None:
    """Undo; a connection that cannot is of no more use, and closing it undoes as well."""
    try:
        if not db.is_closed() and db.is_in_transaction():
            await db.execute("ROLLBACK")
    except FAULTS:
        with suppress(*FAULTS):  # the pool has let go of one that broke, and what broke it is to be told
            db.terminate()
