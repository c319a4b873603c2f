"""A server with a supervisor and workers in processes of their own, under the load of people."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.durability.home import Home

PATIENCE_SECONDS = 40.0
PEOPLE = 300
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0",
    "Accept": "text/html,*/*;q=0.8",
    "Accept-Language": "en",
    "Accept-Encoding": "gzip, deflate",
}


def until(true: Callable[[], object]) -> None:
    """Wait for what another process does in its own time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@dataclass
class Crewed:
    """A server with workers, its log in a file."""

    installation: object
    log_path: Path
    home: Home
    process: subprocess.Popen[bytes] | None = None
    public: str = ""
    private: str = ""
    answered: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)

    @property
    def log(self) -> list[dict[str, object]]:
        lines = self.log_path.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def logged(self, event: str, **fields: object) -> list[dict[str, object]]:
        return [line for line in self.log if line["event"] == event and fields.items() <= line.items()]

    def start(self, workers: int, *command: str, listening: int | None = None) -> None:
        settings = {"LINKPROXY__LOG__FORMAT": "json", "LINKPROXY__SERVER__WORKERS": str(workers)}
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command or [sys.executable, "-m", "linkproxy", "serve"],
                stderr=log, env={**self.installation.environment(), **settings},
                pass_fds=() if listening is None else (listening,),
            )  # fmt: skip
        found: list[re.Match[str]] = []

        def announced() -> bool:
            assert self.process.poll() is None, self.log_path.read_text()
            pattern = r"Tracked links at (\S+?), .* at (\S+?)\. "
            found.extend(re.finditer(pattern, self.log_path.read_text()))
            return bool(found)

        until(announced)
        self.public, self.private = found[-1].groups()

    def pids(self) -> dict[int, str]:
        """Return the workers' process ids and names, oldest first."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:  # noqa: PTH123  (no file of ours)
            return {int(pid): "" for pid in file.read().split()}

    def ready(self) -> dict[str, str]:
        try:
            with urllib.request.urlopen(self.private + "/readyz") as answer:  # noqa: S310  (an address of our own)
                return json.load(answer)["parts"]
        except urllib.error.HTTPError as error:
            return json.load(error)["parts"]

    def metric(self, name: str, labels: str = "") -> float:
        with urllib.request.urlopen(self.private + "/metrics") as answer:  # noqa: S310  (an address of our own)
            lines = answer.read().decode().splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name + labels + " "))

    async def load(self, stop: asyncio.Event, *, keep_alive: bool) -> None:
        """Follow links, each once, until told to stop; note what was answered, and every failure."""
        connector = aiohttp.TCPConnector(force_close=not keep_alive)
        async with aiohttp.ClientSession(connector=connector) as session:
            session._retry_connection = False  # else it hides that a lasting connection was cut
            while self.home.paths and not stop.is_set():
                path = self.home.paths.pop()
                try:
                    async with session.get(
                        self.public + path, allow_redirects=False, headers=BROWSER
                    ) as response:
                        await response.read()
                        if response.status == 302:
                            self.answered.add(path)
                        else:
                            self.failures.append(f"{path}: {response.status}")
                except (aiohttp.ClientError, ConnectionError) as error:
                    self.failures.append(f"{path}: {error!r}")

    async def under_load(self, *deeds: Callable[[], object], clients: int = 12) -> None:
        """Do things one after the other while people follow links, some over lasting connections."""
        stop = asyncio.Event()
        loads = [asyncio.create_task(self.load(stop, keep_alive=at % 2 == 0)) for at in range(clients)]
        for deed in deeds:
            before = len(self.answered)
            while len(self.answered) < before + 60 and self.home.paths:  # noqa: ASYNC110  (no task knows)
                await asyncio.sleep(0.01)
            await asyncio.to_thread(deed)
        stop.set()
        await asyncio.gather(*loads)

    def missing(self) -> set[str]:
        """Return what was answered and is not in the journal."""
        journal = self.home.journal()
        return {path for path in self.answered if self.home.of[path] not in journal}

    def hang_up(self, times: int = 1) -> None:
        """Send SIGHUP, and wait until it has been acted upon."""
        self.process.send_signal(signal.SIGHUP)
        events = "server.reloaded", "server.reload_failed"
        until(lambda: sum(len(self.logged(event)) for event in events) >= times)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)
