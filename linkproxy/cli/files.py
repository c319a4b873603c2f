"""Reading mail and writing files whole: a reader sees the old file or the new one, never a part."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from linkproxy.campaign.charsets import is_known
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STDIN = Path("-")

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@+-")
_NAME_CHARACTERS = 120
_PART, _PART_BYTES = ".part", 8
_WHAT_TO_DO: Final = {
    errno.ENOENT: "there is no such file; check the name",
    errno.ENOTDIR: "a part of the path is no folder; check the name",
    errno.ELOOP: "symbolic links lead in a circle; check the name",
    errno.EISDIR: "is a folder; name a file in it",
    errno.EACCES: "this user may not use it; change its rights, or run this as its owner",
    errno.EPERM: "this user may not use it; change its rights, or run this as its owner",
    errno.EROFS: "stands where nothing can be written; name another place",
    errno.ENOSPC: "the disk is full; make room and try again",
    errno.EDQUOT: "this user's share of the disk is full; make room and try again",
    errno.EEXIST: "is there already; name another file",
    errno.ENAMETOOLONG: "the name is too long for the file system; use a shorter one",
}


# What people have in place of a mail: such a file would come out as it came, and nobody be told.
_NO_MAILS: Final = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Outlook file (.msg, .oft); save the mail as .eml or HTML",
    b"PK\x03\x04": "a ZIP archive; unpack it and name the mail in it",
    b"\x1f\x8b": "compressed; unpack it first",
    b"%PDF-": "a PDF; save the mail as .eml or HTML",
    b"{\\rtf": "RTF; save the mail as .eml or HTML",
    b"<mjml": "MJML, which mail programs do not read; render it to HTML first",
}
_BEGINNING: Final = 512


def file_fault(where: object, error: OSError) -> str:
    """Return why a file cannot be used, and what to do; ``where`` names it."""
    return f"{where}: {_WHAT_TO_DO.get(error.errno or 0) or error.strerror or error}"


def read_charset(_context: click.Context, _parameter: click.Parameter, label: str | None) -> str | None:
    """Return the charset of an option; raise UsageError for one that nobody knows."""
    if label is not None and not is_known(label):
        raise click.UsageError(f"--charset: {label!r} is no charset that is known; such as utf-8 or latin-1")
    return label


def mail_fault(path: Path, most_bytes: int) -> str | None:
    """Return why a mail cannot be read, None when it can."""
    try:
        size = path.stat().st_size
    except OSError as error:
        return file_fault(path, error)
    if path.is_dir():
        return f"{path}: {_WHAT_TO_DO[errno.EISDIR]}"
    if fault := _size_fault(path, size, most_bytes):
        return fault
    try:
        with path.open("rb") as file:
            return _format_fault(path, file.read(_BEGINNING))
    except OSError as error:
        return file_fault(path, error)


def _format_fault(where: object, beginning: bytes) -> str | None:
    begins = beginning.lstrip()
    what = next((what for mark, what in _NO_MAILS.items() if begins.startswith(mark)), None)
    return f"{where} is {what}" if what else None


def _size_fault(path: Path, size: int, most_bytes: int) -> str | None:
    if size <= most_bytes:
        return None
    return f"{path} has more than {most_bytes:,} bytes; raise limits.mail_bytes in the configuration"


def read_mail(path: Path, most_bytes: int) -> bytes:
    """Return a mail's bytes, ``-`` from standard input; raise LinkproxyError."""
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if path == STDIN else path.open("rb") as file:
            mail = file.read(most_bytes + 1)
    except OSError as error:
        raise LinkproxyError(file_fault(path, error)) from None
    where = Path("standard input") if path == STDIN else path
    if fault := _size_fault(where, len(mail), most_bytes) or _format_fault(where, mail[:_BEGINNING]):
        raise LinkproxyError(fault)
    return mail


def is_stream(path: Path) -> bool:
    """Tell what can be read only once: standard input, a pipe, a device."""
    return path == STDIN or (path.exists() and not path.is_file() and not path.is_dir())


def behind_links(path: Path) -> Path:
    """Return the file that a path leads to, which need not be there yet; links that go in a circle stay."""
    return Path(os.path.realpath(path))


def make_folder(folder: Path) -> None:
    """Make a folder and those that it is in, if they are not there; raise OSError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        # It says so of a file that stands where a folder must be: another name for what goes in is no help.
        folder.stat()  # which says what is the matter with a link
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error


def remove_parts(folders: Iterable[Path]) -> None:
    """Remove what a program that was killed had begun to write in these folders."""
    for folder in folders:
        for path in folder.glob(f".{'[0-9a-f]' * 2 * _PART_BYTES}{_PART}"):
            with contextlib.suppress(OSError):
                path.unlink()


@contextlib.contextmanager
def whole_file(path: Path, *, mode: int = 0o666, durable: bool = False) -> Iterator[BinaryIO]:
    """Give a file to write that takes its place under ``path`` at the end, or not at all.

    ``mode`` is subject to the umask. ``durable`` waits until the disk has it. A link stays, and the file is
    where it leads. A device or a pipe is written to as it comes. Raises LinkproxyError where the system
    refuses.
    """
    place = behind_links(path)
    beside = place.with_name(f".{token_hex(_PART_BYTES)}{_PART}")
    try:
        if is_stream(path):
            # Nothing may take its place: without /dev/null other programs of the machine fail.
            with path.open("wb") as file:
                yield file
            return
        make_folder(place.parent)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(place)
    except OSError as error:
        raise LinkproxyError(f"{file_fault(path, error)}; nothing of it was written") from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes, *, mode: int = 0o666, durable: bool = False) -> None:
    """Write a file in one piece, as ``whole_file`` does."""
    with whole_file(path, mode=mode, durable=durable) as file:
        file.write(content)


class FileNames:
    """Gives each recipient a file name of its own that is safe on any file system."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, who: str, suffix: str = ".html") -> str:
        """Return a name made of an address or reference.

        A digest is added where characters had to be replaced or another name is the same in a file
        system that ignores case, so that two recipients never share a file.
        """
        plain = "".join(char if char in _PLAIN else "_" for char in who)[:_NAME_CHARACTERS]
        plain = f"_{plain[1:]}" if plain.startswith((".", "-")) else plain
        name = plain + suffix
        if plain != who or name.casefold() in self._taken:
            digest = blake2b(who.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
            name = f"{plain}-{digest}{suffix}"
        self._taken.add(name.casefold())
        return name
