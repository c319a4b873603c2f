"""Rows of the journal as the messages that a replay goes through, for every engine."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from linkproxy.model import CampaignId, RecipientId, VerdictKind
from linkproxy.store.chunks import listed
from linkproxy.store.evidence_rows import evidence_from
from linkproxy.store.review import (
    CARRIED,
    MOST_VISITS,
    FrozenMessage,
    FrozenVisit,
    ShadowCount,
    ShadowRow,
    ShadowVerdict,
)
from linkproxy.store.sqlite_rejudge import frozen_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from linkproxy.model import Campaign
    from linkproxy.store.api import Filter
    from linkproxy.store.sqlite_rows import Row


PAGE = 200
"""Rows of one read: a server that reports goes on answering visits."""

SHADOW_COUNTS = """SELECT s.policy, c.name, s.live, s.shadow, s.visits
FROM shadow_count s JOIN campaign c ON c.id = s.campaign_id ORDER BY 1, 2, 3, 4"""


async def as_messages(
    pages: AsyncIterator[Sequence[Row]], campaigns_of: Callable[[set[int]], Awaitable[dict[int, Campaign]]]
) -> AsyncIterator[FrozenMessage]:
    """Yield messages of rows that come by campaign, recipient and visit; a very long one in parts."""
    campaigns: dict[int, Campaign] = {}
    held: list[FrozenVisit] = []
    carried = 0
    async for page in pages:
        campaigns |= await campaigns_of({row[2] for row in page} - campaigns.keys())
        for message, group in groupby(page, key=lambda row: (row[2], row[3])):
            if held and _message_of(held) != message:
                yield _part(held, carried)
                held, carried = [], 0
            held += [frozen_from(row, campaigns) for row in group]
            while len(held) - carried > MOST_VISITS:
                yield _part(held[: carried + MOST_VISITS], carried)
                begin = max(0, carried + MOST_VISITS - CARRIED)
                carried = carried + MOST_VISITS - begin
                held = held[begin:]
    if len(held) > carried:
        yield _part(held, carried)


async def pages_of(
    read: Callable[[tuple[int, int, int]], Awaitable[Sequence[Row]]],
) -> AsyncIterator[Sequence[Row]]:
    """Yield what is read after a campaign, recipient and visit, from the first page to the last."""
    after = (0, -1, 0)
    while found := await read(after):
        yield found
        after = (found[-1][2], found[-1][3], found[-1][0])


async def shadow_rows(
    read: Callable[[int, int], Awaitable[Sequence[Row]]], where: Filter
) -> AsyncIterator[ShadowRow]:
    """Yield what is read after a visit, so many rows of it, page by page."""
    async for row in listed(where, PAGE, read):
        yield _shadow_row(row)


def shadow_counts(found: Sequence[Row]) -> list[ShadowCount]:
    """Return the counts of the columns of SHADOW_COUNTS."""
    return [ShadowCount(row[0], row[1], VerdictKind(row[2]), VerdictKind(row[3]), row[4]) for row in found]


def widened(where: Filter, reach_seconds: float) -> Filter:
    """Return a filter whose times reach further on both sides: siblings come along."""
    return replace(
        where,
        since=None if where.since is None else where.since - reach_seconds,
        until=None if where.until is None else where.until + reach_seconds,
    )


def _shadow_row(row: Row) -> ShadowRow:
    verdict = ShadowVerdict(
        visit_id=row[0],
        at=row[1],
        campaign_id=CampaignId(row[2]),
        recipient_id=RecipientId(row[3]),
        live=VerdictKind(row[4]),
        live_score=row[5],
        shadow=VerdictKind(row[6]),
        shadow_score=row[7],
        evidence=evidence_from(row[8]),
        policy=row[9],
    )
    return ShadowRow(campaign=row[10], recipient=row[11], verdict=verdict)


def _message_of(held: Sequence[FrozenVisit]) -> tuple[int, int]:
    visit = held[0].entry.visit
    return (visit.campaign_id, visit.recipient_id)


def _part(held: Sequence[FrozenVisit], carried: int) -> FrozenMessage:
    campaign_id, recipient_id = _message_of(held)
    return FrozenMessage(CampaignId(campaign_id), RecipientId(recipient_id), tuple(held), carried)
