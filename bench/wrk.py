"""Run wrk against a server on loopback, with browser-like headers and a list of paths."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench import servers

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = """
local paths = {}
for line in io.lines(%r) do paths[#paths + 1] = line end
local place = 0
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0"
wrk.headers["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
wrk.headers["Accept-Language"] = "en-GB,en;q=0.9,de;q=0.6"
wrk.headers["Accept-Encoding"] = "gzip, deflate"
wrk.headers["Upgrade-Insecure-Requests"] = "1"
%s
request = function()
  place = place %% #paths + 1
  return wrk.format("GET", paths[place])
end
"""
_CLOSE = 'wrk.headers["Connection"] = "close"'
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk measured; rates per second, latencies in milliseconds."""

    requests: int
    rate: float
    p50: float
    p99: float
    others: int  # answers that were no 2xx or 3xx, and socket errors
    cpu_us: float = 0.0  # of the server, for each answer


def command() -> str:
    """Return the path of wrk; raise SystemExit where there is none."""
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    return found


def run(url: str, paths: Path, *, seconds: int, connections: int = 64, keep_alive: bool = True) -> Load:
    """Load a server for some seconds; ``paths`` is a file with one a line, taken in turn."""
    script = paths.with_suffix(".lua")
    script.write_text(_SCRIPT % (str(paths), "" if keep_alive else _CLOSE))
    before = servers.cpu_seconds(url)
    done = subprocess.run(
        [
            *servers.pinned(1),
            command(),
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--latency",
            "-s",
            str(script),
            url,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    load = _read(done.stdout)
    spent = servers.cpu_seconds(url) - before
    return replace(load, cpu_us=spent / max(1, load.requests) * 1e6)


def _read(text: str) -> Load:
    def number(pattern: str) -> float:
        found = re.search(pattern, text)
        return float(found[1]) if found else 0.0

    def latency(name: str) -> float:
        found = re.search(rf"{name}%\s+([\d.]+)(us|ms|s)", text)
        return float(found[1]) * _MILLISECONDS[found[2]] if found else 0.0

    errors = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return Load(
        requests=int(number(r"(\d+) requests in")),
        rate=number(r"Requests/sec:\s+([\d.]+)"),
        p50=latency("50"),
        p99=latency("99"),
        others=int(number(r"Non-2xx or 3xx responses: (\d+)"))
        + sum(map(int, errors.groups()) if errors else ()),
    )
