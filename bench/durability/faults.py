"""Faults under load: people are sent on all the same, and their visits are in the journal later."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.durability.harm import (
    NotPermittedError,
    clock_back,
    database_down,
    disk_full,
    file_size_limit,
    hung_up,
    locked,
    refusing,
    stalling,
    worker_killed,
    writers_wait,
)
from bench.durability.home import Home, furnish, serving, until
from bench.durability.people import Remembered, under_load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from bench.durability.home import PostgresServer, Running

FAULT_SECONDS = 2.0
BACK_SECONDS = 30.0
PEOPLE = 400
_TMPFS_BYTES = 64 << 20

# The server as `linkproxy serve` runs it, with a clock that steps when a file says so.
_STEPPING = """
import asyncio, sys, time
from pathlib import Path
from linkproxy import config
from linkproxy.server import app
step = Path(sys.argv[1])
def clock():
    return time.time() + (float(step.read_text() or 0) if step.exists() else 0.0)
def ready(where):
    text = f"Tracked links at {where.public}, API and metrics at {where.private}. "
    print(text, file=sys.stderr, flush=True)
asyncio.run(app.serve(config.load(), ready=ready, clock=clock))
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong for a while; ``happen`` is a context in which it does."""

    name: str
    happen: Callable[[Home, Running], AbstractContextManager[None]]
    workers: int = 0
    small_disk: str = ""  # "store": the database on a disk of its own; "both": the spill file too
    postgres: bool = False
    stepping: bool = False
    cuts: bool = False  # a killed process cuts the connections it has
    spill_too: bool = False  # no room for the spill file either: what exceeds it is counted as lost
    quick: bool = False  # also with --quick


@dataclass
class Torment:
    """What came of a fault."""

    name: str
    answered: int
    missing: int
    not_redirected: int
    cut: int
    spilled: int
    lost: int  # counted by the server as answered and kept nowhere
    twice: int
    back: bool  # every part says that it works again


FAULTS = (
    Fault("disk full", disk_full, small_disk="store", quick=True),
    Fault("disk full, spill file on it", disk_full, small_disk="both", spill_too=True),
    Fault("quota reached", file_size_limit, spill_too=True),
    Fault("disk read-only", refusing("EROFS"), quick=True),
    Fault("disk fails", refusing("EIO")),
    Fault("disk stalls for 1 s", stalling(1.0)),
    Fault("another writer takes long", writers_wait),
    Fault("another program locks the file", locked, quick=True),
    Fault("clock steps back 1 h", clock_back, stepping=True, quick=True),
    Fault("disk full, 2 workers", disk_full, workers=2, small_disk="store"),
    Fault("another writer takes long, 2 workers", writers_wait, workers=2),
    Fault("each worker killed, 2 workers", worker_killed, workers=2, cuts=True),
    Fault("SIGHUP twice, 2 workers", hung_up, workers=2),
    Fault("PostgreSQL stopped and started", database_down("fast"), postgres=True, quick=True),
    Fault("PostgreSQL cut off, 2 workers", database_down("immediate"), workers=2, postgres=True),
)


# --- one torment ---------------------------------------------------------------------------------


def torment(fault: Fault, folder: Path) -> Torment | None:
    """Let a fault happen to a server under load; None where this machine cannot have it."""
    with ExitStack() as stack:
        settings = {"LINKPROXY__SERVER__WORKERS": str(fault.workers)}
        if fault.small_disk:
            disk = stack.enter_context(_small_disk())
            if disk is None:
                return None
            settings["LINKPROXY__STORE__URL"] = f"sqlite:{disk / 'linkproxy.db'}"
            if fault.small_disk == "both":
                settings["LINKPROXY__STORE__SPILL_PATH"] = str(disk / "linkproxy.spill")
        server = None
        if fault.postgres:
            server = stack.enter_context(_postgres())
            if server is None:
                return None
            settings["LINKPROXY__STORE__URL"] = server.url
        home = furnish(folder, PEOPLE, settings, server)
        program = ("-c", _STEPPING, str(folder / "step")) if fault.stepping else ("-m", "linkproxy", "serve")
        running = stack.enter_context(serving(home, program=program))
        try:
            return _tormented(fault, home, running)
        except NotPermittedError:
            return None


def _tormented(fault: Fault, home: Home, running: Running) -> Torment:
    async def deed(_seen: Remembered) -> None:
        with _in_thread(fault.happen(home, running)) as (enter, leave):
            await asyncio.to_thread(enter)
            await asyncio.sleep(FAULT_SECONDS)
            await asyncio.to_thread(leave)
        await asyncio.sleep(0.5)

    seen = under_load(home, running.public, deed)
    lost = running.counted("lost_visits")
    until(lambda: seen.missing(home, home.journal()) <= lost and running.ready(), seconds=BACK_SECONDS)
    journal = home.journal()
    return Torment(
        name=fault.name,
        answered=len(seen.redirected),
        missing=seen.missing(home, journal),
        not_redirected=len(seen.others),
        cut=seen.cut,
        spilled=running.counted("spilled_visits"),
        lost=running.counted("lost_visits"),
        twice=sum(count > 1 for count in journal.values()),
        back=running.ready(),
    )


@contextmanager
def _in_thread(
    context: AbstractContextManager[None],
) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """Give a context's two ends as functions, so that people go on while they take their time."""
    stack = ExitStack()
    try:
        yield lambda: stack.enter_context(context), stack.close
    finally:
        stack.close()


@contextmanager
def _postgres() -> Iterator[PostgresServer | None]:
    """Run a PostgreSQL server as the tests do; None where this machine has none."""
    tests = str(Path(__file__).parents[2] / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    from claims.postgres import NoServerError, own_server

    with ExitStack() as stack:
        try:
            server = stack.enter_context(own_server())
        except NoServerError:
            server = None
        yield server


@contextmanager
def _small_disk() -> Iterator[Path | None]:
    """Mount a small disk in memory; None where that is not permitted."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={_TMPFS_BYTES}", "tmpfs", folder],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            yield None
            return
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=False)
