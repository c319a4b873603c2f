"""Claims about files that fail, and about what stays in them."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from store.files import locked, query
from store.world import NOW, PROGRAM, Mail, clicks, ids, key, send, visits

from linkproxy.model import Campaign, CampaignId
from linkproxy.store import migrate as migrations
from linkproxy.store.api import Cutoffs, StoreError
from linkproxy.store.sqlite import SqliteStore

ROOT = Path(migrations.__file__).parents[2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda path: path.write_bytes(b"hello, this is no database at all" * 99),
            "this is not a SQLite database",
        ),
        (lambda path: path.mkdir(), "it cannot be opened"),
        (lambda path: path.symlink_to("/nowhere/at/all"), "cannot be opened for writing"),
    ],
)
async def test_what_is_no_database_is_refused_and_left_alone(path, privacy, make, message):
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=f"linkproxy.db: {message}"):
        await SqliteStore(path, privacy=privacy).open()
    assert before is None or path.read_bytes() == before


async def test_a_missing_folder_is_named(tmp_path, privacy):
    with pytest.raises(StoreError, match=r"its folder is missing; create .*/none/here or set store.url"):
        await SqliteStore(tmp_path / "none" / "here" / "x.db", privacy=privacy).open()


async def test_a_file_that_was_removed_or_replaced_is_noticed(store, path):
    mail = await send(store)
    moved = path.rename(path.with_name("moved.db"))
    with pytest.raises(StoreError, match="removed or replaced while in use"):
        await mail.append(mail.visit())
    with pytest.raises(StoreError, match="removed or replaced"):
        await store.ping()
    moved.rename(path)
    await mail.visited(mail.visit())


async def test_a_read_that_cannot_use_the_file_leaves_no_connection_behind(store, path):
    before = set(threading.enumerate())
    (other := path.with_name("other.db")).write_bytes(b"hello, this is no database at all" * 99)
    other.rename(path)
    for _ in range(3):
        with pytest.raises(StoreError, match="this is not a SQLite database"):
            await store.list_campaigns()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


async def test_a_full_database_refuses_whole_batches_and_works_again_with_more_room(store):
    mail = await send(store)
    (pages,) = await store._writer.run(lambda session: session.db.execute("PRAGMA page_count").fetchone())

    async def room(limit):
        await store._writer.run(
            lambda session: session.db.execute(f"PRAGMA max_page_count = {limit}").fetchall()
        )

    await room(pages + 12)
    answered, refused = [], 0
    for number in range(20):
        try:
            answered += await mail.visited(*(mail.visit(number + place / 100) for place in range(20)))
        except StoreError as error:
            assert "the disk is full" in str(error)  # noqa: PT017  (both ways are right here)
            refused += 1
    assert refused
    with pytest.raises(StoreError, match="the disk is full"):
        await mail.append(*(mail.visit(30) for _ in range(500)))
    await room(1_000_000)
    assert await ids(store) == [item.visit_id for item in answered]
    (judged,) = await mail.visited(mail.visit(40))
    assert len(judged.facts.siblings) == len(answered)


def run(script, *, path):
    """Run a program on a store, which prints JSON."""
    head = f"""
import asyncio, json, os, resource, sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from store.world import judge, send, Mail, ids
from linkproxy.store.api import StoreError
from linkproxy.store.privacy import Privacy
from linkproxy.store.sqlite import SqliteStore
path = Path({str(path)!r})
store = SqliteStore(path, privacy=Privacy("full", "full", b"a key of thirty-two bytes, or so."))
"""
    done = subprocess.run(
        [sys.executable, "-c", head + script + "\nasyncio.run(main())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_disk_that_takes_no_more_costs_no_answered_visit(path):
    """The kernel refuses writes beyond a size, as a quota does (setrlimit(2), RLIMIT_FSIZE)."""
    found = run(
        """
async def main():
    await store.open()
    mail = await send(store)
    limit = 600_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    answered, errors = [], []
    for number in range(40):
        try:
            done = await mail.visited(*(mail.visit(number + place / 100) for place in range(50)))
            answered += [item.visit_id for item in done]
        except StoreError as error:
            errors.append(str(error))
    try:
        await store.ping()
    except StoreError as error:
        errors.append(str(error))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await store.ping()
    (late,) = await mail.visited(mail.visit(50))
    kept = await ids(store)
    await store.close()
    print(json.dumps({"lost": sorted({*answered, late.visit_id} - set(kept)), "answered": len(answered),
        "kept": len(kept), "errors": sorted(set(errors))}))
