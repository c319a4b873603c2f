"""Claims about purging on PostgreSQL, where it goes by chunks and drops whole weeks."""

from __future__ import annotations

import asyncpg
from store.postgres_fixtures import open_store
from store.world import NOW, visits

from linkproxy.store import postgres_database, postgres_purge
from linkproxy.store.api import Cutoffs
from linkproxy.store.postgres import PostgresStore
from linkproxy.store.postgres_database import ServerSettings
from linkproxy.store.postgres_partitions import WEEK_SECONDS, Week, drop, make_span, weeks

__all__ = ["open_store"]

WEEK = Week(int(NOW // WEEK_SECONDS) + 50)


async def test_a_purge_of_many_chunks_leaves_nothing_between_them(mail, monkeypatch):
    monkeypatch.setattr(postgres_purge, "CHUNK", 2)
    await mail.visited(*(mail.visit(number) for number in range(7)))
    await mail.append(*(mail.stray(number) for number in range(7)))
    await mail.settle()
    counts = await mail.store.purge(Cutoffs(journal=NOW + 5, strays=NOW + 5))
    assert (counts["visit"], counts["stray"]) == (5, 5)
    assert [row.entry.visit.at for row in await visits(mail.store)] == [NOW + 5, NOW + 6]


async def test_a_week_that_takes_long_to_sweep_is_left_for_the_next_purge(
    mail, database, privacy, monkeypatch
):
    """To look for rows among millions that were deleted would hold up all visits meanwhile."""
    monkeypatch.setattr(postgres_database, "_COMMAND_SECONDS", 1.0)
    store = PostgresStore(ServerSettings(database), privacy=privacy, clock=lambda: NOW)
    await mail.store.close()
    await store.open()
    await make_span(store._database, WEEK.since, WEEK.since)
    sweeping = await asyncpg.connect(database)
    async with sweeping.transaction():
        await sweeping.execute(f"LOCK TABLE {WEEK.table('visit')} IN SHARE UPDATE EXCLUSIVE MODE")
        await drop(store._database, WEEK, "visit")
    await sweeping.close()
    assert WEEK in await weeks(store._database, "visit")
    await drop(store._database, WEEK, "visit")
    assert WEEK not in await weeks(store._database, "visit")
    await store.close()
