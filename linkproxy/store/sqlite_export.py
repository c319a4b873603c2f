"""Everything about a recipient, by table, for whoever asks what is stored about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linkproxy.store.evidence_rows import POLICIES, exported, sources_by_id
from linkproxy.store.referred import REFERRED, values_of, with_headers
from linkproxy.store.sqlite_recipients import ABOUT
from linkproxy.store.sqlite_rows import compact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiosqlite import Connection

    from linkproxy.model import RecipientId
    from linkproxy.store.sqlite_reads import Readers


async def export(readers: Readers, recipient_id: RecipientId) -> dict[str, list[dict[str, Any]]]:
    """Return every row about a recipient, and what they refer to; tables without one are empty."""
    async with readers.lend() as db:
        sources = sources_by_id(await db.execute_fetchall(POLICIES))
        found: dict[str, list[dict[str, Any]]] = {}
        for table, where in ABOUT.items():
            listed = await _rows(db, f"SELECT * FROM {table} WHERE {where}", (recipient_id,))
            found[table] = [exported(row.items(), sources) for row in listed]
        about = dict(found)
        for table, (statement, columns) in REFERRED.items():
            asked = statement.format(*(["(SELECT value FROM json_each(?))"] * len(columns)))
            listed = await _rows(db, asked, [compact(values_of(about, column)) for column in columns])
            found[table] = [with_headers(exported(row.items(), sources)) for row in listed]
        return found


async def _rows(db: Connection, statement: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    cursor = await db.execute(statement, values)
    names = [column[0] for column in cursor.description]
    rows = await cursor.fetchall()
    await cursor.close()
    return [dict(zip(names, row, strict=True)) for row in rows]
