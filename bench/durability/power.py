"""A power cut, modelled: the files as of the last fsync before it, and what they recover to.

strace writes down every write and every sync of the database and its log. At a random moment the
machine "loses power": of each file there is what a completed sync had covered, and nothing after
it; or, as a second way, a random part of what came after it, since a disk writes when it likes.
SQLite recovers from these files, and what people had been answered by then is looked for.
"""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.durability.home import journal_of, serving
from bench.durability.people import Remembered, under_load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.durability.home import Home

_CALLS = "pwrite64,write,ftruncate,fsync,fdatasync"
_LINE = re.compile(
    r"(?P<pid>\d+) +(?P<at>\d+\.\d+) (?:<\.\.\. )?(?P<call>\w+)(?: resumed>)?\(?"
    r"(?:\d+<(?P<path>[^>]*)>)?(?P<rest>.*)"
)
_WRITE = re.compile(r', "(?P<data>(?:\\x[0-9a-f]{2})*)"(?:, (?P<size>\d+))?(?:, (?P<offset>\d+))?')
_CUT = re.compile(r", (?P<size>\d+)")
_DONE = re.compile(r"= (?P<result>-?\d+).*?(?:<(?P<took>[\d.]+)>)?$")


@dataclass(slots=True)
class Deed:
    """One system call on a file: bytes at an offset, a new length, or a sync."""

    began: float
    ended: float
    path: str
    kind: str  # "write", "cut" or "sync"
    offset: int = 0
    data: bytes = b""


@dataclass
class Disk:
    """A file on a disk: what is safe, and what was written since the last sync."""

    safe: bytearray
    loose: list[Deed] = field(default_factory=list)

    def sync(self, began: float) -> None:
        """Make safe what had been written when the sync began."""
        for deed in self.loose:
            if deed.ended <= began:
                _apply(self.safe, deed)
        self.loose = [deed for deed in self.loose if deed.ended > began]

    def after_cut(self, chance: random.Random | None) -> bytes:
        """Return what is there after a cut; with ``chance`` some of the loose writes as well."""
        content = bytearray(self.safe)
        for deed in self.loose if chance else ():
            if chance and chance.random() < 0.5:
                _apply(content, deed)
        return bytes(content)


@dataclass
class Cuts:
    """What came of so many cuts."""

    cuts: int = 0
    answered: int = 0  # by the last cut
    missing_at_worst: int = 0
    cuts_with_loss: int = 0
    syncs: int = 0
    unsound: int = 0  # cuts after which the database was damaged


def cut_often(home: Home, cuts: int, seed: int, seconds: float) -> Cuts:
    """Record a run of so many seconds, then cut the power at random moments of it."""
    if shutil.which("strace") is None:
        raise SystemExit("strace is not installed: apt-get install strace")
    files = [home.database, Path(f"{home.database}-wal")]
    before = {str(path): path.read_bytes() if path.exists() else b"" for path in files}
    trace = home.folder / "trace"
    seen = _recorded(home, trace, files, seconds)
    deeds = sorted(read(trace.read_text(errors="replace").splitlines()), key=lambda deed: deed.ended)
    if not any(deed.kind == "write" for deed in deeds):
        raise SystemExit(f"strace wrote nothing of the database down; see {trace}")
    return _cut(home, seen, deeds, before, cuts=cuts, chance=random.Random(seed))


def _recorded(home: Home, trace: Path, files: Sequence[Path], seconds: float) -> Remembered:
    paths = [word for path in files for word in ("-P", str(path))]
    prefix = [
        *("strace", "-f", "-ttt", "-T", "-y", "-xx", "-s", "1000000", "-o", str(trace)),
        *("-e", f"trace={_CALLS}", *paths),
    ]

    async def wait(_seen: Remembered) -> None:
        await asyncio.sleep(seconds)

    with serving(home, prefix=prefix) as running:
        return under_load(home, running.public, wait)


