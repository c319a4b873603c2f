"""Databases on a PostgreSQL server: for benchmarks, and for tests."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


async def command(url: str, *statements: str) -> None:
    """Run statements on a connection of its own."""
    import asyncpg

    db = await asyncpg.connect(url)
    try:
        for statement in statements:
            await db.execute(statement)
    finally:
        await db.close()


@contextmanager
def empty_database(server: str, name: str) -> Iterator[str]:
    """Return the URL of an empty database beside the one of ``server``; it is dropped at the end."""
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    asyncio.run(command(server, drop, f"CREATE DATABASE {name}"))
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        asyncio.run(command(server, drop))
