"""The sums of rollups in PostgreSQL: changes are collected and written once a transaction.

Whoever writes them holds the lock COUNTING, so that no two transactions wait for each other's rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.store.postgres_rows import turned
from linkproxy.store.rollups import Change, Figure, MessageSums, State

if TYPE_CHECKING:
    from linkproxy.store.memory import Message
    from linkproxy.store.postgres_database import Transaction
    from linkproxy.store.sqlite_rows import Row

_FIGURES = ", ".join(Figure)
_MORE = ", ".join(f"{figure} = rollup.{figure} + excluded.{figure}" for figure in Figure)
_ADD = f"""INSERT INTO rollup (campaign_id, state, part, name, {_FIGURES})
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[],
    {", ".join(f"${place}::bigint[]" for place in range(5, 5 + len(Figure)))})
ON CONFLICT (campaign_id, state, part, name) DO UPDATE SET {_MORE}"""
_DROP_EMPTY = f"""DELETE FROM rollup
USING unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS w (campaign_id, state, part, name)
WHERE (rollup.campaign_id, rollup.state, rollup.part, rollup.name)
    = (w.campaign_id, w.state, w.part, w.name)
AND {" AND ".join(f"{figure} = 0" for figure in Figure)}"""
_ADD_POSSIBLE = """INSERT INTO rollup_possible (campaign_id, state, domain, score, clicks, units)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
ON CONFLICT (campaign_id, state, domain, score, clicks)
    DO UPDATE SET units = rollup_possible.units + excluded.units"""
_DROP_IMPOSSIBLE = """DELETE FROM rollup_possible p
USING unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
    AS w (campaign_id, state, domain, score, clicks)
WHERE (p.campaign_id, p.state, p.domain, p.score, p.clicks)
    = (w.campaign_id, w.state, w.domain, w.score, w.clicks) AND p.units = 0"""
_MERGE = f"""WITH gone AS (DELETE FROM rollup
    WHERE campaign_id IN (SELECT id FROM campaign) AND state = 'kept' AND part = 'domain' AND name = $1
    RETURNING *)
INSERT INTO rollup (campaign_id, state, part, name, {_FIGURES})
SELECT campaign_id, state, part, '', {_FIGURES} FROM gone
ON CONFLICT (campaign_id, state, part, name) DO UPDATE SET {_MORE}"""
_MERGE_POSSIBLE = """WITH gone AS (DELETE FROM rollup_possible
    WHERE campaign_id IN (SELECT id FROM campaign) AND state = 'kept' AND domain = $1 RETURNING *)
INSERT INTO rollup_possible (campaign_id, state, domain, score, clicks, units)
SELECT campaign_id, state, '', score, clicks, units FROM gone
ON CONFLICT (campaign_id, state, domain, score, clicks)
    DO UPDATE SET units = rollup_possible.units + excluded.units"""
_CURSOR = "SELECT recipient_id FROM rollup_rebuild WHERE campaign_id = $1"
_MESSAGE = """SELECT raw, counted, clicks, possible, shapes FROM rollup_message
WHERE campaign_id = $1 AND recipient_id = $2"""
_PUT_MESSAGE = """INSERT INTO rollup_message
(campaign_id, recipient_id, raw, counted, clicks, possible, shapes) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (campaign_id, recipient_id) DO UPDATE SET raw = excluded.raw, counted = excluded.counted,
    clicks = excluded.clicks, possible = excluded.possible, shapes = excluded.shapes"""
_DROP_MESSAGE = "DELETE FROM rollup_message WHERE campaign_id = $1 AND recipient_id = $2"


class Ledger:
    """Collects changes of one transaction and writes them at its end, each row once."""

    def __init__(self, work: Transaction) -> None:
        self._work = work
        self._cursors: dict[int, int] = {}
        self._changes: dict[tuple[int, State], Change] = {}

    async def add(self, message: Message, change: Change, times: int = 1) -> None:
        """Change what can be counted again from the journal and the click log."""
        self._of(message[0], State.LIVE).add_all(change, times)
        if message[1] <= await self._rebuilt_to(message[0]):
            self._of(message[0], State.FRESH).add_all(change, times)

    async def keep(self, message: Message, change: Change) -> None:
        """Keep what is purged."""
        await self.add(message, change, -1)
        self._of(message[0], State.KEPT).add_all(change)

    def recount(self, message: Message, change: Change) -> None:
        """Add a message to what is being counted again."""
        self._of(message[0], State.FRESH).add_all(change)

    async def write(self) -> None:
        """Write what was collected."""
        rows: list[Row] = []
        units: list[Row] = []
        for (campaign_id, state), change in sorted(self._changes.items(), key=lambda item: item[0]):
            for place, figures in change.by_place().items():
                rows.append((campaign_id, state, *place, *(figures.get(figure, 0) for figure in Figure)))
            found = sorted((unit, count) for unit, count in change.possible.items() if count)
            units += [(campaign_id, state, *unit, count) for unit, count in found]
        self._changes.clear()
        if rows:
            await self._work.execute(_ADD, *turned(rows))
        if smaller := [row[:4] for row in rows if min(row[4:]) < 0]:
            await self._work.execute(_DROP_EMPTY, *turned(smaller))
        if units:
            await self._work.execute(_ADD_POSSIBLE, *turned(units))
        if fewer := [unit[:5] for unit in units if unit[5] < 0]:
            await self._work.execute(_DROP_IMPOSSIBLE, *turned(fewer))

    async def forget_domain(self, domain: str) -> None:
        """Tell what is kept of a domain under no name: nobody there is known any more."""
        await self._work.execute(_MERGE, domain)
        await self._work.execute(_MERGE_POSSIBLE, domain)

    def _of(self, campaign_id: int, state: State) -> Change:
        return self._changes.setdefault((campaign_id, state), Change())

    async def _rebuilt_to(self, campaign_id: int) -> int:
        if campaign_id not in self._cursors:
            row = await self._work.fetch_one(_CURSOR, campaign_id)
            self._cursors[campaign_id] = row[0] if row else -1
        return self._cursors[campaign_id]


async def read_message(work: Transaction, message: Message) -> MessageSums:
    """Return what is kept of a message beyond its visits."""
    row = await work.fetch_one(_MESSAGE, *message)
    return MessageSums.from_values(*row) if row else MessageSums()


async def write_message(work: Transaction, message: Message, sums: MessageSums) -> None:
    """Keep that; what is empty takes no row."""
    if sums.is_empty:
        await work.execute(_DROP_MESSAGE, *message)
    else:
        await work.execute(_PUT_MESSAGE, *message, *sums.values())