def _cut(
    home: Home,
    seen: Remembered,
    deeds: Sequence[Deed],
    before: dict[str, bytes],
    *,
    cuts: int,
    chance: random.Random,
) -> Cuts:
    times = sorted(seen.redirected.values())
    moments = sorted(chance.uniform(times[0], times[-1]) for _ in range(cuts))
    disks = {path: Disk(bytearray(content)) for path, content in before.items()}
    found = Cuts(cuts=cuts, syncs=sum(deed.kind == "sync" for deed in deeds))
    waiting = list(reversed(deeds))
    with tempfile.TemporaryDirectory() as folder:
        for number, moment in enumerate(moments):
            while waiting and waiting[-1].ended <= moment:
                _happen(disks, waiting.pop())
            answered = [path for path, at in seen.redirected.items() if at <= moment]
            journal = _recovered(Path(folder), home, disks, chance if number % 2 else None)
            if journal is None:
                found.unsound += 1
                continue
            missing = sum(home.of[path] not in journal for path in answered)
            found.answered = len(answered)
            found.missing_at_worst = max(found.missing_at_worst, missing)
            found.cuts_with_loss += missing > 0
    return found


def _happen(disks: dict[str, Disk], deed: Deed) -> None:
    disk = disks.get(deed.path)
    if disk is None:
        return
    if deed.kind == "sync":
        disk.sync(deed.began)
    else:
        disk.loose.append(deed)


def _recovered(
    folder: Path, home: Home, disks: dict[str, Disk], chance: random.Random | None
) -> dict[tuple[int, str], int] | None:
    """Let SQLite recover from what is on the disks; None when the database is damaged."""
    for old in folder.iterdir():
        old.unlink()
    for path, disk in disks.items():
        (folder / Path(path).name).write_bytes(disk.after_cut(chance))
    database = folder / home.database.name
    with closing(sqlite3.connect(database)) as db:
        if db.execute("PRAGMA quick_check").fetchone() != ("ok",):
            return None
    return journal_of(database)


def _apply(content: bytearray, deed: Deed) -> None:
    if deed.kind == "cut":
        size = deed.offset
        content[size:] = b"" if len(content) >= size else bytes(size - len(content))
        return
    end = deed.offset + len(deed.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[deed.offset : end] = deed.data


def read(lines: Sequence[str]) -> Iterator[Deed]:
    """Yield the deeds of a trace; a call that another thread interrupted stands on two lines."""
    open_calls: dict[str, tuple[float, str, str, str]] = {}
    for line in lines:
        parts = _LINE.match(line)
        if parts is None:
            continue
        pid, at, rest, name = parts["pid"], float(parts["at"]), parts["rest"], _plain(parts["path"] or "")
        if "<unfinished ...>" in rest:
            open_calls[pid] = (at, parts["call"], name, rest)
            continue
        began, call, path, arguments = at, parts["call"], name, rest
        done = _DONE.search(rest[rest.rfind(") ") :] if ") " in rest else rest)
        if path == "" and pid in open_calls:
            began, call, path, arguments = open_calls.pop(pid)
            ended = at
        else:
            ended = at + float(done["took"] or 0) if done else at
        if done is None or int(done["result"]) < 0:
            continue
        deed = _deed(call, path, arguments, began, ended)
        if deed is not None:
            yield deed


def _deed(call: str, path: str, arguments: str, began: float, ended: float) -> Deed | None:
    if call in {"fsync", "fdatasync"}:
        return Deed(began, ended, path, "sync")
    if call == "ftruncate" and (cut := _CUT.search(arguments)):
        return Deed(began, ended, path, "cut", int(cut["size"]))
    written = _WRITE.search(arguments)
    if written is None or call != "pwrite64":
        return None
    data = _bytes(written["data"])
    return Deed(began, ended, path, "write", int(written["offset"] or 0), data)


def _plain(text: str) -> str:
    """Return a path as it is; strace's -xx writes it in hexadecimal."""
    return _bytes(text).decode() if text.startswith("\\x") else text


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
