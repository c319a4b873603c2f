"""A token bucket: so many a minute, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Bucket:
    """Allows ``per_minute`` events a minute; what a quiet minute leaves is not saved up."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._most = float(per_minute)
        self._left = self._most
        self._clock = clock
        self._at = clock()

    def take(self) -> bool:
        """Return whether one more event is within the rate, and count it if so."""
        now = self._clock()
        passed = max(0.0, now - self._at)
        self._at = now
        self._left = min(self._most, self._left + passed * self._most / 60)
        if self._left < 1:
            return False
        self._left -= 1
        return True
