"""What goes wrong: each is a context in which it does, given the installation and its server."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.durability.home import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from bench.durability.home import Home, Running


@contextmanager
def disk_full(home: Home, _running: Running) -> Iterator[None]:
    """Fill the small disk to the last byte."""
    filler = home.database.parent / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    yield
    filler.unlink()


@contextmanager
def file_size_limit(home: Home, running: Running) -> Iterator[None]:
    """Let no file grow beyond what the log has now, as a quota does; the spill file may reach that, too."""
    pids = (running.process.pid, *running.children())
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    size = max(3 << 20, Path(f"{home.database}-wal").stat().st_size)
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
    yield
    for pid, limits in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def refusing(error: str) -> Callable[[Home, Running], AbstractContextManager[None]]:
    """Let every write to the database fail with an error, by strace's fault injection."""
    return _injecting(f"inject=pwrite64,ftruncate,fsync,fdatasync:error={error}")


def stalling(seconds: float) -> Callable[[Home, Running], AbstractContextManager[None]]:
    """Let every sync of the database take long."""
    return _injecting(f"inject=fsync,fdatasync:delay_enter={int(seconds * 1e6)}")


class NotPermittedError(Exception):
    """This machine does not let a process be traced, or a disk be mounted."""


def _traced(pid: int) -> bool:
    return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()


def _injecting(what: str) -> Callable[[Home, Running], AbstractContextManager[None]]:
    @contextmanager
    def happen(home: Home, running: Running) -> Iterator[None]:
        if shutil.which("strace") is None:
            raise SystemExit("strace is not installed: apt-get install strace")
        files = [f"{home.database}{end}" for end in ("", "-wal")]
        pids = [word for pid in (running.process.pid, *running.children()) for word in ("-p", str(pid))]
        paths = [word for file in files for word in ("-P", file)]
        tracer = subprocess.Popen(
            ["strace", "-f", *pids, *paths, "-e", what, "-o", os.devnull],
            stderr=subprocess.DEVNULL,
        )
        if not until(lambda: _traced(running.process.pid) or tracer.poll() is not None, seconds=10.0):
            tracer.kill()
        if not _traced(running.process.pid):
            raise NotPermittedError
        try:
            yield
        finally:
            tracer.send_signal(signal.SIGINT)  # strace lets go of what it has attached to
            tracer.wait()

    return happen


@contextmanager
def writers_wait(home: Home, _running: Running) -> Iterator[None]:
    """Hold the lock by which writers take turns, as a long import does."""
    with Path(f"{home.database}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def locked(home: Home, _running: Running) -> Iterator[None]:
    """Lock the database itself, as another program may."""
    with closing(sqlite3.connect(home.database, isolation_level=None, timeout=10)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


def database_down(mode: str) -> Callable[[Home, Running], AbstractContextManager[None]]:
    """Stop the PostgreSQL server in a mode of pg_ctl, and start it again."""

    @contextmanager
    def happen(home: Home, _running: Running) -> Iterator[None]:
        assert home.postgres
        home.postgres.stop(mode)
        yield
        home.postgres.start()

    return happen


@contextmanager
def clock_back(home: Home, _running: Running) -> Iterator[None]:
    """Set the server's clock back by an hour, and later aright."""
    (home.folder / "step").write_text("-3600")
    yield
    (home.folder / "step").write_text("0")


@contextmanager
def worker_killed(_home: Home, running: Running) -> Iterator[None]:
    """Kill one worker after the other."""
    for pid in running.children():
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.3)
    yield


@contextmanager
def hung_up(_home: Home, running: Running) -> Iterator[None]:
    """Have the settings read anew, twice, and the workers replaced."""
    for _ in range(2):
        before = set(running.children())
        running.process.send_signal(signal.SIGHUP)
        until(lambda before=before: not before & set(running.children()), seconds=20.0)
    yield
