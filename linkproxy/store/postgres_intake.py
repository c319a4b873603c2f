"""Taking batches of visits in: one at a time of this node, side by side with other nodes'."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from linkproxy.store import postgres_journal as journal
from linkproxy.store.postgres_headers import remember
from linkproxy.store.postgres_lookup import lock_statements, look_up, look_up_messages
from linkproxy.store.postgres_neighbours import catch_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from linkproxy.store.api import More, Outcome, Pending, Take
    from linkproxy.store.postgres_database import Database
    from linkproxy.store.postgres_memory import Memory
    from linkproxy.store.privacy import Privacy

_HALVED = 24
"""A batch of so many is judged in two halves: the server reads for the second while the first is
judged, and writes the first while the second is. With fewer, two statements more cost what that saves;
behind a pooler they always do, since the server plans them anew each time."""


class Intake:
    """Judges and journals batches."""

    def __init__(self, database: Database, memory: Memory, privacy: Privacy, strays_kept: int) -> None:
        self._database = database
        self._memory = memory
        self._privacy = privacy
        self._strays_kept = strays_kept
        self.turn = asyncio.Lock()  # of what reads news into memory; never waited for in a transaction

    async def append(self, pending: Sequence[Pending], take: Take, more: More) -> list[Outcome]:
        """Judge and journal a batch in one transaction; what it noted in memory is forgotten if it fails."""
        if not pending:
            return []
        async with self.turn:
            try:
                return await self._append([*pending, *more()], take)
            except BaseException:
                self._memory.blank = True
                self._memory.forget_profiles()
                raise
            finally:
                self._memory.trim()

    async def _append(self, pending: Sequence[Pending], take: Take) -> list[Outcome]:
        memory = self._memory
        halved = len(pending) >= _HALVED and not self._database.settings.pooler
        half = len(pending) // 2 if halved else len(pending)
        first, second = pending[:half], pending[half:]
        async with self._database.transaction(lock_statements(pending, self._privacy)) as work:
            facts = await look_up(work, memory, self._privacy, pending, first)
            known = facts.known
            await catch_up(work, memory, known.visit_ids[0] - 1 if known.visit_ids else None)
            memory.own.update(known.visit_ids)
            batch = journal.Batch(facts, memory, iter(known.visit_ids))
            async with _beside(look_up_messages(work, facts, self._privacy, second)):
                outcomes = await journal.judge(work, batch, first, take)
            async with _beside(journal.write_visits(work, batch)):
                outcomes += await journal.judge(work, batch, second, take)
            await journal.write(work, batch, self._strays_kept)
        for profile_id, item in known.new_profiles.items():
            if profile_id in batch.profiles:
                remember(memory, item.profiles, profile_id, item.used_at)
        return outcomes


@asynccontextmanager
async def _beside(statements: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Let the server work while the judge does."""
    task = asyncio.ensure_future(statements)
    try:
        await asyncio.sleep(0)  # they are sent before the judge takes the loop
        yield
    finally:
        await task
