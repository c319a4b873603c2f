import asyncio
from collections.abc import Sequence

import pytest

from linkproxy.server.batches import GroupCommit


class Disk:
    """Commits when it is let; keeps what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.free = asyncio.Event()
        self.free.set()
        self.fault: Exception | None = None

    async def commit(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await self.free.wait()
        if self.fault:
            raise self.fault
        return [item * 10 for item in items]


async def test_one_commit_serves_all_that_came_in_meanwhile() -> None:
    disk = Disk()
    disk.free.clear()
    commits = GroupCommit(disk.commit, 100)
    first = commits.submit(1)
    await asyncio.sleep(0)
    rest = [commits.submit(item) for item in (2, 3, 4)]
    disk.free.set()
    assert await asyncio.gather(first.future, *(slot.future for slot in rest)) == [10, 20, 30, 40]
    assert disk.batches == [[1], [2, 3, 4]]


async def test_a_batch_holds_no_more_than_the_bound() -> None:
    disk = Disk()
    commits = GroupCommit(disk.commit, 2)
    slots = [commits.submit(item) for item in range(5)]
    await asyncio.gather(*(slot.future for slot in slots))
    assert disk.batches == [[0, 1], [2, 3], [4]]


async def test_a_failed_commit_fails_its_own_batch_only() -> None:
    disk = Disk()
    commits = GroupCommit(disk.commit, 100)
    disk.fault = OSError("full")
    with pytest.raises(OSError, match="full"):
        await commits.submit(1).future
    disk.fault = None
    assert await commits.submit(2).future == 20


async def test_what_is_withdrawn_in_time_is_never_committed() -> None:
    disk = Disk()
    disk.free.clear()
    commits = GroupCommit(disk.commit, 100)
    begun = commits.submit(1)
    await asyncio.sleep(0)
    waiting = commits.submit(2)
    assert not commits.withdraw(begun)
    assert commits.withdraw(waiting)
    disk.free.set()
    await commits.drain()
    assert disk.batches == [[1]]
    assert begun.future.result() == 10
