"""Group commit: what arrives while one commit runs is the next commit. Nothing waits on purpose."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class Slot(Generic[Item, Result]):
    """One item's place in a batch; ``future`` gets its result, or its batch's error."""

    item: Item
    future: asyncio.Future[Result]
    taken: bool = False


class GroupCommit(Generic[Item, Result]):
    """Runs one commit at a time over what has arrived, at most ``most`` items each.

    ``commit`` takes items in order of arrival and returns exactly one result for each.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], most: int) -> None:
        self._commit = commit
        self._most = most
        self._waiting: list[Slot[Item, Result]] = []
        self._running: asyncio.Task[None] | None = None

    def submit(self, item: Item) -> Slot[Item, Result]:
        """Queue an item; wait for its slot's ``future``, shielded if the wait may be given up."""
        slot = Slot[Item, Result](item, asyncio.get_running_loop().create_future())
        self._waiting.append(slot)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return slot

    def withdraw(self, slot: Slot[Item, Result]) -> bool:
        """Take an item back; False when a commit has it already, and its outcome is open."""
        if slot.taken:
            return False
        slot.future.cancel()
        return True

    async def drain(self) -> None:
        """Return when nothing waits and nothing runs."""
        while self._running is not None:
            await asyncio.wait({self._running})

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = [slot for slot in self._waiting[: self._most] if not slot.future.cancelled()]
                del self._waiting[: self._most]
                if batch:
                    await self._commit_one(batch)
        finally:
            self._running = None

    async def _commit_one(self, batch: list[Slot[Item, Result]]) -> None:
        for slot in batch:
            slot.taken = True
        try:
            results = await self._commit([slot.item for slot in batch])
        except Exception as error:  # noqa: BLE001  (whatever went wrong goes to everyone who waits for it)
            for slot in batch:
                if not slot.future.done():
                    slot.future.set_exception(error)
        else:
            for slot, result in zip(batch, results, strict=False):
                if not slot.future.done():
                    slot.future.set_result(result)
