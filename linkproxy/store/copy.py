"""Copying a whole store from a SQLite file to PostgreSQL: resumable, then compared row by row.

Each chunk of a table is one transaction with the note how far the copy is, so a copy that was
interrupted goes on where it was. Ids stay as they are. The file is read in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from linkproxy.store.api import StoreError
from linkproxy.store.copy_tables import COLUMNS_OF_SQLITE, TABLES, Checksum, converted, converters
from linkproxy.store.postgres_database import Database
from linkproxy.store.postgres_migrate import prepare
from linkproxy.store.postgres_partitions import make_span
from linkproxy.store.sqlite_reads import OPEN_VISIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from linkproxy.store.copy_tables import Convert, CopiedTable
    from linkproxy.store.postgres_database import ServerSettings, Transaction
    from linkproxy.store.privacy import Privacy
    from linkproxy.store.sqlite_rows import Row

CHUNK = 2_000

_COLUMNS = """SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"""
_STATE = "SELECT name, last_key, done FROM store_copy"
_NOTE = """INSERT INTO store_copy (name, last_key, done) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET last_key = excluded.last_key, done = excluded.done"""


@dataclass(frozen=True, slots=True)
class Shape:
    """A table's columns, and what makes values of SQLite those of PostgreSQL."""

    table: CopiedTable
    columns: tuple[str, ...]
    convert: tuple[Convert, ...]

    @property
    def listed(self) -> str:
        """Return the columns for SELECT."""
        return ", ".join(self.columns)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Read a file as of one moment, whoever writes to it meanwhile."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        db.execute(OPEN_VISIT)
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        yield db
    finally:
        db.close()


def count(db: sqlite3.Connection) -> int:
    """Return how many rows a copy will hold."""
    return sum(_count(db, table) for table in TABLES)


def _count(db: sqlite3.Connection, table: CopiedTable) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table.read_from}").fetchone()[0])


