"""Rows from when an address was stored as it was spelt: either spelling of its domain finds them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from hashlib import blake2b
from typing import TYPE_CHECKING

import asyncpg
import pytest

from linkproxy.store.api import RecipientDraft
from linkproxy.store.postgres import PostgresStore
from linkproxy.store.postgres_database import ServerSettings
from linkproxy.store.postgres_rekey import rekey_database
from linkproxy.store.privacy import Privacy
from linkproxy.store.rekey import Rekeyed, rekey_file
from linkproxy.store.sqlite import SqliteStore
from linkproxy.store.sqlite_connect import FileSettings

if TYPE_CHECKING:
    from linkproxy.store.api import Store

U, A = "m\u00fcnchen.example", "xn--mnchen-3ya.example"
PEOPLE = ((101, "anna", U), (102, "carl", A), (103, "ben", U), (104, "ben", A))
"""Ben came in both spellings, and so is two recipients."""
NEW = Privacy("full", "full", b"another key of 32 bytes, or more")


def rows(privacy: Privacy) -> list[tuple[int, bytes, str, str]]:
    """Return id, hash, address and domain of the people as earlier versions stored them."""
    return [
        (
            number,
            blake2b(text.encode(), digest_size=16, key=privacy.key, person=b"address").digest(),
            text,
            at,
        )
        for number, name, at in PEOPLE
        for text in (f"{name}@{at}",)
    ]


async def check(store: Store) -> None:
    for number, name in ((101, "anna"), (102, "carl")):
        for domain in (U, A):
            assert (await store.find_recipient(f"{name}@{domain}")).id == number
            assert await store.set_track(f"{name}@{domain}", track=True) == 1
        found = await store.register_recipients([RecipientDraft(f"{name}@{domain}") for domain in (U, A)])
        assert {who.id for who in found} == {number}
    assert [(await store.find_recipient(f"ben@{domain}")).id for domain in (U, A)] == [103, 104]
    assert await store.set_track(f"ben@{U}", track=False) == 2
    await store.erase_recipient((await store.find_recipient(f"ben@{U}")).id)
    assert (await store.find_recipient(f"ben@{U}")).id == 104


@pytest.mark.parametrize("lost", [False, True], ids=["", "by a new key"])
async def test_rows_of_sqlite_with_an_address_as_it_was_spelt_are_found_by_either_spelling(
    path, privacy, lost
):
    store = SqliteStore(path, privacy=privacy)
    await store.open()
    with closing(sqlite3.connect(path)) as db:
        db.executemany(
            "INSERT INTO recipient (id, address_hash, address, reference, domain, track, verified) "
            "VALUES (?, ?, ?, '', ?, 1, 1)",
            rows(privacy),
        )
        db.commit()
    if lost:
        await store.close()
        assert rekey_file(FileSettings(path, "full", 5.0), NEW, 0.0) == Rekeyed(len(PEOPLE), 0)
        store = SqliteStore(path, privacy=NEW)
        await store.open()
    await check(store)
    await store.close()


@pytest.mark.parametrize("lost", [False, True], ids=["", "by a new key"])
async def test_rows_of_postgresql_with_an_address_as_it_was_spelt_are_found_by_either_spelling(
    database, privacy, lost
):
    store = PostgresStore(ServerSettings(database), privacy=privacy)
    await store.open()
    try:
        db = await asyncpg.connect(database)
        await db.executemany(
            "INSERT INTO recipient (id, address_hash, address, reference, domain, track, verified) "
            "VALUES ($1, $2, $3, '', $4, true, true)",
            rows(privacy),
        )
        hashes = [(known_by, number) for number, known_by, _, _ in rows(privacy)]
        await db.executemany("INSERT INTO recipient_hash (hash, recipient_id) VALUES ($1, $2)", hashes)
        await db.close()
        if lost:
            await store.close()
            assert await rekey_database(ServerSettings(database), NEW) == Rekeyed(len(PEOPLE), 0)
            store = PostgresStore(ServerSettings(database), privacy=NEW)
            await store.open()
        await check(store)
    finally:
        await store.close()
