"""Beside the event loop: long work is given to clerks, processes of their own.

A thread would not do. Beside one that computes, whoever answers and commits waits for Python's lock at
every statement of the store, each time for up to ``sys.getswitchinterval()``.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from linkproxy.server.body import ApiError
from linkproxy.server.clerk import LENGTH_BYTES, frame, length

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Awaitable, Callable

    from linkproxy.config import Config
    from linkproxy.store.api import Store
    from linkproxy.visit.policy import Policy

    Given = TypeVar("Given")

P = ParamSpec("P")
Found = TypeVar("Found")

RETRY_SECONDS: Final = 10
"""When to ask again, for who is refused."""

_IDLE_SECONDS: Final = 60.0
_BUFFER_BYTES: Final = 1 << 20


class Clerks:
    """Lends clerks to work, at most ``most`` at once; beyond ``waiting`` more orders are refused.

    A clerk is started when it is needed, and ends when nothing came for a minute.
    """

    def __init__(
        self, config: Config, policy: Policy, *, most: int, waiting: int, idle_seconds: float = _IDLE_SECONDS
    ) -> None:
        self._office = frame((config, policy))
        self._room = most + waiting
        self._there = 0
        self._turns = asyncio.Semaphore(most)
        self._idle_seconds = idle_seconds
        self._idle: dict[_Clerk, asyncio.TimerHandle] = {}
        self._ends: set[asyncio.Task[int]] = set()

    async def do(self, work: Callable[P, Found], *args: P.args, **kwargs: P.kwargs) -> Found:
        """Return what a function makes of its arguments; all of them must be fit for pickling.

        Raises what it raises, and ApiError (503) when too much is asked for. Of a caller who is
        cancelled the clerk is ended.
        """
        found: Found = await self._order(partial(work, **kwargs), args, reads=False)
        return found

    async def ask(self, work: Callable[[Store, Given, Policy], Awaitable[Found]], given: Given) -> Found:
        """Return what a function reads from the store under the server's policy; raises as ``do``."""
        found: Found = await self._order(work, (given,), reads=True)
        return found

    async def close(self) -> None:
        """End all clerks that wait for work; those at work end with their orders."""
        for clerk in list(self._idle):
            self._dismiss(clerk)
        if self._ends:
            await asyncio.wait(self._ends)

    async def _order(self, work: Callable[..., Any], args: tuple[Any, ...], *, reads: bool) -> Any:
        if self._there >= self._room:
            raise ApiError(
                503,
                "too much of this kind is being worked on; ask again later",
                retry_seconds=RETRY_SECONDS,
            )
        self._there += 1
        try:
            async with self._turns:
                good, found = await self._worked(frame((work, args, reads)))
        finally:
            self._there -= 1
        if good:
            return found
        raise found

    async def _worked(self, order: bytes) -> tuple[bool, Any]:
        clerk = await self._clerk()
        try:
            answer = await clerk.answer(order)
        except (OSError, asyncio.IncompleteReadError):
            self._end(clerk)
            raise ApiError(
                503,
                "the process that worked on it has ended; perhaps it needed more memory than there is",
                retry_seconds=RETRY_SECONDS,
            ) from None
        except BaseException:
            self._end(clerk)  # nobody waits any more for what it is at
            raise
        self._idle[clerk] = asyncio.get_running_loop().call_later(self._idle_seconds, self._dismiss, clerk)
        return answer

    async def _clerk(self) -> _Clerk:
        while self._idle:
            clerk, timer = self._idle.popitem()
            timer.cancel()
            if clerk.process.returncode is None:
                return clerk
        clerk = await _start()
        clerk.orders.write(self._office)
        return clerk

    def _dismiss(self, clerk: _Clerk) -> None:
        self._idle.pop(clerk).cancel()
        self._end(clerk)

    def _end(self, clerk: _Clerk) -> None:
        with suppress(ProcessLookupError):
            clerk.process.kill()
        task = asyncio.create_task(clerk.process.wait())
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)


@dataclass(frozen=True, slots=True, eq=False)
class _Clerk:
    """A clerk's process, and the ends of its pipes."""

    process: Process
    orders: asyncio.StreamWriter
    answers: asyncio.StreamReader

    async def answer(self, order: bytes) -> tuple[bool, Any]:
        """Return whether an order went well, and what came of it or the error."""
        self.orders.write(order)
        await self.orders.drain()
        size = length(await self.answers.readexactly(LENGTH_BYTES))
        found: tuple[bool, Any] = pickle.loads(await self.answers.readexactly(size))  # noqa: S301  (our own process)
        return found


async def _start() -> _Clerk:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "linkproxy.server.clerk"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_BUFFER_BYTES,
        env={**os.environ, "PYTHONPATH": _path()},
        start_new_session=True,  # Ctrl-C is the server's to hear
    )
    if process.stdin is None or process.stdout is None:
        raise AssertionError  # both are pipes
    return _Clerk(process, process.stdin, process.stdout)


def _path() -> str:
    """Return where this process finds its modules; -P keeps its folder out unless it is among them."""
    return os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
