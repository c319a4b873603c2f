"""Load at a constant rate: how long answers take when the server is not at its limit.

Each request is due at a moment of its own, as people click who know nothing of one another, and is
measured from then on, even if no connection was free. A client that waits for an answer before it
asks again leaves out all who would have come meanwhile (coordinated omission), so that a server that
stands still for a while looks as if it had kept one client waiting; h2load and wrk are such clients.
"""

from __future__ import annotations

import gc
import os
import random
import select
import socket
import time
from collections import deque
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import quantiles
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httptools

from bench import heads

if TYPE_CHECKING:
    from collections.abc import Iterator

_REQUEST = "GET {} HTTP/1.1\r\nHost: {}\r\n{}\r\n"
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Steady:
    """What a constant rate brought; latencies in milliseconds."""

    wanted: float  # per second
    rate: float
    answered: int
    p50: float
    p99: float


class _Client:
    """One connection that is kept; it has one request under way at most."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.due = 0.0
        self.done = False
        self.parser = httptools.HttpResponseParser(self)

    def send(self, request: bytes, due: float) -> None:
        self.due, self.done = due, False
        self.socket.send(request)

    def read(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise SystemExit("the server closed a connection that was to be kept")
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        if not 200 <= self.parser.get_status_code() < 400:
            raise SystemExit(f"the server answered with {self.parser.get_status_code()}")
        self.done = True


def run(url: str, paths: Iterator[str], *, rate: float, seconds: int, connections: int) -> Steady:
    """Send for some seconds at a rate, over connections that are kept; each path is taken once."""
    place = urlsplit(url)
    wanted = islice(paths, int(rate * seconds))
    browsers = cycle(heads.blocks())
    requests = deque(_REQUEST.format(path, place.netloc, next(browsers)).encode() for path in wanted)
    with _core(1), ExitStack() as stack:
        clients = [_Client(place.hostname or "", place.port or 80) for _ in range(connections)]
        for client in clients:
            stack.enter_context(client.socket)
        gc.disable()  # nobody but the server is to be waited for
        stack.callback(gc.enable)
        took, spent = _load(requests, clients, rate)
    cuts = quantiles((each * 1000 for each in took), n=100)
    return Steady(rate, len(took) / spent, len(took), cuts[49], cuts[98])


def _load(requests: deque[bytes], clients: list[_Client], rate: float) -> tuple[list[float], float]:
    """Return how long each answer took from when its request was due, and how long all took, in seconds."""
    polled, by_file, free = select.epoll(), {each.socket.fileno(): each for each in clients}, deque(clients)
    for number in by_file:
        polled.register(number, select.EPOLLIN)
    moments = deque(_moments(rate, len(requests)))
    ends = moments[-1] + _PATIENCE_SECONDS
    took: list[float] = []
    begin, now = time.perf_counter(), 0.0
    while requests or len(free) < len(clients):
        while free and moments and moments[0] <= now:
            free.popleft().send(requests.popleft(), begin + moments.popleft())
        for number, _ in polled.poll(0):
            client = by_file[number]
            client.read()
            if client.done:
                took.append(time.perf_counter() - client.due)
                free.append(client)
        now = time.perf_counter() - begin
        if now > ends:
            raise SystemExit("the server does not answer any more")
    return took, now


def _moments(rate: float, number: int) -> Iterator[float]:
    """Yield when requests are due, in seconds from the beginning: each without regard to the others."""
    chance, moment = random.Random(1), 0.0
    for _ in range(number):
        moment += chance.expovariate(rate)
        yield moment


@contextmanager
def _core(number: int) -> Iterator[None]:
    """Keep to one core, where there are several."""
    if (os.cpu_count() or 1) <= number or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
