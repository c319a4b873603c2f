"""What operators and their programs ask: is it alive, is it ready, what does it count."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from linkproxy.server.answers import NOT_STORED, Reply
from linkproxy.store.api import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from linkproxy.server.journal import Journal
    from linkproxy.server.settler import Settler
    from linkproxy.store.api import Store
    from linkproxy.telemetry import Metrics

_TEXT = (("Content-Type", "text/plain; charset=utf-8"), *NOT_STORED)
_JSON = (("Content-Type", "application/json"), *NOT_STORED)
_PING_SECONDS = 2.0
_KEPT_SECONDS = 1.0

ROBOTS = Reply(200, _TEXT, b"User-agent: *\nDisallow: /\n")
"""Crawlers that keep to it (RFC 9309) have no business here."""

ALIVE = Reply(200, _TEXT, b"ok\n")


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that must work, and what is wrong with it ("" for nothing)."""

    name: str
    fault: str


class Readiness:
    """Whether visits can be taken in; asked at most once a second, since it costs a small write."""

    def __init__(self, store: Store, journal: Journal, settler: Settler, clock: Callable[[], float]) -> None:
        self._store = store
        self._journal = journal
        self._settler = settler
        self._clock = clock
        self._parts: tuple[Part, ...] = ()
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def reply(self, *, detail: bool) -> Reply:
        """Return 200 or 503 with ``{"ready": ..., "parts": {...}}``.

        Faults are told in words with ``detail`` only: they name paths, which are nobody's business
        on the public listener.
        """
        parts = await self._ask()
        ready = not any(part.fault for part in parts)
        shown = {part.name: (part.fault if detail else "failing") if part.fault else "ok" for part in parts}
        return Reply(200 if ready else 503, _JSON, _json({"ready": ready, "parts": shown}))

    async def _ask(self) -> tuple[Part, ...]:
        async with self._asking:
            if not 0 <= self._clock() - self._asked_at < _KEPT_SECONDS:
                self._parts = (
                    Part("store", await self._store_fault()),
                    Part("journal", "visits go to the spill file" if self._journal.failing else ""),
                    Part("settler", "" if self._settler.alive else "the settle loop has ended"),
                )
                self._asked_at = self._clock()
            return self._parts

    async def _store_fault(self) -> str:
        try:
            async with asyncio.timeout(_PING_SECONDS):
                await self._store.ping()
        except TimeoutError:
            return f"no answer within {_PING_SECONDS:g} s"
        except StoreError as error:
            return str(error)
        return ""


def exposition(metrics: Metrics) -> Reply:
    """Return the metrics as Prometheus reads them."""
    return Reply(200, (("Content-Type", CONTENT_TYPE_LATEST), *NOT_STORED), generate_latest(metrics.registry))


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value).encode() + b"\n"
