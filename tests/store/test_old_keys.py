"""API keys of before there were rights: they may everything, as they could."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from store.postgres_fixtures import node
from store.world import NOW

from bench.database import command
from linkproxy.model import Right
from linkproxy.store.api import ApiKey

KEYS = [ApiKey("new", b"\x01" * 32, NOW, Right.READ), ApiKey("old", b"\x00" * 32, NOW)]
_BEFORE = (
    "ALTER TABLE api_key DROP COLUMN may",
    "DELETE FROM migration WHERE name LIKE '%_rights.sql'",
)


async def listed_beside_a_new_one(store):
    await store.add_api_key(KEYS[0])
    return await store.list_api_keys()


async def test_in_a_file(path, open_store):
    await (await open_store()).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in _BEFORE:
            db.execute(statement)
        db.execute("INSERT INTO api_key VALUES ('old', zeroblob(32), ?)", (NOW,))
    assert await listed_beside_a_new_one(await open_store()) == KEYS


async def test_in_postgresql(fresh, privacy):
    store = node(fresh, privacy)
    await store.open()
    await store.close()
    await command(
        fresh, *_BEFORE, f"INSERT INTO api_key VALUES ('old', decode(repeat('00', 32), 'hex'), {NOW})"
    )
    store = node(fresh, privacy)
    await store.open()
    assert await listed_beside_a_new_one(store) == KEYS
    await store.close()
