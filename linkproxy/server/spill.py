"""The spill file: where visits wait, durably, while the store fails.

It is a log of JSON lines, bounded in bytes: ``{"id": ..., "answered": ..., "visit": {...}}`` for
a visit, ``{"done": [ids]}`` when visits have come into the journal after all. A line cut off by a
crash is skipped. It holds visits as they came, whatever the privacy setting; so it is readable by
its owner alone, and emptied as soon as its visits are in the journal.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from linkproxy.logs import Event, get_logger
from linkproxy.model import AnswerKind, CampaignId, LinkKey, LinkproxyError, Profile, RecipientId, Visit
from linkproxy.server.batches import GroupCommit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

T = TypeVar("T")

_MOST_AT_ONCE = 256
_MOST_PROCESSES = 256
_MOST_PROFILES = 256
_MOST_BEHIND = 10_000
"""Visits that may wait for a slow disk in memory when their people have been answered: some 10 MB."""
_PIECE_BYTES = 1 << 24
_HEAD_BYTES = 4096
_BEGINNINGS = (b'{"id":', b'{"done":')  # of a line
_LEFT_BY_CRASHES = b"\n\0"  # a file may have grown before what it grew by was written

_profile = lru_cache(maxsize=_MOST_PROFILES)(Profile)
"""The same object for the same headers: a full file holds far fewer of them than visits."""


@dataclass(frozen=True, slots=True)
class SpilledVisit:
    """A visit that waits, and what it was answered."""

    visit: Visit
    answered: AnswerKind
    id: str = field(default_factory=lambda: uuid4().hex)


@dataclass(slots=True, eq=False)
class _Put:
    """A visit to be spilled; ``done`` gets whether it found room."""

    visit: SpilledVisit
    done: asyncio.Future[bool]


class SpillFile:
    """The file itself; blocking, for one thread. OSError passes through, but not from the start.

    It belongs to one process, by a lock. Where several share a folder, the second takes the path
    with ``.1`` after it, and so on; who starts, or looks, takes over what dead ones have left.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        try:
            self._shared = path
            self.path, self._file = _claim(path)
            self.adopt()
        except OSError as error:
            raise LinkproxyError(
                f"[store] spill_path: cannot use {path}: {error.strerror}. Set a path that can be written."
            ) from None

    def append(self, visits: Sequence[SpilledVisit]) -> int:
        """Write visits durably; return how many of the first ones found room."""
        self._stay_found()
        lines = [_line(visit) for visit in visits]
        room = self._most_bytes - self.size() - 1
        fitting = 0
        while fitting < len(lines) and len(lines[fitting]) <= room:
            room -= len(lines[fitting])
            fitting += 1
        self._write(b"".join(lines[:fitting]))
        return fitting

    def strike(self, ids: Iterable[str]) -> None:
        """Note durably that visits are in the journal. This may pass the bound: it ends the wait."""
        self._write(json.dumps({"done": list(ids)}).encode() + b"\n")

    def waiting(self, done: frozenset[str]) -> list[SpilledVisit]:
        """Return the visits that are not done, in order; empty the file if there are none."""
        visits: dict[str, SpilledVisit] = {}
        for line in _read(self._file).splitlines():
            _apply(line, visits)
        waiting = [visit for visit in visits.values() if visit.id not in done]
        if not waiting and self.size():
            os.ftruncate(self._file, 0)
        return waiting

    def size(self) -> int:
        """Return the file's size in bytes."""
        return os.fstat(self._file).st_size

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _stay_found(self) -> None:
        """Begin anew if the file was removed or moved away: at the next start nobody would find it.

        Where that fails, for want of a folder or of room, what is open still serves while we live.
        """
        if _is_at(self.path, self._file):
            return
        before = self.path, self._file
        with suppress(OSError):
            self.path, self._file = _claim(self._shared)
            try:
                self._write(_read(before[1]))
            except OSError:
                os.close(self._file)
                self.path, self._file = before
            else:
                os.close(before[1])

    def _write(self, data: bytes) -> None:
        """Append and sync; a write that fails half-way is taken back.

        The line end before it ends a line that a crash may have cut off.
        """
        if not data:
            return
        before = self.size()
        try:
            rest = memoryview(b"\n" + data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, before)
            raise

    def adopt(self) -> int:
        """Take over what dead processes have left; return how many bytes. Raises OSError."""
        taken = 0
        for candidate in _candidates(self._shared):
            if candidate == self.path or not _holds_something(candidate) or fault_of(candidate):
                continue
            file = _lock(candidate)
            if file is not None:
                try:
                    left = _read(file)
                    self._write(left)
                    os.ftruncate(file, 0)
                finally:
                    os.close(file)
                taken += len(left)
        return taken


def fault_of(path: Path) -> str:
    """Return why a path cannot be a spill file, "" if it can; raise OSError.

    A spill file is emptied when no visit in it is left: a database or keys would be lost.
    """
    if path.is_dir():
        return f"{path} is a folder. Name a file in it."
    try:
        with path.open("rb") as file:
            begins = file.read(_HEAD_BYTES).lstrip(_LEFT_BY_CRASHES)[: len(_BEGINNINGS[-1])]
    except FileNotFoundError:
        return ""
    if any(begins.startswith(known) or known.startswith(begins) for known in _BEGINNINGS):
        return ""
    return f"{path} holds something else than spilled visits, and is left as it is. Name another file."


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except OSError:
        return False


