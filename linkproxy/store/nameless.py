"""Recipients that a plain reference has made: whoever has one true link can make any number of them.

Nothing is known of them but what they visited. So they go with the last visit and click of theirs that
is purged, and a reference that comes again is a new one. Others stay: who has an address, or was
registered; who chose not to be tracked, lest the next visit forgot that; and groups of the relay,
whose mail carries their id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

_TOGETHER: Final = 20_000
"""It is looked for what is left of so many at once, since that takes a pass over the journal's index. A
purge that is cut off forgets about no more than these."""


class Nameless:
    """Gathers during a purge whom something was deleted of, and drops those of whom nothing is left."""

    def __init__(self, drop: Callable[[Sequence[int]], Awaitable[int]]) -> None:
        self._drop = drop
        self._ids: set[int] = set()
        self._dropped = 0

    async def note(self, ids: Iterable[int]) -> None:
        """Take note of recipients, and look at all of them when there are many."""
        self._ids.update(ids)
        if len(self._ids) >= _TOGETHER:
            await self.finish()

    async def finish(self) -> dict[str, int]:
        """Look at the rest; return how many were dropped, by table."""
        if self._ids:
            found, self._ids = sorted(self._ids), set()
            self._dropped += await self._drop(found)
        return {"recipient": self._dropped} if self._dropped else {}
