"""Opening and closing the two listeners on sockets that are bound already.

Closing is what a visitor must not notice. Nobody is accepted any more (who shares the socket goes
on), every answer from then on ends its connection by ``Connection: close``, and idle connections
get a grace before they are closed, since a request may be on its way on them.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger

from linkproxy.logs import Event, get_logger
from linkproxy.server.fast import PublicServer
from linkproxy.server.sockets import BACKLOG, address_of

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AsyncExitStack

    from linkproxy.server.public import Public

LINE_BYTES: Final = 32_768
"""The longest line of a request; a longer one is answered 400 by aiohttp.

A browser sends all cookies of the brand's domain in one line, and they may be many.
"""

_LOOK_SECONDS: Final = 0.02


class Door:
    """Whether the public listener is closing; who answers there asks it before each answer.

    ``grace_seconds`` is how long idle connections are kept then.
    """

    def __init__(self, grace_seconds: float = 0.5) -> None:
        self.grace_seconds = grace_seconds
        self.closing = False


async def open_public(
    public: Public,
    sockets: Sequence[socket.socket],
    door: Door,
    *,
    patience_seconds: float,
    stack: AsyncExitStack,
) -> None:
    """Serve tracked links on these sockets until ``stack`` closes.

    ``patience_seconds`` is how long requests under way are waited for then.
    """
    for item in sockets:
        # Inherited by the connections, as aiohttp sets it for its own.
        item.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    server = PublicServer(public, door, line_bytes=LINE_BYTES)
    runner = web.ServerRunner(server, shutdown_timeout=patience_seconds)

    async def close() -> None:
        door.closing = True
        for site in list(runner.sites):
            await site.stop()
        loop = asyncio.get_running_loop()
        until = loop.time() + door.grace_seconds
        while server.connections and loop.time() < until:  # noqa: ASYNC110  (nothing tells when the last one goes)
            await asyncio.sleep(_LOOK_SECONDS)
        await runner.cleanup()

    await runner.setup()
    stack.push_async_callback(close)
    await _open(runner, sockets, "public")


async def open_private(
    app: web.Application,
    sockets: Sequence[socket.socket],
    *,
    patience_seconds: float,
    stack: AsyncExitStack,
) -> None:
    """Serve API and metrics on these sockets until ``stack`` closes.

    ``patience_seconds`` is how long requests under way are waited for then.
    """
    under_way = _UnderWay()
    app.middlewares.insert(0, under_way.middleware())
    # Unpacking holds everybody up, visitors as well, and needs no key: 400 kB become 400 MB.
    # Nor is a question worked on whose caller has gone: asked again and again it would be ever slower.
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=_LOOK_SECONDS,  # for those that were waited for in vain
        max_line_size=LINE_BYTES,  # names of twenty campaigns in one address
        max_field_size=LINE_BYTES,
        auto_decompress=False,
        handler_cancellation=True,
    )

    async def close() -> None:
        for site in list(runner.sites):
            await site.stop()
        await under_way.end(patience_seconds)
        await runner.cleanup()

    await runner.setup()
    stack.push_async_callback(close)
    await _open(runner, sockets, "private")


class _UnderWay:
    """The requests that are being answered; once aiohttp shuts down, it drops what still comes of them."""

    def __init__(self) -> None:
        self._count = 0
        self._ended = asyncio.Event()
        self._closing = False

    def middleware(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        """Return what counts them."""

        @web.middleware
        async def count(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            self._count += 1
            try:
                response = await handler(request)
            finally:
                self._count -= 1
                if not self._count:
                    self._ended.set()
            if self._closing:
                response.force_close()
            return response

        return count

    async def end(self, seconds: float) -> None:
        """Return when there are none, or after a time."""
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._count:
                    self._ended.clear()
                    await self._ended.wait()


async def accept(runner: web.BaseRunner, sockets: Sequence[socket.socket]) -> None:
    """Begin to take connections."""
    server_logger.addFilter(_is_news)
    for item in sockets:
        await web.SockSite(runner, item, backlog=BACKLOG).start()


async def _open(runner: web.BaseRunner, sockets: Sequence[socket.socket], listener: str) -> None:
    await accept(runner, sockets)
    get_logger().info(Event.LISTENING, listener=listener, address=address_of(sockets))


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out requests that aiohttp cannot read and answers with 400.

    Port scanners send such things all day. aiohttp writes a trace for each, with what was sent, and so
    perhaps with somebody's tracked link.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
