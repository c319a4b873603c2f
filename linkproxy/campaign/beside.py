"""What stands beside a link in its paragraph: of "To unsubscribe click <a>here</a>" it tells all."""

from __future__ import annotations

import re
from typing import Final

BESIDE_BYTES: Final = 1000
"""How much is read on each side."""
BETWEEN_BYTES: Final = 8000
"""How much is read between two links."""

# What divides paragraphs and links; a <br> is within a paragraph.
_EDGE: Final = re.compile(
    rb"<(/?)(?:(a)|p|div|t[dhr]|table|tbody|li|[ou]l|h[1-6]|hr|center|body|style|script|v:[a-z]+)"
    rb"(?=[\t\n\f\r />])[^>]*>",
    re.IGNORECASE,
)
_REST_OF_TAG: Final = re.compile(rb"[^<>]*>")
_BEGIN_OF_TAG: Final = re.compile(rb"<[^<>]*\Z")
_END_OF_LINK: Final = re.compile(rb"</(?:a|v:[a-z]+)[\t\n\f\r ]*>", re.IGNORECASE)


def beside(html: bytes, start: int, end: int, bounds: tuple[int, int]) -> tuple[bytes, bytes]:
    """Return the markup before and behind the anchor whose href's value is ``start..end``.

    ``bounds`` are the end of the href before it and the start of the one behind it.
    """
    first, last = bounds
    return _before(html[max(first, start - BESIDE_BYTES) : start]), _behind(
        html[end : min(last, end + BESIDE_BYTES)]
    )


def between(html: bytes, start: int, end: int) -> bytes:
    """Return the markup between two anchors: one's href ends at ``start``, the other's begins at ``end``."""
    piece = html[start : min(end, start + BETWEEN_BYTES)]
    own = _END_OF_LINK.search(piece)
    return _BEGIN_OF_TAG.sub(b"", piece[own.end() :] if own else piece.partition(b">")[2])


def _before(piece: bytes) -> bytes:
    piece = piece[: max(piece.rfind(b"<"), 0)]  # the anchor's own tag
    rest = _REST_OF_TAG.match(piece)
    edges = [rest.end() if rest else 0, *(edge.end() for edge in _EDGE.finditer(piece))]
    return piece[edges[-1] :]


def _behind(piece: bytes) -> bytes:
    edges = _EDGE.finditer(piece)
    own = next((edge for edge in edges if edge[1] and edge[2]), None)
    if own is None:
        return b""
    following = next(edges, None)
    return _BEGIN_OF_TAG.sub(b"", piece[own.end() : following.start() if following else len(piece)])
