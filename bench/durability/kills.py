"""kill -9 at random moments under load: what was answered is in the journal after the next start."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.durability.home import serving, until
from bench.durability.people import Remembered, under_load

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bench.durability.home import Home, Running

MOST_SECONDS = 0.3
"""A kill comes within this time of the first answers."""


@dataclass
class Kills:
    """What came of so many kills."""

    kills: int = 0
    answered: int = 0
    missing: int = 0
    twice: int = 0
    unanswered: int = 0  # requests that the kill cut off; nobody promised them anything


def kill_often(home: Home, kills: int, seed: int, progress: Callable[[str], None]) -> Kills:
    """Start, load and kill a server again and again; each time look for what was answered."""
    chance = random.Random(seed)
    found = Kills()
    everything = Remembered()
    for number in range(kills):
        wait_seconds = chance.uniform(0.0, MOST_SECONDS)
        with serving(home) as running:
            seen = under_load(home, running.public, _killing(running, wait_seconds))
        everything.redirected |= seen.redirected
        found.kills += 1
        found.unanswered += seen.cut
        if not home.paths:
            raise SystemExit("the links ran out before the kills; give fewer --kills")
        progress(f"{number + 1} of {kills} kills, {len(everything.redirected):,} answered")
    with serving(home):
        # What had been spilled is read back now.
        until(lambda: everything.missing(home, home.journal()) == 0, seconds=5.0)
    journal = home.journal()
    found.answered = len(everything.redirected)
    found.missing = everything.missing(home, journal)
    found.twice = sum(count > 1 for count in journal.values())
    return found


def _killing(running: Running, wait_seconds: float) -> Callable[[Remembered], Coroutine[None, None, None]]:
    async def deed(_seen: Remembered) -> None:
        await asyncio.sleep(wait_seconds)
        for pid in (running.process.pid, *running.children()):
            os.kill(pid, signal.SIGKILL)

    return deed
