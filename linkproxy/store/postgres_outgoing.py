"""Writing what goes out to PostgreSQL: campaigns, link tables, keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg

from linkproxy.model import Campaign, CampaignId, Link, LinkKey, MessageLink
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.api import DuplicateError, StoreError
from linkproxy.store.gaps import after_gap
from linkproxy.store.postgres_fence import NEWEST
from linkproxy.store.postgres_rows import text, turned
from linkproxy.store.sqlite_outgoing import name_taken, unknown_campaign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.store.api import ApiKey
    from linkproxy.store.postgres_database import Transaction

_COLUMNS = rows.CAMPAIGN.removeprefix("id, ")
_PLACES = ", ".join(f"${place}" for place in range(1, len(_COLUMNS.split(",")) + 1))
_CAMPAIGN = f"INSERT INTO campaign ({_COLUMNS}) VALUES ({_PLACES}) RETURNING id"
_CHANGE = f"""UPDATE campaign SET name = CASE WHEN $2::text = $3 THEN name ELSE $3 END,
    archived_at = CASE WHEN $4::double precision IS NOT DISTINCT FROM $5 THEN archived_at ELSE $5 END
WHERE id = $1 RETURNING {rows.CAMPAIGN}"""
_LINK = f"""INSERT INTO link ({rows.LINK})
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[],
    $8::text[])"""
_LINK_TAKEN = "SELECT 1 FROM message_link WHERE campaign_id = $1 AND key = ANY($2::text[]) LIMIT 1"
# A key must not become a campaign link's and a message link's at once: one waits for the other.
_ALONE = "SELECT id FROM campaign WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE"
_BESIDE = "SELECT id FROM campaign WHERE id = ANY($1::bigint[]) ORDER BY id FOR KEY SHARE"
# The recipients' rows are locked: nobody is erased between the look at them and the commit.
_KNOWN = "SELECT id FROM recipient WHERE id = ANY($1::bigint[]) ORDER BY id FOR KEY SHARE"
_KEY_TAKEN = """SELECT l.campaign_id, l.key FROM link l
JOIN unnest($1::bigint[], $2::text[]) AS w (campaign_id, key) USING (campaign_id, key) LIMIT 1"""
_MESSAGE_LINK = f"""INSERT INTO message_link (id, {rows.MESSAGE_LINK})
SELECT nextval('message_link_id'), w.* FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[],
    $5::text[], $6::text[], $7::int[], $8::text[], $9::double precision[]) AS w"""
_AUDIT = """INSERT INTO audit (at, campaign_id, key, old_target, new_target, who)
VALUES ($1, $2, $3, $4, $5, $6)"""
CHANGED = "UPDATE meta SET number = number + 1 WHERE name = 'epoch'"
"""The last statement of what changes campaigns or links: other nodes then forget their copies."""


async def add_campaign(work: Transaction, campaign: Campaign, now: float) -> Campaign:
    """Store a campaign and return it with its id; raise DuplicateError."""
    created = replace(campaign, created_at=campaign.created_at or now)
    try:
        row = await work.fetch_one(_CAMPAIGN, *rows.campaign_row(created))
    except asyncpg.UniqueViolationError:
        raise name_taken(campaign.name) from None
    await work.execute(CHANGED)
    return replace(created, id=CampaignId(row[0] if row else 0))


async def change_campaign(work: Transaction, was: Campaign, changed: Campaign) -> Campaign:
    """Store what is new of a campaign's name and ``archived_at``; raise DuplicateError."""
    new = (was.id, was.name, changed.name, was.archived_at, changed.archived_at)
    try:
        found = await work.fetch_one(_CHANGE, *new)
    except asyncpg.UniqueViolationError:
        raise name_taken(changed.name) from None
    if found is None:
        raise unknown_campaign(was.id)
    await work.execute(CHANGED)
    return rows.campaign_from(found)


async def add_links(work: Transaction, links: Sequence[Link]) -> None:
    """Add rows to link tables; raise DuplicateError if a key or a position is taken."""
    await work.fetch(_ALONE, sorted({link.campaign_id for link in links}))
    try:
        await work.execute(_LINK, *turned([rows.link_row(link) for link in links]))
    except asyncpg.ForeignKeyViolationError:
        raise unknown_campaign(links[0].campaign_id) from None
    except asyncpg.UniqueViolationError:
        raise _taken(links[0].campaign_id) from None
    for campaign_id in sorted({link.campaign_id for link in links}):
        keys = [link.key for link in links if link.campaign_id == campaign_id]
        if await work.fetch_one(_LINK_TAKEN, campaign_id, keys):
            raise DuplicateError(
                f"campaign {campaign_id}: a link key is taken by a message link; draw new keys"
            )
    await work.execute(CHANGED)


