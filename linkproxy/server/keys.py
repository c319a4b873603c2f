"""Keys of the JSON API: how they look, and how they are compared."""

from __future__ import annotations

from base64 import b64decode
from hashlib import blake2b
from hmac import compare_digest
from secrets import token_urlsafe
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from linkproxy.store.api import ApiKey

PREFIX = "lpk_"  # so that a key found somewhere tells what it opens


def new_key() -> str:
    """Return a new key: the prefix and 256 random bits."""
    return PREFIX + token_urlsafe(32)


def hash_key(key: str) -> bytes:
    """Return what the store keeps of a key. A key is random, so one plain hash hides it."""
    return blake2b(
        key.encode("utf-8", "surrogateescape"), digest_size=32, person=b"linkproxy:apikey"
    ).digest()


def key_given(authorization: str, *, basic: bool = False) -> str | None:
    """Return the key in an Authorization header: a bearer's (RFC 6750 section 2.1).

    With ``basic`` also the password of any user (RFC 7617 section 2). None where there is neither.
    """
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if not basic or scheme.lower() != "basic":
        return None
    try:
        _, colon, password = b64decode(given.strip(), validate=True).partition(b":")
    except ValueError:
        return None
    return password.decode("utf-8", "surrogateescape") if colon else None


def find_key(key: str, known: Iterable[ApiKey]) -> ApiKey | None:
    """Return the known key that this one is, in a time that does not depend on which it is."""
    hashed = hash_key(key)
    found = None
    for candidate in known:
        if compare_digest(candidate.hash, hashed):
            found = candidate
    return found
