"""What runs beside the listeners until the server stops: one task that does its work again and again."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Wait = Callable[[float], Awaitable[None]]


class Loop(ABC):
    """Does its work and waits ``seconds``, by turns, until it is closed; ``at_once`` False waits first."""

    def __init__(self, seconds: float, wait: Wait = asyncio.sleep, *, at_once: bool = True) -> None:
        self._seconds = seconds
        self._wait = wait
        self._at_once = at_once
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    @property
    def alive(self) -> bool:
        """Whether it is running."""
        return self._task is not None and not self._task.done()

    async def close(self) -> None:
        """Stop, in the middle of its work if need be; what that began is its own to finish."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    @abstractmethod
    async def once(self) -> None:
        """Do what is due."""

    async def _run(self) -> None:
        if not self._at_once:
            await self._wait(self._seconds)
        while True:
            await self.once()
            await self._wait(self._seconds)
