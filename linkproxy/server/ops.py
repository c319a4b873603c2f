"""What operators and their programs ask: is it alive, is it ready, what does it count."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from linkproxy.server.answers import NOT_STORED, Reply
from linkproxy.store.api import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from prometheus_client import CollectorRegistry

    from linkproxy.server.board import Board
    from linkproxy.server.journal import Journal
    from linkproxy.server.settler import Settler
    from linkproxy.store.api import Store

    Check = Callable[[], Awaitable[str]]
    """Returns what is wrong with a part, "" for nothing."""

_TEXT = (("Content-Type", "text/plain; charset=utf-8"), *NOT_STORED)
_JSON = (("Content-Type", "application/json"), *NOT_STORED)
_PING_SECONDS = 2.0
_KEPT_SECONDS = 1.0
_MEANWHILE = "[store] on_failure says what people get and where their visits wait"

ROBOTS = Reply(200, _TEXT, b"User-agent: *\nDisallow: /\n")
"""Crawlers that keep to it (RFC 9309) have no business here."""

ALIVE = Reply(200, _TEXT, b"ok\n")


def host_asked(header: str) -> str:
    """Return the name in a Host header (RFC 9110 section 7.2) without its port, in lower case."""
    host = header.lower()
    name, colon, port = host.rpartition(":")
    return name if colon and (port.isdigit() or not port) and not host.endswith("]") else host


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that must work, and what is wrong with it ("" for nothing)."""

    name: str
    fault: str


class Readiness:
    """Whether every part works; asked at most once a second, since it costs a small write."""

    def __init__(self, checks: Mapping[str, Check], clock: Callable[[], float]) -> None:
        self._checks = checks
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
                self._parts = tuple([Part(name, await check()) for name, check in self._checks.items()])
                self._asked_at = self._clock()
            return self._parts


def store_check(store: Store) -> Check:
    """Return what looks whether the store can be written to."""

    async def check() -> str:
        try:
            async with asyncio.timeout(_PING_SECONDS):
                await store.ping()
        except TimeoutError:
            return f"no answer within {_PING_SECONDS:g} s"
        except StoreError as error:
            return str(error)
        return ""

    return check


def journal_check(journal: Journal) -> Check:
    """Return what looks whether visits go into the journal."""

    async def check() -> str:
        return f"visits do not come into it; {_MEANWHILE}" if journal.failing else ""

    return check


def settler_check(settler: Settler) -> Check:
    """Return what looks whether messages are settled."""

    async def check() -> str:
        return "" if settler.alive else "the settle loop has ended"

    return check


def worker_checks(board: Board, workers: int) -> dict[str, Check]:
    """Return what looks how the public workers are, from another process."""

    async def journal() -> str:
        spilling = sum(state.spilling for state in board.answering(time.monotonic()))
        return f"visits of {spilling} worker(s) do not come into it; {_MEANWHILE}" if spilling else ""

    async def all_there() -> str:
        there = len(board.answering(time.monotonic()))
        return "" if there >= workers else f"{there} of {workers} public workers answer; see the log"

    return {"journal": journal, "workers": all_there}


def exposition(registry: CollectorRegistry) -> Reply:
    """Return the metrics as Prometheus reads them."""
    return Reply(200, (("Content-Type", CONTENT_TYPE_LATEST), *NOT_STORED), generate_latest(registry))


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value).encode() + b"\n"
