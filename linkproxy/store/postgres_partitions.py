"""The journal's partitions: one for each week, made ahead, dropped when purging has emptied it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.store import postgres_locks as locks

if TYPE_CHECKING:
    from linkproxy.store.postgres_database import Database, Transaction

WEEK_SECONDS = 7 * 86_400
AHEAD = 4
"""Weeks that there are partitions for beside the current one: a server may be down that long."""

_MOST = 520
"""Weeks made at once: a time that is wildly wrong must not make thousands of tables."""

TABLES = ("visit", "message_visit")

_NAME = re.compile(r"visit_w(\d+)")
_LIST = """SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'visit'::regclass"""


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


async def weeks(database: Database) -> set[Week]:
    """Return the weeks that have partitions."""
    found = await database.fetch(_LIST)
    return {Week(int(match[1])) for row in found if (match := _NAME.fullmatch(row[0]))}


async def make_ahead(database: Database, now: float) -> int:
    """Make the partitions of this week and the next ones; return how many were missing."""
    return await make_span(database, now, now + AHEAD * WEEK_SECONDS)


async def make_span(database: Database, first_at: float, last_at: float) -> int:
    """Make the partitions between two times; return how many were missing.

    A week that the default partition holds rows of already keeps them there.
    """
    first, last = int(first_at // WEEK_SECONDS), int(last_at // WEEK_SECONDS)
    wanted = {Week(number) for number in range(max(first, last - _MOST), last + 1)}
    if not wanted - await weeks(database):
        return 0
    async with database.transaction(locks.MIGRATING) as work:
        made = 0
        for week in sorted(wanted, key=lambda item: item.number):
            made += await _make(work, week)
        return made


async def _make(work: Transaction, week: Week) -> bool:
    there = await work.fetch_one("SELECT to_regclass($1) IS NOT NULL", week.table("visit"))
    span = f"at >= {week.since} AND at < {week.until}"
    for parent in TABLES:
        held = await work.fetch_one(f"SELECT 1 FROM {parent}_other WHERE {span} LIMIT 1")
        if held is not None:
            return False
    if there is None or there[0]:
        return False
    for parent in TABLES:
        await work.execute(
            f"CREATE TABLE {week.table(parent)} PARTITION OF {parent} "
            f"FOR VALUES FROM ({week.since}) TO ({week.until})"
        )
    return True


async def drop_empty(database: Database, cutoff: float) -> int:
    """Drop the weeks before ``cutoff`` that purging has emptied, which gives their room back."""
    dropped = 0
    for week in sorted(await weeks(database), key=lambda item: item.number):
        if week.until <= cutoff:
            dropped += await _drop(database, week)
    return dropped


async def _drop(database: Database, week: Week) -> bool:
    async with database.transaction(locks.MIGRATING) as work:
        there = await work.fetch_one("SELECT to_regclass($1) IS NOT NULL", week.table("visit"))
        if there is None or not there[0]:
            return False
        tables = [week.table(parent) for parent in TABLES]
        # From here on no visit can be added to the week, until it has gone.
        await work.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        for table in tables:
            if await work.fetch_one(f"SELECT 1 FROM {table} LIMIT 1"):
                return False
        await work.execute(f"DROP TABLE {', '.join(tables)}")
        return True
