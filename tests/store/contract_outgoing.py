"""Claims about what goes out: campaigns, link tables, keys."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from store.world import NOW, judge, key, send

from linkproxy.model import (
    BaitPlaces,
    BaitStyle,
    Campaign,
    CampaignId,
    CampaignKind,
    Link,
    LinkKind,
    LinkRole,
    MachineAnswer,
    MessageLink,
    RecipientId,
    Right,
    Utm,
)
from linkproxy.store.api import ApiKey, DuplicateError, Filter, RecipientDraft, StoreError


def message_link(mail, recipient_id, number=50, **more):
    made = MessageLink(
        mail.campaign.id,
        recipient_id,
        key(number),
        "https://shop.example/?u=8347",
        LinkKind.CONTENT,
        LinkRole.FOOTER,
        7,
        "https://shop.example/?u={n}",
        NOW,
    )
    return replace(made, **more)


class OutgoingContract:
    async def test_links_corrected_since_a_while_are_told_with_their_present_targets(self, mail, open_store):
        store, other = mail.store, await open_store()
        first = await store.list_corrected(0)
        assert first.links == ()
        for target in ("https://shop.example/once", "https://shop.example/twice"):
            await other.set_target(mail.campaign.id, key(0), target, who="op", at=NOW)
        then = await store.list_corrected(first.last_id)
        assert [(link.key, link.target) for link in then.links] == [(key(0), "https://shop.example/twice")]
        assert (await store.list_corrected(then.last_id)).links == ()

    async def test_a_campaign_comes_back_as_it_was_stored(self, store):
        given = Campaign(
            CampaignId(77),
            "Früh­ling \u2603",
            CampaignKind.TRANSACTIONAL,
            "https://click.example",
            MachineAnswer.REDIRECT,
            BaitStyle.PIXEL,
            Utm("s", "m", "c", "t", "x"),
            rewrite_unsubscribe=True,
            created_at=NOW,
            leave_shown_urls=True,
            bait_places=BaitPlaces.DOUBLE,
            opens=True,
            list_unsubscribe=True,
            archived_at=NOW + 1,
        )
        stored = await store.add_campaign(given)
        assert replace(stored, id=given.id) == given
        assert await store.get_campaign(stored.id) == stored
        assert await store.find_campaign(given.name) == stored
        assert await store.list_campaigns() == [stored]

    async def test_a_campaign_that_is_not_there_is_none(self, store):
        assert await store.find_campaign("news") is None
        assert await store.get_campaign(CampaignId(1)) is None

    async def test_a_second_campaign_of_the_same_name_is_refused_and_changes_nothing(self, store):
        await store.add_campaign(Campaign(CampaignId(0), "news"))
        with pytest.raises(DuplicateError, match="'news' is there already"):
            await store.add_campaign(Campaign(CampaignId(0), "news", CampaignKind.TRANSACTIONAL))
        (only,) = await store.list_campaigns()
        assert only.kind is CampaignKind.MARKETING

    async def test_a_renamed_or_archived_campaign_keeps_its_id_and_all_else(self, store, mail):
        changed = replace(mail.campaign, name="spring", archived_at=NOW)
        told = await store.change_campaign(mail.campaign, replace(changed, base_url="https://other.example"))
        assert told == changed
        assert await store.find_campaign("spring") == changed
        assert await store.find_campaign("news") is None
        await store.change_campaign(changed, mail.campaign)
        assert await store.list_campaigns() == [mail.campaign]

    async def test_who_renames_a_campaign_does_not_undo_that_another_archives_it(self, store, mail):
        was = mail.campaign
        await store.change_campaign(was, replace(was, name="spring"))
        both = await store.change_campaign(was, replace(was, archived_at=NOW))
        assert both == replace(was, name="spring", archived_at=NOW)
        assert await store.list_campaigns() == [both]

    async def test_links_of_an_archived_campaign_lead_to_their_targets_and_visits_tell_its_new_name(
        self, mail, open_store
    ):
        await mail.visited(mail.visit())
        other = await open_store()
        await other.change_campaign(mail.campaign, replace(mail.campaign, name="spring", archived_at=NOW))
        (judged,) = await mail.visited(mail.visit(1))
        assert judged.answer.target == mail.links[0].target
        assert judged.facts.campaign.name == "spring"
        assert [row.campaign async for row in mail.store.visits(Filter(campaign="spring"))] == ["spring"] * 2

    async def test_a_campaign_cannot_be_given_the_name_of_another(self, store):
        await store.add_campaign(Campaign(CampaignId(0), "news"))
        other = await store.add_campaign(Campaign(CampaignId(0), "spring"))
        with pytest.raises(DuplicateError, match="'news' is there already"):
            await store.change_campaign(other, replace(other, name="news", archived_at=NOW))
        assert await store.get_campaign(other.id) == other

    async def test_a_campaign_that_is_not_there_cannot_be_changed(self, store):
        with pytest.raises(StoreError, match="99 is not in the store"):
            await store.change_campaign(*[Campaign(CampaignId(99), "news")] * 2)

    async def test_links_come_back_by_position(self, store, mail):
        late = Link(mail.campaign.id, key(90), "", LinkKind.BAIT, LinkRole.HEADER, 9, BaitStyle.PIXEL, "")
        early = replace(late, key=key(91), position=8, target="https://e.example/a?b=c#d", shape="s")
        await store.add_links([late, early])
        assert await store.list_links(mail.campaign.id) == [*mail.links, early, late]

    @pytest.mark.parametrize("change", [{"position": 40}, {"key": key(40)}])
    async def test_a_taken_key_or_position_is_refused_and_none_of_the_links_is_added(
        self, store, mail, change
    ):
        free = replace(mail.links[0], key=key(41), position=41)
        with pytest.raises(DuplicateError):
            await store.add_links([free, replace(mail.links[0], **change)])
        assert await store.list_links(mail.campaign.id) == mail.links

    async def test_links_of_an_unknown_campaign_are_refused(self, store, mail):
        with pytest.raises(StoreError, match="99 is not in the store"):
            await store.add_links([replace(mail.links[0], campaign_id=CampaignId(99))])

    async def test_message_links_belong_to_one_message(self, store, mail):
        mine = message_link(mail, mail.ann.id)
        await store.add_message_links([mine])
        assert await store.list_message_links(mail.campaign.id, mail.ann.id) == [mine]
        assert await store.list_message_links(mail.campaign.id, mail.bob.id) == []

    async def test_a_message_link_is_found_by_its_own_message_alone(self, store, mail):
        link = message_link(mail, mail.bob.id)
        await store.add_message_links([link])
        mine, other = await mail.append(mail.visit(link=50, who=mail.bob), mail.visit(link=50))
        assert mine.facts.link == (await store.get_visit(mine.visit_id)).entry.facts.link == link
        assert type(other).__name__ == "Stray"

    async def test_a_key_is_never_a_campaign_link_and_a_message_link_at_once(self, store, mail):
        with pytest.raises(DuplicateError):
            await store.add_message_links([message_link(mail, mail.ann.id, 0)])
        await store.add_message_links([message_link(mail, mail.ann.id, 60)])
        with pytest.raises(DuplicateError):
            await store.add_links([replace(mail.links[0], key=key(60), position=60)])
        assert await store.list_links(mail.campaign.id) == mail.links

    async def test_an_erased_recipient_gets_no_message_links(self, store, mail):
        await store.erase_recipient(mail.ann.id)
        await store.add_message_links([message_link(mail, mail.ann.id)])
        assert await store.list_message_links(mail.campaign.id, mail.ann.id) == []

    async def test_a_changed_target_is_served_at_once_and_audited(self, store, mail):
        await mail.visited(mail.visit())
        old = await store.set_target(mail.campaign.id, key(0), "https://new.example/", who="op", at=NOW)
        assert old == mail.links[0].target
        (judged,) = await mail.visited(mail.visit(1))
        assert judged.answer.target == "https://new.example/"
        (entry,) = await store.list_audit(mail.campaign.id)
        assert (entry.key, entry.old_target, entry.new_target, entry.who, entry.at) == (
            key(0),
            old,
            "https://new.example/",
            "op",
            NOW,
        )

    async def test_the_target_of_an_unknown_link_cannot_be_changed(self, store, mail):
        with pytest.raises(StoreError, match="has no link 'k099'"):
            await store.set_target(mail.campaign.id, key(99), "https://new.example/", who="op", at=NOW)
        assert await store.list_audit(mail.campaign.id) == []

    async def test_campaigns_of_a_signing_key_are_remembered_once(self, store, mail):
        assert await store.note_signing_key(mail.campaign.id, 3, b"one key!")
        assert await store.note_signing_key(mail.campaign.id, 3, b"one key!")
        assert await store.list_signing_key_campaigns(3) == ["news"]
        assert await store.list_signing_key_campaigns(4) == []

    async def test_another_signing_key_of_an_id_that_was_used_is_not_taken_for_it(self, store, mail):
        assert await store.note_signing_key(mail.campaign.id, 3, b"one key!")
        assert not await store.note_signing_key(mail.campaign.id, 3, b"another!")
        assert await store.note_signing_key(mail.campaign.id, 4, b"another!")
        assert await store.note_signing_key(mail.campaign.id, 3, b"one key!")
        assert await store.is_other_signing_key(3, b"another!")
        assert not await store.is_other_signing_key(3, b"one key!")
        assert not await store.is_other_signing_key(5, b"another!")

    async def test_api_keys_are_added_listed_and_removed_by_name(self, store):
        given = ApiKey("ci", b"\x00" * 32, NOW)
        await store.add_api_key(given)
        with pytest.raises(DuplicateError, match="'ci'"):
            await store.add_api_key(ApiKey("ci", b"\x01" * 32, NOW))
        assert await store.list_api_keys() == [given]
        assert await store.remove_api_key("ci")
        assert not await store.remove_api_key("ci")
        assert await store.list_api_keys() == []

    async def test_an_api_key_may_everything_unless_it_is_said_what(self, store):
        given = [
            ApiKey("a", b"\x01" * 32, NOW),
            *(ApiKey(f"may {may}", bytes(32), NOW, may) for may in Right),
        ]
        for one in given:
            await store.add_api_key(one)
        listed = {one.name: one.may for one in await store.list_api_keys()}
        assert listed == {one.name: one.may for one in given}
        assert listed["a"] is Right.EVERYTHING
        assert all(type(may) is Right for may in listed.values())

    async def test_work_that_comes_at_the_same_time_fails_and_succeeds_each_for_itself(self, store):
        names = ["a", "b", "a", "c", "b", "d"] * 5
        outcomes = await asyncio.gather(
            *(store.add_campaign(Campaign(CampaignId(0), name)) for name in names), return_exceptions=True
        )
        assert [type(item) for item in outcomes].count(DuplicateError) == len(names) - 4
        assert sorted(item.name for item in await store.list_campaigns()) == ["a", "b", "c", "d"]

    async def test_ids_of_recipients_are_never_used_again(self, store, mail):
        await store.erase_recipient(mail.bob.id)
        (again,) = await store.register_recipients([RecipientDraft("bob@b.example")])
        assert again.id > mail.bob.id
        assert await store.find_recipient("bob@b.example") == again

    async def test_a_store_says_that_it_works(self, store):
        await store.ping()

    async def test_a_closed_store_refuses_with_a_sentence(self, store):
        await store.close()
        for attempt in (store.ping(), store.list_campaigns()):
            with pytest.raises(StoreError, match="the store is closed"):
                await attempt

    async def test_a_store_can_be_opened_again(self, store):
        await send(store)
        await store.close()
        await store.open()
        assert [campaign.name for campaign in await store.list_campaigns()] == ["news"]
        await store.ping()

    async def test_a_token_for_nobody_finds_no_recipient(self, mail):
        (outcome,) = await mail.append(mail.visit(recipient_id=RecipientId(0)), take=judge())
        assert type(outcome).__name__ == "Unlogged"
