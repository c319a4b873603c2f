"""Claims about large batches on PostgreSQL, which are judged in two halves, and about how they are read."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

import asyncpg
import pytest
from store.contract_domains import asked, crowd, teach
from store.postgres_fixtures import open_store
from store.world import NOW, ids, judge, key, send, visits

from linkproxy.model import LinkKind, LinkRole, MessageLink, ProfileScope
from linkproxy.store import postgres_intake, postgres_journal, postgres_lookup
from linkproxy.store.api import StoreError, no_more
from linkproxy.store.postgres import PostgresStore
from linkproxy.store.postgres_database import ServerSettings
from linkproxy.store.postgres_locks import FENCE_CLASS

__all__ = ["open_store"]

LARGE = postgres_intake._HALVED
SIZES = (1, LARGE - 1, LARGE, LARGE + 1, 256)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pooler", [False, True])
async def test_each_visit_of_a_batch_sees_all_before_it_in_either_half(open_store, size, pooler):
    mail = await send(await open_store(pooler=pooler))
    before = [mail.visit(-1, who=who) for who in mail.recipients]
    await mail.visited(*before)
    made = [mail.visit(number, who=mail.recipients[number % 2]) for number in range(size)]
    judged = await mail.visited(*made)
    assert [len(item.facts.siblings) for item in judged] == [1 + number // 2 for number in range(size)]
    assert all(one.visit_id < next_one.visit_id for one, next_one in pairwise(judged))
    assert [row.entry.visit.at for row in await visits(mail.store)] == [visit.at for visit in before + made]


async def test_what_is_stored_of_a_message_is_known_in_the_second_half_too(mail):
    await mail.deliver(NOW - 60.0, who=mail.bob)
    (before,) = await mail.visited(mail.visit(0, who=mail.bob, link=3))
    of_ann = [mail.visit(number) for number in range(1, LARGE)]
    *_, last = await mail.visited(*of_ann, mail.visit(LARGE, who=mail.bob))
    assert [item.visit_id for item in last.facts.siblings] == [before.visit_id]
    assert (last.facts.delivery.delivered_at, last.recipient) == (NOW - 60.0, mail.bob)


async def test_a_link_of_one_message_is_known_in_the_second_half_too(mail):
    kind, role, at = LinkKind.CONTENT, LinkRole.BODY, 9
    link = MessageLink(
        mail.campaign.id, mail.bob.id, key(50), "https://shop.example/?of=bob", kind, role, at, "shape"
    )
    await mail.store.add_message_links([link])
    of_ann = [mail.visit(number) for number in range(LARGE)]
    *_, last = await mail.visited(*of_ann, mail.visit(LARGE, who=mail.bob, key=link.key))
    assert last.facts.link.target == link.target


async def test_a_new_reference_in_both_halves_is_one_recipient(mail):
    nobody = {"recipient_id": 0, "reference": "a-reference", "verified": True}
    judged = await mail.visited(*(mail.visit(number, **nobody) for number in range(LARGE)))
    assert len({item.recipient.id for item in judged}) == 1
    assert [len(item.facts.siblings) for item in judged] == list(range(LARGE))


async def test_a_judge_may_ask_what_was_not_read_while_the_server_is_at_work(mail):
    known = []

    def take(visit, source):
        known.append(source.domain_profile(ProfileScope.DOMAIN, f"{visit.at - NOW:.0f}.example"))
        return judge()(visit, source)

    await mail.visited(*(mail.visit(number) for number in range(LARGE)), take=take)
    assert [item.name for item in known] == [f"{number}.example" for number in range(LARGE)]


@pytest.mark.parametrize("broken", [0, LARGE - 1])
async def test_a_half_that_cannot_be_stored_takes_the_other_with_it(mail, broken):
    made = [mail.visit(number) for number in range(LARGE)]
    made[broken] = mail.visit(broken, http_version=object())
    with pytest.raises(StoreError):
        await mail.append(*made)
    (judged,) = await mail.visited(mail.visit(LARGE))
    assert judged.facts.siblings == ()
    assert await ids(mail.store) == [judged.visit_id]


@pytest.mark.parametrize("beside", ["look_up_messages", "write_visits"])
async def test_a_batch_that_is_cancelled_leaves_no_statement_under_way(mail, beside):
    store, pid = mail.store, "SELECT pg_backend_pid()"
    await mail.visited(*(mail.visit(number) for number in range(LARGE)))
    before = await store._database.fetch_one(pid)
    batch = [mail.visit(LARGE + number) for number in range(LARGE)]
    task = asyncio.create_task(store._intake.append(batch, judge(), no_more))
    while beside not in {other.get_coro().__qualname__ for other in asyncio.all_tasks()}:  # noqa: ASYNC110  (turns of the loop)
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store._database.fetch_one(pid) == before  # else it could not be undone, and was closed
    (judged,) = await mail.visited(mail.visit(3 * LARGE))
    assert len(judged.facts.siblings) == LARGE


async def test_a_batch_reads_the_weeks_about_it_however_many_there_are(database, privacy):
    store = PostgresStore(ServerSettings(database), privacy=privacy, clock=lambda: NOW)
    await store.open()
    mail = await send(store)
    await mail.visited(mail.visit())
    await mail.settle()
    db = await asyncpg.connect(database)
    try:
        await db.execute("SET plan_cache_mode = force_generic_plan")
        asked = await db.prepare(postgres_lookup._OF_MESSAGES)
        span = (NOW - postgres_lookup.DAY_SECONDS, NOW + postgres_lookup.DAY_SECONDS)
        told = await asked.explain([mail.campaign.id], [mail.ann.id], *span, [], analyze=True)
        weeks = await db.fetch("SELECT relname FROM pg_class WHERE relname ~ '^visit_w[0-9]+$'")
    finally:
        await db.close()
        await store.close()
    plan = json.dumps(told)
    assert sum(f'"{row[0]}"' in plan for row in weeks) in {1, 2}
    assert len(weeks) > 4


async def test_a_visit_is_sent_as_the_journal_has_its_columns(store, database):
    db = await asyncpg.connect(database)
    try:
        found = await db.fetch(
            """SELECT s.attname, s.atttypid = v.atttypid FROM pg_attribute s
            JOIN pg_attribute v ON v.attrelid = 'visit'::regclass AND v.attname = s.attname
            WHERE s.attrelid = 'visit_taken'::regclass ORDER BY s.attnum"""
        )
    finally:
        await db.close()
    assert [tuple(row) for row in found] == [(name, True) for name in postgres_journal.VISIT.split(", ")]


async def test_batches_that_begin_at_the_same_newest_id_do_not_wait_for_each_other(open_store, database):
    store = await open_store(lock_seconds=1.0)
    mail = await send(store)
    await mail.visited(mail.visit(0))
    beside = await asyncpg.connect(database)
    async with beside.transaction():
        await beside.execute(f"SELECT pg_advisory_xact_lock_shared({FENCE_CLASS}, 1)")
        (judged,) = await mail.visited(mail.visit(1))
        assert judged.visit_id == 2
    await beside.close()


async def test_a_judge_may_ask_of_a_domain_that_nobody_of_the_batch_is_of(mail):
    await teach(mail, await crowd(mail, 20))
    _, domain, _ = await asked(mail, mail.visit())
    assert (domain.machines, domain.recipients) == (20.0, 20)
