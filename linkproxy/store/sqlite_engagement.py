"""Engagement in SQLite: writing it, and what a judge is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linkproxy.model import MOST_ENGAGED, Afterlife, Engagement, EngagementKind
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.afterlife import EARLY_SECONDS, LATE_SECONDS, EngagementOutcome

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from linkproxy.store.sqlite_session import Message, Session

_COLUMNS = "visit_id, kind, first_at, at, seconds_on_page, pages, network"
_VISIT = f"""SELECT v.campaign_id, v.recipient_id, v.at, {rows.RECIPIENT}
FROM visit v JOIN recipient r ON r.id = v.recipient_id WHERE v.id = ?"""
_KEEP = f"""INSERT INTO engagement (campaign_id, recipient_id, {_COLUMNS})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (visit_id, kind) DO UPDATE
SET at = excluded.at, seconds_on_page = max(seconds_on_page, excluded.seconds_on_page),
    pages = max(pages, excluded.pages)
WHERE excluded.seconds_on_page > seconds_on_page OR excluded.pages > pages"""
_OPEN = """INSERT OR IGNORE INTO open_visit (campaign_id, recipient_id, visit_id, at, again)
SELECT campaign_id, recipient_id, visit_id, at, 1 FROM message_visit
WHERE campaign_id = ? AND recipient_id = ? AND visit_id = ?"""
_UNLIST = "DELETE FROM message_visit WHERE campaign_id = ? AND recipient_id = ? AND visit_id = ?"
MOST_TOLD = 1_000
"""Rows of one message that a settle pass looks at, those of its newest visits."""

_OF_MESSAGE = f"""SELECT * FROM (
    SELECT {_COLUMNS} FROM engagement WHERE campaign_id = ? AND recipient_id = ?
    ORDER BY visit_id DESC, kind LIMIT {MOST_TOLD})
ORDER BY visit_id, kind"""
_ENGAGED = f"""SELECT count(*) FROM (SELECT DISTINCT recipient_id FROM engagement
WHERE campaign_id = ? AND recipient_id <> ? LIMIT {MOST_ENGAGED})"""


def keep(session: Session, engagement: Engagement, client: str) -> EngagementOutcome:
    """Keep what was told of a visit; if it is news, the visit is settled once more."""
    db = session.db
    row = db.execute(_VISIT, (engagement.visit_id,)).fetchone()
    if row is None or not rows.recipient_from(row[3:]).track:
        return EngagementOutcome.NO_VISIT
    message, visited_at = (row[0], row[1]), row[2]
    if not -EARLY_SECONDS <= engagement.at - visited_at <= LATE_SECONDS:
        return EngagementOutcome.LATE
    _, network = session.privacy.pseudonym(client, engagement.network)
    values = (
        *(*message, engagement.visit_id, engagement.kind, engagement.first_at, engagement.at),
        *(engagement.seconds_on_page, engagement.pages, network),
    )
    if db.execute(_KEEP, values).rowcount <= 0:
        return EngagementOutcome.UNCHANGED
    visit = (*message, engagement.visit_id)
    if db.execute(_OPEN, visit).rowcount > 0:
        db.execute(_UNLIST, visit)
    return EngagementOutcome.KEPT


def engagements_of(db: sqlite3.Connection, message: Message) -> tuple[Engagement, ...]:
    """Return what was told of the visits of a message."""
    return tuple(
        Engagement(row[0], EngagementKind(row[1]), *row[2:]) for row in db.execute(_OF_MESSAGE, message)
    )


def count_engaged(db: sqlite3.Connection, message: Message) -> int:
    """Return how many other recipients of the campaign engagement is known of, up to MOST_ENGAGED."""
    (count,) = db.execute(_ENGAGED, message).fetchone()
    return int(count)


def afterlife_value(afterlife: Afterlife | None) -> Sequence[Any] | None:
    """Return what followed a visit for JSON."""
    if afterlife is None:
        return None
    told = [
        (item.kind, item.first_at, item.at, item.seconds_on_page, item.pages, item.network)
        for item in afterlife.engagements
    ]
    return (afterlife.known_at, afterlife.engaged, told)


def afterlife_from(visit_id: int, value: Sequence[Any]) -> Afterlife:
    """Return what followed a visit of its JSON."""
    known_at, engaged, told = value
    return Afterlife(
        known_at,
        tuple(Engagement(visit_id, EngagementKind(kind), *rest) for kind, *rest in told),
        engaged,
    )
