"""Writing what goes out: campaigns, link tables, keys."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

from linkproxy.model import Campaign, CampaignId, Link, LinkKey, MessageLink
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.api import ApiKey, DuplicateError, StoreError
from linkproxy.store.gaps import after_gap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.store.sqlite_session import Session

_COLUMNS = rows.CAMPAIGN.removeprefix("id, ")
_PLACES = ", ".join("?" * len(_COLUMNS.split(",")))
_CAMPAIGN = f"INSERT INTO campaign ({_COLUMNS}) VALUES ({_PLACES}) RETURNING id"
_CHANGE = f"""UPDATE campaign SET name = CASE WHEN ?2 = ?3 THEN name ELSE ?3 END,
    archived_at = CASE WHEN ?4 IS ?5 THEN archived_at ELSE ?5 END WHERE id = ?1 RETURNING {rows.CAMPAIGN}"""
_LINK = f"INSERT INTO link ({rows.LINK}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_LINK_TAKEN = (
    "SELECT 1 FROM message_link WHERE campaign_id = ? AND key IN (SELECT value FROM json_each(?)) LIMIT 1"
)
_MESSAGE_LINK = f"""INSERT INTO message_link ({rows.MESSAGE_LINK})
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE EXISTS (SELECT 1 FROM recipient WHERE id = ?2)"""
_MOVE = "UPDATE sqlite_sequence SET seq = ?2 WHERE name = ?1"
_BEGIN = "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)"  # of a table that never had a row
_SKIPPED = ("campaign", "recipient", "visit", "unsubscribe")
_FEED = "SELECT value FROM meta WHERE name = 'feed'"
_MOVE_FEED = "UPDATE meta SET value = ? WHERE name = 'feed'"
_INDEXED = "UPDATE meta SET value = ? WHERE name = 'indexed'"
_AUDIT = "INSERT INTO audit (at, campaign_id, key, old_target, new_target, who) VALUES (?, ?, ?, ?, ?, ?)"


def add_campaign(session: Session, campaign: Campaign) -> Campaign:
    """Store a campaign and return it with its id; raise DuplicateError."""
    created = replace(campaign, created_at=campaign.created_at or session.clock())
    try:
        (new_id,) = session.db.execute(_CAMPAIGN, rows.campaign_row(created)).fetchone()
    except sqlite3.IntegrityError:
        raise name_taken(campaign.name) from None
    session.changed()
    return replace(created, id=CampaignId(new_id))


def change_campaign(session: Session, was: Campaign, changed: Campaign) -> Campaign:
    """Store what is new of a campaign's name and ``archived_at``; raise DuplicateError."""
    new = (was.id, was.name, changed.name, was.archived_at, changed.archived_at)
    try:
        found = session.db.execute(_CHANGE, new).fetchone()
    except sqlite3.IntegrityError:
        raise name_taken(changed.name) from None
    if found is None:
        raise unknown_campaign(was.id)
    session.changed()
    return rows.campaign_from(found)


def name_taken(name: str) -> DuplicateError:
    """Return the error for a second campaign of a name."""
    return DuplicateError(
        f"campaign {name!r} is there already; choose another name "
        "(`linkproxy campaign list --archived` shows all)"
    )


def unknown_campaign(campaign_id: CampaignId) -> StoreError:
    """Return the error for a campaign that is not there."""
    return StoreError(f"campaign {campaign_id} is not in the store; add it first")


def add_links(session: Session, links: Sequence[Link]) -> None:
    """Add rows to link tables; raise DuplicateError if a key or a position is taken."""
    try:
        session.db.executemany(_LINK, [rows.link_row(link) for link in links])
    except sqlite3.IntegrityError as error:
        raise _link_fault(error, links[0].campaign_id) from None
    for campaign_id in {link.campaign_id for link in links}:
        keys = rows.compact([link.key for link in links if link.campaign_id == campaign_id])
        if session.db.execute(_LINK_TAKEN, (campaign_id, keys)).fetchone():
            raise DuplicateError(
                f"campaign {campaign_id}: a link key is taken by a message link; draw new keys"
            )
    session.changed()


