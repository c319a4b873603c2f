"""Where the parts of a message stand, to the byte.

MIME as RFC 2046 section 5.1 has it, read line by line in one pass. Nothing in the message is
changed or copied; a part that cannot be told for certain says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from linkproxy.campaign.mime_headers import (
    ContentType,
    Head,
    content_type,
    disposition,
    read_head,
    type_alone,
)
from linkproxy.campaign.targets import NoteReason

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_NESTING: Final = 32
"""Multiparts within multiparts; deeper ones are left alone."""

MOST_PARTS: Final = 1024
"""Parts of one message, multiparts among them; one with more is left alone as a whole.

As many as ClamAV looks at (libclamav/mbox.c, HEURISTIC_EMAIL_MAX_MIME_PARTS_PER_MESSAGE). A mail has
some ten; a crafted one of 25 MB may have a million, and hold its thread for minutes.
"""

_PLAIN_TEXT: Final = ContentType("text/plain", {})
_MESSAGE: Final = ContentType("message/rfc822", {})

# What must come out as it went in: a signature covers it, or it is somebody else's message.
_SEALED: Final = {
    "multipart/signed": NoteReason.PROTECTED,
    "multipart/encrypted": NoteReason.PROTECTED,
    "application/pkcs7-mime": NoteReason.PROTECTED,
    "application/x-pkcs7-mime": NoteReason.PROTECTED,
    "multipart/report": NoteReason.ATTACHMENT,
    "message/rfc822": NoteReason.ATTACHMENT,
}
_TEXTS: Final = frozenset({"text/html", "text/plain"})


@dataclass(frozen=True, slots=True)
class Part:
    """A part without parts of its own, or one that is not looked into.

    Its body stands at ``start..end``. ``left_alone`` says why it is none whose links are
    rewritten; a picture or any other file has no reason to tell and says so by its ``kind``.
    """

    kind: str  # such as text/html
    parameters: Mapping[str, str]  # of the Content-Type
    encoding: str  # Content-Transfer-Encoding, lower case, "" when there is none
    start: int
    end: int
    left_alone: NoteReason | None = None

    @property
    def is_text(self) -> bool:
        """Tell whether its links are to be rewritten."""
        return self.left_alone is None and self.kind in _TEXTS


@dataclass(frozen=True, slots=True)
class Message:
    """A message's own header, and its parts in order; ``left_alone`` says why it is not looked into."""

    head: Head
    parts: tuple[Part, ...]
    left_alone: NoteReason | None = None


@dataclass(slots=True)
class _Container:
    """A multipart that is open, and what its parts are."""

    kind: str
    root: str  # multipart/related: Content-ID of the part that is shown; "" for the first
    children: int = 0


@dataclass(slots=True)
class _Open:
    """A part whose end is not found yet."""

    kind: ContentType
    encoding: str
    start: int
    left_alone: NoteReason | None


# Begins with what is rare in a mail, so that it is found quickly.
_DELIMITER: Final = re.compile(rb"--(?<=[\r\n]--)([^\r\n]*)(\r\n|\r|\n|\Z)")
_DELIMITER_HERE: Final = re.compile(rb"--([^\r\n]*)")


def find_parts(raw: bytes) -> Message:
    """Find every part; never raises, whatever the bytes. Time is linear."""
    return _Finder(raw).find()


