"""Reading a message as DATA brings it (RFC 5321 section 4.1.1.4): in large pieces, within bounds.

aiosmtpd reads line by line and keeps each line as an object: a message of short lines would take many
times its size, and a line without an end would grow for as long as a mailer may take.
"""

from __future__ import annotations

from asyncio import LimitOverrunError
from typing import TYPE_CHECKING, Final

from linkproxy.server.relay.replies import LONG_LINE, TOO_LARGE, Reply

if TYPE_CHECKING:
    from asyncio import StreamReader

_EOL: Final = b"\r\n"
_END: Final = b"\r\n.\r\n"


async def read_message(reader: StreamReader, *, most_bytes: int, line_bytes: int) -> bytes | Reply:
    """Return a message without what DATA added, or the reply that refuses it once its end has come.

    What a pipelining mailer has said behind the end is left to be read.
    """
    # The first line may be the end: the command's own line end is before it.
    reader._buffer[:0] = _EOL  # type: ignore[attr-defined]  # noqa: SLF001  (there is no way to put back)
    held = bytearray()
    fits, ended = True, False
    while not ended:
        try:
            piece = await reader.readuntil(_END)
            ended = True
        except LimitOverrunError as error:
            piece = await reader.read(error.consumed)
        fits = fits and len(held) + len(piece) <= most_bytes + len(_EOL) + len(_END)
        if fits:
            held += piece
        else:
            held.clear()
    if not fits or len(held) - len(_END) > most_bytes:
        return TOO_LARGE
    if _has_long_line(held, line_bytes):
        return LONG_LINE
    del held[-len(_END) + len(_EOL) :]
    return bytes(held.replace(_EOL + b".", _EOL)[len(_EOL) :])


def _has_long_line(text: bytearray, line_bytes: int) -> bool:
    """Tell whether a line, its end included, is longer; the text begins and ends with a line end."""
    at = 0
    while at + len(_EOL) < len(text):
        found = text.rfind(_EOL, at + len(_EOL), at + len(_EOL) + line_bytes)
        if found < 0:
            return True
        at = found
    return False
