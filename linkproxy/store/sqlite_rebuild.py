"""Reading rollups in SQLite, and counting them again from the journal and the click log."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from linkproxy.store import sqlite_entries as entries
from linkproxy.store import sqlite_history as histories
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.rollup_rows import campaign_sums_from, difference
from linkproxy.store.rollups import (
    CampaignSums,
    Figure,
    MessageSums,
    Part,
    RebuildStep,
    add_message,
    link_name,
    with_clicks,
)
from linkproxy.store.sqlite_ledger import Ledger, read_message, write_message
from linkproxy.store.sqlite_recount import SettledRow, raw_visits, settled_rows, visits_change
from linkproxy.store.sqlite_rollups import LIST, note_hours
from linkproxy.visit.possible import MOST_LOOKED_AT

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from linkproxy.model import CampaignId, JournalEntry, PossibleClicks
    from linkproxy.store.sqlite_reads import Readers
    from linkproxy.store.sqlite_session import Message, Session
    from linkproxy.store.sqlite_writer import Writer

    Find = Callable[[Sequence[JournalEntry]], PossibleClicks]

# Not grouped: rows that are kept are few beside those that are live, and sorting takes longer than reading.
_SUMS = f"""SELECT part, name, {", ".join(Figure)} FROM rollup
WHERE campaign_id = ? AND state IN ('live', 'kept')"""
_POSSIBLE = """SELECT domain, score, clicks, units FROM rollup_possible
WHERE campaign_id = ? AND state IN ('live', 'kept')"""
_OPEN = """SELECT v.key, v.at, coalesce(r.domain, ''), v.method = 'GET' AND v.hop_at IS NULL, v.recipient_id,
    l.key IS NOT NULL AND m.key IS NULL, coalesce(l.target, m.target, ''), coalesce(s.raw, 0) > 0
FROM (SELECT DISTINCT visit_id FROM open_visit WHERE campaign_id = ?) o
    CROSS JOIN visit v ON v.id = o.visit_id
    LEFT JOIN recipient r ON r.id = v.recipient_id
    LEFT JOIN link l ON l.campaign_id = v.campaign_id AND l.key = v.key
    LEFT JOIN message_link m
        ON m.campaign_id = v.campaign_id AND m.recipient_id = v.recipient_id AND m.key = v.key
    LEFT JOIN rollup_message s ON s.campaign_id = v.campaign_id AND s.recipient_id = v.recipient_id
WHERE v.settled_verdict IS NULL AND v.kind = 'content' ORDER BY v.id"""
_BLANK = "SELECT count(*) FROM rollup_rebuild WHERE campaign_id = ? AND blank"

_SOURCES = (
    "message_visit WHERE true",
    "open_visit WHERE true",
    "click WHERE true",
    "rollup_message WHERE true",
    "delivery WHERE recipient_id <> 0",
)
"""Tables by campaign and recipient in which a message that counts is found."""

_PARTS = " UNION ".join(
    f"""SELECT * FROM (SELECT DISTINCT recipient_id FROM {table}
    AND campaign_id = :campaign AND recipient_id > :after ORDER BY recipient_id LIMIT :limit)"""
    for table in _SOURCES
)
_NEXT = f"SELECT recipient_id FROM ({_PARTS}) ORDER BY recipient_id LIMIT :limit"
_ALL = " UNION ".join(
    f"SELECT campaign_id, recipient_id FROM {table} AND (:campaign IS NULL OR campaign_id = :campaign)"
    for table in _SOURCES
)
_COUNT = f"SELECT count(*) FROM ({_ALL})"
_BEGIN = """INSERT OR IGNORE INTO rollup_rebuild (campaign_id, recipient_id, blank)
SELECT id, -1, 0 FROM campaign WHERE :campaign IS NULL OR id = :campaign"""
_REBUILD = "rollup_rebuild WHERE :campaign IS NULL OR campaign_id = :campaign"
_DUE = f"SELECT campaign_id, recipient_id FROM {_REBUILD} ORDER BY campaign_id LIMIT 1"
_IDS = """SELECT visit_id FROM message_visit WHERE campaign_id = ?1 AND recipient_id = ?2
UNION SELECT visit_id FROM open_visit WHERE campaign_id = ?1 AND recipient_id = ?2 ORDER BY 1"""
_CLICKS = """SELECT c.visit_id, c.key, c.at,
    l.key IS NOT NULL AND m.key IS NULL, coalesce(l.target, m.target, '')
FROM click c LEFT JOIN link l ON l.campaign_id = c.campaign_id AND l.key = c.key
    LEFT JOIN message_link m
        ON m.campaign_id = c.campaign_id AND m.recipient_id = c.recipient_id AND m.key = c.key
