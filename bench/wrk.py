"""Run wrk against a server on loopback, with browsers' headers and a list of paths."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench import heads, servers

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = """
local paths, heads = {}, {%s}
for line in io.lines(%r) do paths[#paths + 1] = line end
local place = 0
request = function()
  place = place %% #paths + 1
  return "GET " .. paths[place] .. " HTTP/1.1\\r\\nHost: %s\\r\\n" .. %s .. heads[place %% #heads + 1]
end
"""
_NO_FRONT = '""'
_FRONT = """string.format(%s, math.floor((place + %d) / 65536) %% 256,
    math.floor((place + %d) / 256) %% 256, (place + %d) %% 256)"""
_CLOSE = "Connection: close\r\n"
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


def run(
    url: str,
    paths: Path,
    *,
    seconds: int,
    connections: int = 64,
    keep_alive: bool = True,
    front: int | None = None,
) -> Load:
    """Load a server for some seconds; ``paths`` is a file with one a line, taken in turn.

    With ``front`` each request comes from another address, as a front with TLS tells it: from so many on.
    """
    script = paths.with_suffix(".lua")
    end = "\r\n" if keep_alive else f"{_CLOSE}\r\n"
    texts = ", ".join(_quoted(block + end) for block in heads.blocks())
    said = _NO_FRONT if front is None else _FRONT % (_quoted(heads.FRONT), front, front, front)
    script.write_text(_SCRIPT % (texts, str(paths), urlsplit(url).netloc, said))
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


def _quoted(text: str) -> str:
    """Return a text as Lua writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r\n", "\\r\\n")
    return f'"{escaped}"'


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
