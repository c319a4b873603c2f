"""Numbered, forward-only migrations: ``sql/NNNN_name.sql``, each one transaction.

Whoever calls ``migrate`` holds the store's file lock, so that two processes that open one file
at once bring it up to date one after the other.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from linkproxy.store.api import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

APPLICATION_ID = 0x6C706B78
""""lpkx" in the header of every SQLite file of linkproxy (sqlite.org/pragma.html#pragma_application_id)."""

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_TABLE = "CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, at REAL NOT NULL) STRICT"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    script: str


@cache
def shipped() -> tuple[Migration, ...]:
    """Return the migrations that come with this version, in order."""
    found = [
        Migration(int(match[1]), item.name, item.read_text("utf-8"))
        for item in resources.files("linkproxy.store").joinpath("sql").iterdir()
        if (match := _FILE_NAME.fullmatch(item.name))
    ]
    return tuple(sorted(found, key=lambda item: item.number))


def migrate(
    db: sqlite3.Connection, path: Path, *, now: float, migrations: Sequence[Migration] | None = None
) -> list[str]:
    """Bring a database up to date and return the names of what was done.

    ``db`` is in autocommit mode. Raises StoreError when the file is somebody else's, or newer
    than this version of linkproxy.
    """
    migrations = shipped() if migrations is None else migrations
    done = _done(db, path)
    newest = migrations[-1].number
    if done and max(done) > newest:
        raise StoreError(
            f"{path}: its schema is number {max(done)} and this linkproxy knows {newest} at most; "
            "use the newer linkproxy that wrote it"
        )
    names = []
    for migration in migrations:
        if migration.number not in done:
            _run(db, migration, path, now)
            names.append(migration.name)
    return names


def is_current(db: sqlite3.Connection) -> bool:
    """Tell whether a database is ours and has every migration, and none that we do not know."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        return False
    done = [number for (number,) in db.execute("SELECT number FROM migration ORDER BY number")]
    return done == [migration.number for migration in shipped()]


def _done(db: sqlite3.Connection, path: Path) -> set[int]:
    """Return the numbers of the migrations that a file has had; an empty file is made ours."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if application != APPLICATION_ID:
        if tables:
            raise StoreError(
                f"{path}: this is a SQLite database of another program; set store.url to another file"
            )
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    if "migration" not in tables:
        db.execute(_TABLE)
        return set()
    return {number for (number,) in db.execute("SELECT number FROM migration")}


def _run(db: sqlite3.Connection, migration: Migration, path: Path, now: float) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements(migration.script):
            db.execute(statement)
        db.execute("INSERT INTO migration VALUES (?, ?, ?)", (migration.number, migration.name, now))
        db.execute("COMMIT")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise StoreError(
            f"{path}: migration {migration.name} failed and changed nothing: {error}; "
            "keep a copy of the file and report this"
        ) from error


def statements(script: str) -> list[str]:
    """Split a script into statements; ``executescript`` would commit before each run."""
    found = []
    collected = ""
    for line in script.splitlines(keepends=True):
        collected += line
        if sqlite3.complete_statement(collected):
            found.append(collected)
            collected = ""
    return found
