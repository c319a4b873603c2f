"""Going over the journal again in PostgreSQL: reading it by message, and what replay and shadow write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.store import postgres_locks as locks
from linkproxy.store import postgres_rejudge as rejudging
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.postgres_queries import Bound
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
from linkproxy.store.sqlite_rejudge import REPLAY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from linkproxy.model import Campaign, CampaignId, Settlement
    from linkproxy.store.api import Filter
    from linkproxy.store.postgres_database import Database, Transaction

_KEY = "campaign_id, recipient_id, visit_id"
_DELIVERED = """SELECT coalesce(r.domain, ''), count(*) FROM delivery d
LEFT JOIN recipient r ON r.id = d.recipient_id WHERE d.campaign_id = $1 GROUP BY 1"""
_DIFFERENCES = f"""SELECT s.visit_id, s.at, s.campaign_id, s.recipient_id, s.live, s.live_score, s.shadow,
    s.shadow_score, s.evidence, s.policy, c.name, {rows.PERSON}
FROM shadow_verdict s JOIN campaign c ON c.id = s.campaign_id LEFT JOIN recipient r ON r.id = s.recipient_id
WHERE s.visit_id > $1 AND ($2 = '' OR c.name = $2)
AND ($3::double precision IS NULL OR s.at >= $3) AND ($4::double precision IS NULL OR s.at < $4)
ORDER BY s.visit_id LIMIT $5"""


def _conditions(where: Filter, bound: Bound) -> str:
    wanted = []
    if where.campaign:
        wanted.append(f"campaign_id = (SELECT id FROM campaign WHERE name = {bound(where.campaign)})")
    if where.since is not None:
        wanted.append(f"at >= {bound(where.since)}")
    if where.until is not None:
        wanted.append(f"at < {bound(where.until)}")
    return " AND ".join(["true", *wanted])


def _page(where: Filter, after: tuple[int, int, int]) -> Bound:
    """Return the statement that reads a page of the journal in order of message and visit."""
    bound = Bound()
    key = ", ".join(bound(part) for part in after)
    conditions = _conditions(where, bound)
    part = f"""(SELECT {_KEY}, at FROM {{}} WHERE ({_KEY}) > ({key}) AND {conditions}
        ORDER BY {_KEY} LIMIT {PAGE})"""
    bound.statement = f"""WITH page AS MATERIALIZED (SELECT * FROM (
        {part.format("message_visit")} UNION ALL {part.format("open_visit")}) AS both_kinds
        ORDER BY {_KEY} LIMIT {PAGE})
    SELECT {rejudging.FROZEN} FROM page
    JOIN visit v ON v.id = page.visit_id AND v.recipient_id = page.recipient_id AND v.at = page.at
    {rejudging.FROZEN_JOINS} ORDER BY page.campaign_id, page.recipient_id, page.visit_id"""
    return bound


class PostgresReview:
    """The ReviewStore half of PostgresStore."""

    _database: Database

    if TYPE_CHECKING:

        async def _policy_id(self, work: Transaction, digest: str) -> int: ...

    async def messages(self, where: Filter, *, reach_seconds: float) -> AsyncIterator[FrozenMessage]:
        async for message in as_messages(self._pages(where, reach_seconds), self._campaigns):
            yield message

    def _pages(self, where: Filter, reach_seconds: float) -> AsyncIterator[Sequence[rows.Row]]:
        wider = widened(where, reach_seconds)

        async def read(after: tuple[int, int, int]) -> Sequence[rows.Row]:
            page = _page(wider, after)
            return await self._database.fetch(page.statement, *page.values)

        return pages_of(read)

    async def _campaigns(self, ids: set[int]) -> dict[int, Campaign]:
        found = await self._database.fetch(
            f"SELECT {rows.CAMPAIGN} FROM campaign WHERE id = ANY($1::bigint[])", sorted(ids)
        )
        return {row[0]: rows.campaign_from(row) for row in found}

    async def count_visits(self, where: Filter) -> int:
        bound = Bound()
        conditions = _conditions(where, bound)
        parts = [
            f"(SELECT count(*) FROM {name} WHERE {conditions})" for name in ("message_visit", "open_visit")
        ]
        row = await self._database.fetch_one(f"SELECT {' + '.join(parts)}", *bound.values)
        return int(row[0]) if row else 0

    async def count_delivered(self, campaign_id: CampaignId) -> dict[str, int]:
        return {row[0]: int(row[1]) for row in await self._database.fetch(_DELIVERED, campaign_id)}

    async def begin_replay(self, replay: AppliedReplay) -> int:
        async with self._database.transaction() as work:
            return await rejudging.begin(work, replay)

    async def rejudge(
        self,
        replay_id: int,
        message: FrozenMessage,
        revise: Callable[[FrozenMessage], Settlement],
    ) -> Settlement:
        wanted = locks.COUNTING + locks.recipients([message.recipient_id])
        async with self._database.transaction(wanted) as work:
            return await rejudging.rejudge(work, replay_id, message, revise, self._policy_id)

    async def list_replays(self) -> list[AppliedReplay]:
        found = await self._database.fetch(f"SELECT {REPLAY} FROM replay ORDER BY id")
        return [AppliedReplay(*row) for row in found]

    async def add_shadow_verdicts(self, verdicts: Sequence[ShadowVerdict]) -> None:
        if verdicts:
            async with self._database.transaction() as work:
                await rejudging.add_shadow_verdicts(work, verdicts)

    def shadow_verdicts(self, where: Filter) -> AsyncIterator[ShadowRow]:
        async def read(after: int, size: int) -> Sequence[rows.Row]:
            asked = (after, where.campaign, where.since, where.until, size)
            return await self._database.fetch(_DIFFERENCES, *asked)

        return shadow_rows(read, where)

    async def count_shadow_verdicts(self) -> list[ShadowCount]:
        return shadow_counts(await self._database.fetch(SHADOW_COUNTS))
