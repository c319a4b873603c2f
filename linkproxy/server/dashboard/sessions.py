"""Sessions: who signed in with an API key, and for how long that holds.

A session is kept nowhere but in its cookie, signed by what all workers and nodes share, so that any
of them knows it. Its MAC covers the hash of the API key: a key that is removed ends its sessions,
also when another one gets its name.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from linkproxy.campaign.tokens import Keyring
    from linkproxy.store.api import ApiKey

SESSION_SECONDS: Final = 12 * 3600
_MOST_CHARACTERS: Final = 1024


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens sessions, and knows them again."""

    keyring: Keyring
    clock: Callable[[], float]

    def open(self, key: ApiKey) -> str:
        """Return a new session of whoever has an API key: ``END.NAME.MAC``, fit for a cookie."""
        end = int(self.clock()) + SESSION_SECONDS
        mac = self.keyring.sign_session(_signed(end, key))
        return f"{end}.{_base64url(key.name.encode())}.{_base64url(mac)}"

    def key_of(self, session: str, known: Iterable[ApiKey]) -> ApiKey | None:
        """Return the API key that a session was opened with; None when it has ended, or is none."""
        parts = session.split(".") if len(session) <= _MOST_CHARACTERS else []
        if len(parts) != 3 or not (parts[0].isascii() and parts[0].isdigit()):
            return None
        end, name, mac = int(parts[0]), _bytes(parts[1]), _bytes(parts[2])
        now = self.clock()
        if not now < end <= now + SESSION_SECONDS:
            return None
        for key in known:
            if key.name.encode() == name and self.keyring.is_session(_signed(end, key), mac):
                return key
        return None


def _signed(end: int, key: ApiKey) -> bytes:
    return end.to_bytes(8, "big") + key.hash + key.name.encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    """Return what was written in base64url; b"", which is no name and no MAC, for anything else."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
