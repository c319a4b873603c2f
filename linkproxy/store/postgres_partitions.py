"""The journal's partitions: one for each week, made ahead, dropped when purging has emptied it."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.store import postgres_locks as locks
from linkproxy.store.api import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from linkproxy.store.postgres_database import Database, Transaction

WEEK_SECONDS = 7 * 86_400
AHEAD = 4
"""Weeks that there are partitions for beside the current one: a server may be down that long."""

_MOST = 520
"""Weeks made at once: a time that is wildly wrong must not make thousands of tables."""

TABLES = ("visit", "message_visit")

_WAIT_SECONDS = 2.0
"""A table that is made or dropped waits no longer for others: visits wait behind it meanwhile."""

_LIST = """SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = $1::text::regclass"""


@dataclass(frozen=True, slots=True)
class Week:
    """A partition's span: the whole week ``number`` since 1970."""

    number: int

    @property
    def since(self) -> int:
        """Return the first second."""
        return self.number * WEEK_SECONDS

    @property
    def until(self) -> int:
        """Return the first second behind it."""
        return self.since + WEEK_SECONDS

    def table(self, parent: str) -> str:
        """Return the partition's name."""
        return f"{parent}_w{self.number}"


async def weeks(database: Database, parent: str) -> set[Week]:
    """Return the weeks that a table has partitions for."""
    name = re.compile(rf"{parent}_w(\d+)")
    found = await database.fetch(_LIST, parent)
    return {Week(int(match[1])) for row in found if (match := name.fullmatch(row[0]))}


async def make_ahead(database: Database, now: float) -> None:
    """Make the partitions of this week and the next ones."""
    await make_span(database, now, now + AHEAD * WEEK_SECONDS)


async def make_span(database: Database, first_at: float, last_at: float) -> None:
    """Make the partitions between two times.

    A week that the default partition holds rows of already keeps them there.
    """
    first, last = int(first_at // WEEK_SECONDS), int(last_at // WEEK_SECONDS)
    wanted = {Week(number) for number in range(max(first, last - _MOST), last + 1)}
    for parent in TABLES:
        missing = wanted - await weeks(database, parent)
        if missing:
            async with _alone(database, parent) as work:
                for week in sorted(missing, key=lambda item: item.number):
                    await _make(work, week, parent)


@asynccontextmanager
async def _alone(database: Database, parent: str) -> AsyncIterator[Transaction]:
    """Lock one table with all its weeks; nothing else is locked after it.

    Whoever uses a week has locked its table before, and some use both tables, in any order. A
    lock on both, or on a week first, would let them and this wait for each other.
    """
    alone = f"LOCK TABLE ONLY {parent} IN ACCESS EXCLUSIVE MODE; "
    async with database.transaction(locks.MIGRATING + alone, wait_seconds=_WAIT_SECONDS) as work:
        yield work


async def _make(work: Transaction, week: Week, parent: str) -> None:
    span = f"at >= {week.since} AND at < {week.until}"
    held = await work.fetch_one(f"SELECT 1 FROM {parent}_other WHERE {span} LIMIT 1")
    if held is None:
        await work.execute(
            f"CREATE TABLE IF NOT EXISTS {week.table(parent)} PARTITION OF {parent} "
            f"FOR VALUES FROM ({week.since}) TO ({week.until})"
        )


async def drop_empty(database: Database, cutoff: float) -> None:
    """Drop the weeks before ``cutoff`` that purging has emptied, which gives their room back."""
    for parent in TABLES:
        for week in sorted(await weeks(database, parent), key=lambda item: item.number):
            if week.until <= cutoff:
                await drop(database, week, parent)


async def drop(database: Database, week: Week, parent: str) -> None:
    """Drop a week of a table unless it holds rows, or what it held is not swept out yet."""
    table = week.table(parent)
    try:
        if await database.fetch_one(_ANY.format(table)):
            return
        # What was deleted is swept out now, so that looking again takes no time under the lock.
        await database.execute(f"VACUUM {table}")
    except StoreError:
        # Gone, since another node was first, or so large that it takes long: all visits would wait for a
        # look at it under the lock. The server's own VACUUM sweeps it, and the next purge comes back to it.
        return
    async with _alone(database, parent) as work:
        there = await work.fetch_one("SELECT to_regclass($1) IS NOT NULL", table)
        if there and there[0] and not await work.fetch_one(_ANY.format(table)):
            await work.execute(f"DROP TABLE {table}")


_ANY = "SELECT 1 FROM {} LIMIT 1"
