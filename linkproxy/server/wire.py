"""A reply as bytes, as aiohttp writes it, for those that are answered without aiohttp.

tests/server/test_fast.py compares both byte by byte.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from linkproxy.model.lean import lean

if TYPE_CHECKING:
    from linkproxy.server.answers import Reply
    from linkproxy.server.pages import Headers

SERVER: Final = ("Server", "linkproxy")  # else aiohttp names its version
_END: Final = {False: b"\r\n\r\n", True: b"\r\nConnection: close\r\n\r\n"}


@lean(frozen=True, slots=True)
class Wire:
    """The bytes of a response around its date, and the class of its status."""

    before: bytes
    body: bytes
    status: str  # "2xx", as metrics count it


def wire(reply: Reply, *, to_head: bool) -> Wire:
    """Return a reply's bytes, without its body if ``to_head``; ValueError for a line end in a header."""
    headers = (SERVER, *reply.headers, *_of_body(reply, to_head=to_head))
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    text = "\r\n".join(lines)
    if text.count("\n") != len(headers) or text.count("\r") != len(headers):
        raise ValueError("a header holds a line end")
    body = b"" if to_head else reply.body
    return Wire(f"{text}\r\nDate: ".encode(), body, f"{reply.status // 100}xx")


def _of_body(reply: Reply, *, to_head: bool) -> Headers:
    length = ("Content-Length", str(len(reply.body)))
    if to_head:
        return (length,) if reply.body else ()
    if reply.body and not any(name.lower() == "content-type" for name, _ in reply.headers):
        return (length, ("Content-Type", "application/octet-stream"))
    return (length,)


class Dated:
    """Puts the date of the second into responses (RFC 9110 section 6.6.1)."""

    def __init__(self) -> None:
        self._since = self._until = 0.0
        self._dates: dict[bool, bytes] = {}  # with what ends the head, by whether the connection ends with it

    def bytes_of(self, response: Wire, *, close: bool) -> bytes:
        """Return the whole response; ``close`` says that the connection ends with it."""
        if not self._since <= time.time() < self._until:
            self._turn()
        return response.before + self._dates[close] + response.body

    def _turn(self) -> None:
        second = int(time.time())
        date = formatdate(second, usegmt=True).encode()
        self._since, self._until = float(second), second + 1.0
        self._dates = {close: date + end for close, end in _END.items()}
