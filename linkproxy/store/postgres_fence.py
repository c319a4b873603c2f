"""Ids of visits and opt-outs: given out in order, and read back without ever missing one committed late.

A batch locks the newest id (shared, so that no batch waits for another) before it draws its own,
which are all greater. Whoever reads in order of id looks at the newest id first and at those locks
afterwards: no id up to the least of them can still be uncommitted. Nobody waits for anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.store.postgres_locks import FENCE_CLASS, OPT_OUT_FENCE_CLASS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.store.postgres_database import Database, Transaction
    from linkproxy.store.sqlite_rows import Row

_WRAP = 1 << 31
"""A lock's second part has 31 bits to us; ids in flight lie closer together than that."""

NEWEST = "last_value - (NOT is_called)::int"


@dataclass(frozen=True, slots=True)
class Fence:
    """What gives ids out, and the class of the locks of those who draw them."""

    sequence: str
    lock_class: int

    @property
    def lock(self) -> str:
        """Return the expression, over the sequence, that locks its newest id until the commit."""
        return f"pg_advisory_xact_lock_shared({self.lock_class}, (({NEWEST}) % {_WRAP})::int)"

    @property
    def safe(self) -> str:
        """Return the statement for the newest id and the locks that are held."""
        return f"""WITH newest AS MATERIALIZED (SELECT {NEWEST} AS id FROM {self.sequence})
SELECT id, (SELECT array_agg(objid::bigint) FROM pg_locks
    WHERE locktype = 'advisory' AND classid = {self.lock_class} AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND newest.id >= 0)
FROM newest"""


VISITS = Fence("visit_id", FENCE_CLASS)
OPT_OUTS = Fence("unsubscribe_id", OPT_OUT_FENCE_CLASS)

BEFORE_OPT_OUTS = f"SELECT {OPT_OUTS.lock}::text FROM {OPT_OUTS.sequence}"
"""What is run before a transaction draws ids of opt-outs."""


def allot(count: str) -> str:
    """Return the statement that draws ``count`` visit ids, and tells the transaction's own."""
    return f"""WITH fence AS MATERIALIZED (SELECT {VISITS.lock} AS held FROM visit_id)
SELECT array_agg(nextval('visit_id')), max(held::text), pg_current_xact_id()::text
FROM fence, generate_series(1, {count})"""


def allotted_ids(work: Transaction, found: Sequence[Row]) -> list[int]:
    """Return the visit ids that ``allot`` has drawn; they belong to this transaction."""
    ids, _, work.xid = found[0]
    return ids or []


async def safe(source: Database | Transaction, fence: Fence = VISITS) -> int:
    """Return an id up to which every visit, or whatever else it is of, that will ever be there is there."""
    row = await source.fetch_one(fence.safe)
    if row is None:
        return 0
    newest = int(row[0])
    held: list[int] = row[1] or []
    return min([newest, *(newest - (newest - item) % _WRAP for item in held)])
