"""SQLite's faults in a user's words: what, where, what to do."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from linkproxy.store.api import StoreError

if TYPE_CHECKING:
    from pathlib import Path

_PRIMARY = 0xFF
"""The low byte of an extended result code is the primary one (sqlite.org/rescode.html)."""

_TEXTS = {
    sqlite3.SQLITE_FULL: "the disk is full; make room, nothing was half-written",
    sqlite3.SQLITE_READONLY: "it cannot be written to; give linkproxy write access to it and its folder",
    sqlite3.SQLITE_BUSY: "another program holds it locked; stop that program or wait for it",
    sqlite3.SQLITE_LOCKED: "another program holds it locked; stop that program or wait for it",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check its folder and linkproxy's access rights",
    sqlite3.SQLITE_PERM: "access is denied; give linkproxy write access to it and its folder",
    sqlite3.SQLITE_NOTADB: "this is not a SQLite database; set store.url to another file",
    sqlite3.SQLITE_CORRUPT: "the database is damaged; stop linkproxy and restore a backup",
    sqlite3.SQLITE_IOERR: "the disk fails, is full or is over a quota; see the system's log",
}

LASTING = frozenset(
    {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT}
)
"""Faults after which a connection is opened anew, since it may remember what is no longer so."""


def is_of_the_file(error: sqlite3.Error) -> bool:
    """Tell a fault of file or disk from one of a single statement."""
    return primary_code(error) in _TEXTS


def primary_code(error: sqlite3.Error) -> int:
    """Return the primary result code, 0 for faults that Python itself found."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY


def store_error(error: sqlite3.Error, path: Path) -> StoreError:
    """Return what to raise for a fault of SQLite."""
    text = _TEXTS.get(primary_code(error))
    detail = f"{text} (SQLite: {error})" if text else f"SQLite refused: {error}"
    return StoreError(f"{path}: {detail}")
