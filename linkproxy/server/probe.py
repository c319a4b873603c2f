"""Answers to `linkproxy domains check`: proof that a host leads to this installation.

Nothing is stored, and the one redirect leads to a name that is never anybody's (RFC 6761
section 6.4), so nobody can use it to send people somewhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from linkproxy.server.answers import NOT_STORED, Reply

if TYPE_CHECKING:
    from linkproxy.campaign.tokens import Keyring

_PATH: Final = re.compile(r"/healthz/probe/([A-Za-z0-9_-]{22})(/redirect)?")
_TEXT: Final = ("Content-Type", "text/plain; charset=utf-8")


def probe_path(challenge: str) -> str:
    """Return the path that is answered with the proof; with ``/redirect`` behind it, by a redirect."""
    return f"/healthz/probe/{challenge}"


def probe_location(challenge: str) -> str:
    """Return where that redirect leads."""
    return f"https://probe.invalid/{challenge}"


class Probe:
    """Proves by the signing keys that a request has reached this installation."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def reply(self, path: str) -> Reply | None:
        """Return the answer to a path of a probe; None for any other."""
        asked = _PATH.fullmatch(path)
        if asked is None:
            return None
        challenge, redirect = asked.groups()
        if redirect:
            return Reply(302, (*NOT_STORED, ("Location", probe_location(challenge))))
        return Reply(200, (*NOT_STORED, _TEXT), f"{self._keyring.prove(challenge)}\n".encode())
