"""Fixtures of the store's claims. An engine's test module says what ``open_store`` opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from store.postgres_fixtures import database, fresh, own_database, own_postgres, postgres  # noqa: F401  (fixtures)
from store.world import Mail, send

from linkproxy.store.privacy import Privacy
from linkproxy.store.sqlite import SqliteStore
from linkproxy.store.sqlite_session import Bounds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from linkproxy.store.api import Store

    OpenStore = Callable[..., Awaitable[Store]]


@pytest.fixture
def privacy() -> Privacy:
    return Privacy("full", "full", b"a key of thirty-two bytes, or so.")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "linkproxy.db"


@pytest.fixture
async def open_store(path: Path, privacy: Privacy) -> AsyncIterator[OpenStore]:
    """Return what opens a further store on the same data."""
    opened: list[Store] = []

    async def open_one(
        *,
        privacy: Privacy = privacy,
        strays_kept: int = 1_000,
        messages: int = 1_000,
        news: int = 1_000,
        **more: object,
    ) -> Store:
        bounds = Bounds(strays_kept=strays_kept, messages=messages, news=news)
        store = SqliteStore(path, privacy=privacy, bounds=bounds, **more)  # type: ignore[arg-type]
        await store.open()
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    return await open_store()


@pytest.fixture
async def mail(store: Store) -> Mail:
    return await send(store)
