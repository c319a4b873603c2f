"""Messages in an mbox file, to the byte: where each stands, and how one is written into another.

An mbox is messages one after the other, each behind a line ``From sender date`` and before an empty
line (RFC 4155, appendix A). A line of a message that begins like that has ``>`` before it, and once
more where it has some already ("mboxrd"). A message that goes from mbox to mbox keeps such lines as
they stand; the rewriting of links changes no beginning of a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX: Final = ".mbox"
START: Final = b"From "

# A paragraph may begin with "From "; the line before a message also has a time and a year.
_ENVELOPE: Final = re.compile(rb"From .*\d{1,2}:\d\d.* \d{4}\b")
_LINE_BYTES: Final = 998  # RFC 5322 section 2.1.1; a longer line is matched no further
_BLANK: Final = frozenset({b"\n", b"\r\n"})
_TO_QUOTE: Final = re.compile(rb"^(?=>*From )", re.MULTILINE)
_NO_SENDER: Final = b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"
"""The line before a message of which sender and time are not known; the same each time."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A message in an mbox: its ``From `` line at ``envelope..start``, itself at ``start..end``.

    What stands at ``end..after`` parts it from the next one: an empty line, or nothing.
    """

    envelope: int
    start: int
    end: int
    after: int


def pieces_of(path: Path) -> Iterator[Piece]:
    """Yield the messages of an mbox in order; raise LinkproxyError for what is none. Reads line by line."""
    with path.open("rb") as file:
        position, begun, start, blank = 0, -1, 0, 0
        for line in file:
            after_blank = begun < 0 or blank
            if line.startswith(START) and after_blank and (begun < 0 or _ENVELOPE.match(line[:_LINE_BYTES])):
                if begun >= 0:
                    yield Piece(begun, start, position - blank, position)
                begun, start = position, position + len(line)
            elif begun < 0:
                raise LinkproxyError(f"{path}: is no mbox: its first line does not begin with 'From '")
            blank = len(line) if line in _BLANK and position >= start else 0
            position += len(line)
        if begun >= 0:
            yield Piece(begun, start, position - blank, position)


def enclosed(message: bytes) -> bytes:
    """Return a message as it stands in an mbox, with the lines before and behind it."""
    envelope = _NO_SENDER
    if message.startswith(START):
        first, end, rest = message.partition(b"\n")
        envelope, message = first + end, rest
    eol = b"" if message.endswith(b"\n") else b"\n"
    return envelope + _TO_QUOTE.sub(b">", message) + eol + b"\n"
