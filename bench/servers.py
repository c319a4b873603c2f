"""The servers that are compared: each its own process on loopback, stopped by its own handle."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BARE = """
import sys, uvloop
from multiprocessing import get_context
from aiohttp import web

async def handle(request):
    return web.Response(status=302, headers={"Location": "https://shop.example/article/1"})

app = web.Application()
app.router.add_get("/{token}/{key}", handle)
def serve():
    web.run_app(
        app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None,
        loop=uvloop.new_event_loop(), reuse_port=True,
    )

for _ in range(1, int(sys.argv[2])):
    get_context("fork").Process(target=serve, daemon=True).start()
serve()
"""
_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ return 302 https://shop.example/article/1; }} }}
}}
"""
_PATIENCE_SECONDS = 20.0
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

_serving: dict[str, int] = {}
"""The process that serves a URL."""


def pinned(*cores: int) -> list[str]:
    """Return the words that keep a command on some cores: servers on 0, the load on 1."""
    enough = (os.cpu_count() or 1) > max(cores) and shutil.which("taskset")
    return ["taskset", "-c", ",".join(map(str, cores))] if enough else []


def cpu_seconds(url: str) -> float:
    """Return the CPU time so far of the processes that serve a URL; 0 where the system does not say."""
    try:
        return sum(_cpu_seconds(pid) for pid in _family(_serving[url]))
    except (KeyError, OSError):
        return 0.0


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _cpu_seconds(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS  # utime and stime, proc_pid_stat(5)


def free_port() -> int:
    """Return a port that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def bare_aiohttp(_folder: Path, *, processes: int = 1, cores: tuple[int, ...] = (0,)) -> Iterator[str]:
    """Run an aiohttp application whose one handler returns a 302, on uvloop; several share one port."""
    port = free_port()
    with process([sys.executable, "-c", _BARE, str(port), str(processes)], cores=cores) as running:
        yield noted(wait(port), running)


@contextmanager
def plain(folder: Path) -> Iterator[str]:
    """Run the plain server that stores clicks in plain.db (plain.py)."""
    port = free_port()
    command = [sys.executable, "-m", "bench.plain", str(port), str(folder / "plain.db")]
    with process(command) as running:
        yield noted(wait(port), running)


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """Run nginx with one worker and ``return 302``."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    port = free_port()
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port))
    with process([program, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]) as running:
        yield noted(wait(port), running)


def unsettled(folder: Path) -> dict[str, str]:
    """Return a setting that puts settling off for a day; ``folder`` gets the policy.

    Else a run of more than 90 seconds also measures how the visits before are settled.
    """
    file = folder / "unsettled.toml"
    file.write_text("[policy]\nhold_seconds = 86400.0\nmax_hold_seconds = 86400.0\n")
    return {"LINKPROXY__JUDGE__POLICY_FILE": str(file)}


@contextmanager
def linkproxy(
    folder: Path, settings: Mapping[str, str] | None = None, *, cores: tuple[int, ...] = (0,)
) -> Iterator[str]:
    """Run ``linkproxy serve`` on the installation in a folder."""
    environment = {
        **os.environ,
        "LINKPROXY_CONFIG": str(folder / "config.toml"),
        "LINKPROXY__SERVER__PUBLIC_HOST": "127.0.0.1",
        "LINKPROXY__SERVER__PUBLIC_PORT": "0",
        "LINKPROXY__SERVER__PRIVATE_PORT": "0",
        **(settings or {}),
    }
    command = [sys.executable, "-m", "linkproxy", "serve"]
    with process(command, environment, stderr=subprocess.PIPE, cores=cores) as running:
        for line in running.stderr or ():
            found = re.search(rb"Tracked links at (\S+?),", line)
            if found:
                yield noted(found[1].decode(), running)
                return
        raise SystemExit("linkproxy ended before it was up")


@contextmanager
def process(
    command: list[str],
    environment: Mapping[str, str] | None = None,
    stderr: int | None = None,
    cores: tuple[int, ...] = (0,),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command pinned to some cores; terminate it at the end."""
    running = subprocess.Popen([*pinned(*cores), *command], env=environment, stderr=stderr)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(_PATIENCE_SECONDS)
        if running.stderr is not None:
            running.stderr.close()


def noted(url: str, running: subprocess.Popen[bytes]) -> str:
    """Remember which process serves a URL, for ``cpu_seconds``; return the URL."""
    _serving[url] = running.pid
    return url


def wait(port: int) -> str:
    """Return the URL of a port once somebody listens there; raise SystemExit when nobody comes."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return f"http://127.0.0.1:{port}"
        time.sleep(0.05)
    raise SystemExit(f"no server on port {port}")
