"""A program that webhooks are sent to: it checks each signature in its own way, and answers as it is told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True)
class Message:
    """What came in one request."""

    id: str
    timestamp: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def changes(self) -> list[tuple[str, int]]:
        return [(row["kind"], row["visit_id"]) for row in self.json["data"]["feed"]]


def sha256_mac(key: bytes, text: bytes) -> bytes:
    """Return HMAC-SHA256 as RFC 2104 writes it down."""
    block = key.ljust(64, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in block) for pad in (0x36, 0x5C))
    return hashlib.sha256(outer + hashlib.sha256(inner + text).digest()).digest()


@dataclass(eq=False)
class Receiver:
    """Answers with ``status`` and ``headers``; while ``holding`` is cleared nobody gets an answer."""

    secret: str = ""
    url: str = ""
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    got: list[Message] = field(default_factory=list)  # taken and refused alike
    holding: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.holding.set()

    @property
    def changes(self) -> list[tuple[str, int]]:
        return [change for message in self.got for change in message.changes]

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self.got]

    def is_signed(self, message: Message, secret: str = "") -> bool:
        """Tell whether one of a message's signatures is made with a secret."""
        key = base64.b64decode((secret or self.secret).removeprefix("whsec_"))
        signed = f"{message.id}.{message.timestamp}.".encode() + message.body
        wanted = "v1," + base64.b64encode(sha256_mac(key, signed)).decode()
        return any(
            hmac.compare_digest(one, wanted) for one in message.headers["webhook-signature"].split(" ")
        )

    async def take(self, request: web.Request) -> web.Response:
        head = {name.lower(): value for name, value in request.headers.items()}
        message = Message(head["webhook-id"], int(head["webhook-timestamp"]), await request.read(), head)
        self.got.append(message)
        self.came.set()
        if self.secret:
            assert self.is_signed(message)
        await self.holding.wait()
        return web.Response(status=self.status, headers=self.headers, text=self.text or None)


@asynccontextmanager
async def receiving(secret: str = "", *, port: int = 0) -> AsyncIterator[Receiver]:
    """Run a receiver on a port of this machine."""
    receiver = Receiver(secret)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, port = runner.addresses[0]
    receiver.url = f"http://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        receiver.holding.set()
        await runner.cleanup()