def _holds_something(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _candidates(path: Path) -> Iterator[Path]:
    yield path
    for number in range(1, _MOST_PROCESSES):
        yield path.with_name(f"{path.name}.{number}")


def _claim(path: Path) -> tuple[Path, int]:
    """Return the first of the paths that nobody holds, and the open file.

    A file of another kind, or a damaged one, is left to whoever knows what it is.
    """
    for candidate in _candidates(path):
        if candidate.is_file() and (fault := fault_of(candidate)):
            get_logger().error(Event.SPILL_PASSED_OVER, error=fault)
            continue
        file = _lock(candidate)
        if file is not None:
            _sync_folder(path.parent)
            return candidate, file
    raise OSError(errno.EBUSY, f"{_MOST_PROCESSES} processes share it")


def _lock(path: Path) -> int | None:
    """Return the file, made if need be, locked for as long as it is open; None if it is held."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _read(file: int) -> bytes:
    """Return what a file holds, by pieces: one call returns no more than 2 GiB (read(2))."""
    size = os.fstat(file).st_size
    pieces = [os.pread(file, min(_PIECE_BYTES, size - at), at) for at in range(0, size, _PIECE_BYTES)]
    return b"".join(pieces)


class Spill:
    """The spill file for the event loop: one thread, and one write for all that wait."""

    def __init__(self, file: SpillFile) -> None:
        self._file = file
        self._thread = ThreadPoolExecutor(1, "spill")
        self._commits: GroupCommit[_Put] = GroupCommit(self._append, _MOST_AT_ONCE)
        self._done: set[str] = set()
        self._behind: set[asyncio.Future[bool]] = set()
        self._puts = 0
        self.may_hold_visits = file.size() > 0

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._file.path

    def size(self) -> int:
        """Return the file's size in bytes."""
        return self._file.size()

    async def put(self, visit: SpilledVisit, *, seconds: float) -> asyncio.Future[bool]:
        """Return whether a visit found room and is durable, as a future that is done once that is known.

        It is not done yet when the disk took longer than ``seconds``: the visit is written when the disk
        comes to it, unless too many wait for that already.
        """
        self.may_hold_visits = True
        self._puts += 1
        put = _Put(visit, asyncio.get_running_loop().create_future())
        self._commits.submit(put)
        await asyncio.wait({put.done}, timeout=seconds)
        if not put.done.done():
            if len(self._behind) >= _MOST_BEHIND and self._commits.withdraw(put):
                put.done.set_result(False)
            else:
                self._behind.add(put.done)
                put.done.add_done_callback(self._behind.discard)
        return put.done

    async def strike(self, ids: Sequence[str]) -> None:
        """Note that visits are in the journal; raise OSError.

        Even if the note cannot be written they are not handed out again while this process lives.
        """
        self._done.update(ids)
        await self._in_thread(lambda: self._file.strike(ids))

    async def adopt(self) -> bool:
        """Take over what dead processes have left; return whether there was anything. Raises OSError."""
        taken = await self._in_thread(self._file.adopt)
        if taken:
            self._puts += 1
            self.may_hold_visits = True
        return bool(taken)

    async def waiting(self) -> list[SpilledVisit]:
        """Return the visits that wait, empty the file when none do; raise OSError."""
        puts, done = self._puts, frozenset(self._done)
        waiting = await self._in_thread(lambda: self._file.waiting(done))
        if not waiting:
            self._done -= done
            self.may_hold_visits = puts != self._puts
        return waiting

    async def close(self) -> None:
        """Write what was begun, then let go of the thread."""
        await self._commits.drain()
        await self._in_thread(self._file.close)
        self._thread.shutdown(wait=False)

    async def _append(self, puts: Sequence[_Put]) -> None:
        try:
            fitting = await self._in_thread(lambda: self._file.append([put.visit for put in puts]))
        except OSError:
            fitting = 0
        if fitting:
            # Said here too: who looked between the order to write and the writing saw an empty file.
            self._puts += 1
            self.may_hold_visits = True
        for place, put in enumerate(puts):
            put.done.set_result(place < fitting)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _line(spilled: SpilledVisit) -> bytes:
    entry = {"id": spilled.id, "answered": spilled.answered, "visit": asdict(spilled.visit)}
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _apply(line: bytes, visits: dict[str, SpilledVisit]) -> None:
    """Take one line of the log into account; one that a crash cut off says nothing."""
    try:
        entry = json.loads(line)
        if "done" in entry:
            for done in entry["done"]:
                visits.pop(done, None)
        else:
            spilled = SpilledVisit(_read_visit(entry["visit"]), AnswerKind(entry["answered"]), entry["id"])
            visits[spilled.id] = spilled
    except (ValueError, TypeError, KeyError):
        return


def _read_visit(fields: dict[str, Any]) -> Visit:
    profile = fields.pop("profile")
    headers = tuple((name, value) for name, value in profile["headers"])
    fields["campaign_id"] = CampaignId(fields["campaign_id"])
    fields["recipient_id"] = RecipientId(fields["recipient_id"])
    fields["key"] = LinkKey(fields["key"])
    return Visit(**fields, profile=_profile(headers, profile.get("agent"), profile.get("complete", True)))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
