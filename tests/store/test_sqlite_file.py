"""Claims about the file: its schema and its locks."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from store.files import locked, query
from store.world import NOW, ids, send

from linkproxy.store import migrate as migrations
from linkproxy.store import sqlite_checkpoint
from linkproxy.store.api import StoreError
from linkproxy.store.migrate import Migration, migrate, shipped, statements
from linkproxy.store.privacy import Privacy
from linkproxy.store.sqlite import SqliteStore
from linkproxy.store.sqlite_lock import lock_path

ROOT = Path(migrations.__file__).parents[2]


# --- schema ---------------------------------------------------------------------------------------


async def test_every_table_is_strict(store, path):
    tables = {
        row[1]: bool(row[5]) for row in query(path, "PRAGMA table_list") if not row[1].startswith("sqlite_")
    }
    assert len(tables) > 20
    assert all(tables.values())


@pytest.mark.usefixtures("store")
async def test_every_table_is_described_in_the_documentation(path):
    described = (ROOT / "docs" / "storage.md").read_text("utf-8")
    names = [row[0] for row in query(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert [name for name in names if not name.startswith("sqlite_") and f"`{name}`" not in described] == []


async def test_the_journal_has_no_secondary_index(store, path):
    assert query(path, "PRAGMA index_list(visit)") == []


async def test_the_writer_syncs_every_commit_unless_asked_otherwise(open_store, path, privacy):
    modes = {}
    for synchronous in ("full", "normal"):
        store = SqliteStore(path, privacy=privacy, synchronous=synchronous)
        await store.open()
        modes[synchronous] = await store._writer.run(
            lambda session: [
                session.db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("synchronous", "journal_mode", "wal_autocheckpoint", "foreign_keys")
            ]
        )
        await store.close()
    assert modes == {"full": [2, "wal", 0, 1], "normal": [1, "wal", 0, 1]}


async def test_readers_cannot_write(store):
    async with store._readers.lend() as db:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await db.execute("DELETE FROM meta")


async def test_a_new_file_is_for_its_owner_alone(store, path):
    await store.ping()
    for name in (path, lock_path(path), path.with_name(path.name + "-wal")):
        assert stat.S_IMODE(name.stat().st_mode) == 0o600, name


async def test_migrations_run_once_and_in_order(tmp_path):
    path = tmp_path / "x.db"
    steps = [
        Migration(1, "0001_a.sql", "CREATE TABLE a (x);"),
        Migration(2, "0002_b.sql", "ALTER TABLE a ADD y;"),
    ]
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        assert migrate(db, path, now=NOW, migrations=steps[:1]) == ["0001_a.sql"]
        assert migrate(db, path, now=NOW, migrations=steps) == ["0002_b.sql"]
        assert migrate(db, path, now=NOW, migrations=steps) == []
    assert query(path, "SELECT number, name, at FROM migration") == [
        (1, "0001_a.sql", NOW),
        (2, "0002_b.sql", NOW),
    ]


async def test_a_migration_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "x.db"
    broken = Migration(1, "0001_a.sql", "CREATE TABLE a (x);\nINSERT INTO missing VALUES (1);")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        with pytest.raises(
            StoreError, match=r"x.db: migration 0001_a.sql failed and changed nothing: no such table"
        ):
            migrate(db, path, now=NOW, migrations=[broken])
        assert migrate(db, path, now=NOW, migrations=[Migration(1, "0001_a.sql", "CREATE TABLE a (x);")])


def test_a_script_is_split_into_its_statements():
    script = "-- a; comment\nCREATE TABLE a (\n  x -- more;\n);\n\nINSERT INTO a VALUES (';\n');\n"
    assert [item.strip().split()[-1] for item in statements(script)] == [");", "');"]


def test_shipped_migrations_are_numbered_without_gaps():
    assert [item.number for item in shipped()] == list(range(1, len(shipped()) + 1))


async def test_a_schema_of_a_newer_version_is_refused(store, path, privacy):
    await store.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO migration VALUES (9999, '9999_later.sql', 0)")
    with pytest.raises(
        StoreError, match=r"linkproxy.db: its schema is number 9999 and this linkproxy knows \d+ at most"
    ):
        await SqliteStore(path, privacy=privacy).open()


async def test_another_programs_database_is_refused_and_left_alone(path, privacy):
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StoreError, match=r"linkproxy.db: this is a SQLite database of another program"):
        await SqliteStore(path, privacy=privacy).open()
    assert query(path, "SELECT name FROM sqlite_schema") == [("theirs",)]


async def test_a_store_of_another_privacy_key_is_refused(store, path):
    with pytest.raises(StoreError, match="it was made with another privacy key"):
        await SqliteStore(path, privacy=Privacy("full", "full", bytes(32))).open()


def test_processes_that_open_a_new_file_at_once_make_one_schema(path):
    script = f"""
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from linkproxy.store.privacy import Privacy
from linkproxy.store.sqlite import SqliteStore
async def main():
    store = SqliteStore(Path({str(path)!r}), privacy=Privacy("full", "full", bytes(32)), lock_seconds=60)
    sys.stdin.readline()
    await store.open()
    await store.ping()
    await store.close()
