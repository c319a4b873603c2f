"""What is registered of campaigns, in PostgreSQL."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from linkproxy.store import postgres_outgoing as outgoing
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.link_files import FiledStore
from linkproxy.store.postgres_fence import NEWEST
from linkproxy.store.registered import BroughtBack, Registered, missing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from linkproxy.model import CampaignId
    from linkproxy.store.postgres_database import Database, Transaction

T = TypeVar("T")

_CAMPAIGN = f"SELECT {rows.CAMPAIGN} FROM campaign WHERE id = $1"
_LINKS = f"SELECT {rows.LINK} FROM link WHERE campaign_id = $1 ORDER BY position"
_KEYS = """SELECT signing_key_id, fingerprint FROM signing_key_use
WHERE campaign_id = $1 AND fingerprint IS NOT NULL ORDER BY signing_key_id"""
_NAME_TAKEN = "SELECT 1 FROM campaign WHERE name = $1 AND id <> $2"
_PLACES = ", ".join(f"${place}" for place in range(1, len(rows.CAMPAIGN.split(",")) + 1))
_ADD = f"INSERT INTO campaign ({rows.CAMPAIGN}) VALUES ({_PLACES})"
_GO_ON = f"""SELECT setval('campaign_id_seq', greatest($1, (SELECT {NEWEST} FROM campaign_id_seq)))"""


class PostgresRegistered(FiledStore):
    """The RegisteredStore part of PostgresStore."""

    _database: Database

    if TYPE_CHECKING:

        async def _write(self, work: Callable[[Transaction], Awaitable[T]], wanted: str = "") -> T: ...

    async def registered(self, campaign_id: CampaignId) -> Registered | None:
        return await _registered(self._database, campaign_id)

    async def _bring_back(self, lost: Registered) -> BroughtBack:
        return await self._write(partial(_bring_back, lost=lost))


async def _registered(source: Database | Transaction, campaign_id: CampaignId) -> Registered | None:
    campaign = await source.fetch_one(_CAMPAIGN, campaign_id)
    if campaign is None:
        return None
    links = tuple(rows.link_from(row) for row in await source.fetch(_LINKS, campaign_id))
    keys = tuple((row[0], bytes(row[1])) for row in await source.fetch(_KEYS, campaign_id))
    return Registered(rows.campaign_from(campaign), links, keys)


async def _bring_back(work: Transaction, lost: Registered) -> BroughtBack:
    campaign = lost.campaign
    there = await _registered(work, campaign.id)
    taken = await work.fetch_one(_NAME_TAKEN, campaign.name, campaign.id) is not None
    lacks = missing(lost, there, name_is_taken=taken)
    if lacks.campaign is not None:
        await work.execute(_ADD, campaign.id, *rows.campaign_row(lacks.campaign))
        await work.fetch(_GO_ON, campaign.id)
        await work.execute(outgoing.CHANGED)
    if lacks.links:
        await outgoing.add_links(work, lacks.links)
    others = [
        key_id
        for key_id, found in lacks.signing_keys
        if not await outgoing.note_signing_key(work, campaign.id, key_id, found)
    ]
    return lacks.done(others)
