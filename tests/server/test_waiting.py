"""What listeners answer while the store is not there, without a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from linkproxy.server import ops
from linkproxy.server.app import Addresses
from linkproxy.server.sockets import NO_SOCKETS
from linkproxy.server.waiting import Awaited, Lobby
from linkproxy.telemetry import Metrics
from tests.server.conftest import write_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def lobby(tmp_path: Path) -> AsyncIterator[Addresses]:
    metrics = Metrics()
    made = Lobby(write_config(tmp_path), NO_SOCKETS, metrics, lambda: ops.ALIVE)
    async with made.open(Awaited("it cannot be reached", metrics), public=True, private=True):
        yield Addresses.of(made.sockets)


async def test_who_has_many_cookies_is_told_to_come_back(lobby: Addresses) -> None:
    many = {"Cookie": f"preferences={'c' * 25_000}"}
    async with aiohttp.ClientSession() as web, web.get(f"{lobby.public}/x", headers=many) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
