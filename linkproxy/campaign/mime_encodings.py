"""The transfer encodings of a part: what it decodes to, and how tracked URLs are put into it.

RFC 2045 section 6. Links are found in the decoded text; what is replaced is the encoded text that
stands for them, and the rest stays as it was written. A token keeps one length, so the lines of a
part are laid out once, for all recipients.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from binascii import Error, a2b_base64, b2a_base64
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from linkproxy.campaign.token_forms import GROUPED, PLAIN
from linkproxy.campaign.tokens import TOKEN_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_LINE: Final = 998
"""Bytes of a line without its end (RFC 5321 section 4.5.3.1.6)."""
ENCODED_LINE: Final = 76
"""Bytes of a line of quoted-printable or base64 (RFC 2045 sections 6.7 and 6.8)."""


class Splice(NamedTuple):
    """Decoded bytes ``start..end`` give way to ``before``, a tracked URL, and ``after``.

    ``root`` is the URL up to its token, with the slash; ``key`` follows the token, from its slash
    on; ``tag`` is the merge tag with the slash before it, if there is one.
    """

    start: int
    end: int
    root: bytes
    key: bytes
    tag: bytes = b""
    before: bytes = b""
    after: bytes = b""

    @property
    def size(self) -> int:
        """Bytes that take the place."""
        pieces = (self.before, self.root, self.key, self.tag, self.after)
        return TOKEN_CHARACTERS + sum(map(len, pieces))

    @property
    def rest(self) -> bytes:
        """What follows the token."""
        return self.key + self.tag + self.after


@dataclass(slots=True)
class Draft:
    """A compiled mail as it grows: segments, and the form of the token between two of them."""

    segments: list[bytes] = field(default_factory=list)
    forms: list[int] = field(default_factory=list)
    _open: list[bytes] = field(default_factory=list)

    def write(self, *pieces: bytes) -> None:
        """Add bytes that are the same for all recipients."""
        self._open.extend(pieces)

    def hole(self, form: int = PLAIN) -> None:
        """Leave room for the token."""
        self.segments.append(b"".join(self._open))
        self.forms.append(form)
        self._open = []

    def finish(self) -> None:
        """Close the last segment."""
        self.segments.append(b"".join(self._open))


class Body(ABC):
    """A part's body in one encoding; ``content`` is what it decodes to."""

    content: bytes

    def overlong(self, splices: Sequence[Splice]) -> frozenset[int]:  # noqa: ARG002 -- others look at them
        """Return which of the splices would make a line longer than mail may have."""
        return frozenset()

    @abstractmethod
    def write(self, splices: Sequence[Splice], draft: Draft) -> None:
        """Write the body with splices, which are in order and do not overlap."""


class Identity(Body):
    """7bit, 8bit and binary: what stands there."""

    def __init__(self, encoded: bytes, eol: bytes) -> None:  # noqa: ARG002 -- all encodings are made alike
        self.content = encoded

    def overlong(self, splices: Sequence[Splice]) -> frozenset[int]:
        """See Body: a line that was short enough must not become too long."""
        content, dropped = self.content, set()
        line_start, line_end, grown = 0, -1, 0
        for index, splice in enumerate(splices):
            if splice.start > line_end:
                line_start = max(line_start, line_end, content.rfind(b"\n", line_end + 1, splice.start) + 1)
                grown = 0
            if splice.end > line_end:
                found = content.find(b"\n", splice.end)
                line_end = len(content) if found < 0 else found
            growth = splice.size - (splice.end - splice.start)
            length = line_end - line_start
            if growth > 0 and length <= MOST_LINE < length + grown + growth + 1:
                dropped.add(index)
            else:
                grown += growth
        return frozenset(dropped)

    def write(self, splices: Sequence[Splice], draft: Draft) -> None:
        """See Body."""
        position = 0
        for splice in splices:
            draft.write(self.content[position : splice.start], splice.before, splice.root)
            draft.hole()
            draft.write(splice.rest)
            position = splice.end
        draft.write(self.content[position:])


# --- quoted-printable --------------------------------------------------------------------------

_QUOTED: Final = re.compile(rb"=(?:([0-9A-Fa-f]{2})|(\r?\n|\Z))?")
_ATOMS: Final = re.compile(rb"=[0-9A-F]{2}|[^=]")
_LINE_END: Final = re.compile(rb"\r?\n|\Z")


