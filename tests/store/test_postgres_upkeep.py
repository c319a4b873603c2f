"""Claims about purging on PostgreSQL, where it goes by chunks and drops whole weeks."""

from __future__ import annotations

import json

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


MANY = 2_000
FILL = f"""INSERT INTO recipient (id, address, reference, domain, track, verified)
SELECT number, '', 'made-up-' || number, '', true, false FROM generate_series(1000, 1000 + {MANY}) number;
INSERT INTO visit SELECT (jsonb_populate_record(v, jsonb_build_object(
    'id', number, 'recipient_id', 1000 + number % ({MANY} - 50)))).*
FROM visit v, generate_series(1000, 1000 + 10 * {MANY}) number WHERE v.id = 1;
INSERT INTO message_visit SELECT campaign_id, recipient_id, id, at FROM visit;
ANALYZE recipient; ANALYZE visit; ANALYZE message_visit; SET plan_cache_mode = force_generic_plan;
PREPARE nothing_left (bigint[]) AS {postgres_purge.NOTHING_LEFT};
PREPARE drop_nameless (bigint[], bigint, bigint) AS {postgres_purge.DROP_NAMELESS}"""


def on(table, node):
    """Yield the nodes of a plan that read a table, or weeks of it."""
    if node.get("Relation Name", "").startswith((f"{table}_w", f"{table}_other")):
        yield node
    for below in node.get("Plans", ()):
        yield from on(table, below)


async def test_the_journal_is_read_once_for_all_recipients_that_may_go_and_what_came_since_by_index(
    mail, database
):
    """PostgreSQL plans a statement that is asked often for any values, and guesses: ten recipients, and a
    third of all visits. It went over the journal for each, while no reference could be looked up."""
    await mail.visited(mail.visit())
    db = await asyncpg.connect(database)
    try:
        await db.execute(FILL)
        ids = ",".join(map(str, range(1000, 1000 + MANY)))
        found = await db.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE nothing_left ('{{{ids}}}')")
        assert {node["Actual Loops"] for node in on("message_visit", json.loads(found)[0]["Plan"])} == {1}
        found = await db.fetchval(
            f"EXPLAIN (FORMAT JSON) EXECUTE drop_nameless ('{{{ids}}}', 9999, {(1 << 63) - 1})"
        )
        kinds = {
            node["Node Type"] for node in on("visit", json.loads(found)[0]["Plan"]) if node["Plan Rows"] > 1
        }
        assert kinds <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}
    finally:
        await db.close()