class StoreCopy:
    """Copies one file to one database."""

    def __init__(self, source: sqlite3.Connection, target: ServerSettings, privacy: Privacy) -> None:
        self._source = source
        self._database = Database(target)
        self._privacy = privacy

    async def run(self, now: float, copied: Callable[[int], None], compared: Callable[[int], None]) -> int:
        """Copy, compare, and return how many rows there are; raise StoreError.

        ``copied`` and ``compared`` are told the number of rows done since; of a copy that goes on, the
        former is told at once what was there.
        """
        await self._database.open()
        try:
            await prepare(self._database, self._privacy, now, half_copied=True)
            shapes = [await self._shape(table) for table in TABLES]
            state = await self._begin()
            await self._make_weeks()
            for shape in shapes:
                await self._copy(shape, state.get(shape.table.name), copied)
            rows = await self._compare(shapes, compared)
            await self._finish()
        finally:
            await self._database.close()
        return rows

    async def _shape(self, table: CopiedTable) -> Shape:
        found = [(row[0], row[1]) for row in await self._database.fetch(_COLUMNS, table.name)]
        columns = tuple(name for name, _ in found)
        cursor = self._source.execute(f"SELECT * FROM {table.read_from} LIMIT 0")
        there = {column[0] for column in cursor.description} - COLUMNS_OF_SQLITE.get(table.name, frozenset())
        expected = set(columns) | ({"recipient_id"} if table.name == "campaign_delivery" else set())
        if there != expected:
            raise StoreError(
                f"table {table.name}: its columns differ between the stores "
                f"({', '.join(sorted(there ^ expected))}); use the linkproxy that wrote the file"
            )
        return Shape(table, columns, tuple(converters(kind for _, kind in found)))

    async def _begin(self) -> dict[str, tuple[str, bool]]:
        """Return how far an unfinished copy is; refuse a store that is none."""
        state = {row[0]: (row[1], row[2]) for row in await self._database.fetch(_STATE)}
        if state:
            return state
        for table in TABLES:
            if await self._database.fetch_one(f"SELECT 1 FROM {table.name} LIMIT 1"):
                raise StoreError(
                    f"{self._database.where}: it is a store already (table {table.name} has rows); "
                    "name an empty database"
                )
        await self._database.execute(_NOTE, TABLES[0].name, "", False)
        return {}

    async def _make_weeks(self) -> None:
        first, last = self._source.execute("SELECT min(at), max(at) FROM visit").fetchone()
        if first is not None:
            await make_span(self._database, first, last)

    async def _copy(
        self, shape: Shape, state: tuple[str, bool] | None, copied: Callable[[int], None]
    ) -> None:
        table = shape.table
        last, done = state or ("", False)
        key = _read_key(last)
        if key is not None:
            where = f"({', '.join(table.key)}) <= ({', '.join('?' * len(key))})"
            (before,) = self._source.execute(
                f"SELECT count(*) FROM {table.read_from} WHERE {where}", key
            ).fetchone()
            copied(before)
        while not done:
            chunk = self._chunk(shape, key)
            if chunk:
                key = chunk[-1][-len(table.key) :]
            done = len(chunk) < CHUNK
            async with self._database.transaction() as work:
                await _write(work, shape, chunk)
                await work.execute(_NOTE, table.name, _key_text(key), done)
            copied(len(chunk))

    def _chunk(self, shape: Shape, after: Row | None) -> list[Row]:
        """Return rows with their key behind."""
        table = shape.table
        keys = ", ".join(table.key)
        where = f"WHERE ({keys}) > ({', '.join('?' * len(table.key))})" if after is not None else ""
        return self._source.execute(
            f"SELECT {shape.listed}, {keys} FROM {table.read_from} {where} ORDER BY {keys} LIMIT {CHUNK}",
            after or (),
        ).fetchall()

    async def _compare(self, shapes: Sequence[Shape], compared: Callable[[int], None]) -> int:
        """Compare counts and checksums of every table as both stores have it now; return the rows."""
        rows = 0
        for shape in shapes:
            mine, theirs = Checksum(), Checksum()
            for row in self._source.execute(f"SELECT {shape.listed} FROM {shape.table.read_from}"):
                mine.add(converted(row, shape.convert))
            async with self._database.transaction() as work:
                statement = f"SELECT {shape.listed} FROM {shape.table.name}"
                async for row in work.db.cursor(statement, prefetch=CHUNK):
                    theirs.add(tuple(row))
            if mine != theirs:
                raise StoreError(
                    f"table {shape.table.name}: {mine.rows} rows were read, {theirs.rows} are there, or "
                    "they differ; stop linkproxy, empty the database and copy again"
                )
            rows += mine.rows
            compared(mine.rows)
        return rows

    async def _finish(self) -> None:
        """Let new ids begin behind the old ones, also those of rows that are gone; end the copy."""
        ever = dict(self._source.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        async with self._database.transaction() as work:
            for table in TABLES:
                if table.sequence:
                    (greatest,) = self._source.execute(
                        f"SELECT coalesce(max(id), 0) FROM {table.name}"
                    ).fetchone()
                    newest = max(greatest, ever.get(table.name, 0))
                    if newest:
                        await work.fetch(f"SELECT setval({table.sequence}, {newest})")
            (feed,) = self._source.execute("SELECT value FROM meta WHERE name = 'feed'").fetchone()
            await work.execute("UPDATE meta SET number = $1 WHERE name = 'feed'", feed)
            await work.execute("DELETE FROM store_copy")


async def _write(work: Transaction, shape: Shape, chunk: Sequence[Row]) -> None:
    if chunk:
        width = len(shape.columns)
        records = [converted(row[:width], shape.convert) for row in chunk]
        await work.db.copy_records_to_table(shape.table.name, records=records, columns=list(shape.columns))


def _key_text(key: Row | None) -> str:
    if key is None:
        return ""
    return json.dumps([{"hex": item.hex()} if isinstance(item, bytes) else item for item in key])


def _read_key(text: str) -> Row | None:
    if not text:
        return None
    found: list[Any] = json.loads(text)
    return tuple(bytes.fromhex(item["hex"]) if isinstance(item, dict) else item for item in found)
