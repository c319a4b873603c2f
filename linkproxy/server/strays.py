"""Which strays are kept: so many a minute, and few of them with headers that nobody has sent yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from linkproxy.server.bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from linkproxy.model import Profile

NEW_HEADERS: Final = 10
"""One in so many may have new headers: each set is a row of up to 4 kB, kept as long as the journal."""

_MOST_KNOWN: Final = 8192


class StrayRate:
    """Admits ``per_minute`` strays a minute; anybody can send them, with headers that differ each time."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._all = Bucket(per_minute, clock)
        self._new = Bucket(-(-per_minute // NEW_HEADERS), clock)
        self._known: set[int] = set()  # hashes: two sets that share one cost as much as one

    def admits(self, profile: Profile) -> bool:
        """Return whether one more stray, with these headers, is within the rate; count it if so."""
        headers = hash(profile)
        if headers not in self._known:
            if not self._new.take():
                return False
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known.add(headers)
        return self._all.take()
