"""People who follow links, each link once, and remember exactly what they were answered."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bench.durability.home import Followed, Home

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.6",
    "Accept-Encoding": "gzip, deflate",
    "Upgrade-Insecure-Requests": "1",
}
CLIENTS = 24
REDIRECTED = 302


@dataclass
class Remembered:
    """What people were answered: when the last byte of a redirect had come, by link."""

    redirected: dict[str, float] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)  # status of answers that sent nobody on
    cut: int = 0  # connections that ended without an answer

    def missing(self, home: Home, journal: dict[Followed, int]) -> int:
        """Return how many that were sent on are not in a journal."""
        return sum(home.of[path] not in journal for path in self.redirected)


async def follow(
    home: Home, base: str, seen: Remembered, stop: asyncio.Event, *, clients: int = CLIENTS
) -> None:
    """Follow links until told to stop, or until the server is gone; every second client reconnects."""

    async def client(session: aiohttp.ClientSession, close: dict[str, str]) -> None:
        while home.paths and not stop.is_set():
            path = home.paths.pop()
            try:
                async with session.get(
                    base + path, allow_redirects=False, headers=BROWSER | close
                ) as response:
                    await response.read()
                    if response.status == REDIRECTED:
                        seen.redirected[path] = time.time()
                    else:
                        seen.others[path] = response.status
            except aiohttp.ClientConnectorError:
                seen.cut += 1
                await asyncio.sleep(0.05)
            except (aiohttp.ClientError, ConnectionError):
                seen.cut += 1

    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        # Else it would ask again by itself where a lasting connection is cut, and hide that.
        session._retry_connection = False  # noqa: SLF001  (there is no public way)
        await asyncio.gather(
            *(client(session, {"Connection": "close"} if at % 2 else {}) for at in range(clients))
        )


def under_load(
    home: Home, base: str, deed: Callable[[Remembered], Coroutine[None, None, None]]
) -> Remembered:
    """Do something while people follow links, and return what they remember."""
    seen = Remembered()

    async def whole() -> None:
        stop = asyncio.Event()
        load = asyncio.create_task(follow(home, base, seen, stop))
        try:
            await _some_more(seen, 30)
            await deed(seen)
        finally:
            stop.set()
            await load

    asyncio.run(whole())
    return seen


async def _some_more(seen: Remembered, answers: int) -> None:
    before = len(seen.redirected)
    with suppress(TimeoutError):
        async with asyncio.timeout(10):
            while len(seen.redirected) < before + answers:  # noqa: ASYNC110  (no client knows when it is enough)
                await asyncio.sleep(0.005)
