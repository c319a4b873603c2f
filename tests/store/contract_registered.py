"""Claims about what is registered of campaigns: filed beside the store, and brought back to another."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from store.world import key, send

from linkproxy.model import BaitStyle, Campaign, CampaignId, CampaignKind, Link, LinkKind, LinkRole, Utm
from linkproxy.store.link_files import LinkFiles, read_folder
from linkproxy.store.registered import BroughtBack, Registered

FINGERPRINT = b"the first key"


class RegisteredContract:
    @pytest.fixture
    def folder(self, tmp_path):
        return tmp_path / "elsewhere"

    @pytest.fixture
    async def filing(self, open_store, folder):
        """Return a store that keeps link files."""
        return await open_store(files=LinkFiles(str(folder)))

    async def test_a_link_file_holds_each_change_as_soon_as_it_is_made(self, filing, folder):
        mail = await send(filing)
        await filing.note_signing_key(mail.campaign.id, 1, FINGERPRINT)
        await filing.set_target(mail.campaign.id, key(1), "https://shop.example/right", who="me", at=1.0)
        await filing.change_campaign(mail.campaign, replace(mail.campaign, name="renamed", archived_at=7.5))
        (filed,) = read_folder(folder)
        assert filed == await filing.registered(mail.campaign.id)
        assert filed.campaign.name == "renamed"
        assert filed.links[1].target == "https://shop.example/right"
        assert filed.signing_keys == ((1, FINGERPRINT),)

    async def test_a_campaign_that_is_brought_back_has_everything_that_its_links_need(self, store):
        everything = Campaign(
            CampaignId(77), "spring", CampaignKind.TRANSACTIONAL, "https://click.example",
            bait_style=BaitStyle.PIXEL, utm=Utm(source="news", term="a"), created_at=12.25, click_id="lpid",
            opens=True,
        )  # fmt: skip
        link = Link(everything.id, key(1), "https://shop.example/", LinkKind.CONTENT, LinkRole.FOOTER, 3)
        lost = registered_of(everything, link)
        assert await store.bring_back(lost) == BroughtBack(is_new=True, links=1)
        assert await store.registered(everything.id) == lost
        assert await store.list_signing_key_campaigns(1) == ["spring"]

    async def test_bringing_back_what_is_there_changes_nothing(self, store, mail):
        before = await store.registered(mail.campaign.id)
        assert await store.bring_back(before) == BroughtBack()
        assert await store.registered(mail.campaign.id) == before

    async def test_a_reader_of_a_lost_campaign_gets_to_the_target_again(self, store, mail):
        lost = await store.registered(mail.campaign.id)
        ahead = replace(lost.campaign, id=CampaignId(900), name="lost")
        links = tuple(replace(link, campaign_id=ahead.id) for link in lost.links)
        await mail.visited(mail.visit())
        await store.bring_back(replace(lost, campaign=ahead, links=links))
        (judged,) = await mail.visited(mail.visit(5, campaign_id=ahead.id))
        assert judged.facts.link.target == links[0].target

    async def test_ids_that_were_brought_back_are_not_given_out_again(self, store):
        await store.bring_back(registered_of(Campaign(CampaignId(900), "lost", created_at=1.0)))
        assert (await send(store)).campaign.id == 901

    async def test_links_that_a_campaign_got_after_the_backup_stand_behind_those_it_has(self, store, mail):
        """Its mail may have been rewritten anew, to links of the same positions."""
        there = await store.registered(mail.campaign.id)
        later = replace(there.links[0], key=key(50), target="https://shop.example/later")
        done = await store.bring_back(replace(there, links=(*there.links, later)))
        assert done == BroughtBack(links=1)
        assert (await store.list_links(mail.campaign.id))[-1] == replace(later, position=6)

    async def test_a_target_that_differs_stays_and_is_told(self, store, mail):
        there = await store.registered(mail.campaign.id)
        other = replace(there.links[0], target="https://shop.example/other")
        done = await store.bring_back(replace(there, links=(other,)))
        (fault,) = done.faults
        assert "k000 leads to https://shop.example/news/0 and stays so" in fault
        assert await store.registered(mail.campaign.id) == there

    async def test_what_differs_stays_in_the_file_and_is_told_until_somebody_decides(self, filing, folder):
        """Whoever brings links back twice would else be told the second time that all is well."""
        mail, path, other = await send(filing), folder / "campaign-1.json", "https://shop.example/other"
        path.write_text(path.read_text().replace(mail.links[0].target, other))
        for _ in range(2):
            (lost,) = read_folder(folder)
            assert f"the file has {other}" in (await filing.bring_back(lost)).faults[0]
        await filing.set_target(mail.campaign.id, mail.links[0].key, other, who="me", at=1.0)
        assert await filing.bring_back(lost) == BroughtBack()

    async def test_a_campaign_whose_id_was_given_out_again_is_told_and_left(self, store, mail):
        there = await store.registered(mail.campaign.id)
        done = await store.bring_back(
            replace(there, campaign=replace(there.campaign, name="lost", created_at=1.0))
        )
        assert done == BroughtBack(faults=done.faults)
        assert "its id was given out again, to 'news'" in done.faults[0]
        assert await store.registered(mail.campaign.id) == there

    async def test_a_lost_campaign_whose_name_was_taken_since_gets_its_id_into_it(self, store, mail):
        await store.bring_back(registered_of(Campaign(CampaignId(900), "news", created_at=1.0)))
        assert (await store.get_campaign(CampaignId(900))).name == "news (900)"
        assert (await store.find_campaign("news")).id == mail.campaign.id

    async def test_mail_of_another_installations_key_is_told(self, store, mail):
        await store.note_signing_key(mail.campaign.id, 1, b"our key")
        done = await store.bring_back(registered_of(Campaign(CampaignId(900), "lost", created_at=1.0)))
        assert "signing key 1 that is another installation's" in done.faults[0]

    async def test_of_changes_by_several_processes_at_once_the_file_lacks_none(
        self, open_store, filing, folder
    ):
        mail, other = await send(filing), await open_store(files=LinkFiles(str(folder)))
        more = [replace(mail.links[0], key=key(50 + at), position=50 + at) for at in range(24)]
        await asyncio.gather(*((filing, other)[at % 2].add_links([link]) for at, link in enumerate(more)))
        (filed,) = read_folder(folder)
        assert filed == await filing.registered(mail.campaign.id)
        assert len(filed.links) == 30
        assert [path.name for path in folder.iterdir()] == ["campaign-1.json"]

    async def test_links_are_registered_though_their_file_cannot_be_written(self, open_store, tmp_path):
        """What is kept for a bad day must not stop a mailing."""
        told = []
        (tmp_path / "file").write_text("in the way")
        store = await open_store(files=LinkFiles(str(tmp_path / "file" / "folder"), told.append))
        mail = await send(store)
        assert len(await store.list_links(mail.campaign.id)) == 6
        assert told == [f"{tmp_path}/file/folder: link files cannot be written (Not a directory)"]


def registered_of(campaign, *links):
    return Registered(campaign, links, ((1, FINGERPRINT),))
