"""Where results go: files of their own, one mbox, or standard output."""

from __future__ import annotations

import fcntl
import os
import sys
from typing import TYPE_CHECKING, BinaryIO, Protocol

from linkproxy.cli.files import write_whole
from linkproxy.cli.mbox import enclosed
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from linkproxy.cli.mailing import Copy
    from linkproxy.cli.spots import Spot


class Sink(Protocol):
    """Takes results in order."""

    size: int  # bytes of an mbox that are whole; 0 elsewhere

    def has(self, copy: Copy) -> bool:
        """Tell whether a result that was noted as written is still there."""

    def write(self, spot: Spot, copy: Copy, ready: bytes) -> None:
        """Write one result; raise LinkproxyError."""

    def finish(self) -> None:
        """Put what was written in its place."""

    def close(self) -> None:
        """Let go, finished or not."""


class Files:
    """A file for each result, whole or not there at all."""

    size = 0

    def __init__(self, folders: Iterable[Path]) -> None:
        """Make the folders that are to be there in any case; raise LinkproxyError."""
        for folder in folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LinkproxyError(f"{folder}: {error.strerror}") from None

    def has(self, copy: Copy) -> bool:
        """See Sink; after a power cut a file may be there and empty."""
        if copy.output is None or not copy.output.exists():
            return False
        return copy.output.stat().st_size > 0

    def write(self, spot: Spot, copy: Copy, ready: bytes) -> None:  # noqa: ARG002  (other sinks need it)
        """See Sink."""
        if copy.output is not None:
            write_whole(copy.output, ready)

    def finish(self) -> None:
        """See Sink: every file is in its place."""

    def close(self) -> None:
        """See Sink."""


class Mbox:
    """All results in one mbox, which takes its place when all of them are in it."""

    def __init__(self, path: Path, size: int) -> None:
        """Go on behind ``size`` bytes that an earlier run left; raise LinkproxyError."""
        self._path = path
        self._beside = path.with_name(f".{path.name}.part")
        self.size = size
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = os.fdopen(os.open(self._beside, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._file.seek(0, os.SEEK_END) < size:
                raise LinkproxyError(
                    f"{self._beside}: what was written before is gone; remove its note to start anew"
                )
            self._file.seek(size)
            self._file.truncate()
        except BlockingIOError:
            self._file.close()
            raise LinkproxyError(f"{path}: another run is writing it; wait for that one") from None
        except OSError as error:
            raise LinkproxyError(f"{self._beside}: {error.strerror}") from None

    def has(self, copy: Copy) -> bool:  # noqa: ARG002  (other sinks look at it)
        """See Sink: what is behind the noted size was cut off."""
        return True

    def write(self, spot: Spot, copy: Copy, ready: bytes) -> None:  # noqa: ARG002  (as above)
        """See Sink."""
        data = in_mbox(spot, ready)
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise LinkproxyError(f"{self._beside}: {error.strerror}") from None
        self.size += len(data)

    def finish(self) -> None:
        """See Sink."""
        self._file.close()
        self._beside.replace(self._path)

    def close(self) -> None:
        """See Sink."""
        self._file.close()


class StandardOutput:
    """Results one after the other on standard output."""

    size = 0

    def __init__(self, *, as_mbox: bool) -> None:
        self._as_mbox = as_mbox

    def has(self, copy: Copy) -> bool:  # noqa: ARG002  (as above)
        """See Sink: what was written there cannot be looked at."""
        return False

    def write(self, spot: Spot, copy: Copy, ready: bytes) -> None:  # noqa: ARG002  (as above)
        """See Sink."""
        sys.stdout.buffer.write(in_mbox(spot, ready) if self._as_mbox else ready)

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
