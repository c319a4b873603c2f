"""An installation in a temporary folder: commands run in it, and visits to its links."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from linkproxy.cli import main
from linkproxy.config import load
from linkproxy.model import AnswerKind, Judged, RawRequest
from linkproxy.server import wiring
from linkproxy.visit import intake, pipeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from linkproxy.store.api import Outcome

ROOT = Path(__file__).parents[2]

PERSON = (
    ("Host", "localhost:8080"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "none"),
    ("Sec-Fetch-User", "?1"),
)
SCANNER = (("Host", "localhost:8080"), ("User-Agent", "python-requests/2.32.3"))

NEWSLETTER = b"""<!DOCTYPE html><html><body>
<p>Dear reader, <a href="https://www.brand.example/spring">the spring range</a> is here.</p>
<p><a class="cta" href='https://www.brand.example/offer?a=1&amp;b=2'>Our offer</a></p>
<p><a href="https://social.example/brand">Follow us</a> <a href="mailto:us@brand.example">Write to us</a></p>
<p><a data-linkproxy="unsubscribe" href="">Unsubscribe</a></p>
</body></html>
"""
SPRING = "https://www.brand.example/spring"
OFFER = "https://www.brand.example/offer?a=1&b=2"

_TRACKED = re.compile(rb"http://localhost:8080(/[A-Za-z0-9_-]{24}/([A-Za-z0-9]{4})(?:/[A-Za-z0-9._~-]+)?)")


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it wrote."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.text.splitlines()]


@dataclass(frozen=True)
class Installation:
    """A fresh installation; its folder is the current one."""

    folder: Path
    person: Sequence[tuple[str, str]] = PERSON

    def run(self, *arguments: object, stdin: bytes = b"") -> Ran:
        """Run the command line as the installed program does."""
        with CliRunner().isolation(input=stdin) as (out, err, _):
            code = main.run([str(argument) for argument in arguments])
            return Ran(code, out.getvalue(), err.getvalue().decode())

    def ok(self, *arguments: object, stdin: bytes = b"") -> Ran:
        """Run a command that must succeed."""
        ran = self.run(*arguments, stdin=stdin)
        assert ran.code == 0, ran
        return ran

    def fails(self, *arguments: object, stdin: bytes = b"", code: int = 1) -> str:
        """Run a command that must fail, without a traceback; return what it says."""
        ran = self.run(*arguments, stdin=stdin)
        assert ran.code == code, ran
        assert "Traceback" not in ran.err
        assert "fault of linkproxy" not in ran.err
        return ran.err

    def start(
        self, *arguments: str, environ: Mapping[str, str] | None = None, **how: Any
    ) -> subprocess.Popen[str]:
        """Start the command line as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "linkproxy", *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environ or {}),
            text=True,
            **how,
        )

    def on_terminal(self, stream: str, *arguments: str, columns: int = 120) -> str:
        """Run the command line with a terminal as its ``stdout`` or ``stderr``; return what it shows."""
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 40, columns, 0, 0))
        process = self.start(*arguments, **{stream: follower})
        os.close(follower)
        shown = b""
        # A terminal whose last writer has gone reads as an error (Linux, tty_read).
        with contextlib.suppress(OSError):
            while piece := os.read(leader, 1 << 16):
                shown += piece
        os.close(leader)
        assert process.wait() == 0
        return shown.decode()

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def paths(self, html: bytes) -> list[str]:
        """Return the paths of a mail's tracked URLs, in order, bait included."""
        return [path.decode() for path, _ in _TRACKED.findall(html)]

    def untracked(self, html: bytes) -> bytes:
        """Return a mail with every tracked URL replaced by one mark."""
        return _TRACKED.sub(b"TRACKED", html)

    def path_to(self, target: str, html: bytes, campaign: str = "spring") -> str:
        """Return the path of the tracked URL in a mail that leads to a target."""
        table = self.ok("campaign", "show", campaign, "--json").json["links"]
        keys = {link["key"] for link in table if link["target"] == target}
        return next(path for path in self.paths(html) if path.split("/")[2] in keys)

    def visit(
        self,
        paths: Iterable[str],
        at: float,
        headers: Sequence[tuple[str, str]] = PERSON,
        method: str = "GET",
        peer: str = "198.51.100.7",
    ) -> list[AnswerKind]:
        """Send requests through intake, judge and store, as the server does; return the answers."""
        outcomes = self.outcomes(paths, at, headers, method, peer)
        assert all(isinstance(outcome, Judged) for outcome in outcomes), outcomes
        return [outcome.answer.kind for outcome in outcomes if isinstance(outcome, Judged)]

    def outcomes(
        self,
        paths: Iterable[str],
        at: float,
        headers: Sequence[tuple[str, str]] = PERSON,
        method: str = "GET",
        peer: str = "198.51.100.7",
    ) -> list[Outcome]:
        """Do the same, and return whatever came of the requests."""
        return asyncio.run(_append([RawRequest(method, path, tuple(headers), peer, at) for path in paths]))

    def mail(self, who: str = "anna@example.com", campaign: str = "spring") -> bytes:
        """Return the newsletter rewritten for one recipient, the campaign made if it is not there."""
        if self.run("campaign", "show", campaign).code:
            self.ok("campaign", "add", campaign, "--html", "newsletter.html", "--quiet")
        return self.ok(
            "rewrite", "newsletter.html", "--campaign", campaign, "--recipient", who, "--quiet"
        ).out


async def _append(requests: Sequence[RawRequest]) -> list[Outcome]:
    from linkproxy.store.connect import connect

    config = load()
    gate = wiring.gate(config)
    pending = [found for request in requests if (found := intake.read(request, gate))]
    assert len(pending) == len(requests)
    store = connect(config)
    await store.open()
    try:
        return await store.append(
            pending, partial(pipeline.take, policy=wiring.policy(config), systems=wiring.systems(config))
        )
    finally:
        await store.close()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A fresh installation with a newsletter in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("LINKPROXY_CONFIG", main.DEBUG):
        monkeypatch.delenv(name, raising=False)
    installation = Installation(tmp_path)
    installation.ok("init")
    installation.write("newsletter.html", NEWSLETTER)
    return installation
