import asyncio
from collections.abc import Sequence

from linkproxy.server.batches import GroupCommit


class Disk:
    """Commits when it is let; keeps what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.free = asyncio.Event()
        self.free.set()

    async def commit(self, items: Sequence[str]) -> None:
        self.batches.append(list(items))
        await self.free.wait()


async def test_one_commit_serves_all_that_came_in_meanwhile() -> None:
    disk = Disk()
    disk.free.clear()
    commits = GroupCommit(disk.commit, 100)
    commits.submit("first")
    await asyncio.sleep(0)
    for item in ("second", "third"):
        commits.submit(item)
    disk.free.set()
    await commits.drain()
    assert disk.batches == [["first"], ["second", "third"]]


async def test_a_batch_holds_no_more_than_the_bound() -> None:
    disk = Disk()
    commits = GroupCommit(disk.commit, 2)
    for item in "abcde":
        commits.submit(item)
    await commits.drain()
    assert disk.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_what_is_withdrawn_in_time_is_never_committed() -> None:
    disk = Disk()
    disk.free.clear()
    commits = GroupCommit(disk.commit, 100)
    commits.submit("begun")
    await asyncio.sleep(0)
    commits.submit("waiting")
    assert not commits.withdraw("begun")
    assert commits.withdraw("waiting")
    disk.free.set()
    await commits.drain()
    assert disk.batches == [["begun"]]


async def test_what_is_not_finished_is_named_in_order_of_arrival() -> None:
    disk = Disk()
    disk.free.clear()
    commits = GroupCommit(disk.commit, 1)
    for item in "abc":
        commits.submit(item)
    await asyncio.sleep(0)
    assert list(commits.unfinished()) == ["a", "b", "c"]
    disk.free.set()
    await commits.drain()
    assert list(commits.unfinished()) == []
