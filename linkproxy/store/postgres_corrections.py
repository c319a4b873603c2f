"""Corrections of targets and of answers in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from linkproxy.store import postgres_locks as locks
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.corrections import CorrectedLinks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from linkproxy.model import AnswerKind
    from linkproxy.store.postgres_database import Database, Transaction

_LAST = "SELECT coalesce(max(id), 0) FROM audit"
_CORRECTED = f"""SELECT {rows.LINK} FROM link WHERE (campaign_id, key) IN
(SELECT campaign_id, key FROM audit WHERE id > $1 AND id <= $2)"""

_ANSWER = "UPDATE visit SET answer = $4 WHERE id = $1 AND recipient_id = $2 AND at = $3"

T = TypeVar("T")


class PostgresCorrections:
    """The CorrectionStore part of PostgresStore."""

    _database: Database

    if TYPE_CHECKING:

        async def _write(self, work: Callable[[Transaction], Awaitable[T]], wanted: str = "") -> T: ...

    async def list_corrected(self, after_id: int) -> CorrectedLinks:
        row = await self._database.fetch_one(_LAST)
        last_id = int(row[0]) if row else 0
        if last_id <= after_id:
            return CorrectedLinks(after_id, ())
        found = await self._database.fetch(_CORRECTED, after_id, last_id)
        return CorrectedLinks(last_id, tuple(rows.link_from(item) for item in found))

    async def correct_answer(self, visit_id: int, answer: AnswerKind) -> None:
        row = await self._database.fetch_one("SELECT recipient_id, at FROM visit WHERE id = $1", visit_id)
        if row is None:
            return
        values = (visit_id, row[0], row[1], answer)
        await self._write(lambda work: work.execute(_ANSWER, *values), locks.recipients([row[0]]))
