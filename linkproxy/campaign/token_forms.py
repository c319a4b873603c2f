"""How a token is written in the holes of a compiled mail: plain, or inside base64.

Base64 turns three bytes into four characters, so what stands for a token depends on where in a
group of three it begins, and on the bytes beside it that share its first and last group. Beside a
token stand always two slashes; so there are three more ways to write it, the same in every hole.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PLAIN: Final = 0
GROUPED: Final = (1, 2, 3)
"""The forms of a token that begins 0, 1 or 2 bytes behind the start of a group."""

_WRITERS: Final[Mapping[int, Callable[[bytes], bytes]]] = {
    PLAIN: lambda token: token,
    1: lambda token: b2a_base64(token, newline=False),
    # "/" and two bytes of the token; at the end a byte of it, "/" and whatever follows
    2: lambda token: b2a_base64(b"/" + token + b"/", newline=False)[:34],
    # some byte, "/" and a byte of the token; at the end two bytes of it and "/"
    3: lambda token: b2a_base64(b"\0/" + token + b"/", newline=False)[2:35],
}


def fill(segments: Sequence[bytes], forms: Sequence[int], token: bytes) -> bytes:
    """Return the segments with the token between them, each time in its form."""
    written = {form: _WRITERS[form](token) for form in set(forms)}
    pieces = [b""] * (2 * len(segments) - 1)
    pieces[::2] = segments
    pieces[1::2] = map(written.__getitem__, forms)
    return b"".join(pieces)
