"""Load at a constant rate: how long answers take when the server is not at its limit.

h2load (Debian's nghttp2-client) sends by the clock and logs each answer's time. wrk cannot: it always
sends as fast as it is answered.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from statistics import quantiles
from typing import TYPE_CHECKING

from bench import servers

if TYPE_CHECKING:
    from collections.abc import Iterable
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


def available() -> bool:
    """Tell whether h2load is installed."""
    return shutil.which("h2load") is not None


def run(
    url: str, paths: Iterable[str], folder: Path, *, rate: float, seconds: int, connections: int
) -> Steady:
    """Send for some seconds at a rate, over connections that are kept; a path is used once."""
    urls, log = folder / "urls", folder / "h2load.log"
    log.unlink(missing_ok=True)
    wanted = int(rate * seconds)
    urls.write_text("".join(f"{url}{path}\n" for path, _ in zip(paths, range(wanted), strict=False)))
    headers = [word for header in HEADERS for word in ("-H", header)]
    subprocess.run(
        [
            *(*servers.pinned(1), "h2load", "--h1", f"-c{connections}", f"-n{wanted}", "-t1"),
            *(f"--rps={rate / connections:.3f}", f"--log-file={log}", "-i", str(urls), *headers),
        ],
        capture_output=True,
        check=True,
    )
    return _read(log.read_text(), rate)


def _read(log: str, wanted: float) -> Steady:
    """Read lines of: microseconds since the epoch, status, microseconds until the answer."""
    rows = [line.split("\t") for line in log.splitlines()]
    answered = [(int(at), int(took)) for at, status, took in rows if int(status) in range(200, 400)]
    times = [took / 1000 for _, took in answered]
    lasted = (max(at for at, _ in answered) - min(at for at, _ in answered)) / 1e6
    cuts = quantiles(times, n=100)
    return Steady(wanted, len(answered) / lasted, len(answered), cuts[49], cuts[98])
