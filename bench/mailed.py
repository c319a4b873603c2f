"""An installation whose mail is out: campaigns, recipients, and links that people follow."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from linkproxy.cli.init import installation
from linkproxy.config import load
from linkproxy.model import Campaign, CampaignId, Link, LinkKey, LinkKind, LinkRole
from linkproxy.server.wiring import keyring
from linkproxy.store.api import RecipientDraft
from linkproxy.store.connect import connect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from linkproxy.config import Config
    from linkproxy.store.api import Store

CAMPAIGNS = 20
LINKS = 40
LINKS_FOLLOWED = 2  # of one message, at random moments: people, no sweeps


def install(home: Path, settings: Mapping[str, str], messages: int) -> list[str]:
    """Make an installation with campaigns and recipients; return distinct link paths, shuffled."""
    home.mkdir()
    for name, text in installation().items():
        (home / name).write_text(text)
    config = load(home / "config.toml", dict(settings))
    return asyncio.run(_fill(config, messages))


async def _fill(config: Config, messages: int) -> list[str]:
    keys, store = keyring(config), connect(config)
    await store.open()
    chance = random.Random(1)
    recipients = await store.register_recipients(
        [RecipientDraft(reference=f"r{number}") for number in range(messages // CAMPAIGNS)]
    )
    paths = []
    for number in range(CAMPAIGNS):
        links = await add_campaign(store, Campaign(CampaignId(0), f"c{number}"), LINKS)
        sign = keys.signer(links[0].campaign_id)
        for recipient in recipients:
            token = sign(recipient.id).decode()
            paths += [f"/{token}/{link.key}" for link in chance.sample(links, LINKS_FOLLOWED)]
    await store.close()
    chance.shuffle(paths)
    return paths


async def add_campaign(store: Store, campaign: Campaign, links: int) -> Sequence[Link]:
    """Add a campaign with so many links in its body; return those."""
    added = await store.add_campaign(replace(campaign, base_url="http://t.example"))
    body = (LinkKind.CONTENT, LinkRole.BODY)
    made = [
        Link(added.id, LinkKey(f"{place:04d}"), f"https://shop.example/{place}", *body, place)
        for place in range(links)
    ]
    await store.add_links(made)
    return made


def count_visits(home: Path, url: str = "") -> int:
    """Return how many visits are in the journal of an installation, or of the PostgreSQL at a URL."""
    if url:
        return asyncio.run(_count_at(url))
    with closing(sqlite3.connect(home / "linkproxy.db")) as database:
        return int(database.execute("SELECT count(*) FROM visit").fetchone()[0])


async def _count_at(url: str) -> int:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM visit"))
    finally:
        await connection.close()
