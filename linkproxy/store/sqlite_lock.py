"""A file lock by which the writers of several processes take turns.

SQLite's own busy handler sleeps and polls; flock(2) wakes the next writer at once, which was
measured at 1.2 to 1.25 times the throughput of two processes and a quarter of the latency's tail.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from typing import TYPE_CHECKING

from linkproxy.store.api import StoreError

if TYPE_CHECKING:
    from pathlib import Path

_POLL_SECONDS = 0.02


def lock_path(path: Path) -> Path:
    """Return the lock file of a database file."""
    return path.with_name(path.name + ".lock")


class FileLock:
    """An exclusive lock on ``<database>.lock``; each instance is a holder of its own."""

    def __init__(self, path: Path) -> None:
        self._path = lock_path(path)
        self._fd = -1

    def acquire(self) -> None:
        """Wait until the lock is ours, however long; raise StoreError if that cannot be."""
        fcntl.flock(self._opened(), fcntl.LOCK_EX)

    def acquire_within(self, seconds: float) -> None:
        """Wait a bounded time; raise StoreError after it. For set-up, where no turn is urgent."""
        fd = self._opened()
        until = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in {errno.EAGAIN, errno.EACCES}:
                    raise
            else:
                return
            if time.monotonic() >= until:
                raise locked(self._path, seconds)
            time.sleep(_POLL_SECONDS)

    def release(self) -> None:
        """Let the next one have it."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of lock and file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _opened(self) -> int:
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise StoreError(
                    f"{self._path}: cannot be opened ({error.strerror}); the folder must exist and linkproxy "
                    "must have write access to it"
                ) from error
        return self._fd


def locked(path: Path, seconds: float) -> StoreError:
    """Return what to raise when the lock was not to be had in time."""
    return StoreError(
        f"{path}: another write has held the store for {seconds:g} s; wait for it to end "
        "(an import, a purge) or stop the process that holds this lock file"
    )
