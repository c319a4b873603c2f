"""The AfterlifeStore half of SqliteStore."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from linkproxy.store import sqlite_engagement as engagements
from linkproxy.store import sqlite_queries as queries
from linkproxy.store.afterlife import Ends

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from linkproxy.model import Engagement
    from linkproxy.store import sqlite_rows as rows
    from linkproxy.store.afterlife import EngagementOutcome, FeedRow, RetractionRow
    from linkproxy.store.api import Filter
    from linkproxy.store.sqlite_reads import Readers
    from linkproxy.store.sqlite_writer import Writer


class SqliteAfterlife:
    """What came after visits, in the file of a SqliteStore."""

    _readers: Readers
    _writer: Writer

    if TYPE_CHECKING:

        def _stream(self, statement: str, where: Filter) -> AsyncIterator[rows.Row]: ...

    async def add_engagement(self, engagement: Engagement, *, client: str = "") -> EngagementOutcome:
        return await self._writer.run(
            partial(engagements.keep, engagement=engagement, client=client), indexed=False
        )

    async def retractions(self, where: Filter) -> AsyncIterator[RetractionRow]:
        async for row in self._stream(queries.retractions(where), where):
            yield queries.retraction_row(row)

    async def feed(self, where: Filter) -> AsyncIterator[FeedRow]:
        async for row in self._stream(queries.feed(where), where):
            yield queries.feed_row(row)

    async def ends(self) -> Ends:
        row = await self._readers.fetch_one(queries.ENDS)
        return Ends(*row) if row else Ends(0, 0, 0)
