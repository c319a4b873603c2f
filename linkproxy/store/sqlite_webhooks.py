"""Webhooks in SQLite."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING

from linkproxy.store.api import DuplicateError
from linkproxy.store.webhook_rows import (
    COLUMNS,
    FROM,
    PROGRESS,
    SELECTED,
    progress_values,
    unpaused,
    values_of,
    webhook_from,
)
from linkproxy.store.webhooks import Pause

if TYPE_CHECKING:
    from linkproxy.store.sqlite_reads import Readers
    from linkproxy.store.sqlite_rows import Row
    from linkproxy.store.sqlite_session import Session
    from linkproxy.store.sqlite_writer import Writer
    from linkproxy.store.webhooks import Progress, Webhook

_ADD = f"INSERT INTO webhook ({COLUMNS}) VALUES ({', '.join('?' * (COLUMNS.count(',') + 1))})"
_ALL = f"SELECT {SELECTED} FROM {FROM} ORDER BY w.name"
_ONE = f"SELECT {SELECTED} FROM {FROM} WHERE w.name = ?"
_CHANGE = "UPDATE webhook SET url = ?, secret = ?, old_secret = ?, old_secret_until = ? WHERE name = ?"
_PAUSE = "UPDATE webhook SET pause = ?, paused_at = ? WHERE name = ?"
_RESUME = """UPDATE webhook SET pause = '', paused_at = NULL,
failures = 0, retry_at = 0, failing_since = NULL WHERE name = ?"""
# A time that is further off than anybody holds it is of a clock that was ahead.
_HOLD = """UPDATE webhook SET holder = ?1, held_until = ?2 + ?3 WHERE name = ?4 AND pause = ''
AND (holder IN ('', ?1) OR held_until <= ?2 OR held_until > ?2 + ?3)"""
_NOTE = f"""UPDATE webhook SET {", ".join(f"{column} = ?" for column in PROGRESS)}, held_until = ?
WHERE name = ? AND holder = ?"""
_LET_GO = "UPDATE webhook SET holder = '', held_until = 0 WHERE name = ? AND holder = ?"


class SqliteWebhooks:
    """The WebhookStore part of SqliteStore."""

    _readers: Readers
    _writer: Writer

    async def add_webhook(self, webhook: Webhook) -> None:
        await self._writer.run(partial(_add, webhook=webhook), indexed=False)

    async def list_webhooks(self) -> list[Webhook]:
        return [webhook_from(row) for row in await self._readers.fetch(_ALL)]

    async def change_webhook(self, webhook: Webhook) -> bool:
        values = (
            *(webhook.url, webhook.secret, webhook.old_secret, webhook.old_secret_until),
            webhook.name,
        )
        return await self._touched(_CHANGE, values)

    async def pause_webhook(self, name: str, pause: Pause, at: float) -> bool:
        if pause is Pause.NONE:
            return await self._touched(_RESUME, (name,))
        return await self._touched(_PAUSE, (pause.value, at, name))

    async def remove_webhook(self, name: str) -> bool:
        return await self._touched("DELETE FROM webhook WHERE name = ?", (name,))

    async def hold_webhook(self, name: str, holder: str, seconds: float) -> Webhook | None:
        return await self._writer.run(
            partial(_hold, name=name, holder=holder, seconds=seconds), indexed=False
        )

    async def note_progress(
        self, name: str, holder: str, progress: Progress, seconds: float
    ) -> Webhook | None:
        return await self._writer.run(
            partial(_note, name=name, holder=holder, progress=progress, seconds=seconds), indexed=False
        )

    async def let_go_webhook(self, name: str, holder: str) -> None:
        await self._touched(_LET_GO, (name, holder))

    async def _touched(self, statement: str, values: Row) -> bool:
        """Run a statement and return whether there was a row for it."""
        return await self._writer.run(
            lambda session: session.db.execute(statement, values).rowcount > 0, indexed=False
        )


def _add(session: Session, webhook: Webhook) -> None:
    try:
        session.db.execute(_ADD, values_of(webhook))
    except sqlite3.IntegrityError:
        raise DuplicateError(f"webhook {webhook.name!r} is there already; choose another name") from None


def _hold(session: Session, name: str, holder: str, seconds: float) -> Webhook | None:
    if not session.db.execute(_HOLD, (holder, session.clock(), seconds, name)).rowcount:
        return None
    return webhook_from(session.db.execute(_ONE, (name,)).fetchone())


def _note(session: Session, name: str, holder: str, progress: Progress, seconds: float) -> Webhook | None:
    values = (*progress_values(progress), session.clock() + seconds, name, holder)
    if not session.db.execute(_NOTE, values).rowcount:
        return None
    return unpaused(webhook_from(session.db.execute(_ONE, (name,)).fetchone()))
