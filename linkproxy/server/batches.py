"""Group commit: what arrives while one commit runs is the next commit. No time is waited on purpose.

What comes while a commit waits for its turn at the store, which others use as well, joins it.

A commit begins when a turn of the event loop has brought nothing more. People whose answers went out
together ask again together, one turn after the other: without those few turns the first of them had a
commit of its own, and all others waited for two.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")


class GroupCommit(Generic[Item]):
    """Runs one commit at a time over what has arrived, at most ``most`` items each.

    ``commit`` takes items in order of arrival and tells whoever waits for them what came of it,
    a failure as well: it does not raise. There is no future, timer or task of a single item.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Awaitable[None]], most: int) -> None:
        self._commit = commit
        self._most = most
        self._waiting: list[Item] = []
        self._begun: list[Item] = []
        self._running: asyncio.Task[None] | None = None
        self._moving = threading.Lock()  # only ``submit`` does without: what it adds comes last

    def submit(self, item: Item) -> None:
        """Queue an item."""
        self._waiting.append(item)
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    def withdraw(self, item: Item) -> bool:
        """Take an item back; False when a commit has it already, and its outcome is open."""
        with self._moving:
            for place, waiting in enumerate(self._waiting):
                if waiting is item:
                    del self._waiting[place]
                    return True
        return False

    def more(self) -> Sequence[Item]:
        """Let what waits join the commit under way, and return it.

        For that commit to call, from any thread: what came while it waited for its turn is served as well.
        The items that it was given become more by these.
        """
        with self._moving:
            joining = self._waiting[: self._most - len(self._begun)]
            self._begun += joining
            del self._waiting[: len(joining)]
        return joining

    def unfinished(self) -> Sequence[Item]:
        """Return what was submitted and is not done, in order of arrival."""
        with self._moving:
            return self._begun + self._waiting

    async def drain(self) -> None:
        """Return when nothing waits and nothing runs."""
        while self._running is not None:
            await asyncio.wait({self._running})

    async def _run(self) -> None:
        try:
            while await self._come():
                self._begun = self._waiting[: self._most]
                del self._waiting[: self._most]
                await self._commit(self._begun)
                self._begun = []
        finally:
            self._begun = []
            self._running = None

    async def _come(self) -> bool:
        """Return whether anything waits, once a turn of the loop has brought nothing more."""
        seen = 0
        while seen < len(self._waiting) < self._most:
            seen = len(self._waiting)
            await asyncio.sleep(0)
        return bool(self._waiting)
