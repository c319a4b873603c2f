"""A SQLite store's file, handled from outside."""

from __future__ import annotations

import fcntl
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from linkproxy.store.sqlite_lock import lock_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that writers take turns by, as another process would."""
    with lock_path(path).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def query(path: Path, statement: str) -> list[Any]:
    """Ask the file without the store."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(statement).fetchall()
