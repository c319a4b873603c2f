"""Where results go: files of their own, one mbox, or standard output."""

from __future__ import annotations

import fcntl
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from linkproxy.cli.files import behind_links, file_fault, is_stream, make_folder, write_whole
from linkproxy.cli.mbox import enclosed
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from linkproxy.cli.mailing import Copy
    from linkproxy.cli.spots import Spot

_SYNCED_AT_A_TIME: Final = 8


class Sink(Protocol):
    """Takes results in order."""

    size: int  # bytes of an mbox that are whole; 0 elsewhere

    def go_on(self, size: int) -> None:
        """Begin behind what an earlier run has left, ``size`` bytes of an mbox; raise LinkproxyError."""

    def has(self, copy: Copy) -> bool:
        """Tell whether a result that was noted as written is still there."""

    def write(self, spot: Spot, copy: Copy, ready: bytes) -> None:
        """Write one result; raise LinkproxyError."""

    def sync(self) -> None:
        """Return when a power cut takes nothing of what was written; raise LinkproxyError."""

    def finish(self) -> None:
        """Put what was written in its place; raise LinkproxyError."""

    def close(self) -> None:
        """Let go, finished or not."""


class Files:
    """A file for each result, whole or not there at all; after a power cut so far as they are noted."""

    size = 0

    def __init__(self, folders: Iterable[Path], own: Path | None = None) -> None:
        """Make the folders that are to be there in any case; raise LinkproxyError.

        ``own`` is a folder that only one run at a time writes to; it is made too, since what is not
        there yet cannot be locked.
        """
        self._unsure: list[Path] = []  # written, and perhaps not on the disk yet
        for folder in (*folders, *(() if own is None else (own,))):
            try:
                make_folder(folder)
            except OSError as error:
                raise LinkproxyError(file_fault(folder, error)) from None
        self._own = -1
        if own is not None:
            with suppress(OSError):  # some file systems lock no folders
                self._own = os.open(own, os.O_RDONLY)
                _lock(own, self._own)

    def go_on(self, size: int) -> None:
        """See Sink: a file that is there stays."""

    def has(self, copy: Copy) -> bool:
        """See Sink."""
        return copy.output is not None and copy.output.exists()

    def write(self, spot: Spot, copy: Copy, ready: bytes) -> None:  # noqa: ARG002  (other sinks need it)
        """See Sink."""
        if copy.output is not None:
            write_whole(copy.output, ready)
            self._unsure.append(copy.output)

    def sync(self) -> None:
        """See Sink; many at a time, since a file system writes them down together."""
        with ThreadPoolExecutor(_SYNCED_AT_A_TIME) as pool:
            tuple(pool.map(_sync_file, self._unsure))
        self._unsure.clear()

    def finish(self) -> None:
        """See Sink: every file is in its place."""
        self.sync()

    def close(self) -> None:
        """See Sink."""
        if self._own >= 0:
            os.close(self._own)


def _lock(path: Path, descriptor: int) -> None:
    """Keep other runs out until the descriptor is closed; raise LinkproxyError while one is at it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LinkproxyError(f"{path}: another run is writing it; wait for that one") from None


def _sync_file(path: Path) -> None:
    if is_stream(path):
        return
    try:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    except OSError as error:
        raise LinkproxyError(file_fault(path, error)) from None


class Mbox:
    """All results in one mbox, which takes its place when all of them are in it."""

    size = 0

    def __init__(self, path: Path) -> None:
        """Keep other runs out of the mbox; raise LinkproxyError."""
        if is_stream(path):
            raise LinkproxyError(f"{path}: is a device or a pipe; leave --out out, and send the output there")
        path = behind_links(path)
        self._path = path
        self._beside = path.with_name(f".{path.name}.part")
        try:
            make_folder(path.parent)
            self._file: BinaryIO = os.fdopen(os.open(self._beside, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
            _lock(path, self._file.fileno())
        except LinkproxyError:
            self._file.close()
            raise
        except OSError as error:
            raise LinkproxyError(file_fault(self._beside, error)) from None

    def go_on(self, size: int) -> None:
        """See Sink."""
        self.size = size
        try:
            whole = self._file.seek(0, os.SEEK_END) >= size
            if whole:
                self._file.seek(size)
                self._file.truncate()
        except OSError as error:
            raise LinkproxyError(file_fault(self._beside, error)) from None
        if not whole:
            raise LinkproxyError(
                f"{self._beside}: what was written before is gone; remove its note to start anew"
            )

    def has(self, copy: Copy) -> bool:  # noqa: ARG002  (other sinks look at it)
        """See Sink: what is behind the noted size was cut off."""
        return True

    def write(self, spot: Spot, copy: Copy, ready: bytes) -> None:  # noqa: ARG002  (as above)
        """See Sink."""
        data = in_mbox(spot, ready)
        try:
            self._file.write(data)
        except OSError as error:
            raise LinkproxyError(file_fault(self._beside, error)) from None
        self.size += len(data)

    def sync(self) -> None:
        """See Sink."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise LinkproxyError(file_fault(self._beside, error)) from None

    def finish(self) -> None:
        """See Sink."""
        self.sync()
        try:
            self._beside.replace(self._path)
        except OSError as error:
            raise LinkproxyError(file_fault(self._path, error)) from None

    def close(self) -> None:
        """See Sink."""
        self._file.close()


class StandardOutput:
    """Results one after the other on standard output."""

    size = 0

    def __init__(self, *, as_mbox: bool) -> None:
        self._as_mbox = as_mbox

    def go_on(self, size: int) -> None:
        """See Sink: there is no going on, and so no note of it."""

    def has(self, copy: Copy) -> bool:  # noqa: ARG002  (as above)
        """See Sink: what was written there cannot be looked at."""
        return False

    def write(self, spot: Spot, copy: Copy, ready: bytes) -> None:  # noqa: ARG002  (as above)
        """See Sink."""
        sys.stdout.buffer.write(in_mbox(spot, ready) if self._as_mbox else ready)

    def sync(self) -> None:
        """See Sink: whoever reads it has it."""

    def finish(self) -> None:
        """See Sink."""

    def close(self) -> None:
        """See Sink."""


def in_mbox(spot: Spot, ready: bytes) -> bytes:
    """Return a message as an mbox holds it; one that comes from an mbox keeps what stood around it."""
    if spot.piece is None:
        return enclosed(ready)
    piece = spot.piece
    return spot.around(piece.envelope, piece.start) + ready + spot.around(piece.end, piece.after)
