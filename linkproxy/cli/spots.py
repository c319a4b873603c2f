"""Where mails stand that are to be rewritten: files, folders, mboxes, maildirs, standard input."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Final

from linkproxy.campaign.lint import is_message
from linkproxy.campaign.mime_headers import as_utf8, mailboxes, read_head
from linkproxy.cli import mbox
from linkproxy.cli.files import STDIN, behind_links, file_fault, is_stream, mail_fault, read_mail
from linkproxy.model import LinkproxyError
from linkproxy.server.recipients import read_recipient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from linkproxy.cli.mbox import Piece
    from linkproxy.store.api import RecipientDraft

MESSAGE, HTML, TEXT = ".eml", ".html", ".txt"
"""What a mail can be, and what its results are named by."""
BY_SUFFIX: Final = {".eml": MESSAGE, ".html": HTML, ".htm": HTML}
"""Of other files the first lines tell, and in a folder they are no mails."""
MAILDIR: Final = ("cur", "new", "tmp")  # https://cr.yp.to/proto/maildir.html
_LOOKED_AT: Final = 1 << 17


class Kind(Enum):
    """What a source is."""

    FILE = auto()  # one mail; standard input too
    FOLDER = auto()
    MBOX = auto()
    MAILDIR = auto()


def kind_of(source: Path) -> Kind:
    """Return what a source is; it may be missing, and is a file then."""
    if is_stream(source):
        return Kind.FILE
    if source.is_dir():
        return Kind.MAILDIR if all((source / name).is_dir() for name in MAILDIR) else Kind.FOLDER
    if source.suffix.lower() == mbox.SUFFIX:
        return Kind.MBOX
    plain = source.suffix.lower() not in BY_SUFFIX and source.is_file()
    return Kind.MBOX if plain and _beginning(source).startswith(mbox.START) else Kind.FILE


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LOOKED_AT)
    except OSError:
        return b""  # mail_fault says why


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one mail stands: a file, a piece of an mbox, or what a stream brought."""

    path: Path
    form: str  # MESSAGE, HTML or TEXT
    number: int = 0  # of a message in an mbox, from 1
    piece: Piece | None = None
    given: bytes | None = None  # what a stream brought

    def __str__(self) -> str:
        """Return how errors and notes name it."""
        name = "standard input" if self.path == STDIN else str(self.path)
        return f"{name}: message {self.number}" if self.number else name

    def fault(self, most_bytes: int) -> str | None:
        """Return why it cannot be read, None when it can."""
        if self.given is not None:
            return None
        if self.piece is None:
            return mail_fault(self.path, most_bytes)
        if self.piece.end - self.piece.start > most_bytes:
            return f"{self} has more than {most_bytes:,} bytes; raise limits.mail_bytes in the configuration"
        return None

    def read(self, most_bytes: int) -> bytes:
        """Return the mail; raise LinkproxyError."""
        if self.given is not None:
            return self.given
        if self.piece is None:
            return read_mail(self.path, most_bytes)
        return self.around(self.piece.start, self.piece.end)

    def around(self, start: int, end: int) -> bytes:
        """Return bytes of the file it stands in; raise LinkproxyError."""
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                return file.read(end - start)
        except OSError as error:
            raise LinkproxyError(file_fault(self, error)) from None


def spots_of(source: Path, most_bytes: int) -> list[Spot]:
    """Return the mails of a source that is no folder; raise LinkproxyError where there is none."""
    if is_stream(source):
        return [_streamed(source, most_bytes)]
    if kind_of(source) is Kind.MBOX:
        return _messages(source)
    if fault := mail_fault(source, most_bytes):
        raise LinkproxyError(fault)
    return [spot_at(source)]


def spot_at(path: Path, *, in_maildir: bool = False) -> Spot:
    """Return a file as a mail: its name says what it is, else its first lines do."""
    return Spot(path, MESSAGE if in_maildir else form_of(path, partial(_beginning, path)))


def form_of(path: Path, begin: Callable[[], bytes]) -> str:
    """Return what a mail is: its name says it, else its first lines do, which ``begin`` returns."""
    suffix = path.suffix.lower()
    if form := BY_SUFFIX.get(suffix):
        return form
    return MESSAGE if is_message(begin()) else TEXT if suffix == TEXT else HTML


def _streamed(source: Path, most_bytes: int) -> Spot:
    given = read_mail(source, most_bytes)
    spot = Spot(source, form_of(source, lambda: given), given=given)
    if given.startswith(mbox.START):
        raise LinkproxyError(f"{spot} is an mbox; save it to a file and name that")
    return spot


def _messages(path: Path) -> list[Spot]:
    try:
        found = [Spot(path, MESSAGE, number, piece) for number, piece in enumerate(mbox.pieces_of(path), 1)]
    except OSError as error:
        raise LinkproxyError(file_fault(path, error)) from None
    if not found:
        raise LinkproxyError(f"{path}: no message in it")
    return found


def folder_spots(source: Path, results: Path | None) -> list[Spot]:
    """Return a folder's mails; results of an earlier run inside it are no mails."""
    if kind_of(source) is Kind.MAILDIR:
        return _maildir(source)
    inside = behind_links(results) if results else None
    found = [
        spot_at(path)
        for path in sorted(source.rglob("*"))
        if path.suffix.lower() in BY_SUFFIX
        and path.is_file()
        and not (inside and inside != behind_links(source) and behind_links(path).is_relative_to(inside))
    ]
    if not found:
        raise LinkproxyError(f"{source}: no .html files and no .eml files in it")
    return found


def _maildir(source: Path) -> list[Spot]:
    found = [spot_at(path, in_maildir=True) for name in ("cur", "new") for path in _delivered(source / name)]
    if not found:
        raise LinkproxyError(f"{source}: no message in this maildir")
    return found


def _delivered(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def addressee(spot: Spot, header: str, most_bytes: int) -> RecipientDraft:
    """Return the one recipient that a message's header names; raise LinkproxyError for none or more."""
    values = read_head(spot.read(most_bytes), 0, lambda _position: False).fields.get(header.lower(), ())
    found = sorted(set(filter(None, mailboxes([as_utf8(value) for value in values]))))
    if len(found) != 1:
        told = f"names {len(found)} addresses" if found else "names nobody"
        raise LinkproxyError(f"{spot}: its {header} {told}; one recipient is wanted for each message")
    try:
        return read_recipient(found[0])
    except LinkproxyError as error:
        raise LinkproxyError(f"{spot}: its {header}: {str(error).removeprefix('recipient: ')}") from None
