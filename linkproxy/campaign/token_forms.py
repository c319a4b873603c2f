"""How a token is written in the holes of a compiled mail: plain, or inside base64.

Base64 turns three bytes into four characters, so what stands for a token depends on where in a
group of three it begins, and on the bytes beside it that share its first and last group. Beside a
token stand always two slashes; so there are three more ways to write it, the same in every hole.
"""

from __future__ import annotations

from binascii import b2a_base64
from operator import itemgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PLAIN: Final = 0
GROUPED: Final = (1, 2, 3)
"""The forms of a token that begins 0, 1 or 2 bytes behind the start of a group."""

_WRITERS: Final[Sequence[Callable[[bytes], bytes]]] = (
    lambda token: token,
    lambda token: b2a_base64(token, newline=False),
    # "/" and two bytes of the token; at the end a byte of it, "/" and whatever follows
    lambda token: b2a_base64(b"/%b/" % token, newline=False)[:34],
    # some byte, "/" and a byte of the token; at the end two bytes of it and "/"
    lambda token: b2a_base64(b"\0/%b/" % token, newline=False)[2:35],
)


class TokenForms:
    """The forms of a mail's holes, in order; made once and used for every recipient."""

    __slots__ = ("_pick", "_writers", "forms")

    def __init__(self, forms: Sequence[int]) -> None:
        used = sorted(set(forms))
        self.forms = tuple(forms)
        self._writers = [_WRITERS[form] for form in used]
        self._pick = itemgetter(*map(used.index, forms)) if len(forms) > 1 else lambda written: written[:1]

    def fill(self, segments: Sequence[bytes], token: bytes) -> bytes:
        """Return the segments with the token between them, each time in its form."""
        pieces = [b""] * (2 * len(segments) - 1)
        pieces[::2] = segments
        pieces[1::2] = self._pick([write(token) for write in self._writers])
        return b"".join(pieces)
