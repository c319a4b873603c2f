"""Engagement in PostgreSQL: writing it, and what a judge is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import MOST_ENGAGED, Engagement, EngagementKind
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.afterlife import EARLY_SECONDS, LATE_SECONDS, EngagementOutcome
from linkproxy.store.sqlite_engagement import MOST_TOLD

if TYPE_CHECKING:
    from linkproxy.store.postgres_database import Transaction
    from linkproxy.store.privacy import Privacy

_COLUMNS = "visit_id, kind, first_at, at, seconds_on_page, pages, network"
VISIT = "SELECT campaign_id, recipient_id, at FROM visit WHERE id = $1"
_RECIPIENT = f"SELECT {rows.RECIPIENT} FROM recipient r WHERE r.id = $1"
_KEEP = f"""INSERT INTO engagement (id, campaign_id, recipient_id, {_COLUMNS})
VALUES (nextval('engagement_id'), $1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (visit_id, kind, recipient_id) DO UPDATE
SET at = excluded.at, seconds_on_page = greatest(engagement.seconds_on_page, excluded.seconds_on_page),
    pages = greatest(engagement.pages, excluded.pages)
WHERE excluded.seconds_on_page > engagement.seconds_on_page OR excluded.pages > engagement.pages"""
_REOPEN = """WITH gone AS (
    DELETE FROM message_visit WHERE campaign_id = $1 AND recipient_id = $2 AND visit_id = $3 AND at = $4
    RETURNING *)
INSERT INTO open_visit (campaign_id, recipient_id, visit_id, at, again)
SELECT campaign_id, recipient_id, visit_id, at, true FROM gone ON CONFLICT DO NOTHING"""
_OF_MESSAGE = f"""SELECT * FROM (
    SELECT {_COLUMNS} FROM engagement WHERE campaign_id = $1 AND recipient_id = $2
    ORDER BY visit_id DESC, kind LIMIT {MOST_TOLD}) AS newest
ORDER BY visit_id, kind"""
_ENGAGED = f"""SELECT count(*) FROM (SELECT DISTINCT recipient_id FROM engagement
WHERE campaign_id = $1 AND recipient_id <> $2 LIMIT {MOST_ENGAGED}) AS others"""


async def keep(
    work: Transaction, privacy: Privacy, visit: rows.Row, engagement: Engagement, client: str
) -> EngagementOutcome:
    """Keep what was told of a visit; under the lock of its recipient. News opens it for settling."""
    message, visited_at = (visit[0], visit[1]), visit[2]
    recipient = await work.fetch_one(_RECIPIENT, message[1])
    still_there = await work.fetch_one(VISIT, engagement.visit_id)
    if recipient is None or still_there is None or not rows.recipient_from(recipient).track:
        return EngagementOutcome.NO_VISIT
    if not -EARLY_SECONDS <= engagement.at - visited_at <= LATE_SECONDS:
        return EngagementOutcome.LATE
    _, network = privacy.pseudonym(client, engagement.network)
    kept = await work.execute(
        _KEEP,
        *(*message, engagement.visit_id, engagement.kind, engagement.first_at, engagement.at),
        *(engagement.seconds_on_page, engagement.pages, network),
    )
    if not kept:
        return EngagementOutcome.UNCHANGED
    await work.execute(_REOPEN, *message, engagement.visit_id, visited_at)
    return EngagementOutcome.KEPT


async def engagements_of(work: Transaction, message: tuple[int, int]) -> tuple[Engagement, ...]:
    """Return what was told of the visits of a message."""
    found = await work.fetch(_OF_MESSAGE, *message)
    return tuple(Engagement(row[0], EngagementKind(row[1]), *row[2:]) for row in found)


async def count_engaged(work: Transaction, message: tuple[int, int]) -> int:
    """Return how many other recipients of the campaign engagement is known of, up to MOST_ENGAGED."""
    row = await work.fetch_one(_ENGAGED, *message)
    return int(row[0]) if row else 0
