"""Reading rollups in PostgreSQL, and counting them again from the journal and the click log."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from linkproxy.store import postgres_locks as locks
from linkproxy.store.postgres_ledger import Ledger, read_message, write_message
from linkproxy.store.postgres_recount import LINKS, settled_rows
from linkproxy.store.postgres_settle import campaign_of, read_entries
from linkproxy.store.rollup_rows import campaign_sums_from, difference
from linkproxy.store.rollups import (
    CampaignSums,
    Figure,
    Part,
    RebuildStep,
    add_message,
)
from linkproxy.store.sqlite_rebuild import message_sums
from linkproxy.store.sqlite_recount import visits_change
from linkproxy.visit.possible import MOST_LOOKED_AT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.model import CampaignId, JournalEntry, PossibleClicks
    from linkproxy.store.memory import Message
    from linkproxy.store.postgres_database import Database, Transaction

    Find = Callable[[Sequence[JournalEntry]], PossibleClicks]

T = TypeVar("T")

_ONE_MOMENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; "
_SUMS = f"""SELECT part, name, {", ".join(f"sum({figure})::bigint" for figure in Figure)} FROM rollup
WHERE campaign_id = $1 AND state IN ('live', 'kept') GROUP BY part, name"""
_POSSIBLE = """SELECT domain, score, clicks, sum(units)::bigint FROM rollup_possible
WHERE campaign_id = $1 AND state IN ('live', 'kept') GROUP BY domain, score, clicks HAVING sum(units) > 0"""
_OPEN = f"""SELECT v.key, v.at, coalesce(r.domain, ''), v.method = 'GET' AND v.hop_at IS NULL, v.recipient_id,
    l.key IS NOT NULL AND m.key IS NULL, coalesce(l.target, m.target, ''), coalesce(s.raw, 0) > 0
FROM open_visit o JOIN visit v ON v.id = o.visit_id AND v.recipient_id = o.recipient_id AND v.at = o.at
LEFT JOIN recipient r ON r.id = v.recipient_id {LINKS.format("v")}
LEFT JOIN rollup_message s ON s.campaign_id = v.campaign_id AND s.recipient_id = v.recipient_id
WHERE o.campaign_id = $1 AND v.settled_verdict IS NULL AND v.kind = 'content' ORDER BY v.id"""
_BLANK = "SELECT count(*) FROM rollup_rebuild WHERE campaign_id = $1 AND blank"

_SOURCES = ("message_visit", "open_visit", "click", "rollup_message", "delivery")
"""Tables by campaign and recipient in which a message that counts is found."""

_PARTS = " UNION ".join(
    f"""(SELECT DISTINCT recipient_id FROM {table}
    WHERE campaign_id = $1 AND recipient_id > $2 ORDER BY recipient_id LIMIT $3)"""
    for table in _SOURCES
)
_NEXT = f"SELECT recipient_id FROM ({_PARTS}) AS found ORDER BY recipient_id LIMIT $3"
_ONLY = "$1::bigint IS NULL OR campaign_id = $1"
_ALL = " UNION ".join(f"SELECT campaign_id, recipient_id FROM {table} WHERE {_ONLY}" for table in _SOURCES)
_COUNT = f"SELECT count(*) FROM ({_ALL}) AS found"
_BEGIN = """INSERT INTO rollup_rebuild (campaign_id, recipient_id, blank)
SELECT id, -1, false FROM campaign WHERE $1::bigint IS NULL OR id = $1 ON CONFLICT DO NOTHING"""
_DUE = f"SELECT campaign_id, recipient_id FROM rollup_rebuild WHERE {_ONLY} ORDER BY campaign_id LIMIT 1"
_LEFT = f"SELECT count(*) FROM rollup_rebuild WHERE {_ONLY}"
_CURSOR = "UPDATE rollup_rebuild SET recipient_id = $2 WHERE campaign_id = $1"
_VISITS = """SELECT visit_id, at, recipient_id FROM message_visit WHERE campaign_id = $1 AND recipient_id = $2
UNION SELECT visit_id, at, recipient_id FROM open_visit WHERE campaign_id = $1 AND recipient_id = $2"""
_CLICKS = f"""SELECT c.visit_id, c.key, c.at,
    l.key IS NOT NULL AND m.key IS NULL, coalesce(l.target, m.target, '')
