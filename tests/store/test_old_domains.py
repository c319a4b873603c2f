"""Rows from when a mail domain was stored as it was written: with the next registration they have the one spelling."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import asyncpg
from store.world import send

from linkproxy.store.api import Filter, RecipientDraft
from linkproxy.store.postgres import PostgresStore
from linkproxy.store.postgres_database import ServerSettings

if TYPE_CHECKING:
    from linkproxy.store.api import Store

OLD, NEW = "m\u00fcnchen.example", "xn--mnchen-3ya.example"
AS_BEFORE = (
    f"UPDATE recipient SET domain = '{OLD}' WHERE domain = '{NEW}'",
    f"UPDATE gateway SET domain = '{OLD}' WHERE domain = '{NEW}'",
    f"INSERT INTO untracked_domain (domain) VALUES ('{OLD}')",
)


async def visited(store: Store) -> None:
    """Leave a settled visit of somebody at the domain."""
    mail = await send(store)
    (anna,) = await store.register_recipients([RecipientDraft(f"anna@{NEW}", reference="r-1")])
    await mail.visited(mail.visit(who=anna))
    await mail.settle()


async def check(store: Store) -> None:
    (ben,) = await store.register_recipients([RecipientDraft(f"ben@{OLD}")])
    assert (ben.domain, ben.track) == (NEW, False)
    (anna,) = await store.register_recipients([RecipientDraft(reference="r-1", address=f"anna@{NEW}")])
    assert (anna.domain, anna.track) == (NEW, False)
    assert {row.domain for row in await store.list_gateways()} & {OLD, NEW} == {NEW}
    assert len([row async for row in store.visits(Filter(domain=OLD))]) == 1
    assert await store.set_track(f"@{OLD}", track=True) == 2
    assert (await store.find_recipient("r-1")).track


async def test_rows_of_sqlite_with_a_domain_as_it_was_written_come_to_the_one_spelling(open_store, path):
    await visited(await open_store())
    with closing(sqlite3.connect(path)) as db:
        for statement in AS_BEFORE:
            db.execute(statement)
        db.commit()
    await check(await open_store())


async def test_rows_of_postgresql_with_a_domain_as_it_was_written_come_to_the_one_spelling(database, privacy):
    store = PostgresStore(ServerSettings(database), privacy=privacy)
    await store.open()
    try:
        await visited(store)
        db = await asyncpg.connect(database)
        for statement in AS_BEFORE:
            await db.execute(statement)
        await db.close()
        await check(store)
    finally:
        await store.close()
