"""Waiting for a store whose server is not there yet: who starts before the database serves later.

Without it a power cut that takes node and database down together leaves the node ended, since
systemd gives up after a few starts. Meanwhile both listeners answer, so that nobody hangs: health
as it is, all else 503.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web

from linkproxy.logs import Event, get_logger
from linkproxy.server import ops
from linkproxy.server.answers import brands
from linkproxy.server.click import respond
from linkproxy.server.listeners import LINE_BYTES, accept
from linkproxy.server.private import waiting_app
from linkproxy.server.repeats import Repeats
from linkproxy.server.sockets import bind
from linkproxy.store.api import StoreAwayError

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from linkproxy.config import Config
    from linkproxy.server.answers import Reply
    from linkproxy.server.sockets import Sockets
    from linkproxy.store.api import Store
    from linkproxy.telemetry import Metrics

    Room = Callable[["Awaited"], AbstractAsyncContextManager[None]]

RETRY_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 1.0  # with requests under way, when the store is there


class StoppedEarlyError(Exception):
    """A stop was asked for before the store was there."""


class Awaited:
    """Why the store is not there, as of the last try."""

    def __init__(self, fault: str, metrics: Metrics) -> None:
        self._metrics = metrics
        self._repeats = Repeats()
        self.note(fault)

    def note(self, fault: str) -> None:
        """Count a try that failed; tell the log what is new."""
        self.fault = fault
        self._metrics.store_failures.labels(operation="open").inc()
        if self._repeats.is_news(fault):
            get_logger().error(Event.STORE_AWAITED, error=fault)

    async def check(self) -> str:
        """Return what is wrong, for /readyz."""
        return self.fault


async def open_patiently(store: Store, stop: asyncio.Event, metrics: Metrics, room: Room) -> None:
    """Open a store, if its server is away as soon as it is there; meanwhile people are in the ``room``.

    Raises StoppedEarlyError, and StoreError for what no waiting helps against.
    """
    try:
        await store.open()
    except StoreAwayError as error:
        awaited = Awaited(str(error), metrics)
    else:
        return
    async with room(awaited):
        while not await _stopped(stop):
            try:
                await store.open()
            except StoreAwayError as error:
                awaited.note(str(error))
            else:
                get_logger().info(Event.STORE_RECOVERED, operation="open")
                return
    raise StoppedEarlyError


async def _stopped(stop: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(RETRY_SECONDS):
            return await stop.wait()
    except TimeoutError:
        return False


class Lobby:
    """What answers on the listeners while there is no store.

    ``sockets`` are bound when it opens, and stay: those who wait in them are not lost when it closes.
    """

    def __init__(
        self, config: Config, sockets: Sockets, metrics: Metrics, exposition: Callable[[], Reply]
    ) -> None:
        self.sockets = sockets
        self._config = config
        self._metrics = metrics
        self._exposition = exposition

    @asynccontextmanager
    async def open(self, awaited: Awaited, *, public: bool, private: bool) -> AsyncIterator[None]:
        """Answer on these listeners inside the context; raise LinkproxyError."""
        self.sockets = bind(self._config.server, self.sockets)
        clock = asyncio.get_running_loop().time
        readiness = ops.Readiness({"store": awaited.check}, clock)
        sides: list[tuple[web.BaseRunner, Sequence[socket.socket]]] = []
        if public:
            server = web.Server(
                self._public(readiness),
                access_log=None,
                max_line_size=LINE_BYTES,
                max_field_size=LINE_BYTES,
                auto_decompress=False,
            )
            sides.append((web.ServerRunner(server, shutdown_timeout=_PATIENCE_SECONDS), self.sockets.public))
        if private:
            app = waiting_app(self._config, readiness, self._metrics, self._exposition, clock=clock)
            sides.append(
                (
                    web.AppRunner(
                        app, access_log=None, shutdown_timeout=_PATIENCE_SECONDS, auto_decompress=False
                    ),
                    self.sockets.private,
                )
            )
        try:
            for runner, sockets in sides:
                await runner.setup()
                # Copies, since who closes a server closes its sockets.
                await accept(runner, [item.dup() for item in sockets])
            yield
        finally:
            for runner, _ in sides:
                await runner.cleanup()

    def _public(self, readiness: ops.Readiness) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        unavailable = brands(self._config).usual.unavailable
        fixed = {"/healthz": ops.ALIVE, "/robots.txt": ops.ROBOTS}

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            if request.raw_path == "/readyz":
                reply = await readiness.reply(detail=False)
            else:
                reply = fixed.get(request.raw_path, unavailable)
            response = respond(reply)
            response.force_close()  # the next request is for who has the store
            self._metrics.http_responses.labels(listener="public", status=f"{reply.status // 100}xx").inc()
            return response

        return answer
