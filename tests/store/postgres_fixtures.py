"""Fixtures for tests on PostgreSQL: a server for the session, an empty database for each test.

A module that imports ``open_store`` has the engine changed; conftest.py imports the others, so that
there is one server for all modules.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from claims.postgres import NoServerError, Server, own_server, server

from bench.database import command, empty_database
from linkproxy.store.memory import Bounds
from linkproxy.store.postgres import PostgresStore
from linkproxy.store.postgres_database import ServerSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from linkproxy.store.api import Store
    from linkproxy.store.link_files import LinkFiles
    from linkproxy.store.privacy import Privacy

_NAME = f"linkproxy_test_{os.getpid()}"
_ALONE = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""
_EMPTY = """DO $$ DECLARE found record; tables text; BEGIN
    SELECT string_agg(format('%I', c.relname), ', ') INTO tables FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname NOT IN ('migration', 'meta');
    IF tables IS NULL THEN RETURN; END IF;
    EXECUTE 'TRUNCATE ' || tables || ' RESTART IDENTITY';
    FOR found IN SELECT sequencename FROM pg_sequences LOOP
        EXECUTE format('ALTER SEQUENCE %I RESTART', found.sequencename);
    END LOOP;
    DELETE FROM meta WHERE name = 'privacy_key';
    UPDATE meta SET number = 0;
END $$"""


async def rows(url: str, statement: str) -> list[asyncpg.Record]:
    """Return what a statement finds in a database."""
    db = await asyncpg.connect(url)
    try:
        return await db.fetch(statement)
    finally:
        await db.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Return a running server that has a database for this process's tests."""
    try:
        with server() as found, empty_database(found.url, _NAME):
            yield found
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Server]:
    """Return a server of a module's own, which may be stopped."""
    try:
        with own_server() as found:
            yield found
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture
async def own_database(own_postgres: Server) -> str:
    """Return the URL of an empty database on it."""
    name = "linkproxy_own"
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    await command(own_postgres.url, drop, f"CREATE DATABASE {name}")
    return own_postgres.database(name)


@pytest.fixture
async def database(postgres: Server) -> str:
    """Return the URL of a database that holds nothing; it is emptied, which is faster than a new one.

    Before the test rather than after it: whatever an earlier test has left, even open, is no matter.
    """
    url = postgres.database(_NAME)
    await command(url, _ALONE, _EMPTY)
    return url


@pytest.fixture
async def open_store(database: str, privacy: Privacy) -> AsyncIterator[object]:
    """Return what opens a further store on the same data, as a further node would."""
    opened: list[Store] = []

    async def open_one(
        *,
        privacy: Privacy = privacy,
        strays_kept: int = 1_000,
        messages: int = 1_000,
        news: int = 1_000,
        files: LinkFiles | None = None,
        **more: object,
    ) -> Store:
        bounds = Bounds(strays_kept=strays_kept, messages=messages, news=news)
        settings = ServerSettings(database, **more)  # type: ignore[arg-type]
        store = PostgresStore(settings, privacy=privacy, bounds=bounds, files=files)
        await store.open()
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
async def fresh(postgres: Server) -> AsyncIterator[str]:
    """Return the URL of a database that nobody has opened."""
    name = "linkproxy_fresh"
    await command(postgres.url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}")
    yield postgres.database(name)
    await command(postgres.url, f"DROP DATABASE {name} WITH (FORCE)")


def node(url: str, privacy: Privacy, **more: Any) -> PostgresStore:
    """Return a node's store, which is not open yet."""
    return PostgresStore(ServerSettings(url), privacy=privacy, **more)
