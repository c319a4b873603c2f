"""What one click costs from its bytes to those of its answer: read, judged, durable, written, no sockets.

The public listener's own connections get requests in batches, and write to what only counts; the clock of the
visits is made up. So neither the kernel nor another program plays a part, and the instructions of a run (as
valgrind counts them) are the same each time, whatever else the machine does. ``python -m bench.redirect``
measures the whole.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import tempfile
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import heads, mailed, report
from linkproxy.config import load
from linkproxy.server.answers import brands
from linkproxy.server.app import COLLECT_AFTER, loop_factory
from linkproxy.server.click import Clicks
from linkproxy.server.fast import Connection, PublicServer
from linkproxy.server.listeners import LINE_BYTES, Door
from linkproxy.server.ops import Readiness
from linkproxy.server.public import Public
from linkproxy.server.sides import Ground, start_journal
from linkproxy.server.strays import StrayRate
from linkproxy.server.wiring import click_ids, gate, keyring, policy
from linkproxy.store.connect import connect
from linkproxy.telemetry import Metrics

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from linkproxy.config import Config

BATCH = 40
WARMED = 2_000  # clicks before the clock starts
BEGUN, APART = 1_795_000_000.0, 0.05  # when the first of them comes, and the others one after the other
_PATIENT = {"LINKPROXY__STORE__COMMIT_SECONDS": "30"}  # under valgrind all takes fifty times as long
_TRUSTED = {"LINKPROXY__SERVER__TRUSTED_PROXIES": '["127.0.0.0/8"]'}
CASES = ("kept", "new", "front")
"""Connections that are kept; one for each click; kept by a front, each click from another address."""


class Wire(asyncio.Transport):
    """Counts what is answered, and tells when all of a batch is."""

    left = 0
    done: asyncio.Event

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40_000)})
        self._closing = False

    def write(self, data: Any) -> None:
        assert data.startswith(b"HTTP/1.1 302 ")
        Wire.left -= 1
        if not Wire.left:
            Wire.done.set()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True


def main() -> None:
    """Measure and print."""
    chosen = report.options("click", __doc__.splitlines()[0], _add_options)
    rounds = chosen.rounds or (1 if chosen.quick else 5)
    clicks = chosen.clicks or (10_000 if chosen.quick else 40_000)
    results = {}
    for case in chosen.case or CASES:
        results[case] = [_round(case, clicks) for _ in range(rounds)]
    rows: list[list[str | float]] = [[case, median(found)] for case, found in results.items()]
    report.table(f"One click, {BATCH} at a time", ["connections", "us of CPU"], rows)
    report.finish("click", results, chosen.json)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, help="each with a new installation")
    parser.add_argument("--clicks", type=int, help="that are measured (default 40000)")
    parser.add_argument("--case", action="append", choices=CASES, help="measure these alone")


def _round(case: str, clicks: int) -> float:
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        home = Path(folder) / "home"
        settings = {**_PATIENT, **(_TRUSTED if case == "front" else {})}
        paths = mailed.install(home, settings, (WARMED + clicks) // mailed.LINKS_FOLLOWED)
        return runner.run(_measure(load(home / "config.toml", settings), paths, case, clicks))


async def _measure(config: Config, paths: Sequence[str], case: str, clicks: int) -> float:
    requests = _requests(paths, case)
    async with AsyncExitStack() as stack:
        server = await _server(config, stack)
        await _click(server, requests[:WARMED], case)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        began = time.process_time()
        await _click(server, requests[WARMED : WARMED + clicks], case)
        return (time.process_time() - began) / clicks * 1e6


async def _server(config: Config, stack: AsyncExitStack) -> PublicServer:
    metrics, store, door = Metrics(), connect(config), Door()
    clock = partial(next, itertools.count(BEGUN, APART))
    await store.open()
    stack.push_async_callback(store.close)
    ground = Ground(config, store, keyring(config), policy(config), metrics, clock)
    journal = await start_journal(ground, stack)
    replies = brands(config)
    clicks = Clicks(
        journal, gate(config), replies,
        click_ids=click_ids(config), metrics=metrics, clock=clock, strays=StrayRate(0, clock),
    )  # fmt: skip
    public = Public(
        clicks, Readiness({}, clock), replies.usual, metrics,
        engagements=None, probe=None, log_requests=False, door=door,  # type: ignore[arg-type]  # nobody asks
    )  # fmt: skip
    return PublicServer(public, door, line_bytes=LINE_BYTES)


async def _click(server: PublicServer, requests: Sequence[bytes], case: str) -> None:
    """Send requests in batches, each when all before are answered."""
    kept = [_connect(server) for _ in range(BATCH)]
    for start in range(0, len(requests), BATCH):
        batch = requests[start : start + BATCH]
        Wire.left, Wire.done = len(batch), asyncio.Event()
        used = [_connect(server) for _ in batch] if case == "new" else kept
        for connection, request in zip(used, batch, strict=False):
            connection.data_received(request)
        await Wire.done.wait()
        if case == "new":
            for connection in used:
                connection.connection_lost(None)


def _connect(server: PublicServer) -> Connection:
    connection = Connection(server)
    connection.connection_made(Wire())
    return connection


def _requests(paths: Sequence[str], case: str) -> list[bytes]:
    blocks, end = heads.blocks(), "Connection: close\r\n\r\n" if case == "new" else "\r\n"
    return [
        f"GET {path} HTTP/1.1\r\nHost: t.example\r\n{heads.told_by_front(place) if case == 'front' else ''}"
        f"{blocks[place % len(blocks)]}{end}".encode()
        for place, path in enumerate(paths)
    ]


if __name__ == "__main__":
    main()
