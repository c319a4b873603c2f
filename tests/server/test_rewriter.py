"""Links are stored before the mail that carries them, whoever else is rewriting."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from linkproxy.campaign.tokens import Keyring, SigningKey
from linkproxy.model import NOBODY, Campaign, CampaignId, TokenForm
from linkproxy.server.recipients import read_recipient
from linkproxy.server.rewriter import Mail, Rewriter
from linkproxy.store.privacy import Privacy
from linkproxy.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEYRING = Keyring([SigningKey(1, b"k" * 32)])
TEMPLATE = b"".join(b'<p><a href="https://www.brand.example/%d">x</a></p>' % number for number in range(20))
SPRING = Campaign(CampaignId(0), "spring", base_url="https://click.brand.example")


@asynccontextmanager
async def opened(path: Path, form: str = "full") -> AsyncIterator[SqliteStore]:
    privacy = Privacy(client_address="full", recipient_address=form, key=b"p" * 32)
    store = SqliteStore(path / "linkproxy.db", privacy=privacy)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def test_links_are_in_the_store_when_the_mail_comes_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        campaign = await store.add_campaign(SPRING)
        compiled = await Rewriter(store, KEYRING).prepare(campaign, TEMPLATE)
        assert {link.key for link in await store.list_links(campaign.id)} == set(compiled.keys)


async def test_two_processes_that_rewrite_at_once_make_one_link_table(tmp_path: Path) -> None:
    async with opened(tmp_path) as one, opened(tmp_path) as other:
        campaign = await one.add_campaign(SPRING)
        rewriters = [Rewriter(store, KEYRING) for store in (one, other, one, other)]
        found = await asyncio.gather(*(rewriter.prepare(campaign, TEMPLATE) for rewriter in rewriters))
        table = {link.key for link in await one.list_links(campaign.id)}
        assert len({compiled.keys for compiled in found}) == 1
        assert set(found[0].keys) == table


async def test_many_new_mails_of_a_campaign_at_once_all_get_their_links(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        campaign = await store.add_campaign(SPRING)
        rewriter = Rewriter(store, KEYRING)
        mails = [TEMPLATE.replace(b"brand", b"brand-%d" % number) for number in range(30)]
        found = await asyncio.gather(*(rewriter.prepare(campaign, mail) for mail in mails))
        targets = {link.target for link in await store.list_links(campaign.id)}
        assert targets >= {f"https://www.brand-{number}.example/0" for number in range(30)}
        assert len({key for compiled in found for key in compiled.keys}) == len(
            await store.list_links(campaign.id)
        )


async def test_mails_of_one_campaign_share_links_and_add_their_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        campaign = await store.add_campaign(SPRING)
        rewriter = Rewriter(store, KEYRING)
        first = await rewriter.prepare(campaign, TEMPLATE)
        second = await rewriter.prepare(campaign, TEMPLATE + b'<a href="https://www.brand.example/new">y</a>')
        assert set(first.keys) < set(second.keys)
        assert [link.target for link in second.new_links] == ["https://www.brand.example/new"]
        positions = [link.position for link in await store.list_links(campaign.id)]
        assert len(set(positions)) == len(positions)


@pytest.mark.parametrize("form", ["full", "truncated", "hashed"])
async def test_a_merged_address_is_known_however_addresses_are_stored(tmp_path: Path, form: str) -> None:
    html = b'<a href="https://www.brand.example/a">x</a><a href="https://www.brand.example/u?e=anna%40example.com">y</a>'
    async with opened(tmp_path, form) as store:
        campaign = await store.add_campaign(SPRING)
        rewriter = Rewriter(store, KEYRING)
        (anna,) = await rewriter.register([read_recipient("anna@example.com")])
        ready, compiled = await rewriter.personal_mail(campaign, Mail(html), anna)
        (own,) = await store.list_message_links(campaign.id, anna.id)
        assert own.target == "https://www.brand.example/u?e=anna%40example.com"
        assert "https://www.brand.example/a" in {link.target for link in compiled.new_links}
        again, repeated = await rewriter.personal_mail(campaign, Mail(html), anna)
        assert again == ready
        assert not repeated.new_message_links


async def test_a_merge_tag_mail_carries_the_token_of_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        campaign = await store.add_campaign(SPRING)
        rewriter = Rewriter(store, KEYRING)
        compiled = await rewriter.prepare_mail(campaign, Mail(TEMPLATE), "{{id}}")
        html = rewriter.stamp_reference(compiled, campaign)
        token = html.split(b"https://click.brand.example/")[1][:24].decode()
        ids = KEYRING.read(token, TokenForm.REFERENCE)
        assert ids is not None
        assert ids[1] == NOBODY
        assert KEYRING.read(token, TokenForm.MESSAGE) is None


async def test_a_campaign_that_carries_tokens_of_a_key_is_noted_with_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        campaign = await store.add_campaign(SPRING)
        await Rewriter(store, KEYRING).prepare(campaign, TEMPLATE)
        assert await store.list_signing_key_campaigns(1) == ["spring"]
