"""A relay on real sockets, a mail server behind it, and a campaign in its store."""

from __future__ import annotations

import asyncio
import json
import re
import smtplib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from claims.smtp import Mailer, Server

from linkproxy import config as configs
from linkproxy.campaign.tokens import format_keys, new_key
from linkproxy.model import Campaign, CampaignId
from linkproxy.server.relay.app import Running, running

if TYPE_CHECKING:
    from pathlib import Path

    from linkproxy.config import Config
    from linkproxy.store.api import Store

BASE = "http://click.brand.example"
URL = re.compile(rb"http://click\.brand\.example/([A-Za-z0-9_-]{24})/([A-Za-z0-9]{4})")
TARGET = b"https://shop.example/spring?c=7"


def letter(*lines: bytes, campaign: str | None = "spring") -> bytes:
    """Return a message of a campaign with one link, and what else is given."""
    head = [b"From: News <news@brand.example>", b"To: anna@example.com", b"Subject: Spring"]
    if campaign is not None:
        head.insert(1, b"X-LinkProxy-Campaign: " + campaign.encode())
    return b"\r\n".join([*head, b"", b"Look: " + TARGET, *lines, b""])


def untracked(content: bytes, target: bytes = TARGET) -> bytes:
    """Return a message with its tracked URLs turned back."""
    return URL.sub(target, content)


def write_config(folder: Path, **sections: dict[str, object]) -> Config:
    """Write a configuration as an operator would, and load it."""
    if not (folder / "signing-keys.txt").exists():
        (folder / "signing-keys.txt").write_text(format_keys([new_key(())]))
        (folder / "privacy-key.txt").write_text("5a" * 32)
    usual = {"server": {"public_host": "127.0.0.1", "public_port": 0, "private_port": 0, "base_url": BASE}}
    lines: list[str] = []
    for section, values in {**usual, **sections}.items():
        rules = values.pop("rules", [])
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        for rule in rules:
            lines += ["[[relay.rules]]", *(f"{key} = {json.dumps(value)}" for key, value in rule.items())]
    path = folder / "config.toml"
    path.write_text("\n".join(lines))
    return configs.load(path, {})


@dataclass
class Post:
    """A relay that is up, and the server behind it."""

    running: Running
    upstream: Server
    config: Config
    folder: Path
    campaign: Campaign

    @property
    def port(self) -> int:
        return self.running.address[1]

    @property
    def store(self) -> Store:
        return self.running.store

    async def mailer(self) -> Mailer:
        return await Mailer.connect(self.port)

    async def send(self, content: bytes, to: str = "anna@example.com") -> str:
        """Send one message over a connection of its own; return the last word on it."""
        mailer = await self.mailer()
        try:
            return await mailer.send(content, to=to)
        finally:
            mailer.close()

    async def library(self, talk: Callable[[smtplib.SMTP], object]) -> object:
        """Let Python's own client talk to the relay, in a thread."""

        def whole() -> object:
            with smtplib.SMTP("127.0.0.1", self.port, local_hostname="mailer.example", timeout=30) as client:
                return talk(client)

        return await asyncio.to_thread(whole)

    @property
    def last(self) -> bytes:
        """What the server behind has taken last."""
        return self.upstream.received[-1].content

    async def deliveries(self) -> list[tuple[str, str, float]]:
        """Return recipient, source and time of what was recorded as delivered."""
        await self.running.relay.deliveries.settled()
        return self.rows(
            "SELECT COALESCE(NULLIF(r.address, ''), r.reference), d.source, d.delivered_at "
            "FROM delivery d JOIN recipient r ON r.id = d.recipient_id ORDER BY r.id"
        )

    def rows(self, query: str) -> list[tuple]:
        with sqlite3.connect(self.folder / "linkproxy.db") as db:
            return db.execute(query).fetchall()

    def metric(self, name: str, **labels: str) -> float:
        value = self.running.relay.metrics.registry.get_sample_value(f"linkproxy_relay_{name}", labels)
        assert value is not None, name
        return value


Open = Callable[..., Awaitable[Post]]


class Clock:
    now = 1_780_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def upstream() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def post(tmp_path: Path, upstream: Server) -> AsyncIterator[Open]:
    """Start a relay with these settings of [relay] and other sections; it stops with the test."""
    async with AsyncExitStack() as stack:

        async def begin(sections: dict[str, dict[str, object]] | None = None, **relay: object) -> Post:
            usual = {
                "port": 0,
                "private_port": 0,
                "hostname": "relay.example",
                "upstream_host": "127.0.0.1",
                "upstream_port": upstream.port,
                "upstream_tls": "none",
                "shutdown_seconds": 5,
            }
            config = write_config(tmp_path, **(sections or {}), relay={**usual, **relay})
            found = await stack.enter_async_context(running(config, clock=Clock()))
            campaign = await found.store.find_campaign("spring")
            if campaign is None:
                campaign = await found.store.add_campaign(Campaign(CampaignId(0), "spring", base_url=BASE))
            return Post(found, upstream, config, tmp_path, campaign)

        yield begin


@pytest.fixture(name="letter")
def _letter() -> Callable[..., bytes]:
    return letter


@pytest.fixture(name="untracked")
def _untracked() -> Callable[..., bytes]:
    return untracked


@pytest.fixture
def url() -> re.Pattern[bytes]:
    return URL
