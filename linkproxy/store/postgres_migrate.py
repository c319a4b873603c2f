"""Bringing a PostgreSQL database up to date: numbered, forward-only migrations, like SQLite's.

All that is missing runs in one transaction under a lock, so that nodes which start at once make
the schema once, and a migration that fails leaves the database as it was.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from linkproxy.store import postgres_locks as locks
from linkproxy.store.api import StoreError
from linkproxy.store.migrate import Migration
from linkproxy.store.postgres_partitions import make_ahead

if TYPE_CHECKING:
    from linkproxy.store.postgres_database import Database, Transaction
    from linkproxy.store.privacy import Privacy

LEAST_VERSION = 130_000
"""pg_xact_status of an xid8 came with 13; older ones are no longer maintained either."""

ENCODINGS = ("UTF8", "SQL_ASCII")
"""Those that take any text; the latter, of a server without a locale, as the bytes that it is sent."""

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_TABLE = """CREATE TABLE migration (
    number integer PRIMARY KEY, name text NOT NULL, at double precision NOT NULL)"""
_MIGRATE_SECONDS = 600.0


@cache
def shipped() -> tuple[Migration, ...]:
    """Return the migrations that come with this version, in order."""
    found = [
        Migration(int(match[1]), item.name, item.read_text("utf-8"))
        for item in resources.files("linkproxy.store").joinpath("sql_postgres").iterdir()
        if (match := _FILE_NAME.fullmatch(item.name))
    ]
    return tuple(sorted(found, key=lambda item: item.number))


async def prepare(database: Database, privacy: Privacy, now: float, *, half_copied: bool = False) -> None:
    """Bring a database up to date and make partitions ahead; raise StoreError.

    A database that is current is only read, so that commands need not wait for a busy server.
    ``half_copied``: an unfinished copy of another store is no fault, since it is about to go on.
    """
    row = await database.fetch_one(
        "SELECT current_setting('server_version_num')::int, to_regclass('migration') IS NOT NULL, "
        "current_setting('server_encoding')"
    )
    if row is None or row[0] < LEAST_VERSION:
        raise StoreError(f"{database.where}: PostgreSQL is too old; linkproxy needs 13 or newer")
    if row[2] not in ENCODINGS:
        # Else the first visit with a header beyond it would fail, and all those of its batch.
        raise StoreError(
            f"{database.where}: its encoding is {row[2]}, which cannot hold every name and header; "
            "make one with: createdb --encoding UTF8 --template template0"
        )
    if not (row[1] and await _is_current(database)):
        async with database.transaction(locks.MIGRATING, wait_seconds=_MIGRATE_SECONDS) as work:
            await _migrate(work, database.where, privacy, now)
    stored = await database.fetch_one(_KEY)
    if stored is None or stored[0] != privacy.check():
        raise StoreError(
            f"{database.where}: it was made with another privacy key, so that no recipient would be found; "
            "set privacy.key_file to the key that belongs to it, or if that is lost: linkproxy store rekey"
        )
    if not half_copied and await database.fetch_one("SELECT 1 FROM store_copy LIMIT 1"):
        raise StoreError(
            f"{database.where}: it holds a part of another store; finish it with: linkproxy store copy"
        )
    # A busy server may not let a table be made just now: visits go into the default partition then.
    with suppress(StoreError):
        await make_ahead(database, now)


async def _is_current(database: Database) -> bool:
    done = [row[0] for row in await database.fetch("SELECT number FROM migration ORDER BY number")]
    current = done == [migration.number for migration in shipped()]
    return current and await database.fetch_one(_KEY) is not None


async def _migrate(work: Transaction, where: str, privacy: Privacy, now: float) -> None:
    """Run what is missing, having looked again under the lock."""
    tables = {row[0] for row in await work.fetch(_TABLES)}
    if "migration" not in tables:
        if tables:
            raise StoreError(
                f"{where}: this database holds tables of another program; name an empty one in store.url"
            )
        await work.execute(_TABLE)
    done = {row[0] for row in await work.fetch("SELECT number FROM migration")}
    newest = shipped()[-1].number
    if done and max(done) > newest:
        raise StoreError(
            f"{where}: its schema is number {max(done)} and this linkproxy knows {newest} at most; "
            "use the newer linkproxy that wrote it"
        )
    for migration in shipped():
        if migration.number not in done:
            await work.db.execute(migration.script)
            await work.execute(
                "INSERT INTO migration VALUES ($1, $2, $3)", migration.number, migration.name, now
            )
    await work.execute(
        "INSERT INTO meta (name, data) VALUES ('privacy_key', $1) ON CONFLICT DO NOTHING", privacy.check()
    )


_KEY = "SELECT data FROM meta WHERE name = 'privacy_key'"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
