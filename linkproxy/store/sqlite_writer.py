"""The writer: one thread, one connection, one transaction at a time.

What waits when a transaction begins is written together and made durable by one commit, each
piece of work inside a savepoint of its own, so that one that fails takes no other with it.

Work that has not begun within ``lock_seconds`` is given up by its waiter and then never runs: an
error always means that nothing was written.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from linkproxy.store.api import StoreError
from linkproxy.store.sqlite_errors import LASTING, is_of_the_file, primary_code, store_error
from linkproxy.store.sqlite_lock import FileLock, lock_path, locked

if TYPE_CHECKING:
    from pathlib import Path

    from linkproxy.store.sqlite_session import Session

T = TypeVar("T")
Work = Callable[["Session"], T]

_GROUP = 64
_CLOSE_SECONDS = 30.0


class Job(Generic[T]):
    """A piece of work and who waits for it."""

    __slots__ = ("_claimed", "_claims", "_timer", "error", "future", "indexed", "loop", "result", "work")

    def __init__(self, work: Work[T], claims: threading.Lock, *, indexed: bool) -> None:
        self.work = work
        self.indexed = indexed
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self.result: T | None = None
        self.error: Exception | None = None
        self._claims = claims
        self._claimed = False
        self._timer: asyncio.TimerHandle | None = None

    def bound(self, seconds: float, reason: Callable[[], StoreError]) -> None:
        """Give up after a time, unless the writer has begun."""
        self._timer = self.loop.call_later(seconds, self._give_up, reason)

    def claim(self) -> bool:
        """Tell the writer whether anyone still waits; after True nobody gives up."""
        with self._claims:
            self._claimed = not self.future.done()
            return self._claimed

    def settle(self) -> None:
        """Hand result or error to the waiter, on its own loop."""
        if self._timer is not None:
            self._timer.cancel()
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]  # set by the same work, of type T

    def _give_up(self, reason: Callable[[], StoreError]) -> None:
        with self._claims:
            if not self._claimed and not self.future.done():
                self.future.set_exception(reason())


class Writer:
    """Runs work in transactions, in the order in which it came."""

    def __init__(
        self,
        path: Path,
        open_session: Callable[[], Session],
        *,
        lock_seconds: float,
        committed: Callable[[Session], None],
    ) -> None:
        self._path = path
        self._open_session = open_session
        self._lock_seconds = lock_seconds
        self._committed = committed
        self._lock = FileLock(path)
        self._claims = threading.Lock()
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._session: Session | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take work."""
        self._thread = threading.Thread(target=self._loop, name="linkproxy-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Work[T], *, indexed: bool = True) -> T:
        """Do work in a transaction and return its result once that is durable.

        The newest visits are brought into open_visit first, unless work that comes often says by
        ``indexed`` False that it does not mind. Raises StoreError, or what the work raised; then
        nothing was written.
        """
        if self._thread is None:
            raise StoreError(f"{self._path}: the store is closed")
        job = Job(work, self._claims, indexed=indexed)
        job.bound(self._lock_seconds, lambda: locked(lock_path(self._path), self._lock_seconds))
        self._jobs.put(job)
        return await job.future

    async def close(self) -> None:
        """Finish the work that waits, then let the connection go."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._jobs.put(None)
        await asyncio.to_thread(thread.join, _CLOSE_SECONDS)

    # --- on the writer's thread ----------------------------------------------------------------

    def _loop(self) -> None:
        try:
            # At once rather than with the first work: the last one to close folds the log in.
            self._connected()
        except (StoreError, sqlite3.Error):
            self._session = None  # the first work tries again, and tells its waiter
        more = True
        while more:
            jobs, more = self._take(block=True)
            if jobs:
                more = self._turn(jobs) and more
        if self._session is not None:
            self._session.db.close()
            self._session = None
        self._lock.close()

    def _take(self, *, block: bool) -> tuple[list[Job[Any]], bool]:
        """Return what waits, and whether more may come."""
        jobs: list[Job[Any]] = []
        while len(jobs) < _GROUP:
            try:
                job = self._jobs.get(block=block and not jobs)
            except queue.Empty:
                return jobs, True
            if job is None:
                return jobs, False
            jobs.append(job)
        return jobs, True

    def _turn(self, jobs: list[Job[Any]]) -> bool:
        """Take a turn at the file; return whether more work may come."""
        more = True
        try:
            self._lock.acquire()
        except (StoreError, OSError) as error:
            _fail(jobs, error if isinstance(error, StoreError) else StoreError(f"{self._path}: {error}"))
        else:
            # More work may have come while another process had its turn.
            late, more = self._take(block=False)
            jobs = [job for job in jobs + late if job.claim()]
            try:
                self._transact(jobs)
            finally:
                self._lock.release()
        _deliver(jobs)
        return more

    def _transact(self, jobs: list[Job[Any]]) -> None:
        if not jobs:
            return
        try:
            session = self._connected()
            session.db.execute("BEGIN IMMEDIATE")
            for job in jobs:
                self._work(session, job, alone=len(jobs) == 1)
            session.db.execute("COMMIT")
            self._committed(session)
        except StoreError as error:
            _fail(jobs, error)
        except sqlite3.Error as error:
            self._undo()
            self._reconnect_after(error)
            _fail(jobs, store_error(error, self._path))
        except Exception as error:  # noqa: BLE001  (this thread must outlive any fault)
            self._undo()
            _fail(jobs, error)

    def _work(self, session: Session, job: Job[Any], *, alone: bool) -> None:
        """Run one piece of work; its own fault undoes it alone, the file's fault undoes all."""
        db = session.db
        if not alone:
            db.execute("SAVEPOINT job")
        try:
            if job.indexed:
                session.index()
            job.result = job.work(session)
        except sqlite3.Error as error:
            if is_of_the_file(error) or not db.in_transaction:
                raise
            job.error = store_error(error, self._path)
        except Exception as error:  # noqa: BLE001  (it goes to whoever waits, not to this thread)
            job.error = error
        if job.error is not None:
            session.forget()
            db.execute("ROLLBACK" if alone else "ROLLBACK TO job")
            if alone:
                db.execute("BEGIN IMMEDIATE")
        if not alone:
            db.execute("RELEASE job")

    def _connected(self) -> Session:
        if self._session is None:
            self._session = self._open_session()
        self._session.check_in_place()
        return self._session

    def _undo(self) -> None:
        if self._session is None:
            return
        self._session.forget()
        try:
            if self._session.db.in_transaction:
                self._session.db.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._reconnect_after(error)

    def _reconnect_after(self, error: sqlite3.Error) -> None:
        if self._session is not None and primary_code(error) in LASTING:
            self._session.db.close()
            self._session = None


def _fail(jobs: list[Job[Any]], error: Exception) -> None:
    for job in jobs:
        job.error = job.error or error


def _deliver(jobs: list[Job[Any]]) -> None:
    """Wake the waiters, each loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, waiting in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, waiting)


def _settle(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        job.settle()
