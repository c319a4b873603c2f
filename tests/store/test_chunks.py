"""Long work on a store in steps, with rests between."""

from __future__ import annotations

import asyncio
import fcntl
from typing import TYPE_CHECKING

from store.world import NOW, send

from linkproxy.store.api import Cutoffs
from linkproxy.store.chunks import even_rest
from linkproxy.store.sqlite_lock import lock_path

if TYPE_CHECKING:
    from pathlib import Path

    from linkproxy.store.api import Store


async def test_who_works_by_hand_rests_as_long_as_a_step_took() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await even_rest(0.05)
    assert loop.time() - begun >= 0.05


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
