"""Everything about a recipient, by table, for whoever asks what is stored about them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from linkproxy.store.evidence_rows import POLICIES, sources_by_id, with_sources
from linkproxy.store.sqlite_recipients import ABOUT

if TYPE_CHECKING:
    from linkproxy.model import RecipientId
    from linkproxy.store.sqlite_reads import Readers

_JSON = frozenset({"evidence", "settled_evidence", "facts", "settled_facts", "reasons"})
"""Columns that hold JSON."""


async def export(readers: Readers, recipient_id: RecipientId) -> dict[str, list[dict[str, Any]]]:
    """Return every row about a recipient, JSON-able; tables without one are there and empty."""
    async with readers.lend() as db:
        sources = sources_by_id(await db.execute_fetchall(POLICIES))
        found: dict[str, list[dict[str, Any]]] = {}
        for table, where in ABOUT.items():
            cursor = await db.execute(f"SELECT * FROM {table} WHERE {where}", (recipient_id,))
            names = [column[0] for column in cursor.description]
            found[table] = [
                with_sources(
                    {name: _value(name, value) for name, value in zip(names, row, strict=True)}, sources
                )
                for row in await cursor.fetchall()
            ]
            await cursor.close()
        return found


def _value(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if name in _JSON and value is not None:
        return json.loads(value)
    return value
