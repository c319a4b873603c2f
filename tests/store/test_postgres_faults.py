"""Claims about a PostgreSQL server that stops and comes back, and about a pooler before it."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from claims.postgres import as_nobody
from claims.postgres_front import front
from store.postgres_fixtures import command
from store.world import Mail, clicks, ids, send, settled

from linkproxy.store.api import StoreError
from linkproxy.store.postgres import PostgresStore
from linkproxy.store.postgres_database import ServerSettings, Transaction, _UnknownYetError
from linkproxy.store.postgres_errors import store_error

_FAILS_WITHIN_SECONDS = 5.0


async def opened(url, privacy, **more):
    store = PostgresStore(ServerSettings(url, **more), privacy=privacy)
    await store.open()
    return store


@pytest.mark.parametrize(("mode", "together"), [("fast", 3), ("immediate", 3), ("immediate", 30)])
async def test_every_visit_that_was_answered_is_there_after_the_server_was_stopped_under_load(
    own_postgres, own_database, privacy, mode, together
):
    nodes = [await opened(own_database, privacy, lock_seconds=30.0) for _ in range(2)]
    mail = await send(nodes[0])
    sides = [Mail(store, mail.campaign, mail.links, mail.recipients) for store in nodes]
    answered, failed, end, moved = [], [], asyncio.Event(), asyncio.Event()

    async def visitor(side, lane):
        number = 0
        while not end.is_set():
            number += 1
            try:
                visits = [
                    side.visit(number + part / 32, who=side.recipients[lane % 2]) for part in range(together)
                ]
                answered.extend(item.visit_id for item in await side.visited(*visits))
            except StoreError as error:
                failed.append(str(error))
                await asyncio.sleep(0.01)
            moved.set()

    async def until(done):
        while not done():
            moved.clear()
            await moved.wait()

    lanes = [asyncio.create_task(visitor(side, lane)) for lane in range(3) for side in sides]
    await until(lambda: len(answered) >= 150)
    await asyncio.to_thread(own_postgres.stop, mode)
    before = len(answered)
    with suppress(TimeoutError):
        # A node that lost the answer to a commit asks until the server is back: its visitors do not fail.
        await asyncio.wait_for(until(lambda: len(failed) >= 6), _FAILS_WITHIN_SECONDS)
    await asyncio.to_thread(own_postgres.start)
    await until(lambda: len(answered) >= before + 150)
    end.set()
    await asyncio.gather(*lanes)
    assert sorted(await ids(nodes[0])) == sorted(answered)
    assert all("\n" not in text and text.startswith("the local server/") for text in failed)
    for store in nodes:
        await store.close()


async def test_a_commit_whose_answer_was_lost_is_looked_up_and_not_taken_for_a_failure(own_database, privacy):
    store = await opened(own_database, privacy)
    mail = await send(store)
    async with store._database.transaction() as work:
        row = await work.fetch_one("SELECT pg_current_xact_id()::text")
        committed = row[0]
        await work.execute("UPDATE meta SET number = 7 WHERE name = 'ping'")
    assert await store._database._was_committed(Transaction(None, committed))
    undone = await _undo(store._database)
    assert not await store._database._was_committed(Transaction(None, undone))
    await mail.visited(mail.visit())
    await store.close()


async def test_a_transaction_that_is_still_under_way_is_asked_for_again(own_database, privacy):
    """Its server process has not noticed yet that nobody listens."""
    store = await opened(own_database, privacy)
    async with store._database.transaction() as work:
        (xid,) = await work.fetch_one("SELECT pg_current_xact_id()::text")
        with pytest.raises(_UnknownYetError):
            await store._database._status(xid)
        asking = asyncio.create_task(store._database._was_committed(Transaction(None, xid)))
    assert await asking
    await store.close()


@pytest.mark.parametrize(
    ("rest", "where"),
    [
        ("me@db1/clicks", "db1/clicks"),
        ("me@db1:5433/clicks?sslmode=require", "db1:5433/clicks"),
        ("me@/clicks?host=db1,db2&port=1,2", "db1,db2/clicks"),
        ("me@/clicks?host=/run/postgresql", "the local server/clicks"),
        ("me@/clicks", "the local server/clicks"),
        ("me@/clicks?host=", "the local server/clicks"),
    ],
)
def test_a_fault_names_the_database_by_its_hosts(rest, where):
    assert ServerSettings(f"postgresql://{rest}").where == where


async def test_a_committed_id_without_the_visits_is_anothers_given_out_again_after_a_crash(
    own_database, privacy
):
    store = await opened(own_database, privacy)
    mail = await send(store)
    (kept,) = await mail.visited(mail.visit())
    row = await store._database.fetch_one("SELECT xmin::text FROM visit")
    statement = "SELECT 1 FROM visit WHERE id = $1"
    for visit_id, is_there in ((kept.visit_id, True), (kept.visit_id + 1, False)):
        work = Transaction(None, row[0], proof=(statement, (visit_id,)))
        assert await store._database._was_committed(work) is is_there
    await store.close()


async def test_a_store_that_closes_asks_no_longer_what_became_of_a_commit(
    own_postgres, own_database, privacy
):
    with tempfile.TemporaryDirectory() as short:  # the path of a socket has 107 bytes
        async with front(Path(short), own_postgres.folder) as between:
            store = await opened(own_database.replace(str(own_postgres.folder), short), privacy)
            mail = await send(store)
            between.losing = True
            visiting = asyncio.create_task(mail.visited(mail.visit()))
            await between.lost.wait()
            await store.close()
            with pytest.raises(StoreError):
                await visiting


async def test_who_gives_up_asking_a_database_that_hangs_leaves_no_fault_that_nobody_looks_at(
    own_postgres, own_database, privacy
):
    """asyncio writes a trace of each into the log; a probe that asks once a second made one a second."""
    unseen = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    with tempfile.TemporaryDirectory() as short:  # the path of a socket has 107 bytes
        async with front(Path(short), own_postgres.folder) as between:
            store = await opened(own_database.replace(str(own_postgres.folder), short), privacy)
            between.hangs.set()
            asking = asyncio.create_task(store.ping())
            await asyncio.sleep(0)
            asking.cancel()
            closing = asyncio.create_task(store.close())
            for task in (asking, closing):
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait({task})
            while store._under_way:
                await asyncio.wait(store._under_way)
            del asking, closing, task  # what they raised holds on to it
            gc.collect()
            await asyncio.sleep(0)
    assert unseen == []


async def test_a_database_that_was_read_only_is_written_to_once_it_is_no_longer(own_database, privacy):
    """Hosters make it so when its disk is nearly full; a session keeps what held when it began."""
    alter = f"ALTER DATABASE {urlsplit(own_database).path[1:]} SET default_transaction_read_only"
    await (await opened(own_database, privacy)).close()
    await command(own_database, f"{alter} = on")
    store = await opened(own_database, privacy)
    try:
        with pytest.raises(StoreError, match="read-only"):
            await store.ping()
        await command(own_database, "BEGIN READ WRITE", f"{alter} = off", "COMMIT")
        await store.ping()
    finally:
        await store.close()


async def test_a_connection_that_breaks_in_a_transaction_is_told_by_what_broke_it(
    own_postgres, own_database, privacy
):
    with tempfile.TemporaryDirectory() as short:  # the path of a socket has 107 bytes
        async with front(Path(short), own_postgres.folder) as between:
            store = await opened(own_database.replace(str(own_postgres.folder), short), privacy)
            with pytest.raises(StoreError, match="connection was closed in the middle of operation"):
                await _cut(store._database, between)
            await store.ping()
            await store.close()


async def _cut(database, between):
    async with database.transaction() as work:
        for writer in between.open:
            writer.close()
        await work.fetch_one("SELECT 1")


async def _undo(database):
    seen = []
    with suppress(ZeroDivisionError):
        async with database.transaction() as work:
            seen += await work.fetch_one("SELECT pg_current_xact_id()::text")
            raise ZeroDivisionError
    return seen[0]


@contextmanager
def pgbouncer(server, tmp_path):
    """Run a pooler that lends connections by transaction, two of them to everybody."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip(
            "pgbouncer is not installed; it is a system package and cannot come from the package index"
        )
    folder = server.folder / "pooler"
    folder.mkdir()
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host={server.folder} user=postgres\n[pgbouncer]\nunix_socket_dir={folder}\nlisten_addr=\n"
        f"auth_type=trust\nauth_file={folder}/users\npool_mode=transaction\ndefault_pool_size=2\n"
        "max_client_conn=50\nserver_tls_sslmode=disable\nlisten_port=6432\n"
    )
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "nobody", "nogroup")
    log = (tmp_path / "pgbouncer.log").open("w")
    process = subprocess.Popen([program, folder / "ini"], stdout=log, stderr=log, cwd="/", **as_nobody())
    try:
        yield f"postgresql://postgres@/linkproxy_own?host={folder}&port=6432"
    finally:
        process.terminate()
        process.wait(10)
        log.close()
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "fault", [asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError]
)
def test_a_pooler_that_was_not_told_of_is_told_by_the_setting_it_wants(fault):
    """So PgBouncer 1.18 answers sooner or later, as another transaction has the connection then."""
    said = store_error(fault('prepared statement "__asyncpg_stmt_13__" does not exist'), "db/clicks")
    assert str(said).startswith("db/clicks: a pooler lends its connections by transaction; set pooler = true")


async def test_two_nodes_work_through_a_pooler_in_transaction_mode(
    own_postgres, own_database, privacy, tmp_path
):
    with pgbouncer(own_postgres, tmp_path) as pooled:
        for _ in range(100):
            try:
                await command(pooled, "SELECT 1")
                break
            except OSError:
                await asyncio.sleep(0.05)
        nodes = [await opened(pooled, privacy, pooler=True) for _ in range(2)]
        mail = await send(nodes[0])
        sides = [Mail(store, mail.campaign, mail.links, mail.recipients) for store in nodes]
        batches = [
            side.visited(*(side.visit(number, who=who) for who in side.recipients))
            for number in range(10)
            for side in sides
        ]
        judged = [item for batch in await asyncio.gather(*batches) for item in batch]
        assert sorted(await ids(nodes[1])) == sorted(item.visit_id for item in judged)
        due = await nodes[1].list_due(last_before=1e10, first_before=0.0, limit=9)
        for message in due:
            await nodes[1].settle(message.campaign_id, message.recipient_id, settled(), reach_seconds=1.0)
        assert len(await clicks(nodes[0])) == 40
        for store in nodes:
            await store.close()
