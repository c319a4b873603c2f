"""Callers of the JSON API who go away before they are answered."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from store.files import locked

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server.conftest import Site


async def ask(site: Site, key: str, head: str, body: bytes = b"") -> asyncio.StreamWriter:
    place = urlsplit(site.server.addresses.private)
    _, writer = await asyncio.open_connection(place.hostname, place.port)
    lines = (head, "Host: localhost", f"Authorization: Bearer {key}", f"Content-Length: {len(body)}")
    writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode() + body)
    await writer.drain()
    return writer


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  (turns of the loop, in which the server does its work)
        await asyncio.sleep(0)


def asked(part: str = "_handle_request") -> int:
    """Return how many requests are being answered, or are in that part of it."""
    return sum(part in repr(task.get_coro()) for task in asyncio.all_tasks())


async def test_a_question_whose_caller_has_gone_is_worked_on_no_longer(site: Site, key: str) -> None:
    async with AsyncExitStack() as reading:
        for _ in range(site.store._readers._turns._value):
            await reading.enter_async_context(site.store._readers.lend())
        writer = await ask(site, key, "GET /api/v1/accuracy HTTP/1.1")
        await until(lambda: asked() > 0)
        writer.close()
        await until(lambda: asked() == 0)


async def test_what_a_caller_who_has_gone_wanted_written_is_written(site: Site, key: str) -> None:
    path = Path(site.config.store.url.removeprefix("sqlite:"))
    with locked(path):
        writer = await ask(
            site, key, "POST /api/v1/campaigns HTTP/1.1", json.dumps({"name": "autumn"}).encode()
        )
        await until(lambda: asked("Api.add_campaign") > 0)
        writer.close()
        await until(lambda: asked() == 0)
    await until(lambda: asked("Api.add_campaign") == 0)
    assert await site.store.find_campaign("autumn") is not None
