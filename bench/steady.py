"""Load at a constant rate: how long answers take when the server is not at its limit.

h2load (Debian's nghttp2-client) sends by the clock and logs each answer's time. wrk cannot: it always
sends as fast as it is answered. Every connection has a process of its own, since those of one process
would all follow the same paths at the same time, as scanners do.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from itertools import islice
from statistics import quantiles
from typing import TYPE_CHECKING, NamedTuple

from bench import servers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADERS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.6",
    "Accept-Encoding: gzip, deflate",
    "Upgrade-Insecure-Requests: 1",
)


@dataclass(frozen=True, slots=True)
class Steady:
    """What a constant rate brought; latencies in milliseconds."""

    wanted: float  # per second
    rate: float
    answered: int
    p50: float
    p99: float


class _Asked(NamedTuple):
    at: int
    status: int
    took: int


def available() -> bool:
    """Tell whether h2load is installed."""
    return shutil.which("h2load") is not None


def run(
    url: str, paths: Iterator[str], folder: Path, *, rate: float, seconds: int, connections: int
) -> Steady:
    """Send for some seconds at a rate, over connections that are kept; each path is taken once."""
    each = int(rate * seconds / connections)
    logs = [folder / f"h2load-{number}.log" for number in range(connections)]
    clients = [_send(url, list(islice(paths, each)), log, rate / connections) for log in logs]
    failed = sum(client.wait() != 0 for client in clients)
    if failed:
        raise SystemExit(f"h2load could not load {url}")
    return _read([log.read_text() for log in logs], rate)


def _send(url: str, paths: list[str], log: Path, rate: float) -> subprocess.Popen[bytes]:
    """Begin to follow paths over one connection."""
    urls = log.with_suffix(".urls")
    urls.write_text("".join(f"{url}{path}\n" for path in paths))
    log.unlink(missing_ok=True)
    headers = [word for header in HEADERS for word in ("-H", header)]
    return subprocess.Popen(
        [
            *(*servers.pinned(1), "h2load", "--h1", "-c1", f"-n{len(paths)}", "-t1"),
            *(f"--rps={rate:.3f}", f"--log-file={log}", "-i", str(urls), *headers),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _read(logs: list[str], wanted: float) -> Steady:
    """Read lines of: microseconds since the epoch, status, microseconds until the answer.

    The rate is the one wanted from when the last client has begun until the first one ends.
    """
    asked = [[_Asked(*map(int, line.split("\t"))) for line in log.splitlines()] for log in logs]
    begin = max(each[0].at for each in asked)
    end = min(each[-1].at for each in asked)
    answered = [item for each in asked for item in each if item.status in range(200, 400)]
    times = [item.took / 1000 for item in answered if begin <= item.at <= end]
    if len(times) < 2:
        raise SystemExit("the load ended before every client had begun; ask for more --seconds")
    cuts = quantiles(times, n=100)
    return Steady(wanted, len(times) / (end - begin) * 1e6, len(answered), cuts[49], cuts[98])
