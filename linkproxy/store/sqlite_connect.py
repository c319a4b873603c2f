"""Opening SQLite files: the settings every connection gets, and what is checked first."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from linkproxy.store.api import StoreError
from linkproxy.store.migrate import is_current, migrate
from linkproxy.store.sqlite_errors import store_error
from linkproxy.store.sqlite_lock import FileLock

if TYPE_CHECKING:
    from pathlib import Path

    from linkproxy.store.privacy import Privacy

Synchronous = Literal["full", "normal"]

_LEAST_VERSION = (3, 37, 0)
"""STRICT tables came with it (sqlite.org/stricttables.html)."""

_UPGRADE_SECONDS = 600.0
"""How long to wait for another process that brings a file up to date: a large one takes minutes."""

_STATEMENTS_CACHED = 256
_PAGES_KIB = 32_768
"""Of the file in memory: SQLite's own 2 MB do not hold what leads to the leaves of a large file's indexes."""

_WAL_BYTES_KEPT = 64 << 20

_WRITABLE = 0o222


@dataclass(frozen=True, slots=True)
class FileSettings:
    """Where the store is and how its writers behave."""

    path: Path
    synchronous: Synchronous
    lock_seconds: float


def connect(settings: FileSettings) -> sqlite3.Connection:
    """Open an existing file for writing, in autocommit mode.

    Check-points are made in the background (sqlite_checkpoint.py): on the write path they were
    measured to cost a p99 of 20 ms instead of 5.
    """
    db = sqlite3.connect(
        f"{settings.path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=settings.lock_seconds,
        cached_statements=_STATEMENTS_CACHED,
    )
    try:
        db.execute("PRAGMA foreign_keys = ON")
        # Whatever is deleted or moved is overwritten: erasing a person then leaves no copy behind.
        db.execute("PRAGMA secure_delete = ON")
        db.execute(f"PRAGMA synchronous = {settings.synchronous}")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute(f"PRAGMA cache_size = -{_PAGES_KIB}")
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")
    except sqlite3.Error:
        db.close()
        raise
    return db


def prepare(settings: FileSettings, privacy: Privacy, now: float) -> int:
    """Create or update the file under the lock and return its inode; raise StoreError."""
    path = settings.path
    if sqlite3.sqlite_version_info < _LEAST_VERSION:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old; linkproxy needs 3.37 or newer")
    if not path.parent.is_dir():
        raise StoreError(f"{path}: its folder is missing; create {path.parent} or set store.url")
    if _is_ready(settings, privacy):
        return inode(path)
    lock = FileLock(path)
    try:
        lock.acquire_within(_UPGRADE_SECONDS if path.exists() else settings.lock_seconds)
        _create(path)
        return _bring_up_to_date(settings, privacy, now)
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    finally:
        lock.close()


def _is_ready(settings: FileSettings, privacy: Privacy) -> bool:
    """Tell whether there is nothing to do, so that readers need not wait for a writer's lock."""
    if not settings.path.exists():
        return False
    try:
        with closing(connect(settings)) as db:
            return is_current(db) and _stored_key(db) == privacy.check()
    except sqlite3.Error:
        return False


def inode(path: Path) -> int:
    """Return which file a path names now, -1 when there is none."""
    return place(path)[0]


def place(path: Path) -> tuple[int, bool]:
    """Return which file a path names now, -1 when there is none, and whether it may be written at all."""
    try:
        found = path.stat()
    except OSError:
        return -1, False
    return found.st_ino, bool(found.st_mode & _WRITABLE)


def retire(path: Path) -> None:
    """Let nobody write to a file any more, not even who has it open; reading goes on."""
    path.chmod(path.stat().st_mode & ~_WRITABLE)


def _create(path: Path) -> None:
    """Make a new file private from its first byte; SQLite's own files take its mode over.

    A file that is there is not touched: closing it would drop the locks that SQLite holds on it
    in this process (sqlite.org/howtocorrupt.html, section 2.2).
    """
    if path.exists():
        return
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be opened for writing ({error.strerror}); check the path and its access rights"
        ) from error


def _bring_up_to_date(settings: FileSettings, privacy: Privacy, now: float) -> int:
    with closing(connect(settings)) as db:
        (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreError(f"{settings.path}: this file system has no shared memory; use a local disk")
        migrate(db, settings.path, now=now)
        _check_key(db, settings.path, privacy)
    return inode(settings.path)


def _check_key(db: sqlite3.Connection, path: Path, privacy: Privacy) -> None:
    db.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('privacy_key', ?)", (privacy.check(),))
    if _stored_key(db) != privacy.check():
        raise StoreError(
            f"{path}: it was made with another privacy key, so that no recipient would be found; "
            "set privacy.key_file to the key that belongs to it, or if that is lost: linkproxy store rekey"
        )


def _stored_key(db: sqlite3.Connection) -> object:
    row = db.execute("SELECT value FROM meta WHERE name = 'privacy_key'").fetchone()
    return row[0] if row else None
