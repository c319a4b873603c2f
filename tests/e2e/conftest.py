"""A real installation: files made by ``init``, a server of its own process, commands of the CLI."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_SECONDS = 30.0

# A message is settled soon after it is quiet, so that the tests need not wait as people would.
QUICK_POLICY = "[policy]\nhold_seconds = 1.0\n"


@dataclass
class Installation:
    """A folder with a configuration, and the server that runs on it."""

    folder: Path
    prefix: tuple[str, ...] = ()  # a program that runs the server, such as strace
    settings: dict[str, str] = field(default_factory=dict)
    server: subprocess.Popen[str] | None = None
    public: str = ""
    private: str = ""

    def environment(self) -> dict[str, str]:
        (self.folder / "policy.toml").write_text(QUICK_POLICY)
        return {
            **os.environ,
            "LINKPROXY_CONFIG": str(self.folder / "config.toml"),
            "LINKPROXY__SERVER__PUBLIC_HOST": "127.0.0.1",
            "LINKPROXY__SERVER__PUBLIC_PORT": "0",
            "LINKPROXY__SERVER__PRIVATE_PORT": "0",
            "LINKPROXY__JUDGE__POLICY_FILE": str(self.folder / "policy.toml"),
            **self.settings,
        }

    def run(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "linkproxy", *arguments],
            capture_output=True, text=True, check=False, env=self.environment(), timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        assert (done.returncode != 0) is fails, (
            f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stderr if fails else done.stdout

    def rows(self, *arguments: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.run(*arguments, "--format", "csv"))))

    def start(self) -> None:
        self.server = subprocess.Popen(
            [*self.prefix, sys.executable, "-m", "linkproxy", "serve"],
            stderr=subprocess.PIPE, text=True, env=self.environment(),
        )  # fmt: skip
        assert self.server.stderr is not None
        for line in self.server.stderr:
            found = re.search(r"Tracked links at (\S+?), .* at (\S+?)\. ", line)
            if found:
                self.public, self.private = found.groups()
                return
        raise AssertionError("the server ended before it was up")

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.server is not None
        assert self.server.stderr is not None
        os.kill(self._child() or self.server.pid, number)
        status = self.server.wait(PATIENCE_SECONDS)
        self.server.stderr.close()
        self.server = None
        return status

    def _child(self) -> int | None:
        """Return the server's own process id under strace, which passes no signal on."""
        if self.server is None or not self.prefix:
            return None
        pid = self.server.pid
        with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123  (no file of ours)
            return int(file.read().split()[0])

    def until_settled(self, campaign: str) -> list[dict[str, str]]:
        """Return the journal once the server has settled all of it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            rows = self.rows("visits", "--campaign", campaign)
            if rows and all(row["settled"] == "yes" for row in rows):
                return rows
            assert time.monotonic() < deadline, rows
            time.sleep(0.2)  # the server settles by its own clock, in another process


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "home")
    made.folder.mkdir()
    subprocess.run(
        [sys.executable, "-m", "linkproxy", "init", "--folder", str(made.folder)],
        check=True, capture_output=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    yield made
    if made.server is not None:
        made.stop(signal.SIGKILL)
