"""Claims about PostgreSQL alone: several nodes, what the server does and does not hold."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import asyncpg
import pytest
from store.contract_domains import asked, in_a_domain
from store.postgres_fixtures import command, node, open_store, rows
from store.world import BROWSER, NOW, Mail, clicks, ids, send, visits

from linkproxy.store.api import Filter, StoreError
from linkproxy.store.postgres import PostgresStore
from linkproxy.store.postgres_database import ServerSettings
from linkproxy.store.postgres_fence import BEFORE_OPT_OUTS, allot, allotted_ids
from linkproxy.store.postgres_locks import COUNTING
from linkproxy.store.postgres_partitions import WEEK_SECONDS
from linkproxy.store.privacy import Privacy
from linkproxy.store.rollups import RebuildStep

__all__ = ["open_store"]

STORE = Path(__file__).parents[2] / "linkproxy" / "store"
DAY_SECONDS = 86_400


# several nodes ---------------------------------------------------------------------------------


async def test_nodes_that_start_at_once_make_the_schema_once(fresh, privacy):
    nodes = [node(fresh, privacy) for _ in range(5)]
    await asyncio.gather(*(one.open() for one in nodes))
    mail = await send(nodes[0])
    assert [len(await one.list_campaigns()) for one in nodes] == [1] * 5
    await mail.visited(mail.visit())
    for one in nodes:
        await one.close()


async def test_a_reader_never_passes_an_opt_out_that_is_committed_late(mail, open_store):
    other = await open_store()
    drawn = "INSERT INTO unsubscribe SELECT nextval('unsubscribe_id'), $1, $2, $3, true"

    async def listed():
        return [row.recipient async for row in other.unsubscribes(Filter())]

    async with mail.store._database.transaction() as slow:
        await slow.execute(BEFORE_OPT_OUTS)
        await slow.execute(drawn, NOW, mail.campaign.id, mail.ann.id)
        await Mail(other, mail.campaign, mail.links, mail.recipients).opt_out(who=mail.bob)
        assert (await listed(), (await other.ends()).unsubscribe) == ([], 0)
    assert await listed() == ["ann@a.example", "bob@b.example"]
    assert (await other.ends()).unsubscribe == 2


async def test_a_reader_never_passes_a_visit_that_is_committed_late(mail, open_store, database):
    (first,) = await mail.visited(mail.visit(0))
    other = await open_store()
    async with mail.store._database.transaction() as slow:
        (held,) = allotted_ids(slow, await slow.fetch(allot("1")))
        later = Mail(other, mail.campaign, mail.links, mail.recipients)
        (judged,) = await later.visited(later.visit(1, who=mail.bob))
        assert judged.visit_id > held
        assert await ids(other) == [first.visit_id]
    assert await ids(other) == [first.visit_id, judged.visit_id]


async def test_one_node_settles_and_another_takes_over_when_it_leaves(mail, open_store):
    other = await open_store()
    await mail.visited(mail.visit())
    ask = {"last_before": NOW + 100, "first_before": 0.0, "limit": 9}
    assert len(await mail.store.list_due(**ask)) == 1
    assert await other.list_due(**ask) == []
    await mail.store.close()
    assert len(await other.list_due(**ask)) == 1


async def test_many_nodes_that_judge_the_same_messages_at_once_lose_and_double_nothing(mail, open_store):
    nodes = [mail] + [Mail(await open_store(), mail.campaign, mail.links, mail.recipients) for _ in range(3)]
    batches = [
        side.visited(
            *(side.visit(number + part, who=side.recipients[(number + part) % 2]) for part in range(4))
        )
        for number in range(12)
        for side in nodes
    ]
    judged = [item for batch in await asyncio.gather(*batches) for item in batch]
    assert sorted(await ids(mail.store)) == sorted(item.visit_id for item in judged)
    for who in mail.recipients:
        mine = sorted(
            (item for item in judged if item.recipient.id == who.id), key=lambda item: item.visit_id
        )
        assert [len(item.facts.siblings) for item in mine] == list(range(len(mine)))


async def test_a_message_belongs_to_one_node_at_a_time_also_beside_a_new_reference(
    mail, open_store, database
):
    """Nobody can write just now; the second node must not read before the first one has."""
    other = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
    reference = mail.visit(0, recipient_id=0, reference="new-1", verified=True)
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
    blocking = await asyncpg.connect(database)
    async with blocking.transaction():
        await blocking.execute("LOCK TABLE visit IN SHARE MODE")
        first = asyncio.create_task(mail.visited(reference, mail.visit(1)))
        while not await rows(database, waiting):
            assert not first.done()
        second = asyncio.create_task(other.visited(other.visit(2)))
        while len(await rows(database, waiting)) < 2:
            assert not second.done()
    await blocking.close()
    _, earlier = await first
    (judged,) = await second
    assert [sibling.visit_id for sibling in judged.facts.siblings] == [earlier.visit_id]


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
async def test_a_message_belongs_to_one_node_whatever_isolation_the_database_prefers(
    fresh, privacy, isolation
):
    """A snapshot from before its turn came would show a node nothing of what it waited for."""
    await command(fresh, f"ALTER DATABASE linkproxy_fresh SET default_transaction_isolation = '{isolation}'")
    stores = [node(fresh, privacy) for _ in range(2)]
    for store in stores:
        await store.open()
    mail = await send(stores[0])
    other = Mail(stores[1], mail.campaign, mail.links, mail.recipients)
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
    blocking = await asyncpg.connect(fresh)
    async with blocking.transaction():
        await blocking.execute("LOCK TABLE visit IN SHARE MODE")
        first = asyncio.create_task(mail.visited(mail.visit(0)))
        while not await rows(fresh, waiting):
            assert not first.done()
        second = asyncio.create_task(other.visited(other.visit(1)))
        while len(await rows(fresh, waiting)) < 2:
            assert not second.done()
    await blocking.close()
    (earlier,), (judged,) = await first, await second
    assert [sibling.visit_id for sibling in judged.facts.siblings] == [earlier.visit_id]
    for store in stores:
        await store.close()


async def test_of_a_batch_that_failed_no_node_remembers_a_neighbour(mail, open_store, database):
    """It was judged, and could not be written in time."""
    store = await open_store(lock_seconds=0.5)
    side = Mail(store, mail.campaign, mail.links, mail.recipients)
    await side.visited(side.visit(0, who=side.bob), take=in_a_domain)
    busy = await asyncpg.connect(database)
    async with busy.transaction():
        await busy.execute("LOCK TABLE visit IN SHARE MODE")
        with pytest.raises(StoreError, match="another write holds what this one needs"):
            await side.visited(side.visit(1), take=in_a_domain)
    await busy.close()
    found, *_ = await asked(side, side.visit(2, who=side.bob), domain="a.example")
    assert found == []
    await side.visited(side.visit(3), take=in_a_domain)
    found, *_ = await asked(side, side.visit(4, who=side.bob), domain="a.example")
    assert [item.at for item in found] == [NOW + 3]


async def test_settling_beside_visits_of_the_same_message_ends_with_every_visit_settled_once(
    mail, open_store
):
    other = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
    for number in range(10):
        await asyncio.gather(
            mail.visited(mail.visit(number)),
            other.visited(other.visit(number + 0.5)),
            mail.settle(),
            other.settle(),
        )
    while await mail.settle() is not None:
        pass
    found = await visits(mail.store)
    assert len(found) == len(await clicks(mail.store)) == 20
    assert all(row.entry.settled is not None for row in found)


async def test_messages_that_are_settled_together_share_one_commit(mail, database):
    await mail.visited(*(mail.visit(who=who) for who in mail.recipients))
    await asyncio.gather(*(mail.settle(who=who) for who in mail.recipients))
    found = await rows(database, "SELECT xmin::text FROM click")
    assert len(found) == len(mail.recipients) > 1
    assert len({row[0] for row in found}) == 1


async def test_who_gives_up_settling_a_message_holds_up_none_beside_it(mail, database):
    """The first has all of them under way, and waits for another node that counts."""
    await mail.visited(*(mail.visit(who=who) for who in mail.recipients))
    counting = await asyncpg.connect(database)
    async with counting.transaction():
        await counting.execute(COUNTING)
        first, *others = [asyncio.create_task(mail.settle(who=who)) for who in mail.recipients]
        while not await rows(database, "SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert not first.done()
        first.cancel()
        await asyncio.wait([first])
    await counting.close()
    async with asyncio.timeout(20):
        await asyncio.gather(*others)
    assert first.cancelled()
    assert len(await rows(database, "SELECT 1 FROM click")) == len(mail.recipients)


async def test_a_node_with_nothing_to_count_again_waits_for_nobody_who_counts(open_store, database):
    store = await open_store(lock_seconds=0.1)
    counting = await asyncpg.connect(database)
    async with counting.transaction():
        await counting.execute(COUNTING)
        assert await store.rebuild(lambda _: (), limit=1) == RebuildStep(0, 0)
    await counting.close()


@pytest.mark.parametrize(
    "table", ["visit_other", f"message_visit_w{int(time.time() // WEEK_SECONDS)}", "open_visit"]
)
async def test_a_store_whose_journal_is_being_rewritten_says_that_it_cannot_be_written_to(
    open_store, database, table
):
    """Else it passed for recovered each second, and whoever came then waited in vain."""
    store = await open_store(lock_seconds=0.5)
    rewriting = await asyncpg.connect(database)
    async with rewriting.transaction():
        await rewriting.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")  # as VACUUM FULL does
        with pytest.raises(StoreError, match="another write holds what this one needs"):
            await store.ping()
    await rewriting.close()
    await store.ping()


async def test_headers_that_are_purged_while_a_visit_comes_with_them_are_stored_again(mail, database):
    """The purge is in the middle of its transaction; the visit waits for it."""
    await mail.visited(mail.visit())
    purging = await asyncpg.connect(database)
    async with purging.transaction():
        await purging.execute("DELETE FROM profile")
        visiting = asyncio.create_task(mail.visited(mail.visit(100 * DAY_SECONDS)))
        while not await rows(database, "SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert not visiting.done()
    await purging.close()
    (judged,) = await visiting
    (row,) = [row for row in await visits(mail.store) if row.entry.visit_id == judged.visit_id]
    assert row.entry.visit.profile.agent == BROWSER.agent


# what is refused -------------------------------------------------------------------------------


async def test_a_database_of_another_program_is_left_alone(fresh, privacy):
    await command(fresh, "CREATE TABLE theirs (id int)")
    with pytest.raises(StoreError, match="tables of another program"):
        await node(fresh, privacy).open()


async def test_a_database_whose_encoding_lacks_letters_is_refused(postgres, privacy):
    name = "linkproxy_latin"
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    latin = f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    await command(postgres.url, drop, latin)
    with pytest.raises(StoreError, match="encoding is LATIN1"):
        await node(postgres.database(name), privacy).open()
    assert await rows(postgres.database(name), "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []
    await command(postgres.url, drop)


async def test_a_newer_schema_and_another_privacy_key_are_refused(fresh, privacy):
    store = node(fresh, privacy)
    await store.open()
    await store.close()
    with pytest.raises(StoreError, match="another privacy key"):
        await node(fresh, Privacy("full", "full", b"k" * 32)).open()
    await command(fresh, "INSERT INTO migration VALUES (9999, 'later', 0)")
    with pytest.raises(StoreError, match="schema is number 9999"):
        await node(fresh, privacy).open()


async def test_a_server_that_is_not_there_is_one_sentence_without_secrets(privacy):
    settings = ServerSettings("postgresql://me@127.0.0.1:1/clicks", password="hidden", lock_seconds=1.0)
    with pytest.raises(StoreError, match=r"^127\.0\.0\.1:1/clicks: it cannot be reached") as caught:
        await PostgresStore(settings, privacy=privacy).open()
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)