def add_message_links(session: Session, links: Sequence[MessageLink]) -> None:
    """Add links of messages; raise DuplicateError if a key is taken. Erased recipients get none."""
    for link in links:
        taken = session.db.execute(
            "SELECT 1 FROM link WHERE campaign_id = ? AND key = ?", (link.campaign_id, link.key)
        ).fetchone()
        if taken:
            raise DuplicateError(
                f"campaign {link.campaign_id}: key {link.key} is a campaign link's; draw new keys"
            )
    now = session.clock()
    try:
        session.db.executemany(_MESSAGE_LINK, [_message_link_row(link, now) for link in links])
    except sqlite3.IntegrityError as error:
        raise _link_fault(error, links[0].campaign_id) from None


def _message_link_row(link: MessageLink, now: float) -> rows.Row:
    return (
        *(link.campaign_id, link.recipient_id, link.key, link.target, link.kind, link.role),
        *(link.position, link.shape, link.created_at or now),
    )


def _link_fault(error: sqlite3.IntegrityError, campaign_id: CampaignId) -> StoreError | DuplicateError:
    if "FOREIGN KEY" in str(error):
        return unknown_campaign(campaign_id)
    return DuplicateError(f"campaign {campaign_id}: a link key or position is taken; read its links again")


def set_target(
    session: Session, campaign_id: CampaignId, key: LinkKey, target: str, *, who: str, at: float
) -> str:
    """Change a campaign link's target, write the audit log, and return the old one."""
    row = session.db.execute(
        "SELECT target FROM link WHERE campaign_id = ? AND key = ?", (campaign_id, rows.plain(key))
    ).fetchone()
    if row is None:
        raise StoreError(
            f"campaign {campaign_id} has no link {key!r}; 'linkproxy campaign show' lists its links"
        )
    session.db.execute(
        "UPDATE link SET target = ? WHERE campaign_id = ? AND key = ?", (target, campaign_id, key)
    )
    session.db.execute(_AUDIT, (at, campaign_id, key, row[0], target, who))
    session.changed()
    return str(row[0])


OTHER_KEY = "SELECT 1 FROM signing_key_use WHERE signing_key_id = ? AND fingerprint <> ? LIMIT 1"
_NOTE_KEY = """INSERT INTO signing_key_use (signing_key_id, campaign_id, fingerprint) VALUES (?, ?, ?)
ON CONFLICT (signing_key_id, campaign_id) DO UPDATE SET fingerprint = excluded.fingerprint"""


def note_signing_key(
    session: Session, campaign_id: CampaignId, signing_key_id: int, fingerprint: bytes
) -> bool:
    """Remember a key's use, unless another key of that id was used before; see Store."""
    if session.db.execute(OTHER_KEY, (signing_key_id, fingerprint)).fetchone():
        return False
    session.db.execute(_NOTE_KEY, (signing_key_id, campaign_id, fingerprint))
    return True


def add_api_key(session: Session, key: ApiKey) -> None:
    """Store the hash of an API key; raise DuplicateError."""
    try:
        session.db.execute(
            "INSERT INTO api_key (name, hash, created_at, may) VALUES (?, ?, ?, ?)",
            (key.name, key.hash, key.created_at, key.may),
        )
    except sqlite3.IntegrityError:
        raise DuplicateError(f"API key {key.name!r} is there already; choose another name") from None


def remove_api_key(session: Session, name: str) -> bool:
    """Remove an API key; False when there is none of that name."""
    return session.db.execute("DELETE FROM api_key WHERE name = ?", (name,)).rowcount > 0


def ping(session: Session) -> None:
    """Write something small."""
    session.db.execute("UPDATE meta SET value = ? WHERE name = 'ping'", (session.clock(),))


def skip_ids(session: Session) -> None:
    """Leave a gap behind the newest ids and the newest number of the feed; raise StoreError.

    Done when the newest visits are in open_visit, which then goes on behind the gap, too.
    """
    moved = {table: after_gap(table, session.sequence(table)) for table in _SKIPPED}
    ((feed,),) = session.db.execute(_FEED).fetchall()
    session.db.execute(_MOVE_FEED, (after_gap("feed", feed),))
    for place in moved.items():
        if not session.db.execute(_MOVE, place).rowcount:
            session.db.execute(_BEGIN, place)
    session.db.execute(_INDEXED, (moved["visit"],))
    session.forget()
    session.refresh()  # for what else is in this transaction