FROM click c {LINKS.format("c")} WHERE c.campaign_id = $1 AND c.recipient_id = $2"""
_DOMAIN = "SELECT domain FROM recipient WHERE id = $1"
_DELIVERED = "SELECT count(*) FROM delivery WHERE campaign_id = $1 AND recipient_id = $2"


class PostgresRollups:
    """The RollupStore part of PostgresStore."""

    _database: Database

    if TYPE_CHECKING:

        async def _write(self, work: Callable[[Transaction], Awaitable[T]], wanted: str = "") -> T: ...

    async def campaign_sums(self, campaign_id: CampaignId) -> CampaignSums:
        async with self._database.transaction(_ONE_MOMENT) as work:
            sums, possible, opened, blank = [
                await work.fetch(statement, campaign_id) for statement in (_SUMS, _POSSIBLE, _OPEN, _BLANK)
            ]
        return campaign_sums_from(sums, possible, opened, blank)

    async def count_messages(self, campaign_id: CampaignId | None = None) -> int:
        row = await self._database.fetch_one(_COUNT, campaign_id)
        return int(row[0]) if row else 0

    async def begin_rebuild(self, campaign_id: CampaignId | None = None) -> None:
        await self._write(lambda work: work.execute(_BEGIN, campaign_id), locks.COUNTING)

    async def rebuild(
        self, possible: Find, *, limit: int, campaign_id: CampaignId | None = None
    ) -> RebuildStep:
        if await self._database.fetch_one(_DUE, campaign_id) is None:
            # Every node asks every few seconds, and whoever counts may hold the lock for longer than that.
            return RebuildStep(0, 0)
        work = partial(_rebuild, possible=possible, limit=limit, only=campaign_id)
        return await self._write(work, locks.COUNTING)


async def _rebuild(work: Transaction, possible: Find, limit: int, only: int | None) -> RebuildStep:
    """Count some messages again, of the campaign that is due, and of the next ones while there is room."""
    left, counted = limit, 0
    while left > 0 and (due := await work.fetch_one(_DUE, only)) is not None:
        campaign_id, after = due
        if after < 0:
            await _drop(work, campaign_id, "fresh")
        found = [row[0] for row in await work.fetch(_NEXT, campaign_id, after, left)]
        ledger = Ledger(work)
        for recipient_id in found:
            await _recount(work, ledger, (campaign_id, recipient_id), possible)
        await ledger.write()
        if len(found) < left:
            await _replace(work, campaign_id)
        else:
            await work.execute(_CURSOR, campaign_id, found[-1])
        counted += len(found)
        left -= max(1, len(found))
    campaigns = await work.fetch_one(_LEFT, only)
    return RebuildStep(counted, campaigns[0] if campaigns else 0)


async def _drop(work: Transaction, campaign_id: int, state: str) -> None:
    for table in ("rollup", "rollup_possible"):
        await work.execute(f"DELETE FROM {table} WHERE campaign_id = $1 AND state = $2", campaign_id, state)


async def _replace(work: Transaction, campaign_id: int) -> None:
    """Put what was counted again in the place of what was there."""
    await _drop(work, campaign_id, "live")
    for table in ("rollup", "rollup_possible"):
        fresh = f"UPDATE {table} SET state = 'live' WHERE campaign_id = $1 AND state = 'fresh'"
        await work.execute(fresh, campaign_id)
    await work.execute("DELETE FROM rollup_rebuild WHERE campaign_id = $1", campaign_id)


async def _recount(work: Transaction, ledger: Ledger, message: Message, possible: Find) -> None:
    before = await read_message(work, message)
    visits = sorted(tuple(row) for row in await work.fetch(_VISITS, *message))
    found = await settled_rows(work, visits, {message: before})
    row = await work.fetch_one(_DOMAIN, message[1])
    domain = row[0] if row else ""
    looked_at = [(item.visit_id, item.visit.at) for item in found[:MOST_LOOKED_AT]]
    settled = await read_entries(work, looked_at, message[1], await campaign_of(work, message[0]))
    logged = await work.fetch(_CLICKS, *message)
    after = message_sums(before, found, logged, possible(settled) if settled else ())
    await ledger.add(message, difference(before, after, domain))
    whole = visits_change(found, domain)
    add_message(whole, after, domain)
    delivered = await work.fetch_one(_DELIVERED, *message)
    count = delivered[0] if delivered else 0
    whole.add(((Part.CAMPAIGN, ""), (Part.DOMAIN, domain)), Figure.DELIVERED, count)
    ledger.recount(message, whole)
    await write_message(work, message, after)
