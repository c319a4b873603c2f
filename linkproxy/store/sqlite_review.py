"""Going over the journal again in SQLite: reading it by message, and what replay and shadow write."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from linkproxy.store import sqlite_rejudge as rejudging
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.review import (
    AppliedReplay,
    FrozenMessage,
    ShadowCount,
    ShadowRow,
    ShadowVerdict,
)
from linkproxy.store.review_rows import (
    PAGE,
    SHADOW_COUNTS,
    as_messages,
    pages_of,
    shadow_counts,
    shadow_rows,
    widened,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from linkproxy.model import Campaign, CampaignId, Settlement
    from linkproxy.store.api import Filter
    from linkproxy.store.sqlite_reads import Readers
    from linkproxy.store.sqlite_writer import Writer

_KEY = "campaign_id, recipient_id, visit_id"
_DELIVERED = """SELECT coalesce(r.domain, ''), count(*) FROM delivery d
LEFT JOIN recipient r ON r.id = d.recipient_id
WHERE d.campaign_id = ? AND d.recipient_id <> 0 GROUP BY 1"""
_REPLAYS = f"SELECT {rejudging.REPLAY} FROM replay ORDER BY id"
_DIFFERENCES = f"""SELECT s.visit_id, s.at, s.campaign_id, s.recipient_id, s.live, s.live_score, s.shadow,
    s.shadow_score, s.evidence, s.policy, c.name, {rows.PERSON}
FROM shadow_verdict s JOIN campaign c ON c.id = s.campaign_id LEFT JOIN recipient r ON r.id = s.recipient_id
WHERE s.visit_id > :after AND (:campaign = '' OR c.name = :campaign)
AND (:since IS NULL OR s.at >= :since) AND (:until IS NULL OR s.at < :until)
ORDER BY s.visit_id LIMIT :limit"""


def _conditions(where: Filter) -> str:
    wanted = {
        "campaign_id = (SELECT id FROM campaign WHERE name = :campaign)": bool(where.campaign),
        "at >= :since": where.since is not None,
        "at < :until": where.until is not None,
    }
    return " AND ".join(["1", *(text for text, asked in wanted.items() if asked)])


def _page(where: Filter) -> str:
    """Return the statement that reads a page of the journal in order of message and visit."""
    part = f"SELECT {_KEY} FROM {{}} WHERE ({_KEY}) > (:c, :r, :v) AND {_conditions(where)}"
    return f"""WITH page AS (
        {part.format("message_visit")} UNION ALL {part.format("open_visit")} ORDER BY 1, 2, 3 LIMIT {PAGE})
    SELECT {rejudging.FROZEN} FROM page CROSS JOIN {rejudging.FROZEN_TABLES}
    WHERE v.id = page.visit_id ORDER BY page.campaign_id, page.recipient_id, page.visit_id"""


class SqliteReview:
    """The ReviewStore half of SqliteStore."""

    _readers: Readers
    _writer: Writer

    async def messages(self, where: Filter, *, reach_seconds: float) -> AsyncIterator[FrozenMessage]:
        async for message in as_messages(self._pages(where, reach_seconds), self._campaigns):
            yield message

    def _pages(self, where: Filter, reach_seconds: float) -> AsyncIterator[Sequence[rows.Row]]:
        wider = widened(where, reach_seconds)
        values = {"campaign": where.campaign, "since": wider.since, "until": wider.until}

        async def read(after: tuple[int, int, int]) -> Sequence[rows.Row]:
            return await self._readers.fetch(_page(where), values | dict(zip("crv", after, strict=True)))

        return pages_of(read)

    async def _campaigns(self, ids: set[int]) -> dict[int, Campaign]:
        found = await self._readers.fetch(
            f"SELECT {rows.CAMPAIGN} FROM campaign WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(ids)),),
        )
        return {row[0]: rows.campaign_from(row) for row in found}

    async def count_visits(self, where: Filter) -> int:
        part = f"SELECT count(*) AS visits FROM {{}} WHERE {_conditions(where)}"
        statement = f"""SELECT sum(visits) FROM (
            {part.format("message_visit")} UNION ALL {part.format("open_visit")})"""
        values = {"campaign": where.campaign, "since": where.since, "until": where.until}
        row = await self._readers.fetch_one(statement, values)
        return int(row[0]) if row else 0

    async def count_delivered(self, campaign_id: CampaignId) -> dict[str, int]:
        return {row[0]: int(row[1]) for row in await self._readers.fetch(_DELIVERED, (campaign_id,))}

    async def begin_replay(self, replay: AppliedReplay) -> int:
        return await self._writer.run(partial(rejudging.begin, replay=replay))

    async def rejudge(
        self,
        replay_id: int,
        message: FrozenMessage,
        revise: Callable[[FrozenMessage], Settlement],
    ) -> Settlement:
        return await self._writer.run(
            partial(rejudging.rejudge, replay_id=replay_id, message=message, revise=revise)
        )

    async def list_replays(self) -> list[AppliedReplay]:
        return [AppliedReplay(*row) for row in await self._readers.fetch(_REPLAYS)]

    async def add_shadow_verdicts(self, verdicts: Sequence[ShadowVerdict]) -> None:
        if verdicts:
            await self._writer.run(partial(rejudging.add_shadow_verdicts, verdicts=verdicts), indexed=False)

    def shadow_verdicts(self, where: Filter) -> AsyncIterator[ShadowRow]:
        values = {"campaign": where.campaign, "since": where.since, "until": where.until}

        async def read(after: int, size: int) -> Sequence[rows.Row]:
            return await self._readers.fetch(_DIFFERENCES, values | {"after": after, "limit": size})

        return shadow_rows(read, where)

    async def count_shadow_verdicts(self) -> list[ShadowCount]:
        return shadow_counts(await self._readers.fetch(SHADOW_COUNTS))
