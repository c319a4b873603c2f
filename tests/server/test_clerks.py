"""Clerks: what they work out, what becomes of orders that nobody waits for, and how many there may be."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from linkproxy.server import sides
from linkproxy.server.body import ApiError
from linkproxy.server.clerk import frame
from linkproxy.server.clerks import Clerks
from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey, StoreError
from linkproxy.visit import policy as policies
from tests.server.conftest import write_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from linkproxy.config import Config
    from tests.server.conftest import Start


class UnfitError(Exception):
    """An error that cannot be made again from what it holds."""

    def __init__(self, text: str, *, more: str) -> None:
        super().__init__(text + more)


def refuse() -> None:
    raise ImportError("no such thing in this version")


class Unreadable:
    """What cannot be made again where it is sent to."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return refuse, ()


def fail(kind: str) -> None:
    if kind == "store":
        raise StoreError("the disk is full")
    raise UnfitError("of its ", more="own making")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return write_config(tmp_path)


@asynccontextmanager
async def clerks(
    config: Config, most: int = 1, waiting: int = 1, idle_seconds: float = 60.0
) -> AsyncIterator[Clerks]:
    found = Clerks(config, policies.load(), most=most, waiting=waiting, idle_seconds=idle_seconds)
    try:
        yield found
    finally:
        await found.close()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  (turns of the loop, in which processes are heard of)
        await asyncio.sleep(0)


def lives(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


async def test_an_order_is_worked_out_in_another_process_and_the_next_one_in_the_same(config: Config) -> None:
    async with clerks(config) as office:
        first = await office.do(os.getpid)
        assert first != os.getpid()
        assert await office.do(sorted, [2, 1], reverse=True) == [2, 1]
        assert await office.do(os.getpid) == first
    assert not lives(first)


async def test_what_nobody_waits_for_is_worked_on_no_longer(config: Config) -> None:
    async with clerks(config) as office:
        clerk = await office.do(os.getpid)
        asking = asyncio.create_task(office.do(time.sleep, 3600))
        await until(lambda: not office._idle)
        asking.cancel()
        await asyncio.wait({asking})
        await until(lambda: not lives(clerk))
        assert await office.do(os.getpid) != clerk


async def test_more_orders_than_there_is_room_for_are_refused_and_those_that_wait_are_worked_on(
    config: Config,
) -> None:
    async with clerks(config, most=1, waiting=1) as office:
        first, second = (asyncio.create_task(office.do(abs, number)) for number in (-1, -2))
        await until(lambda: office._there == 2)
        with pytest.raises(ApiError, match="ask again") as refused:
            await office.do(abs, -3)
        assert (refused.value.status, refused.value.retry_seconds) == (503, 10)
        assert (await first, await second) == (1, 2)
        assert await office.do(abs, -3) == 3


async def test_an_error_comes_back_as_it_is_and_one_unfit_for_that_by_its_name(config: Config) -> None:
    async with clerks(config) as office:
        with pytest.raises(StoreError, match="the disk is full"):
            await office.do(fail, "store")
        with pytest.raises(RuntimeError, match="UnfitError"):
            await office.do(fail, "own")
        assert await office.do(abs, -3) == 3


async def test_a_clerk_that_dies_at_work_is_told_of_and_replaced(config: Config) -> None:
    async with clerks(config) as office:
        with pytest.raises(ApiError, match="has ended") as told:
            await office.do(os._exit, 9)
        assert told.value.status == 503
        assert await office.do(abs, -3) == 3


async def test_a_clerk_that_cannot_read_an_order_ends_and_says_so(
    config: Config, capfd: pytest.CaptureFixture[str]
) -> None:
    async with clerks(config) as office:
        with pytest.raises(ApiError, match="has ended"):
            await office.do(abs, Unreadable())  # type: ignore[arg-type]
        assert "no such thing in this version" in capfd.readouterr().err
        assert await office.do(abs, -3) == 3


async def test_a_clerk_that_died_while_nothing_came_is_replaced_without_a_word(config: Config) -> None:
    async with clerks(config) as office:
        clerk = await office.do(os.getpid)
        os.kill(clerk, 9)
        (idle,) = office._idle
        await idle.process.wait()
        assert await office.do(os.getpid) != clerk


async def test_a_clerk_ends_when_nothing_came_for_a_while(config: Config) -> None:
    async with clerks(config, idle_seconds=0.0) as office:
        clerk = await office.do(os.getpid)
        await until(lambda: not lives(clerk))


@pytest.mark.parametrize("unsent", [0, 1, 9])
def test_a_clerk_ends_without_a_word_in_the_middle_of_an_order_when_its_server_is_gone(
    config: Config, unsent: int
) -> None:
    office = subprocess.Popen(
        [sys.executable, "-m", "linkproxy.server.clerk"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    order = frame((time.sleep, (3600,), False))
    _, said = office.communicate(frame((config, policies.load())) + order[: len(order) - unsent])
    assert (office.returncode, said) == (0, b"")


async def test_a_question_too_many_is_told_when_to_come_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sides, "_QUESTIONS", 0)
    monkeypatch.setattr(sides, "_QUESTIONS_WAITING", 0)
    site = await start()
    key = new_key()
    await site.store.add_api_key(ApiKey("test", hash_key(key), site.START))
    async with site.web.get(
        f"{site.server.addresses.private}/api/v1/accuracy", headers={"Authorization": f"Bearer {key}"}
    ) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "10"
        assert "ask again" in (await response.json())["error"]