class _Finder:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._stack: dict[bytes, _Container] = {}  # by boundary; the innermost is last
        self._open: _Open | None = None
        self._parts: list[Part] = []
        self._begun = 0  # parts within the message, multiparts among them

    def find(self) -> Message:
        head = self._entity(0)
        behind = head.body
        position = max(head.body - 1, 0)  # the line end before a boundary is part of it
        while self._stack and (line := _DELIMITER.search(self._raw, position)):
            start = line.start()
            # The line's own end may begin the next delimiter.
            position = line.start(2)
            if start < behind:
                continue
            boundary, is_end = self._delimits(line[1])
            if boundary is None:
                continue
            self._close(start)
            while next(reversed(self._stack)) != boundary:
                self._stack.popitem()
            if is_end:
                del self._stack[boundary]
            elif self._begun == MOST_PARTS:
                return Message(head, (), NoteReason.TOO_MANY_PARTS)
            else:
                self._begun += 1
                behind = self._entity(line.end()).body
                position = max(behind - 1, line.start(2))
        self._close(None)
        return Message(head, tuple(self._parts))

    def _delimits(self, text: bytes) -> tuple[bytes | None, bool]:
        """Return which open multipart the rest of a line behind ``--`` delimits, and whether it ends it."""
        text = text.rstrip(b" \t")
        if text in self._stack:
            return text, False
        ended = text.removesuffix(b"--")
        return (ended, True) if ended in self._stack else (None, False)

    def _is_boundary(self, position: int) -> bool:
        line = _DELIMITER_HERE.match(self._raw, position)
        return line is not None and self._delimits(line[1])[0] is not None

    def _close(self, delimiter: int | None) -> None:
        """Put down the open part; the line end before a delimiter belongs to the delimiter."""
        part = self._open
        if part is None:
            return
        end = len(self._raw)
        if delimiter is not None:
            end = delimiter - (2 if self._raw.endswith(b"\r\n", 0, delimiter) else 1)
        self._parts.append(
            Part(
                part.kind.kind,
                part.kind.parameters,
                part.encoding,
                part.start,
                max(part.start, end),
                part.left_alone,
            )
        )
        self._open = None

    def _entity(self, start: int) -> Head:
        """Read the header of what begins here, and open it as a multipart or as a part."""
        head = read_head(self._raw, start, self._is_boundary)
        parent = next(reversed(self._stack.values()), None)
        kind = self._kind(head, parent)
        encoding = head.only("content-transfer-encoding")
        read = kind or ContentType(type_alone(head.only("content-type") or ""), {})
        is_multipart = read.kind.startswith("multipart/")
        is_own = is_multipart or read.kind in _TEXTS  # else a file, whatever its parameters say
        malformed = not head.sound or encoding is None or (is_own and kind is None)
        left_alone = NoteReason.MALFORMED if malformed else _SEALED.get(read.kind)
        if left_alone is None and is_own and not _is_shown(head, read, parent):
            left_alone = NoteReason.ATTACHMENT
        if parent:
            parent.children += 1
        if left_alone is None and is_multipart:
            boundary = self._boundary(read)
            if boundary:
                self._stack[boundary] = _Container(read.kind, read.parameters.get("start", ""))
                return head
            left_alone = NoteReason.MALFORMED
        self._open = _Open(read, (encoding or "").lower(), head.body, left_alone)
        return head

    @staticmethod
    def _kind(head: Head, parent: _Container | None) -> ContentType | None:
        value = head.only("content-type")
        if value == "":
            return _MESSAGE if parent and parent.kind == "multipart/digest" else _PLAIN_TEXT
        return content_type(value) if value is not None else None

    def _boundary(self, kind: ContentType) -> bytes:
        """Return the boundary of a multipart to look into; b"" if its parts cannot be told for certain."""
        boundary = kind.parameters.get("boundary", "").rstrip().encode("latin-1", "replace")
        if len(self._stack) >= MOST_NESTING:
            return b""
        # A delimiter of one would be taken for a delimiter of the other.
        rivals = (boundary, boundary + b"--", boundary.removesuffix(b"--"))
        return b"" if any(rival in self._stack for rival in rivals) else boundary


def _is_shown(head: Head, kind: ContentType, parent: _Container | None) -> bool:
    """Tell whether a text, or a multipart of them, is the mail's own and no file that comes with it.

    A name in Content-Type, where file names were before there was Content-Disposition (RFC 2046 section
    4.5.1), makes a file of what stands behind another part; the first part, and one of several forms of
    a text, are the mail whatever they are called.
    """
    if parent and parent.kind == "multipart/mixed" and parent.children and "name" in kind.parameters:
        return False
    value = head.only("content-disposition")
    if value is None:
        return False
    if value:
        found = disposition(value)
        if found is None or found.kind != "inline" or "filename" in found.parameters:
            return False
    if parent and parent.kind == "multipart/related":
        if parent.root:
            return (head.only("content-id") or "").strip("<> ") == parent.root.strip("<> ")
        return parent.children == 0
    return True
