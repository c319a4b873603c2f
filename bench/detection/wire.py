"""A bare HTTP/1.1 client: it sends the headers it is given, in their order, and no others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from bench.detection.traffic import Headers


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, as far as a client acts on it."""

    status: int
    location: str
    cookie: str  # name=value of a cookie that was set, "" for none


class Wire:
    """One kept connection to a server on this machine."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def ask(self, method: str, target: str, headers: Headers) -> Reply:
        """Send one request and return the answer to it."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if method == "POST":
            lines += ["Content-Type: application/x-www-form-urlencoded", "Content-Length: 0"]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, fields = _parse(head)
        length = int(fields.get("content-length", "0"))
        if length and method != "HEAD":
            await reader.readexactly(length)
        if fields.get("connection", "").lower() == "close":
            await self._close()
        return Reply(status, fields.get("location", ""), fields.get("set-cookie", "").partition(";")[0])

    async def _close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _parse(head: str) -> tuple[int, dict[str, str]]:
    first, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}
