"""Faults that last: what is tried every second need not be told every second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

AGAIN_SECONDS: Final = 60.0


class Repeats:
    """Knows which faults are news: a first one, one that differs, and the same again after a minute.

    ``monotonic`` is in seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._told = ""
        self._told_at = float("-inf")

    def is_news(self, fault: str) -> bool:
        """Tell whether a fault is to be told, and take it as told."""
        now = self._monotonic()
        if fault == self._told and now - self._told_at < AGAIN_SECONDS:
            return False
        self._told, self._told_at = fault, now
        return True

    def is_over(self) -> None:
        """Note that it works: whatever comes next is news."""
        self._told = ""
