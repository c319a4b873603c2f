"""Signing what webhooks are sent, after Standard Webhooks 1.0.0: receivers verify it by ready libraries.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PREFIX = "whsec_"
_SECRET_BYTES = 32  # the specification asks for 24 to 64


def new_secret() -> str:
    """Return a secret as receivers are given it: ``whsec_`` and base64."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def new_message_id() -> str:
    """Return what names one message, however often it is sent; it has no full stop, which would end it."""
    return f"msg_{secrets.token_hex(12)}"


def signature_header(keys: Iterable[str], message_id: str, timestamp: int, body: bytes) -> str:
    """Return ``webhook-signature``: one signature for each secret, any of which will do.

    ``timestamp`` is of this attempt, in seconds since 1970.
    """
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return " ".join(f"v1,{_sign(key, signed)}" for key in keys)


def _sign(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
