"""An installation to torment: its messages, its server as a process of its own, its journal."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bench.mailed import add_campaign
from linkproxy.cli.init import installation
from linkproxy.config import load
from linkproxy.model import Campaign, CampaignId, MachineAnswer
from linkproxy.server.wiring import keyring
from linkproxy.store.api import RecipientDraft
from linkproxy.store.connect import connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PATIENCE_SECONDS = 30.0
LINKS = 20
_PLAIN = ("-m", "linkproxy", "serve")

Followed = tuple[int, str]
"""A recipient's id and a link's key: what one request follows, and a row of the journal tells."""


@dataclass
class Home:
    """An installation; ``paths`` are links that nobody has followed yet, each to be followed once."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    of: dict[str, Followed] = field(default_factory=dict)
    postgres: PostgresServer | None = None  # whose database the store is

    @property
    def environment(self) -> dict[str, str]:
        """What a command on this installation is run with."""
        return {
            **os.environ,
            "LINKPROXY_CONFIG": str(self.folder / "config.toml"),
            "LINKPROXY__SERVER__PUBLIC_HOST": "127.0.0.1",
            "LINKPROXY__SERVER__PUBLIC_PORT": "0",
            "LINKPROXY__SERVER__PRIVATE_PORT": "0",
            "LINKPROXY__LOG__LEVEL": "error",
            "LINKPROXY__STORE__COMMIT_SECONDS": "0.5",
            **self.settings,
        }

    @property
    def database(self) -> Path:
        """The SQLite file."""
        url = self.settings.get("LINKPROXY__STORE__URL", "sqlite:linkproxy.db")
        return self.folder / url.removeprefix("sqlite:")

    def journal(self) -> Counter[Followed]:
        """Return what the journal holds, and how often."""
        return asyncio.run(_rows(self.postgres.url)) if self.postgres else journal_of(self.database)


class PostgresServer(Protocol):
    """A PostgreSQL server that can be stopped and started."""

    @property
    def url(self) -> str: ...

    def start(self) -> None: ...

    def stop(self, mode: str) -> None: ...


async def _rows(url: str) -> Counter[Followed]:
    import asyncpg

    db = await asyncpg.connect(url)
    try:
        return Counter((row[0], row[1]) for row in await db.fetch("SELECT recipient_id, key FROM visit"))
    finally:
        await db.close()


def journal_of(database: Path) -> Counter[Followed]:
    """Return what a SQLite file's journal holds, and how often."""
    with closing(sqlite3.connect(database, timeout=5.0)) as db:
        return Counter(db.execute("SELECT recipient_id, key FROM visit"))


def furnish(
    folder: Path,
    people: int,
    settings: dict[str, str] | None = None,
    postgres: PostgresServer | None = None,
) -> Home:
    """Make an installation with one campaign, and a message for each of so many people."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in installation().items():
        (folder / name).write_text(text)
    home = Home(folder, settings or {}, postgres=postgres)
    chosen = {name: value for name, value in home.environment.items() if name.startswith("LINKPROXY__")}
    asyncio.run(_fill(home, people, load(folder / "config.toml", chosen)))
    return home


async def _fill(home: Home, people: int, config: Any) -> None:
    store = connect(config)
    await store.open()
    recipients = await store.register_recipients([RecipientDraft(reference=f"r{at}") for at in range(people)])
    # Whatever the judge makes of them, all are sent on: this is not about the judge.
    mailing = Campaign(CampaignId(0), "load", machine_answer=MachineAnswer.REDIRECT)
    links = await add_campaign(store, mailing, LINKS)
    sign = keyring(config).signer(links[0].campaign_id)
    for recipient in recipients:
        token = sign(recipient.id).decode()
        home.of |= {f"/{token}/{link.key}": (recipient.id, link.key) for link in links}
    await store.close()
    # A link of everybody, then the next one: most visits are the first of their message, as in mail.
    home.paths = sorted(home.of, key=lambda path: path[-4:])


@dataclass
class Running:
    """A server that is up."""

    process: subprocess.Popen[bytes]
    public: str
    private: str

    def counted(self, name: str) -> int:
        """Return a counter of the private listener; 0 when it does not answer."""
        try:
            with urllib.request.urlopen(self.private + "/metrics", timeout=5) as answer:  # noqa: S310  (our own server)
                text = answer.read().decode()
        except OSError:
            return 0
        found = re.search(rf"^linkproxy_{name}_total (\S+)$", text, re.MULTILINE)
        return int(float(found[1])) if found else 0

    def ready(self) -> bool:
        """Tell whether every part says that it works."""
        try:
            with urllib.request.urlopen(self.private + "/readyz", timeout=5) as answer:  # noqa: S310  (our own server)
                return bool(json.load(answer)["ready"])
        except (OSError, urllib.error.HTTPError):
            return False

    def children(self) -> list[int]:
        """Return the process ids of a supervisor's workers."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:  # noqa: PTH123  (no file of ours)
            return [int(pid) for pid in file.read().split()]


@contextmanager
def serving(home: Home, *, prefix: Sequence[str] = (), program: Sequence[str] = _PLAIN) -> Iterator[Running]:
    """Run the server; it is stopped by SIGTERM if it still lives at the end."""
    log = home.folder / "log"
    log.write_bytes(b"")
    with log.open("ab") as out:
        process = subprocess.Popen([*prefix, sys.executable, *program], env=home.environment, stderr=out)
    try:
        yield Running(process, *_announced(process, log))
    finally:
        if process.poll() is None:
            _signal(process, signal.SIGTERM)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to the server; a tracer above it passes none on."""
    if "strace" in str(process.args):
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:  # noqa: PTH123  (no file of ours)
            for pid in file.read().split():
                os.kill(int(pid), number)
    else:
        process.send_signal(number)


def _announced(process: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"Tracked links at (\S+?), .* at (\S+?)\. ", log.read_text())
        if found:
            return found[1], found[2]
        time.sleep(0.02)
    raise SystemExit(f"linkproxy did not come up: {log.read_text()}")


def until(true: Any, seconds: float) -> bool:
    """Wait until something is true; return whether it came to be."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return bool(true())
