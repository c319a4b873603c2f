"""Messages that somebody has signed already, which changing them would break (RFC 6376, RFC 8617)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from linkproxy.campaign.mime_headers import read_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.campaign.mime_headers import Head

_HEADERS: Final = ("DKIM-Signature", "ARC-Message-Signature", "ARC-Seal", "DomainKey-Signature")


def signatures_of(raw: bytes) -> tuple[str, ...]:
    """Return the headers by which somebody has signed a message; its body is not looked at."""
    return signatures_in(read_head(raw, 0, lambda _position: False))


def signatures_in(head: Head) -> tuple[str, ...]:
    """Return those of a header that is read already."""
    return tuple(name for name in _HEADERS if name.lower() in head.fields)


def signed_fault(signatures: Sequence[str]) -> str:
    """Return why a signed message is refused, and what to do."""
    return (
        f"the message is signed already ({', '.join(signatures)}) and rewriting would break that: let "
        "linkproxy have it before it is signed, or pass such mail on as it is with [mail] signed"
    )