asyncio.run(main())
"""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    for process in started:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    errors = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0, 0], errors
    assert query(path, "SELECT number FROM migration") == [(item.number,) for item in shipped()]


# --- locks ----------------------------------------------------------------------------------------


async def test_a_write_that_does_not_get_its_turn_says_so_and_never_happens(open_store, path):
    store = await open_store(lock_seconds=0.1)
    mail = await send(store)
    with locked(path):
        with pytest.raises(
            StoreError, match=r"linkproxy.db.lock: another write has held the store for 0.1 s"
        ):
            await mail.append(mail.visit())
        with pytest.raises(StoreError, match="another write"):
            await store.ping()
    (judged,) = await mail.visited(mail.visit(1))
    assert await ids(store) == [judged.visit_id]
    assert judged.facts.siblings == ()


async def test_reading_goes_on_while_another_process_writes(open_store, path):
    store = await open_store(lock_seconds=0.1)
    mail = await send(store)
    await mail.visited(mail.visit())
    with locked(path), closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM visit")
        another = await open_store(lock_seconds=0.1)
        assert len(await ids(store)) == len(await ids(another)) == 1


async def test_a_program_that_locks_the_database_itself_is_reported(open_store, path):
    store = await open_store(lock_seconds=0.1)
    mail = await send(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"linkproxy.db: another program holds it locked"):
            await mail.append(mail.visit())
    await mail.visited(mail.visit())
    assert len(await ids(store)) == 1


async def test_opening_a_new_file_waits_for_the_lock_only_so_long(path, privacy):
    with locked(path), pytest.raises(StoreError, match="another write has held the store"):
        await SqliteStore(path, privacy=privacy, lock_seconds=0.1).open()


async def test_who_opens_an_old_file_waits_for_whoever_brings_it_up_to_date(path, privacy):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, path, now=NOW, migrations=shipped()[:-1])
    store = SqliteStore(path, privacy=privacy, lock_seconds=0.1)
    with locked(path):
        opening = asyncio.create_task(store.open())
        done, _ = await asyncio.wait({opening}, timeout=0.5)
        assert not done
    await opening
    await store.close()
    assert query(path, "SELECT max(number) FROM migration") == [(shipped()[-1].number,)]


async def test_closing_finishes_what_was_begun(open_store, path):
    store = await open_store()
    mail = await send(store)
    begun = [asyncio.ensure_future(mail.visited(mail.visit(number))) for number in range(20)]
    await asyncio.sleep(0)
    await store.close()
    judged = [item for batch in await asyncio.gather(*begun) for item in batch]
    assert await ids(await open_store()) == [item.visit_id for item in judged]


async def test_a_closed_store_leaves_one_file_with_everything_in_it(store, path):
    mail = await send(store)
    await mail.visited(mail.visit())
    await store.close()
    assert sorted(item.name for item in path.parent.iterdir()) == ["linkproxy.db", "linkproxy.db.lock"]
    assert query(path, "SELECT count(*) FROM visit") == [(1,)]


async def test_the_log_is_folded_in_while_the_store_is_open(store, path):
    mail = await send(store)
    for start in range(0, 6_000, 500):
        await mail.visited(*(mail.visit(start + number) for number in range(500)))
    await asyncio.to_thread(store._checkpointer.close)
    assert path.stat().st_size > 500_000


async def test_a_long_log_begins_anew_in_the_same_file(open_store, path, monkeypatch):
    monkeypatch.setattr(sqlite_checkpoint, "_LONG_LOG_PAGES", 10)
    store = await open_store()
    mail = await send(store)
    log = path.with_name(f"{path.name}-wal")
    for start in range(0, 4_500, 500):
        await mail.visited(*(mail.visit(start + number) for number in range(500)))
    await asyncio.to_thread(store._checkpointer.close)
    length = log.stat().st_size
    assert path.stat().st_size > 500_000
    await mail.visited(*(mail.visit(4_500 + number) for number in range(500)))
    assert log.stat().st_size == length


async def test_a_log_that_could_not_be_cut_after_an_erasure_is_cut_by_a_later_commit(store, path):
    mail = await send(store)
    await mail.visited(mail.visit())
    await asyncio.to_thread(store._checkpointer.close)
    aside = path.with_name("aside.db")
    await store.erase_recipient(mail.bob.id)
    path.rename(aside)
    store._checkpointer.start()
    await asyncio.to_thread(store._checkpointer.close)
    aside.rename(path)
    log = path.with_name(f"{path.name}-wal")
    assert log.stat().st_size > 0
    store._checkpointer.start()
    await mail.visited(mail.visit(1))
    await asyncio.to_thread(store._checkpointer.close)
    assert log.stat().st_size == 0
