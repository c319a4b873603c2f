"""Webhooks in PostgreSQL. The server's clock says until when one is held."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

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
    from collections.abc import Awaitable, Callable

    from linkproxy.store.postgres_database import Database, Transaction
    from linkproxy.store.webhooks import Progress, Webhook

T = TypeVar("T")

_NOW = "extract(epoch FROM clock_timestamp())::double precision"
_ADD = f"""INSERT INTO webhook ({COLUMNS})
VALUES ({", ".join(f"${place}" for place in range(1, COLUMNS.count(",") + 2))})"""
_ALL = f'SELECT {SELECTED} FROM {FROM} ORDER BY w.name COLLATE "C"'
_ONE = f"SELECT {SELECTED} FROM {FROM} WHERE w.name = $1"
_CHANGE = "UPDATE webhook SET url = $1, secret = $2, old_secret = $3, old_secret_until = $4 WHERE name = $5"
_PAUSE = "UPDATE webhook SET pause = $1, paused_at = $2 WHERE name = $3"
_RESUME = """UPDATE webhook SET pause = '', paused_at = NULL,
failures = 0, retry_at = 0, failing_since = NULL WHERE name = $1"""
_HOLD = f"""UPDATE webhook SET holder = $1, held_until = {_NOW} + $2 WHERE name = $3 AND pause = ''
AND (holder IN ('', $1) OR held_until <= {_NOW} OR held_until > {_NOW} + $2)"""
_PROGRESS = ", ".join(f"{column} = ${place}" for place, column in enumerate(PROGRESS, 4))
_NOTE = f"""UPDATE webhook SET {_PROGRESS}, held_until = {_NOW} + $3
WHERE name = $1 AND holder = $2"""
_LET_GO = "UPDATE webhook SET holder = '', held_until = 0 WHERE name = $1 AND holder = $2"


class PostgresWebhooks:
    """The WebhookStore part of PostgresStore."""

    _database: Database

    if TYPE_CHECKING:

        async def _write(self, work: Callable[[Transaction], Awaitable[T]], wanted: str = "") -> T: ...

    async def add_webhook(self, webhook: Webhook) -> None:
        await self._write(partial(_add, webhook=webhook))

    async def list_webhooks(self) -> list[Webhook]:
        return [webhook_from(row) for row in await self._database.fetch(_ALL)]

    async def change_webhook(self, webhook: Webhook) -> bool:
        secrets = webhook.secret, webhook.old_secret, webhook.old_secret_until
        return await self._touched(_CHANGE, webhook.url, *secrets, webhook.name)

    async def pause_webhook(self, name: str, pause: Pause, at: float) -> bool:
        if pause is Pause.NONE:
            return await self._touched(_RESUME, name)
        return await self._touched(_PAUSE, pause.value, at, name)

    async def remove_webhook(self, name: str) -> bool:
        return await self._touched("DELETE FROM webhook WHERE name = $1", name)

    async def hold_webhook(self, name: str, holder: str, seconds: float) -> Webhook | None:
        return await self._write(partial(_hold, name=name, holder=holder, seconds=seconds))

    async def note_progress(
        self, name: str, holder: str, progress: Progress, seconds: float
    ) -> Webhook | None:
        values = name, holder, seconds, *progress_values(progress)
        return await self._write(partial(_note, name=name, values=values))

    async def let_go_webhook(self, name: str, holder: str) -> None:
        await self._touched(_LET_GO, name, holder)

    async def _touched(self, statement: str, *values: Any) -> bool:
        """Run a statement and return whether there was a row for it."""
        return bool(await self._write(lambda work: work.execute(statement, *values)))


async def _add(work: Transaction, webhook: Webhook) -> None:
    try:
        await work.execute(_ADD, *values_of(webhook))
    except asyncpg.UniqueViolationError:
        raise DuplicateError(f"webhook {webhook.name!r} is there already; choose another name") from None


async def _hold(work: Transaction, name: str, holder: str, seconds: float) -> Webhook | None:
    if not await work.execute(_HOLD, holder, seconds, name):
        return None
    row = await work.fetch_one(_ONE, name)
    return webhook_from(row) if row else None


async def _note(work: Transaction, name: str, values: tuple[Any, ...]) -> Webhook | None:
    if not await work.execute(_NOTE, *values):
        return None
    row = await work.fetch_one(_ONE, name)
    return unpaused(webhook_from(row)) if row else None