async def add_message_links(work: Transaction, links: Sequence[MessageLink], now: float) -> None:
    """Add links of messages; raise DuplicateError if a key is taken. Erased recipients get none."""
    ids = [link.campaign_id for link in links]
    await need_campaigns(work, set(ids))
    taken = await work.fetch_one(_KEY_TAKEN, ids, [link.key for link in links])
    if taken:
        raise DuplicateError(f"campaign {taken[0]}: key {taken[1]} is a campaign link's; draw new keys")
    known = {row[0] for row in await work.fetch(_KNOWN, [link.recipient_id for link in links])}
    values = [_message_link_row(link, now) for link in links if link.recipient_id in known]
    if not values:
        return
    try:
        await work.execute(_MESSAGE_LINK, *turned(values))
    except asyncpg.UniqueViolationError:
        raise _taken(links[0].campaign_id) from None


def _message_link_row(link: MessageLink, now: float) -> rows.Row:
    return (
        *(link.campaign_id, link.recipient_id, link.key, text(link.target), link.kind, link.role),
        *(link.position, link.shape, link.created_at or now),
    )


async def need_campaigns(work: Transaction, wanted: set[CampaignId]) -> None:
    """Raise StoreError unless all campaigns are there."""
    found = await work.fetch(_BESIDE, sorted(wanted))
    if missing := wanted - {row[0] for row in found}:
        raise unknown_campaign(min(missing))


def _taken(campaign_id: CampaignId) -> DuplicateError:
    return DuplicateError(f"campaign {campaign_id}: a link key or position is taken; read its links again")


async def set_target(
    work: Transaction, campaign_id: CampaignId, key: LinkKey, target: str, *, who: str, at: float
) -> str:
    """Change a campaign link's target, write the audit log, and return the old one."""
    row = await work.fetch_one(
        "SELECT target FROM link WHERE campaign_id = $1 AND key = $2 FOR UPDATE", campaign_id, text(key)
    )
    if row is None:
        raise StoreError(
            f"campaign {campaign_id} has no link {key!r}; 'linkproxy campaign show' lists its links"
        )
    await work.execute(
        "UPDATE link SET target = $3 WHERE campaign_id = $1 AND key = $2", campaign_id, key, target
    )
    await work.execute(_AUDIT, at, campaign_id, key, row[0], target, who)
    await work.execute(CHANGED)
    return str(row[0])


OTHER_KEY = "SELECT 1 FROM signing_key_use WHERE signing_key_id = $1 AND fingerprint <> $2 LIMIT 1"
_NOTE_KEY = """INSERT INTO signing_key_use (signing_key_id, campaign_id, fingerprint) VALUES ($1, $2, $3)
ON CONFLICT (signing_key_id, campaign_id) DO UPDATE SET fingerprint = excluded.fingerprint"""


async def note_signing_key(
    work: Transaction, campaign_id: CampaignId, signing_key_id: int, fingerprint: bytes
) -> bool:
    """Remember a key's use, unless another key of that id was used before; see Store."""
    if await work.fetch_one(OTHER_KEY, signing_key_id, fingerprint):
        return False
    await work.execute(_NOTE_KEY, signing_key_id, campaign_id, fingerprint)
    return True


async def add_api_key(work: Transaction, key: ApiKey) -> None:
    """Store the hash of an API key; raise DuplicateError."""
    try:
        await work.execute(
            "INSERT INTO api_key (name, hash, created_at, may) VALUES ($1, $2, $3, $4)",
            key.name,
            key.hash,
            key.created_at,
            key.may,
        )
    except asyncpg.UniqueViolationError:
        raise DuplicateError(f"API key {key.name!r} is there already; choose another name") from None


async def skip_ids(work: Transaction) -> None:
    """Leave a gap behind the newest ids and the newest number of the feed; raise StoreError."""
    ((feed,),) = await work.fetch("SELECT number FROM meta WHERE name = 'feed' FOR UPDATE")
    await work.execute("UPDATE meta SET number = $1 WHERE name = 'feed'", after_gap("feed", feed))
    sequences = {
        "campaign": "campaign_id_seq",
        "recipient": "recipient_id",
        "visit": "visit_id",
        "unsubscribe": "unsubscribe_id",
    }
    for table, sequence in sequences.items():
        ((newest,),) = await work.fetch(f"SELECT {NEWEST} FROM {sequence}")
        await work.fetch("SELECT setval($1::regclass, $2)", sequence, after_gap(table, newest))
