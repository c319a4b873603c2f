"""A part's body: what it decodes to, and how tracked URLs are put into it.

Links are found in the decoded text; what is replaced is the encoded text that stands for them,
and the rest stays as it was written. A token keeps one length, so the lines of a part are laid
out once, for all recipients.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from linkproxy.campaign.token_forms import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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

    def overlong(self, holes: Iterable[tuple[int, int, int]]) -> frozenset[int]:  # noqa: ARG002 -- others look at them
        """Return which holes, each from, to, and bytes that take its place, make a line too long for mail."""
        return frozenset()

    @abstractmethod
    def write(self, splices: Sequence[Splice], draft: Draft) -> None:
        """Write the body with splices, which are in order and do not overlap."""


class Identity(Body):
    """7bit, 8bit and binary: what stands there."""

    def __init__(self, encoded: bytes, eol: bytes) -> None:  # noqa: ARG002 -- all encodings are made alike
        self.content = encoded

    def overlong(self, holes: Iterable[tuple[int, int, int]]) -> frozenset[int]:
        """See Body: a line that was short enough must not become too long."""
        content, dropped = self.content, set()
        line_start, line_end, grown = 0, -1, 0
        for index, (start, end, size) in enumerate(holes):
            if start > line_end:
                line_start = max(line_start, line_end, content.rfind(b"\n", line_end + 1, start) + 1)
                grown = 0
            if end > line_end:
                found = content.find(b"\n", end)
                line_end = len(content) if found < 0 else found
            growth = size - (end - start)
            if growth > 0 and line_end - line_start + grown + growth > MOST_LINE:
                length = line_end - line_start - content.endswith(b"\r", line_start, line_end)
                if length <= MOST_LINE < length + grown + growth:
                    dropped.add(index)
                    continue
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


def usual_eol(encoded: bytes, eol: bytes) -> bytes:
    """Return the line end that a body uses, or ``eol`` if it has none."""
    end = encoded.find(b"\n")
    if end < 0:
        return eol
    return b"\r\n" if encoded.endswith(b"\r\n", 0, end + 1) else b"\n"