WHERE c.campaign_id = ? AND c.recipient_id = ?"""
_DOMAIN = "SELECT domain FROM recipient WHERE id = ?"
_DELIVERED = "SELECT count(*) FROM delivery WHERE campaign_id = ? AND recipient_id = ? AND recipient_id <> 0"


class SqliteRollups:
    """The RollupStore part of SqliteStore."""

    _readers: Readers
    _writer: Writer

    async def campaign_sums(self, campaign_id: CampaignId) -> CampaignSums:
        async with self._readers.lend() as db:
            await db.execute("BEGIN")  # one moment for all of it
            sums, possible, opened, blank = [
                list(await db.execute_fetchall(statement, (campaign_id,)))
                for statement in (_SUMS, _POSSIBLE, _OPEN, _BLANK)
            ]
            await db.execute("COMMIT")
        return campaign_sums_from(sums, possible, opened, blank)

    async def count_messages(self, campaign_id: CampaignId | None = None) -> int:
        row = await self._readers.fetch_one(_COUNT, {"campaign": campaign_id})
        return int(row[0]) if row else 0

    async def begin_rebuild(self, campaign_id: CampaignId | None = None) -> None:
        await self._writer.run(lambda session: session.db.execute(_BEGIN, {"campaign": campaign_id}))

    async def rebuild(
        self, possible: Find, *, limit: int, campaign_id: CampaignId | None = None
    ) -> RebuildStep:
        only: dict[str, Any] = {"campaign": campaign_id}
        if not await self._readers.fetch(_DUE, only):
            return RebuildStep(0, 0)
        return await self._writer.run(partial(rebuild, possible=possible, limit=limit, only=only))


def rebuild(session: Session, possible: Find, limit: int, only: dict[str, Any]) -> RebuildStep:
    """Count some messages again, of the campaign that is due, and of the next ones while there is room."""
    db, left, counted = session.db, limit, 0
    while left > 0 and (due := db.execute(_DUE, only).fetchone()) is not None:
        campaign_id, after = due
        if after < 0:
            _drop(db, campaign_id, "fresh")
        values = {"campaign": campaign_id, "after": after, "limit": left}
        found = [recipient_id for (recipient_id,) in db.execute(_NEXT, values)]
        ledger = Ledger(db)
        for recipient_id in found:
            _recount(session, ledger, (campaign_id, recipient_id), possible)
        ledger.write()
        if len(found) < left:
            _replace(db, campaign_id)
        else:
            cursor = "UPDATE rollup_rebuild SET recipient_id = ? WHERE campaign_id = ?"
            db.execute(cursor, (found[-1], campaign_id))
        counted += len(found)
        left -= max(1, len(found))
    (campaigns,) = db.execute(f"SELECT count(*) FROM {_REBUILD}", only).fetchone()
    return RebuildStep(counted, campaigns)


def _drop(db: sqlite3.Connection, campaign_id: int, state: str) -> None:
    for table in ("rollup", "rollup_possible"):
        db.execute(f"DELETE FROM {table} WHERE campaign_id = ? AND state = ?", (campaign_id, state))


def _replace(db: sqlite3.Connection, campaign_id: int) -> None:
    """Put what was counted again in the place of what was there."""
    _drop(db, campaign_id, "live")
    for table in ("rollup", "rollup_possible"):
        fresh = f"UPDATE {table} SET state = 'live' WHERE campaign_id = ? AND state = 'fresh'"
        db.execute(fresh, (campaign_id,))
    db.execute("DELETE FROM rollup_rebuild WHERE campaign_id = ?", (campaign_id,))


def _recount(session: Session, ledger: Ledger, message: Message, possible: Find) -> None:
    db = session.db
    before = read_message(db, message)
    ids = [visit_id for (visit_id,) in db.execute(_IDS, message)]
    found = settled_rows(db, ids, {message: before})
    row = db.execute(_DOMAIN, message[1:]).fetchone()
    domain = row[0] if row else ""
    after = _sums(db, message, before, found, possible)
    ledger.add(message, difference(before, after, domain))
    whole = visits_change(found, domain)
    add_message(whole, after, domain)
    (delivered,) = db.execute(_DELIVERED, message).fetchone()
    whole.add(((Part.CAMPAIGN, ""), (Part.DOMAIN, domain)), Figure.DELIVERED, delivered)
    ledger.recount(message, whole)
    write_message(db, message, after)
    db.executemany(LIST, [(message[0], item.visit_id, domain, item.verdict.kind, item.key) for item in found])
    note_hours(db, [(item.visit_id, item.visit.at) for item in found])


def _sums(
    db: sqlite3.Connection,
    message: Message,
    before: MessageSums,
    found: Sequence[SettledRow],
    possible: Find,
) -> MessageSums:
    """Return what a message is beyond its visits, from the journal and the click log."""
    logged = db.execute(_CLICKS, message).fetchall()
    looked_at = [item.visit_id for item in found[:MOST_LOOKED_AT]]
    journal = db.execute(histories.ENTRIES, (rows.compact(looked_at),)).fetchall()
    campaign = rows.campaign_from(db.execute(histories.CAMPAIGN, message[:1]).fetchone())
    settled = [entries.entry_from(row, {campaign.id: campaign}) for row in journal]
    return message_sums(before, found, logged, possible(settled) if settled else ())


def message_sums(
    before: MessageSums, found: Sequence[SettledRow], logged: Sequence[rows.Row], possible: PossibleClicks
) -> MessageSums:
    """Return what a message is beyond its visits; of a click ``logged`` has what _CLICKS selects."""
    named = {item.key: item.visit.link for item in found if item.is_content and item.is_message_link}
    shapes = {**named, **before.shapes} if found or logged else {}
    clicks = [
        (link_name(key, is_known=bool(known), target=target, shapes=shapes), at)
        for _, key, at, known, target in logged
    ]
    looked_at = {item.visit_id for item in found[:MOST_LOOKED_AT]}
    return replace(
        with_clicks(MessageSums(clicks=Counter()), clicks),
        raw=raw_visits(found),
        counted=len({row[0] for row in logged} & looked_at),
        possible=possible,
        shapes=shapes,
    )
