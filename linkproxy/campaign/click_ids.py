"""Click ids: how a target names the visit that brought somebody, without learning who that was.

14 bytes, written as 19 base64url characters (RFC 4648 section 5): the visit's number 6, masked, and
a MAC 8 over it, in the manner of tokens (tokens.py). So an id shows neither how many visits there
are nor which came one after the other, and nobody can make up one of a visit they do not know.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from hashlib import blake2b
from hmac import compare_digest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.campaign.tokens import SigningKey

_VISIT_BYTES = 6
_MAC_BYTES = 8
_PERSON = b"linkproxy:click"
_CLICK_ID = re.compile(r"[A-Za-z0-9_-]{19}")
_URLSAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URLSAFE = bytes.maketrans(b"-_", b"+/")


class ClickIds:
    """Makes and reads click ids: the first signing key makes them, all of them read."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._states = tuple(
            (
                blake2b(key=key.derive(b"click id"), digest_size=_MAC_BYTES, person=_PERSON),
                blake2b(key=key.derive(b"click id mask"), digest_size=_VISIT_BYTES, person=_PERSON),
            )
            for key in keys
        )

    def sign(self, visit_id: int) -> str:
        """Return the click id of a visit."""
        mac_state, mask_state = self._states[0]
        plain = visit_id.to_bytes(_VISIT_BYTES, "big")
        tag = _digest(mac_state, plain)
        return _spelt(_masked(mask_state, tag, plain) + tag)

    def read(self, text: str) -> int | None:
        """Return the number of the visit that a true click id names; None for any other text."""
        if not _CLICK_ID.fullmatch(text):
            return None
        packed = a2b_base64(text.encode("ascii").translate(_FROM_URLSAFE) + b"=")
        if _spelt(packed) != text:
            return None  # the last character has two bits to spare; an id has one spelling
        masked, tag = packed[:_VISIT_BYTES], packed[_VISIT_BYTES:]
        for mac_state, mask_state in self._states:
            plain = _masked(mask_state, tag, masked)
            if compare_digest(_digest(mac_state, plain), tag):
                return int.from_bytes(plain, "big")
        return None


def _spelt(packed: bytes) -> str:
    return b2a_base64(packed, newline=False).rstrip(b"=").translate(_URLSAFE).decode("ascii")


def _digest(state: blake2b, data: bytes) -> bytes:
    hashed = state.copy()
    hashed.update(data)
    return hashed.digest()


def _masked(mask_state: blake2b, tag: bytes, data: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, _digest(mask_state, tag), strict=True))
