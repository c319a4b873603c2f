"""The transfer encodings of a part (RFC 2045 section 6), by their names."""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_qp, b2a_base64
from bisect import bisect_right
from itertools import accumulate
from struct import unpack
from typing import TYPE_CHECKING, Final

from linkproxy.campaign.mime_body import ENCODED_LINE, Body, Draft, Identity, Splice, usual_eol
from linkproxy.campaign.token_forms import GROUPED
from linkproxy.campaign.tokens import TOKEN_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# --- quoted-printable --------------------------------------------------------------------------

_STANDS_FOR_NOTHING: Final = re.compile(rb"=(?!3D|\r\n|[0-9A-Fa-f]{2}|\n|\Z)")
_BYTE_OR_BREAK: Final = re.compile(rb"=(?:([0-9A-Fa-f]{2})|\r?\n)")
# Long enough to be few, short enough to be searched for a place; none ends within what an = begins.
_PIECE: Final = re.compile(rb"(?s:.{1,200})(?:\Z|(?<!=)(?<!=.))")
_ATOMS: Final = re.compile(rb"=[0-9A-F]{2}|[^=]")


class QuotedPrintable(Body):
    """Quoted-printable; ValueError for what is none, or what programs decode in different ways."""

    def __init__(self, encoded: bytes, eol: bytes) -> None:
        self._encoded = encoded
        self._break = b"=" + usual_eol(encoded, eol)
        # The line end of a last soft break belongs to the boundary, and only its "=" is here.
        self._end = len(encoded) - encoded.endswith(b"=")
        if _STANDS_FOR_NOTHING.search(encoded):
            raise ValueError("an = that stands for nothing")
        pieces = _PIECE.findall(encoded)
        decoded = list(map(a2b_qp, pieces))
        # Where each piece begins, in what it decodes to and as it stands.
        self._decoded_at = list(accumulate(map(len, decoded), initial=0))
        self._encoded_at = list(accumulate(map(len, pieces), initial=0))
        self.content = b"".join(decoded)

    def _place(self, decoded: int) -> int:
        """Return where the byte at a place of ``content`` begins."""
        piece = bisect_right(self._decoded_at, decoded) - 1
        position, *end = self._encoded_at[piece : piece + 2]
        left = decoded - self._decoded_at[piece]
        for match in _BYTE_OR_BREAK.finditer(self._encoded, position, *end):
            plain, is_byte = match.start() - position, match.lastindex or 0
            if left < plain + is_byte:
                break
            left -= plain + is_byte
            position = match.end()
        return min(position + left, self._end)

    def _behind(self, decoded: int) -> int:
        """Return where the byte before a place of ``content`` ends."""
        last = self._place(decoded - 1)
        return last + (3 if self._encoded[last] == ord("=") else 1)

    def write(self, splices: Sequence[Splice], draft: Draft) -> None:
        """See Body: lines are broken before and behind a URL where they would become too long."""
        encoded, position, column = self._encoded, 0, 0
        starts = [*(self._place(splice.start) for splice in splices), len(encoded)]
        for index, splice in enumerate(splices):
            start, limit = starts[index : index + 2]
            end = self._behind(splice.end) if splice.end > splice.start else start
            newline = encoded.rfind(b"\n", position, start)
            column = start - newline - 1 if newline >= 0 else column + start - position
            draft.write(encoded[position:start])
            column = self._write_splice(splice, column, draft)
            newline = encoded.find(b"\n", end, limit)
            rest = (limit if newline < 0 else newline) - end
            rest -= newline > end and encoded[newline - 1] == ord("\r")
            ends_line = index + 1 == len(splices) or newline >= 0
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
        self._eol = usual_eol(encoded, eol)
        characters = encoded.translate(None, _BLANKS)
        if len(characters) % _GROUP:
            raise ValueError("a group that is not full")
        try:
            self.content = a2b_base64(characters, strict_mode=True)
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
        if first and not _RUN.search(self._encoded, first.end()):
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
        lines, last = divmod(len(text) - room - 1, width)
        end = room + lines * width
        # Of all ways to cut a text into pieces of one length the quickest.
        whole = unpack(f"{width}s" * lines, text[room:end])
        self._draft.write(text[:room], self._eol, self._eol.join([*whole, text[end:]]))
        self._column = last + 1

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