class QuotedPrintable(Body):
    """Quoted-printable; ValueError for what is none, or what programs decode in different ways."""

    def __init__(self, encoded: bytes, eol: bytes) -> None:
        self._encoded = encoded
        self._break = b"=" + _usual_eol(encoded, eol)
        # From each of these on, up to the next, decoded and encoded bytes are the same.
        self._decoded_at = [0]
        self._encoded_at = [0]
        self.content = b"".join(self._decode())

    def _decode(self) -> Iterator[bytes]:
        position = length = 0
        for match in _QUOTED.finditer(self._encoded):
            start, end = match.span()
            if match.lastindex is None:
                raise ValueError("an = that stands for nothing")
            byte = bytes((int(match[1], 16),)) if match[1] else b""
            yield self._encoded[position:start] + byte
            length += start - position + len(byte)
            position = end
            self._decoded_at.append(length)
            self._encoded_at.append(end)
        yield self._encoded[position:]

    def _place(self, decoded: int) -> int:
        """Return where the byte at a place of ``content`` begins."""
        index = bisect_right(self._decoded_at, decoded) - 1
        return self._encoded_at[index] + decoded - self._decoded_at[index]

    def _behind(self, decoded: int) -> int:
        """Return where the byte before a place of ``content`` ends."""
        last = self._place(decoded - 1)
        return last + (3 if self._encoded[last] == ord("=") else 1)

    def write(self, splices: Sequence[Splice], draft: Draft) -> None:
        """See Body: lines are broken before and behind a URL where they would become too long."""
        encoded, position, column = self._encoded, 0, 0
        for index, splice in enumerate(splices):
            start = self._place(splice.start)
            end = self._behind(splice.end) if splice.end > splice.start else start
            newline = encoded.rfind(b"\n", position, start)
            column = start - newline - 1 if newline >= 0 else column + start - position
            draft.write(encoded[position:start])
            column = self._write_splice(splice, column, draft)
            limit = self._place(splices[index + 1].start) if index + 1 < len(splices) else len(encoded)
            line_end = _LINE_END.search(encoded, end, limit)
            assert line_end is not None  # noqa: S101 -- the pattern matches at the limit at the latest
            rest = line_end.start() - end
            ends_line = limit == len(encoded) or line_end[0] != b""
            if rest and column + rest + (not ends_line) > ENCODED_LINE:
                draft.write(self._break)
                column = 0
            position = end
        draft.write(encoded[position:])

    def _write_splice(self, splice: Splice, column: int, draft: Draft) -> int:
        """Write what takes a place and return the column behind it; a URL stays on one line if it can."""
        column = self._write_atoms(_quote(splice.before), column, draft)
        root, tag = _quote(splice.root), _quote(splice.tag)
        column = self._make_room(len(root) + TOKEN_CHARACTERS + len(splice.key) + len(tag), column, draft)
        column = self._write_atoms(root, column, draft)
        column = self._make_room(TOKEN_CHARACTERS + len(splice.key), column, draft)
        draft.hole()
        draft.write(splice.key)
        column = self._make_room(len(tag), column + TOKEN_CHARACTERS + len(splice.key), draft)
        draft.write(tag)
        return self._write_atoms(_quote(splice.after), column + len(tag), draft)

    def _make_room(self, length: int, column: int, draft: Draft) -> int:
        """Begin a new line if so many bytes do not fit, and return the column."""
        if not column or column + length < ENCODED_LINE:
            return column
        draft.write(self._break)
        return 0

    def _write_atoms(self, text: bytes, column: int, draft: Draft) -> int:
        if column + len(text) < ENCODED_LINE:
            draft.write(text)
            return column + len(text)
        for atom in _ATOMS.findall(text):
            if column + len(atom) >= ENCODED_LINE:
                draft.write(self._break)
                column = 0
            draft.write(atom)
            column += len(atom)
        return column


def _quote(text: bytes) -> bytes:
    return text.replace(b"=", b"=3D")


def _usual_eol(encoded: bytes, eol: bytes) -> bytes:
    end = encoded.find(b"\n")
    if end < 0:
        return eol
    return b"\r\n" if encoded.endswith(b"\r\n", 0, end + 1) else b"\n"


# --- base64 ------------------------------------------------------------------------------------

_BLANKS: Final = b" \t\r\n"
_RUN: Final = re.compile(rb"[^ \t\r\n]+")
_GROUP: Final = 4


