"""Other trackers that keep clicks and can be installed from the registry: set up and served.

They decide nothing about who clicked. What they are given is in ``peer_site``.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bench import servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_GUNICORN = ("gunicorn", "--worker-class=gthread", "--threads=4", "--keep-alive=75", "--bind")
_UVICORN = ("uvicorn", "--log-level=critical", "--no-access-log", "--timeout-keep-alive=75", "--port")


@dataclass(frozen=True)
class Peer:
    """A tracker: the module to look for, its table of clicks, and how it is served."""

    name: str
    module: str
    table: str
    serve: tuple[str, ...]
    address: str


PEERS = (
    Peer("pytracking", "pytracking", "peer_click", _GUNICORN, "127.0.0.1:{}"),
    Peer("emark", "emark", "emark_click", _GUNICORN, "127.0.0.1:{}"),
    Peer(
        "django-mail-analytics",
        "django_mail_analytics",
        "django_mail_analytics_mailrecipientaction",
        _UVICORN,
        "{}",
    ),
)


def installed() -> list[Peer]:
    """Return those that are here."""
    return [peer for peer in PEERS if find_spec(peer.module) and find_spec(peer.serve[0])]


def _environment(peer: Peer, folder: Path) -> Mapping[str, str]:
    return {**os.environ, "PEER": peer.name, "PEER_DATABASE": str(folder / "peer.db")}


def furnish(peer: Peer, folder: Path, messages: int) -> Sequence[str]:
    """Make a peer's database with so many messages; return a path to follow for each."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "bench.peer_site", str(messages)],
        env=_environment(peer, folder), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


@contextmanager
def serving(peer: Peer, folder: Path) -> Iterator[str]:
    """Serve a peer by one process; yield its URL."""
    port = servers.free_port()
    command = [sys.executable, "-m", *peer.serve, peer.address.format(port), "bench.peer_site:application"]
    with servers.process(command, _environment(peer, folder), stderr=subprocess.DEVNULL) as running:
        yield servers.noted(servers.wait(port), running)


def count(peer: Peer, folder: Path) -> int:
    """Return how many clicks a peer has kept."""
    with closing(sqlite3.connect(folder / "peer.db")) as database:
        (rows,) = database.execute(f"SELECT count(*) FROM {peer.table}").fetchone()
    return int(rows)
