"""Claims about requests that still arrive while the private listener stops."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from server.conftest import START, write_config

from linkproxy.server.app import running
from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.conftest import Clock


async def until_refused(host: str, port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except ConnectionRefusedError:
            return
        writer.close()


async def test_a_body_that_still_arrives_when_the_stop_begins_is_taken_to_its_end(
    tmp_path: Path, clock: Clock
) -> None:
    up = AsyncExitStack()
    server = await up.enter_async_context(running(write_config(tmp_path), clock=clock))
    key = new_key()
    await server.services.store.add_api_key(ApiKey("test", hash_key(key), START))
    place = urlsplit(server.addresses.private)
    assert place.hostname
    assert place.port
    body = json.dumps({"name": "autumn"}).encode()
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(
        f"POST /api/v1/campaigns HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode()
        + body[:5]
    )
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    stopping = asyncio.create_task(up.aclose())
    await until_refused(place.hostname, place.port)
    writer.write(body[5:])
    answer = await reader.read()
    writer.close()
    await stopping
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["campaign"]["name"] == "autumn"
