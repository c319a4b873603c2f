"""Settling messages together: those that are asked for at once share a transaction and its commit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from linkproxy.store import postgres_locks as locks
from linkproxy.store.postgres_ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.model import Settlement
    from linkproxy.store.memory import Message
    from linkproxy.store.postgres_database import Database, Transaction

    Work = Callable[[Transaction, Ledger], Awaitable[Settlement | None]]


@dataclass(slots=True, eq=False)
class Asked:
    """A message to settle, and who waits for it."""

    message: Message
    work: Work
    settlement: asyncio.Future[Settlement | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Together:
    """Settles in order of asking; only one pass at a time holds COUNTING in any case."""

    def __init__(self, database: Database, catch_up: Callable[[set[Message]], Awaitable[None]]) -> None:
        self._database = database
        self._catch_up = catch_up
        self._turn = asyncio.Lock()
        self._waiting: list[Asked] = []

    async def settle(self, message: Message, work: Work) -> Settlement | None:
        """Return what ``work`` returns for a message, when it is committed."""
        asked = Asked(message, work)
        self._waiting.append(asked)
        await asyncio.sleep(0)  # those asked for at once: without it the first had a commit to itself
        async with self._turn:
            if not asked.settlement.done():  # nobody before has taken it along
                together, self._waiting = self._waiting, []
                await self._settle(together)
        return await asked.settlement

    async def _settle(self, together: Sequence[Asked]) -> None:
        try:
            await self._catch_up({asked.message for asked in together})
            wanted = locks.COUNTING + locks.recipients({asked.message[1] for asked in together})
            async with self._database.transaction(wanted) as transaction:
                ledger = Ledger(transaction)
                settlements = [await asked.work(transaction, ledger) for asked in together]
                await ledger.write()
        except Exception as error:  # noqa: BLE001  (it is raised where it was asked for)
            await self._one_by_one(together, error)
            return
        for asked, settlement in zip(together, settlements, strict=True):
            asked.settlement.set_result(settlement)

    async def _one_by_one(self, together: Sequence[Asked], error: Exception) -> None:
        """Let no message hold up those beside it."""
        if len(together) == 1:
            together[0].settlement.set_exception(error)
            return
        for asked in together:
            await self._settle([asked])
