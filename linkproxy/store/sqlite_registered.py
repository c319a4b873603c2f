"""The RegisteredStore half of SqliteStore."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from linkproxy.store import sqlite_outgoing as outgoing
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.link_files import FiledStore
from linkproxy.store.registered import BroughtBack, Registered, missing

if TYPE_CHECKING:
    from linkproxy.model import CampaignId
    from linkproxy.store.sqlite_reads import Readers
    from linkproxy.store.sqlite_session import Session
    from linkproxy.store.sqlite_writer import Writer

_CAMPAIGN = f"SELECT {rows.CAMPAIGN} FROM campaign WHERE id = ?"
_LINKS = f"SELECT {rows.LINK} FROM link WHERE campaign_id = ? ORDER BY position"
_KEYS = """SELECT signing_key_id, fingerprint FROM signing_key_use
WHERE campaign_id = ? AND fingerprint IS NOT NULL ORDER BY signing_key_id"""
_NAME_TAKEN = "SELECT 1 FROM campaign WHERE name = ? AND id <> ?"
_ADD = f"INSERT INTO campaign ({rows.CAMPAIGN}) VALUES ({', '.join('?' * len(rows.CAMPAIGN.split(',')))})"


class SqliteRegistered(FiledStore):
    """What is registered of campaigns, in the file of a SqliteStore."""

    _writer: Writer
    _readers: Readers

    async def registered(self, campaign_id: CampaignId) -> Registered | None:
        found = [await self._readers.fetch(each, (campaign_id,)) for each in (_CAMPAIGN, _LINKS, _KEYS)]
        return _registered(*found)

    async def _bring_back(self, lost: Registered) -> BroughtBack:
        return await self._writer.run(partial(_bring_back, lost=lost))


def _registered(campaigns: list[rows.Row], links: list[rows.Row], keys: list[rows.Row]) -> Registered | None:
    if not campaigns:
        return None
    found = tuple(rows.link_from(row) for row in links)
    return Registered(rows.campaign_from(campaigns[0]), found, tuple((row[0], row[1]) for row in keys))


def _bring_back(session: Session, lost: Registered) -> BroughtBack:
    db, campaign = session.db, lost.campaign
    there = _registered(*(db.execute(each, (campaign.id,)).fetchall() for each in (_CAMPAIGN, _LINKS, _KEYS)))
    taken = db.execute(_NAME_TAKEN, (campaign.name, campaign.id)).fetchone() is not None
    lacks = missing(lost, there, name_is_taken=taken)
    if lacks.campaign is not None:
        # AUTOINCREMENT goes on behind the greatest id that was ever there (sqlite.org/autoinc.html).
        db.execute(_ADD, (campaign.id, *rows.campaign_row(lacks.campaign)))
        session.changed()
    if lacks.links:
        outgoing.add_links(session, lacks.links)
    others = [
        key_id
        for key_id, found in lacks.signing_keys
        if not outgoing.note_signing_key(session, campaign.id, key_id, found)
    ]
    return lacks.done(others)
