"""What runs beside the listeners until the server stops: one task that takes turn after turn."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod


class Loop(ABC):
    """Takes turns until it is closed; a subclass says what a turn is, its wait included."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    @property
    def alive(self) -> bool:
        """Whether it is running."""
        return self._task is not None and not self._task.done()

    async def close(self) -> None:
        """Stop, in the middle of a turn if need be; what a turn began is its own to finish."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    @abstractmethod
    async def turn(self) -> None:
        """Do what is due, and wait until the next turn."""

    async def _run(self) -> None:
        while True:
            await self.turn()
