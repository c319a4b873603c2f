"""The public listener: a few pages by name, and tracked URLs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from linkproxy.logs import Event, get_logger
from linkproxy.server import ops
from linkproxy.server.click import respond
from linkproxy.server.engagement import BEACON_PATH, SCRIPT, SCRIPT_PATH

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from linkproxy.server.answers import Answers, Reply
    from linkproxy.server.click import Clicks
    from linkproxy.server.engagement import Engagements
    from linkproxy.server.listeners import Door
    from linkproxy.server.ops import Readiness
    from linkproxy.server.probe import Probe
    from linkproxy.telemetry import Metrics


class Public:
    """Handles every request of the public listener; whatever fails, it answers."""

    def __init__(
        self,
        clicks: Clicks,
        readiness: Readiness,
        answers: Answers,
        metrics: Metrics,
        *,
        engagements: Engagements,
        probe: Probe,
        log_requests: bool,
        door: Door,
    ) -> None:
        self.clicks = clicks
        self._readiness = readiness
        self.unavailable = answers.unavailable
        self._metrics = metrics
        self._engagements = engagements
        self._probe = probe
        self.log_requests = log_requests
        self._door = door
        self._pages: dict[str, Callable[[], Awaitable[Reply]]] = {
            "/robots.txt": _always(ops.ROBOTS),
            SCRIPT_PATH: _always(SCRIPT),
            "/healthz": _always(ops.ALIVE),
            "/readyz": self._ready,
        }

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the response to a request."""
        began = time.perf_counter()
        try:
            response = await self._answer(request)
        except Exception as error:  # noqa: BLE001  (no trace reaches a visitor, and nobody hangs)
            get_logger().error(Event.REQUEST_FAILED, listener="public", error=repr(error))
            response = respond(self.unavailable)
        if self._door.closing:
            response.force_close()
        self.count(f"{response.status // 100}xx")
        if self.log_requests:
            seconds = round(time.perf_counter() - began, 6)
            get_logger().info(
                Event.REQUEST,
                listener="public",
                method=request.method,
                status=response.status,
                seconds=seconds,
            )
        return response

    def count(self, status: str, responses: int = 1) -> None:
        """Count responses of a class of status, such as ``3xx``."""
        self._metrics.http_responses.labels(listener="public", status=status).inc(responses)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if page := self._pages.get(request.raw_path):
            return respond(await page())
        if request.raw_path == BEACON_PATH:
            return respond(await self._engagements.beacon(request))
        if probed := self._probe.reply(request.raw_path):
            return respond(probed)
        return await self.clicks(request)

    async def _ready(self) -> Reply:
        return await self._readiness.reply(detail=False)


def _always(reply: Reply) -> Callable[[], Awaitable[Reply]]:
    async def same() -> Reply:
        return reply

    return same
