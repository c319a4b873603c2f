"""A whole server on real sockets, with a real store, and a campaign whose mail was delivered."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import pytest
import uvloop
from claims.browsers import OVER_HTTP as BROWSER
from claims.openapi import assert_described
from claims.told import Told
from playwright.async_api import async_playwright
from store.postgres_fixtures import own_database, own_postgres  # noqa: F401  (fixtures)

from linkproxy import config as configs
from linkproxy.campaign.tokens import format_keys, new_key
from linkproxy.model import (
    NOBODY,
    Campaign,
    CampaignId,
    Delivery,
    DeliverySource,
    Link,
    LinkKey,
    LinkKind,
    LinkRole,
    Recipient,
    TokenForm,
)
from linkproxy.server.app import Server, running
from linkproxy.server.keys import hash_key
from linkproxy.server.keys import new_key as new_api_key
from linkproxy.store.api import ApiKey, DeliveryDraft, Filter, RecipientDraft, Store, VisitRow

if TYPE_CHECKING:
    import asyncio
    from io import BytesIO
    from pathlib import Path

    from playwright.async_api import Browser

    from linkproxy.config import Config

START = 1_780_000_000.0

SCANNER = {"User-Agent": "python-requests/2.32.3", "Accept": "*/*"}

TARGETS = {
    "CtA1": "https://shop.example/spring?a=1&b=2#top",
    "CtB2": "https://shop.example/second",
    "CtC3": "https://shop.example/third",
    "CtD4": "https://shop.example/fourth",
}
CONTENT, BAIT, UNSUBSCRIBE = "CtA1", "Ba1t", "Un5u"


class Clock:
    """The server's clock; it stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@dataclass(eq=False)
class Site:
    """A running server, its store, and what a test needs to speak to it."""

    server: Server
    config: Config
    clock: Clock
    web: aiohttp.ClientSession
    campaign: Campaign
    recipient: Recipient

    START = START
    BROWSER = BROWSER
    SCANNER = SCANNER
    TARGETS = TARGETS
    TARGET = TARGETS[CONTENT]
    CONTENT, BAIT, UNSUBSCRIBE = CONTENT, BAIT, UNSUBSCRIBE

    @property
    def store(self) -> Store:
        return self.server.services.store

    def path(self, key: str = "CtA1", recipient: Recipient | None = None) -> str:
        whom = (recipient or self.recipient).id
        return f"/{self.server.services.keyring.sign(self.campaign.id, whom)}/{key}"

    def url(self, key: str = "CtA1", recipient: Recipient | None = None) -> str:
        return self.server.addresses.public + self.path(key, recipient)

    def reference_url(self, key: str, reference: str) -> str:
        token = self.server.services.keyring.sign(self.campaign.id, NOBODY, TokenForm.REFERENCE)
        return f"{self.server.addresses.public}/{token}/{key}/{reference}"

    async def ask(
        self,
        url: str,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        data: bytes | BytesIO | None = None,
    ) -> aiohttp.ClientResponse:
        """Send one request as a browser (or as ``headers`` say), without following redirects."""
        response = await self.web.request(
            method, url, headers=BROWSER if headers is None else headers, data=data, allow_redirects=False
        )
        await response.read()
        return response

    async def visits(self) -> list[VisitRow]:
        return [row async for row in self.store.visits(Filter())]

    async def metric(self, name: str, **labels: str) -> float:
        value = self.server.services.metrics.registry.get_sample_value(name, labels)
        assert value is not None, name
        return value


Start = Callable[..., Awaitable[Site]]


def _as_described(server: Server) -> aiohttp.ClientMiddlewareType:
    """Hold every answer of the private listener against the listener's own description."""

    async def check(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        if str(request.url).startswith(server.addresses.private):
            body = await response.read()
            assert_described(
                request.method, request.url.raw_path, response.status, response.content_type, body
            )
        return response

    return check


def write_config(folder: Path, **sections: dict[str, object]) -> Config:
    """Write a configuration as an operator would, and load it."""
    keys = folder / "signing-keys.txt"
    if not keys.exists():
        keys.write_text(format_keys([new_key(())]))
        (folder / "privacy-key.txt").write_text("5a" * 32)
    server = {
        "public_host": "127.0.0.1",
        "public_port": 0,
        "private_port": 0,
        "base_url": "http://click.example",
        "shutdown_seconds": 20,
    }
    everything = {**sections, "server": {**server, **sections.get("server", {})}}
    lines: list[str] = []
    for section, values in everything.items():
        lines += [f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    path = folder / "config.toml"
    path.write_text("\n".join(lines))
    return configs.load(path, {})


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def links_of(campaign_id: CampaignId) -> list[Link]:
    content = [
        Link(campaign_id, LinkKey(key), target, LinkKind.CONTENT, LinkRole.BODY, position)
        for position, (key, target) in enumerate(TARGETS.items())
    ]
    bait = Link(campaign_id, LinkKey(BAIT), "", LinkKind.BAIT, LinkRole.BODY, 10)
    unsubscribe = Link(campaign_id, LinkKey(UNSUBSCRIBE), "", LinkKind.UNSUBSCRIBE, LinkRole.FOOTER, 11)
    return [*content, bait, unsubscribe]


async def furnish(server: Server, name: str = "spring") -> tuple[Campaign, Recipient]:
    """Make the campaign and its one message, delivered ten minutes ago."""
    store = server.services.store
    known = await store.find_campaign(name)
    if known is None:
        known = await store.add_campaign(Campaign(CampaignId(0), name, base_url="http://click.example"))
        await store.add_links(links_of(known.id))
    recipient = (await store.register_recipients([RecipientDraft(address="anna@example.com")]))[0]
    delivery = Delivery(START - 600, DeliverySource.MX)
    await store.add_deliveries([DeliveryDraft(known.id, recipient.id, delivery)])
    return known, recipient


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test of the server on the event loop that it serves on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def start(tmp_path: Path, clock: Clock) -> AsyncIterator[Start]:
    """Start a server with these sections of configuration; it stops with the test."""
    async with AsyncExitStack() as stack:

        async def begin(folder: Path = tmp_path, **sections: dict[str, object]) -> Site:
            config = write_config(folder, **sections)
            server = await stack.enter_async_context(running(config, clock=clock))
            jar = aiohttp.DummyCookieJar()
            web = await stack.enter_async_context(
                aiohttp.ClientSession(cookie_jar=jar, middlewares=[_as_described(server)])
            )
            campaign, recipient = await furnish(server)
            return Site(server, config, clock, web, campaign, recipient)

        yield begin


@pytest.fixture
async def site(start: Start) -> Site:
    return await start()


@pytest.fixture
async def key(site: Site) -> str:
    made = new_api_key()
    await site.store.add_api_key(ApiKey("test", hash_key(made), site.START))
    return made


@pytest.fixture
def full_disk(tmp_path: Path) -> Path:
    """Return a file that takes nothing, one of its own: a lock on it is no other test's."""
    path = tmp_path / "full"
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 7))
        path.open("rb").close()
    except PermissionError:
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/full")
    return path


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as engine:
        chromium = await engine.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield chromium
        await chromium.close()


@pytest.fixture
async def told(site: Site) -> AsyncIterator[Told]:
    await site.server.services.webhooks.close()  # it sends by its own clock
    async with AsyncExitStack() as stack:
        yield Told(site, stack)
