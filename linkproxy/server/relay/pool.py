"""The connections to the upstream server: opened when needed, used again, closed when idle."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from linkproxy.logs import Event, get_logger
from linkproxy.server.relay.replies import BUSY, without_addresses
from linkproxy.server.relay.upstream import UpstreamError
from linkproxy.server.repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from linkproxy.server.relay.replies import Reply
    from linkproxy.server.relay.upstream import Upstream
    from linkproxy.telemetry import Metrics

MOST_REFUSALS: Final = 5
"""Over one connection without a message taken. Servers count them, then answer slowly and hang up in the
middle of somebody else's message (10 and 20: https://www.postfix.org/postconf.5.html#smtpd_soft_error_limit)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many connections there may be, and how long each is used."""

    connections: int
    idle_seconds: float
    messages: int  # over one connection
    wait_seconds: float  # for one to become free


class Pool:
    """Lends connections, each to one transaction at a time."""

    def __init__(self, connect: Callable[[], Awaitable[Upstream]], bounds: Bounds, metrics: Metrics) -> None:
        self._connect = connect
        self._bounds = bounds
        self._metrics = metrics
        self._free = asyncio.Semaphore(bounds.connections)
        self._idle: dict[Upstream, asyncio.TimerHandle] = {}  # the one used last stands last
        self._leaving: set[asyncio.Task[None]] = set()
        self.fault = ""  # of the last attempt to connect
        self._repeats = Repeats()
        self._denials = Repeats()

    async def take(self) -> tuple[Upstream, bool]:
        """Return a connection, and whether it was in use before; raise UpstreamError.

        One that was in use before may have been closed by the other side meanwhile.
        """
        try:
            async with asyncio.timeout(self._bounds.wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise UpstreamError(BUSY.text) from None
        try:
            kept = await self._kept()
            if kept is not None:
                self._metrics.relay_connections.labels(outcome="reused").inc()
                return kept, True
            return await self._fresh(), False
        except BaseException:
            self._free.release()
            raise

    async def _kept(self) -> Upstream | None:
        while self._idle:
            upstream, timer = self._idle.popitem()
            timer.cancel()
            try:
                if not upstream.clean and upstream.usable:
                    await upstream.reset()
            except UpstreamError:
                upstream.drop()
            if upstream.usable:
                return upstream
        return None

    async def _fresh(self) -> Upstream:
        try:
            upstream = await self._connect()
        except UpstreamError as error:
            self.fault = error.reply.text
            self._metrics.relay_connections.labels(outcome="failed").inc()
            if self._repeats.is_news(error.reply.text):
                get_logger().warning(Event.RELAY_UPSTREAM_FAILED, error=error.reply.text)
            raise
        self.fault = ""
        self._repeats.is_over()
        self._metrics.relay_connections.labels(outcome="opened").inc()
        return upstream

    def heard(self, reply: Reply) -> None:
        """Tell the operator if the upstream server said something of the relay rather than of a message."""
        if reply.of_relay:
            self._metrics.relay_denials.inc()
            error = without_addresses(reply.text)
            if self._denials.is_news(error):
                get_logger().error(Event.RELAY_DENIED, error=error)

    def give_back(self, upstream: Upstream) -> None:
        """Take a connection back, in whatever state it is."""
        self._free.release()
        if not upstream.usable:
            upstream.drop()
        elif upstream.messages >= self._bounds.messages or upstream.refusals >= MOST_REFUSALS:
            self._take_leave(upstream)
        else:
            loop = asyncio.get_running_loop()
            self._idle[upstream] = loop.call_later(self._bounds.idle_seconds, self._expire, upstream)

    def _expire(self, upstream: Upstream) -> None:
        del self._idle[upstream]
        self._take_leave(upstream)

    def _take_leave(self, upstream: Upstream) -> None:
        task = asyncio.get_running_loop().create_task(upstream.quit())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            upstream, timer = self._idle.popitem()
            timer.cancel()
            self._take_leave(upstream)
        await asyncio.gather(*self._leaving)
