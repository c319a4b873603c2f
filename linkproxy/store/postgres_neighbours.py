"""Who was visited lately, beside whom: read from the journal as other nodes' visits come in.

A node notes its own visits while it judges them, and reads those of others when visit ids were
given out that are not its own. Visits that two nodes judge at the same moment do not see each
other here; the settle pass, which looks on both sides, does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.store.postgres_fence import NEWEST, safe
from linkproxy.store.sqlite_domains import TAIL

if TYPE_CHECKING:
    from linkproxy.store.postgres_database import Database, Transaction
    from linkproxy.store.postgres_memory import Memory

_ERASURES = "coalesce((SELECT number FROM meta WHERE name = 'erasures'), 0)"
_GIVEN = f"SELECT {NEWEST}, {_ERASURES} FROM visit_id"
_NEWS = """SELECT v.campaign_id, r.domain, v.recipient_id, v.at, v.key, v.profile_id, v.kind, v.one_click,
    (v.facts::json -> 'delivery' ->> 0)::double precision, v.facts::json -> 'delivery' ->> 1
FROM visit v JOIN recipient r ON r.id = v.recipient_id
WHERE v.id > $1 AND v.id <= $2 AND v.id <> ALL($3::bigint[]) AND strpos(v.facts, '"step":[') > 0
ORDER BY v.id"""
"""Of visits that were judged knowing whose domain it is, which are those that a node notes of its own."""


async def catch_up(source: Database | Transaction, memory: Memory, given: int | None = None) -> None:
    """Note what other nodes have committed; ``given`` is the newest id before this batch's own.

    One at a time, and not beside a batch: the caller has Intake's turn.
    """
    while memory.seen + 1 in memory.own:
        memory.seen += 1
        memory.own.discard(memory.seen)
    if given is None:
        row = await source.fetch_one(_GIVEN)
        given = int(row[0]) if row else 0
        memory.heed(row[1] if row else 0)
    if memory.blank or given > memory.seen:
        await _read(source, memory, min(given, await safe(source)))


async def _read(source: Database | Transaction, memory: Memory, newest: int) -> None:
    """Note the visits up to ``newest``; of very many, the newest."""
    first = max(memory.seen, newest - TAIL)
    if memory.blank or first > memory.seen:
        memory.neighbours.clear()
        memory.own.clear()
        first = max(0, newest - TAIL)
    for row in await source.fetch(_NEWS, first, newest, sorted(memory.own)):
        memory.neighbours.remember_row(row)
    memory.seen = max(newest, 0 if memory.blank else memory.seen)
    memory.own = {visit_id for visit_id in memory.own if visit_id > newest}
    memory.blank = False