""",
        path=path,
    )
    assert found["lost"] == []
    assert found["kept"] == found["answered"] + 1
    assert 0 < found["answered"] < 2_000
    assert all("disk" in error and "linkproxy.db" in error for error in found["errors"])
    assert found["errors"]
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without access")
def test_a_file_without_write_access_can_be_read_and_says_so_when_written(path):
    found = run(
        """
async def main():
    await store.open()
    mail = await send(store)
    await mail.visited(mail.visit())
    await store.close()
    for folder in (path.parent, *path.parent.parents[:3]):
        os.chmod(folder, 0o755)
    for file in path.parent.iterdir():
        os.chmod(file, 0o644)
    os.seteuid(65534)
    errors = []
    try:
        await store.open()
        await mail.append(mail.visit(1))
    except StoreError as error:
        errors.append(str(error))
    print(json.dumps(errors))
    sys.stdout.flush()
    os._exit(0)
""",
        path=path,
    )
    (error,) = found
    assert "linkproxy.db" in error
    assert "access" in error


async def test_to_cut_an_erased_person_from_the_log_nobody_waits_for_a_long_read(open_store, path):
    """A backup reads for minutes, and whoever clicks meanwhile must not wait for it."""
    store, other = await open_store(lock_seconds=60.0), await open_store(lock_seconds=5.0)
    mail = await send(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM recipient").fetchone()
        await store.erase_recipient(mail.ann.id)
        while not store._checkpointer._nudges.empty():  # noqa: ASYNC110  (a thread takes it out)
            await asyncio.sleep(0)
        for _ in range(50):
            await other.ping()
    await asyncio.to_thread(store._checkpointer.close)
    assert path.with_name(f"{path.name}-wal").stat().st_size == 0


async def test_an_erased_address_is_in_no_file_any_more(open_store, path):
    store = await open_store()
    mail = await send(store, who=("very.rare.name@a.example", "bob@b.example"))
    await mail.visited(mail.visit())
    await mail.settle()
    await store.close()
    store = mail.store = await open_store()
    assert b"very.rare.name" in path.read_bytes()
    await store.erase_recipient(mail.ann.id)
    await store.close()
    assert [item for item in path.parent.iterdir() if b"very.rare.name" in item.read_bytes()] == []


async def test_a_profile_that_another_process_purged_is_written_again(open_store):
    day = 86_400.0
    mail = await send(await open_store())
    await mail.visited(mail.visit(profile=PROGRAM))
    await mail.settle()
    other = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
    assert (await other.store.purge(Cutoffs(journal=NOW + 9 * day)))["profile"] == 1
    await mail.visited(mail.visit(10 * day, profile=PROGRAM))
    (row,) = await visits(other.store)
    assert row.entry.visit.profile == PROGRAM


async def test_a_fault_of_one_write_leaves_its_neighbours_in_the_same_commit_alone(open_store, path):
    """Work that waits for the same turn shares a commit; each piece of it stands for itself."""
    store = await open_store()
    mail = await send(store)
    with locked(path):
        batch = [
            asyncio.ensure_future(item)
            for item in (
                mail.append(mail.visit(0)),
                store.add_campaign(Campaign(CampaignId(0), "news")),
                mail.append(mail.visit(1)),
                store.add_links([replace(mail.links[0], key=key(90), position=90), mail.links[0]]),
                store.add_campaign(Campaign(CampaignId(0), "later")),
            )
        ]
        await asyncio.sleep(0)
    first, refused, second, half, later = await asyncio.gather(*batch, return_exceptions=True)
    assert "'news' is there already" in str(refused)
    assert "is taken" in str(half)
    assert await store.list_links(mail.campaign.id) == mail.links
    assert await ids(store) == [first[0].visit_id, second[0].visit_id]
    assert [sibling.visit_id for sibling in second[0].facts.siblings] == [first[0].visit_id]
    assert await store.get_campaign(later.id) == later
    assert await clicks(store) == []
