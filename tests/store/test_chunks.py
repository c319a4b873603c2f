"""Long work on a store in steps, with rests between."""

from __future__ import annotations

import asyncio
import fcntl
from typing import TYPE_CHECKING

from store.world import NOW, send

from linkproxy.store.api import Cutoffs
from linkproxy.store.chunks import even_rest, rested
from linkproxy.store.sqlite_lock import lock_path

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from linkproxy.store.api import Store


async def test_who_works_by_hand_rests_as_long_as_a_step_took(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await even_rest(3_600.0)
    assert slept == [3_600.0]


async def test_the_rest_comes_behind_the_step_that_it_is_for() -> None:
    done: list[str] = []

    async def step() -> str:
        done.append("step")
        return "found"

    async def rest(_took: float) -> None:
        done.append("rest")

    assert await rested(step(), rest) == "found"
    assert done == ["step", "rest"]


async def test_nobody_is_kept_from_the_file_while_a_purge_rests(store: Store, path: Path) -> None:
    mail = await send(store)
    await mail.visited(mail.visit())
    free: list[bool] = []

    async def rest(_took: float) -> None:
        with lock_path(path).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free.append(True)

    await store.purge(Cutoffs(journal=NOW + 90_000.0), rest=rest)
    assert free
