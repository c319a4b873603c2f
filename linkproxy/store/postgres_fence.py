"""Visit ids: given out in order, and read back without ever missing one that is committed late.

A batch locks the newest id (shared, so that no batch waits for another) before it draws its own,
which are all greater. Whoever reads in order of id looks at the newest id first and at those locks
afterwards: no id up to the least of them can still be uncommitted. Nobody waits for anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.store.postgres_locks import FENCE_CLASS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.store.postgres_database import Database, Transaction
    from linkproxy.store.sqlite_rows import Row

_WRAP = 1 << 31
"""A lock's second part has 31 bits to us; ids in flight lie closer together than that."""

NEWEST = "last_value - (NOT is_called)::int"


def allot(count: str) -> str:
    """Return the statement that draws ``count`` ids, and tells the transaction's own."""
    return f"""WITH fence AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared({FENCE_CLASS}, (({NEWEST}) % {_WRAP})::int) AS held FROM visit_id)
SELECT array_agg(nextval('visit_id')), max(held::text), pg_current_xact_id()::text
FROM fence, generate_series(1, {count})"""


_SAFE = f"""WITH newest AS MATERIALIZED (SELECT {NEWEST} AS id FROM visit_id)
SELECT id, (SELECT array_agg(objid::bigint) FROM pg_locks
    WHERE locktype = 'advisory' AND classid = {FENCE_CLASS} AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND newest.id >= 0)
FROM newest"""


def allotted_ids(work: Transaction, found: Sequence[Row]) -> list[int]:
    """Return the visit ids that ``allot`` has drawn; they belong to this transaction."""
    ids, _, work.xid = found[0]
    return ids or []


async def safe(source: Database | Transaction) -> int:
    """Return a visit id up to which every visit that will ever be there is there."""
    row = await source.fetch_one(_SAFE)
    if row is None:
        return 0
    newest = int(row[0])
    held: list[int] = row[1] or []
    return min([newest, *(newest - (newest - item) % _WRAP for item in held)])
