"""Rows of the journal as the messages that a replay goes through, for every engine."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from linkproxy.model import CampaignId, RecipientId, VerdictKind
from linkproxy.store.evidence_rows import evidence_from
from linkproxy.store.review import (
    CARRIED,
    MOST_VISITS,
    FrozenMessage,
    FrozenVisit,
    ShadowRow,
    ShadowVerdict,
)
from linkproxy.store.sqlite_rejudge import frozen_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from linkproxy.model import Campaign
    from linkproxy.store.sqlite_rows import Row


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


def shadow_row(row: Row) -> ShadowRow:
    """Return a difference between live and shadow policy of its columns."""
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
