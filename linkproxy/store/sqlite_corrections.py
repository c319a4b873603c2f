"""The CorrectionStore half of SqliteStore."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from linkproxy.store import sqlite_rows as rows
from linkproxy.store.corrections import CorrectedLinks

if TYPE_CHECKING:
    from linkproxy.model import AnswerKind
    from linkproxy.store.sqlite_reads import Readers
    from linkproxy.store.sqlite_session import Session
    from linkproxy.store.sqlite_writer import Writer

_LAST = "SELECT coalesce(max(id), 0) FROM audit"
_CORRECTED = f"""SELECT {rows.LINK} FROM link WHERE (campaign_id, key) IN
(SELECT campaign_id, key FROM audit WHERE id > ? AND id <= ?)"""
_ANSWER = "UPDATE visit SET answer = ? WHERE id = ? RETURNING campaign_id, recipient_id"


class SqliteCorrections:
    """Corrections of targets and of answers, in the file of a SqliteStore."""

    _writer: Writer
    _readers: Readers

    async def list_corrected(self, after_id: int) -> CorrectedLinks:
        row = await self._readers.fetch_one(_LAST, ())
        last_id = int(row[0]) if row else 0
        if last_id <= after_id:
            return CorrectedLinks(after_id, ())
        found = await self._readers.fetch(_CORRECTED, (after_id, last_id))
        return CorrectedLinks(last_id, tuple(rows.link_from(item) for item in found))

    async def correct_answer(self, visit_id: int, answer: AnswerKind) -> None:
        await self._writer.run(partial(_correct_answer, visit_id=visit_id, answer=answer), indexed=False)


def _correct_answer(session: Session, visit_id: int, answer: AnswerKind) -> None:
    message = session.db.execute(_ANSWER, (answer, visit_id)).fetchone()
    if message is not None:
        session.memory.siblings.drop(message)
        session.tell(message)
