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

    async def begins(self) -> None:
        """Return once a commit has begun."""
        while not self.batches:  # noqa: ASYNC110  (turns of the loop)
            await asyncio.sleep(0)


async def test_one_commit_serves_all_that_came_in_meanwhile() -> None:
    disk = Disk()
    disk.free.clear()
    commits = GroupCommit(disk.commit, 100)
    commits.submit("first")
    await disk.begins()
    for item in ("second", "third"):
        commits.submit(item)
    disk.free.set()
    await commits.drain()
    assert disk.batches == [["first"], ["second", "third"]]


async def test_what_comes_turn_by_turn_is_one_commit_and_none_waits_for_a_turn_that_brings_nothing() -> None:
    disk = Disk()
    commits = GroupCommit(disk.commit, 100)
    for item in ("first", "second", "third"):
        commits.submit(item)
        await asyncio.sleep(0)
    assert disk.batches == []
    await asyncio.sleep(0)
    assert disk.batches == [["first", "second", "third"]]
    await commits.drain()


async def test_a_stream_without_end_does_not_put_a_commit_off() -> None:
    disk = Disk()
    commits = GroupCommit(disk.commit, 3)
    for item in "abcde":
        commits.submit(item)
        await asyncio.sleep(0)
    assert disk.batches == [["a", "b", "c"]]
    await commits.drain()
    assert disk.batches == [["a", "b", "c"], ["d", "e"]]


async def test_a_batch_holds_no_more_than_the_bound() -> None:
    disk = Disk()
    commits = GroupCommit(disk.commit, 2)
    for item in "abcde":
        commits.submit(item)
    await commits.drain()
    assert disk.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_a_commit_takes_along_what_came_while_it_waited_for_its_turn_up_to_the_bound() -> None:
    turn = asyncio.Event()
    served: list[list[str]] = []

    async def commit(items: Sequence[str]) -> None:
        await turn.wait()
        joined = await asyncio.to_thread(commits.more)
        assert not any(commits.withdraw(item) for item in joined)
        assert list(commits.unfinished())[: len(items)] == items
        served.append(list(items))

    commits = GroupCommit(commit, 3)
    commits.submit("first")
    for _ in range(3):
        await asyncio.sleep(0)
    for item in ("second", "third", "fourth"):
        commits.submit(item)
    turn.set()
    await commits.drain()
    assert served == [["first", "second", "third"], ["fourth"]]


async def test_what_is_withdrawn_in_time_is_never_committed() -> None:
    disk = Disk()
    disk.free.clear()
    commits = GroupCommit(disk.commit, 100)
    commits.submit("begun")
    await disk.begins()
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
    await disk.begins()
    assert list(commits.unfinished()) == ["a", "b", "c"]
    disk.free.set()
    await commits.drain()
    assert list(commits.unfinished()) == []