class Base64(Body):
    """Base64; ValueError for what is none.

    Up to the first splice all stays as it was written. From there on the groups of three bytes
    are other ones, so the rest is encoded anew, in lines of the same length.
    """

    def __init__(self, encoded: bytes, eol: bytes) -> None:
        self._encoded = encoded
        self._eol = _usual_eol(encoded, eol)
        try:
            self.content = a2b_base64(encoded.translate(None, _BLANKS), strict_mode=True)
        except Error as error:
            raise ValueError(str(error)) from None

    def write(self, splices: Sequence[Splice], draft: Draft) -> None:
        """See Body."""
        if not splices:
            draft.write(self._encoded)
            return
        group = splices[0].start // 3
        place = self._place(group * _GROUP)
        newline = self._encoded.rfind(b"\n", 0, place)
        draft.write(self._encoded[:place])
        lines = _Lines(draft, self._eol, self._width(), place - newline - 1)
        position = group * 3
        for splice in splices:
            lines.write(self.content[position : splice.start] + splice.before + splice.root)
            lines.hole(splice.rest)
            position = splice.end
        lines.write(self.content[position:])
        lines.finish()
        draft.write(self._encoded[len(self._encoded.rstrip(_BLANKS)) :])

    def _place(self, character: int) -> int:
        """Return where a character stands that is not the first so many ones."""
        for run in _RUN.finditer(self._encoded):
            if character < run.end() - run.start():
                return run.start() + character
            character -= run.end() - run.start()
        return len(self._encoded.rstrip(_BLANKS))

    def _width(self) -> int:
        """Return the usual length of a line; one that is no line's is the standard's."""
        first = _RUN.search(self._encoded)
        width = first.end() - first.start() if first else 0
        is_only = first is not None and not self._encoded[first.end() :].strip(_BLANKS)
        if is_only:
            return max(width, ENCODED_LINE)
        return width if width >= GROUP_CHARACTERS else ENCODED_LINE


GROUP_CHARACTERS: Final = 36
"""The most that must stand on one line for the sake of a token."""


class _Lines:
    """Writes groups of base64 in lines; bytes that fill no group yet wait for the next ones."""

    def __init__(self, draft: Draft, eol: bytes, width: int, column: int) -> None:
        self._draft = draft
        self._eol = eol
        self._width = width // _GROUP * _GROUP
        self._column = column
        self._waiting = b""

    def write(self, content: bytes) -> None:
        """Write bytes as far as they fill groups."""
        content = self._waiting + content
        whole = len(content) - len(content) % 3
        self._waiting = content[whole:]
        self._write_text(b2a_base64(content[:whole], newline=False))

    def _write_text(self, text: bytes) -> None:
        room = max(0, (self._width - self._column) // _GROUP * _GROUP)
        if len(text) <= room:
            self._draft.write(text)
            self._column += len(text)
            return
        width = self._width
        lines = [text[:room], *(text[start : start + width] for start in range(room, len(text), width))]
        self._draft.write(self._eol.join(lines))
        self._column = len(lines[-1])

    def hole(self, after: bytes) -> None:
        """Leave room for a token, and wait with what stands behind it in its last group."""
        offset = len(self._waiting)
        length = TOKEN_CHARACTERS // 3 * _GROUP + (_GROUP if offset else 0)
        if self._column + length > self._width and self._column:
            self._draft.write(self._eol)
            self._column = 0
        draft = self._draft
        # A token that begins behind a slash leaves a byte for a group with "/" and one byte more;
        # behind two bytes it leaves two, and "/" fills the group.
        taken = -offset % 3
        if offset == 2:
            draft.write(b2a_base64(self._waiting + b"\0", newline=False)[:2])
        draft.hole(GROUPED[offset])
        if taken:
            last = b"\0" * (3 - taken) + after[:taken]
            draft.write(b2a_base64(last, newline=False)[4 - taken :])
        self._column += length
        self._waiting = b""
        self.write(after[taken:])

    def finish(self) -> None:
        """Write the last, incomplete group."""
        if self._waiting:
            rest, self._waiting = self._waiting, b""
            self._write_text(b2a_base64(rest, newline=False))


ENCODINGS: Final[Mapping[str, type[Identity | QuotedPrintable | Base64]]] = {
    "": Identity,
    "7bit": Identity,
    "8bit": Identity,
    "binary": Identity,
    "quoted-printable": QuotedPrintable,
    "base64": Base64,
}
