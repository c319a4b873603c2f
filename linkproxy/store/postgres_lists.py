"""Listing clicks, visits, opt-outs and retractions from PostgreSQL, in chunks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from linkproxy.model import CampaignId
from linkproxy.store import postgres_queries as queries
from linkproxy.store import sqlite_queries as lines
from linkproxy.store.afterlife import Ends
from linkproxy.store.chunks import listed
from linkproxy.store.evidence_rows import POLICIES, exported, sources_by_id
from linkproxy.store.postgres_fence import OPT_OUTS, VISITS, safe
from linkproxy.store.postgres_queries import Asked
from linkproxy.store.postgres_recipients import ABOUT
from linkproxy.store.postgres_settle import campaign_of
from linkproxy.store.referred import REFERRED, values_of, with_headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from linkproxy.model import Campaign, Recipient, RecipientId
    from linkproxy.store.afterlife import FeedRow, RetractionRow
    from linkproxy.store.api import ClickRow, Filter, UnsubscribeRow, VisitRow
    from linkproxy.store.postgres_database import Database
    from linkproxy.store.postgres_fence import Fence
    from linkproxy.store.postgres_queries import Bound
    from linkproxy.store.sqlite_rows import Row

_KINDS = {"profile_id": "bigint", "campaign_id": "bigint", "key": "text"}


class PostgresLists:
    """The questions of a PostgresStore."""

    _database: Database

    if TYPE_CHECKING:

        async def find_recipient(self, who: str) -> Recipient | None: ...

    async def clicks(self, where: Filter, *, provisional: bool = False) -> AsyncIterator[ClickRow]:
        async for row in self._stream(partial(queries.clicks, provisional=provisional), where):
            yield lines.click_row(row)

    async def visits(self, where: Filter) -> AsyncIterator[VisitRow]:
        campaigns: dict[int, Campaign] = {}
        async for row in self._stream(queries.visits, where):
            await self._learn_campaign(campaigns, row[2])
            yield lines.visit_row(row, campaigns)

    async def unsubscribes(self, where: Filter) -> AsyncIterator[UnsubscribeRow]:
        async for row in self._stream(queries.unsubscribes, where, OPT_OUTS):
            yield lines.unsubscribe_row(row)

    async def retractions(self, where: Filter) -> AsyncIterator[RetractionRow]:
        async for row in self._stream(queries.retractions, where):
            yield lines.retraction_row(row)

    async def feed(self, where: Filter) -> AsyncIterator[FeedRow]:
        async for row in self._stream(queries.feed, where):
            yield lines.feed_row(row)

    async def ends(self) -> Ends:
        row = await self._database.fetch_one("SELECT number FROM meta WHERE name = 'feed'")
        return Ends(
            visit=await safe(self._database),
            feed=int(row[0]) if row else 0,
            unsubscribe=await safe(self._database, OPT_OUTS),
        )

    async def get_visit(self, visit_id: int) -> VisitRow | None:
        row = await self._database.fetch_one(queries.VISIT, visit_id)
        if row is None:
            return None
        campaigns: dict[int, Campaign] = {}
        await self._learn_campaign(campaigns, row[2])
        return lines.visit_row(row, campaigns)

    async def count_strays(self, *, since: float) -> dict[str, int]:
        found = await self._database.fetch(
            "SELECT reason, count(*) FROM stray WHERE at >= $1 GROUP BY reason ORDER BY reason", since
        )
        return {str(row[0]): int(row[1]) for row in found}

    async def export_recipient(self, recipient_id: RecipientId) -> dict[str, list[dict[str, Any]]]:
        """Return every row about a recipient, and what they refer to; tables without one are empty."""
        found: dict[str, list[dict[str, Any]]] = {}
        async with self._database.transaction() as work:
            sources = sources_by_id(await work.fetch(POLICIES))
            for table, where in ABOUT.items():
                # By name: two nodes may differ in the order of columns after an upgrade.
                listed: Any = await work.fetch(f"SELECT * FROM {table} WHERE {where}", recipient_id)
                found[table] = [exported(row.items(), sources) for row in listed]
            about = dict(found)
            for table, (statement, columns) in REFERRED.items():
                kinds = enumerate((_KINDS[column] for column in columns), 1)
                lists = [f"(SELECT unnest(${place}::{kind}[]))" for place, kind in kinds]
                asked = (values_of(about, column) for column in columns)
                listed = await work.fetch(statement.format(*lists), *asked)
                found[table] = [with_headers(exported(row.items(), sources)) for row in listed]
        return found

    async def _stream(
        self, page: Callable[[Asked, int, int], Bound], where: Filter, fence: Fence = VISITS
    ) -> AsyncIterator[Row]:
        """Yield rows in chunks, each a read of its own: a slow reader holds nothing up."""
        recipient = await self.find_recipient(where.recipient) if where.recipient else None
        asked = Asked(where, recipient.id if recipient else None, await safe(self._database, fence))

        async def read(after: int, size: int) -> Sequence[Row]:
            bound = page(asked, after, size)
            return await self._database.fetch(bound.statement, *bound.values)

        async for row in listed(where, lines.CHUNK, read):
            yield row

    async def _learn_campaign(self, campaigns: dict[int, Campaign], campaign_id: int) -> None:
        if campaign_id not in campaigns:
            campaigns[campaign_id] = await campaign_of(self._database, CampaignId(campaign_id))
