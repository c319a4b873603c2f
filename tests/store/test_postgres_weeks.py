"""Claims about the weeks that PostgreSQL keeps the journal in."""

from __future__ import annotations

import asyncio

import asyncpg
from store.postgres_fixtures import node, open_store, rows
from store.world import NOW, Mail, clicks, send

from linkproxy.store import postgres_partitions
from linkproxy.store.api import Cutoffs
from linkproxy.store.postgres_partitions import TABLES, WEEK_SECONDS, Week, drop, make_span

__all__ = ["open_store"]

WEEK = int(NOW // WEEK_SECONDS)


async def weeks(url):
    found = await rows(url, "SELECT relname FROM pg_class WHERE relname ~ '^visit_w[0-9]+$' ORDER BY 1")
    return [int(row[0].removeprefix("visit_w")) for row in found]


async def test_weeks_are_made_ahead_and_visits_go_into_theirs(fresh, privacy):
    store = node(fresh, privacy, clock=lambda: NOW)
    await store.open()
    assert await weeks(fresh) == [WEEK + ahead for ahead in range(5)]
    mail = await send(store)
    await mail.visited(mail.visit(), mail.visit(WEEK_SECONDS), mail.visit(-20 * WEEK_SECONDS))
    await mail.settle()
    found = await rows(fresh, "SELECT tableoid::regclass::text FROM visit ORDER BY at")
    assert [row[0] for row in found] == ["visit_other", f"visit_w{WEEK}", f"visit_w{WEEK + 1}"]
    assert len(await clicks(store)) == 3
    await store.close()


async def test_purging_drops_the_weeks_it_has_emptied_and_makes_new_ones(fresh, privacy):
    now = [NOW]
    store = node(fresh, privacy, clock=lambda: now[0])
    await store.open()
    mail = await send(store)
    await mail.visited(mail.visit(), mail.visit(WEEK_SECONDS), mail.visit(WEEK_SECONDS, who=mail.bob))
    await mail.settle()
    now[0] += 10 * WEEK_SECONDS
    counts = await store.purge(Cutoffs(journal=NOW + 3 * WEEK_SECONDS))
    assert counts["visit"] == 2
    kept_since_it_holds_an_open_visit = WEEK + 1
    assert await weeks(fresh) == sorted(
        {kept_since_it_holds_an_open_visit, *range(WEEK + 3, WEEK + 5), *range(WEEK + 10, WEEK + 15)}
    )
    assert len(await clicks(store)) == 2
    await store.close()


async def test_a_purge_beside_a_back_up_leaves_empty_weeks_for_the_next_one(fresh, privacy, monkeypatch):
    """Else it would be tried again every minute, and visits would wait for it each time."""
    monkeypatch.setattr(postgres_partitions, "_WAIT_SECONDS", 0.1)
    now = [NOW]
    store = node(fresh, privacy, clock=lambda: now[0])
    await store.open()
    mail = await send(store)
    await mail.visited(mail.visit())
    await mail.settle()
    now[0] += 10 * WEEK_SECONDS
    reading = await asyncpg.connect(fresh)
    async with reading.transaction():
        await reading.execute("SELECT 1 FROM visit")
        before = await weeks(fresh)
        counts = await store.purge(Cutoffs(journal=NOW + 3 * WEEK_SECONDS))
        assert counts["visit"] == 1
        assert await weeks(fresh) == before
    await reading.close()
    await store.purge(Cutoffs(journal=NOW + 3 * WEEK_SECONDS))
    assert WEEK not in await weeks(fresh)
    assert WEEK + 10 in await weeks(fresh)
    await store.close()


async def test_visits_and_settling_go_on_while_weeks_are_made_and_dropped(mail, open_store):
    sides = [mail, Mail(await open_store(), mail.campaign, mail.links, mail.recipients)]
    database, end = mail.store._database, asyncio.Event()

    async def visitor(side, who):
        while not end.is_set():
            await side.visited(side.visit(1, who=who))

    async def settler():
        while not end.is_set():
            await mail.settle()

    lanes = [asyncio.create_task(visitor(side, who)) for side in sides for who in mail.recipients]
    lanes.append(asyncio.create_task(settler()))
    try:
        for number in range(WEEK + 100, WEEK + 112):
            at = number * WEEK_SECONDS
            await make_span(database, at, at)
            for parent in TABLES:
                await drop(database, Week(number), parent)
    finally:
        end.set()
        await asyncio.gather(*lanes)


async def test_a_week_that_only_one_table_has_is_completed(fresh, privacy):
    store = node(fresh, privacy, clock=lambda: NOW)
    await store.open()
    await drop(store._database, Week(WEEK + 1), "message_visit")
    await store.close()
    await store.open()
    made = await rows(fresh, "SELECT 1 FROM pg_class WHERE relname ~ '^message_visit_w[0-9]+$'")
    assert len(made) == 5
    await store.close()
