"""Play the story against a running server, with its clock set to the story's time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from linkproxy.demo.story import SCENES, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from linkproxy.demo.story import Scene
    from linkproxy.model import Link

_HOP_SECONDS = 0.08
_AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


@dataclass
class Clock:
    """A clock that is set by hand; the server under it runs as under any other."""

    now: float

    def __call__(self) -> float:
        """Return the time set, in epoch seconds."""
        return self.now


@dataclass
class Played:
    """What came of one scene: when it was, and the statuses of its answers."""

    scene: Scene
    begins_at: float
    ends_at: float = 0.0
    statuses: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    """What the story is played against; ``tokens`` are by recipient."""

    base_url: str
    tokens: Mapping[str, str]
    links: Sequence[Link]
    clock: Clock
    delivered_at: float

    async def play(self, progress: Callable[[str], None]) -> list[Played]:
        """Send every request of the story over HTTP; return what came of each scene.

        The clock ends at the time of the last request.
        """
        played = []
        async with _Clients() as clients:
            for scene in SCENES:
                progress(scene.title)
                played.append(await self._scene(scene, clients))
        return played

    async def _scene(self, scene: Scene, clients: _Clients) -> Played:
        done = Played(scene, self.delivered_at + scene.at)
        for place, url in enumerate(self._urls(scene)):
            self.clock.now = done.begins_at + place * scene.gap_seconds
            client = clients.at(scene.clients[place % len(scene.clients)])
            done.statuses += await self._request(client, scene, url)
        done.ends_at = self.clock.now
        return done

    async def _request(self, client: aiohttp.ClientSession, scene: Scene, url: str) -> list[int]:
        """Send one request, follow the extra hop if there is one, and return the status of each."""
        statuses = []
        while True:
            async with client.request(
                scene.method, URL(url, encoded=True), headers=scene.headers, allow_redirects=False
            ) as response:
                place = response.headers.get("Location", "")
                statuses.append(response.status)
            if not place or "://" in place:
                return statuses
            self.clock.now += _HOP_SECONDS
            url = urljoin(url, place)

    def _urls(self, scene: Scene) -> list[str]:
        urls = []
        for who in scene.recipients:
            token = _spoil(self.tokens[who]) if scene.mutate else self.tokens[who]
            for link in choose(self.links, scene.links):
                urls += [f"{self.base_url}/{token}/{link.key}"] * scene.times
        return urls


def _spoil(token: str) -> str:
    return token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]


class _Clients:
    """One HTTP client for each address that visits come from."""

    def __init__(self) -> None:
        self._open: dict[str, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(session.close() for session in self._open.values()))

    def at(self, address: str) -> aiohttp.ClientSession:
        """Return the client at a loopback address."""
        if address not in self._open:
            self._open[address] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(local_addr=(address, 0)),
                skip_auto_headers=_AUTOMATIC,
                cookie_jar=aiohttp.CookieJar(unsafe=True),  # unsafe: cookies of a host without a name
            )
        return self._open[address]
