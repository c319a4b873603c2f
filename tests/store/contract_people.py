"""Claims about recipients, their privacy and their deliveries."""

from __future__ import annotations

import json

import pytest
from store.contract_outgoing import message_link
from store.world import NOW, clicks, judge, key, send, settled, visits

from linkproxy.model import (
    NO_DELIVERY,
    NOBODY,
    AnswerKind,
    CampaignId,
    Delivery,
    DeliverySource,
    Judged,
    StrayReason,
    Unlogged,
    VerdictKind,
)
from linkproxy.store.api import DeliveryDraft, Filter, RecipientDraft, StoreError
from linkproxy.store.privacy import Privacy

KEY = b"a key of thirty-two bytes, or so."


class PeopleContract:
    # registering -----------------------------------------------------------------------------

    async def test_a_recipient_is_registered_once_however_the_address_is_spelt(self, store):
        first, second, third = await store.register_recipients(
            [
                RecipientDraft("Ann@Example.com"),
                RecipientDraft(" ann@EXAMPLE.com "),
                RecipientDraft("bob@example.com"),
            ]
        )
        assert first == second
        assert third.id != first.id
        assert (first.address, first.domain, first.track, first.verified) == (
            "Ann@Example.com",
            "example.com",
            True,
            True,
        )
        assert await store.find_recipient("ANN@example.com") == first
        assert await store.get_recipient(first.id) == first
        assert await store.get_recipient(third.id + 1) is None

    async def test_a_reference_is_found_by_its_exact_spelling(self, store):
        upper, lower = await store.register_recipients(
            [RecipientDraft(reference="A1"), RecipientDraft(reference="a1")]
        )
        assert upper.id != lower.id
        assert await store.find_recipient("A1") == upper

    async def test_who_was_never_registered_is_none(self, store):
        assert await store.find_recipient("nobody@example.com") is None
        assert await store.find_recipient("r-1") is None
        assert await store.find_recipient("") is None

    async def test_a_draft_with_both_is_found_by_either(self, store):
        (both,) = await store.register_recipients([RecipientDraft("ann@example.com", "r-1")])
        assert await store.find_recipient("r-1") == both == await store.find_recipient("ann@example.com")

    async def test_what_is_missing_of_a_recipient_is_filled_in(self, store):
        (by_reference,) = await store.register_recipients([RecipientDraft(reference="r-1", verified=False)])
        (both,) = await store.register_recipients([RecipientDraft("ann@example.com", "r-1")])
        assert both.id == by_reference.id
        assert (both.address, both.domain, both.verified) == ("ann@example.com", "example.com", True)

    async def test_an_address_decides_who_it_is_when_the_reference_says_otherwise(self, store):
        ann, bob = await store.register_recipients(
            [RecipientDraft("ann@example.com", "r-1"), RecipientDraft("bob@example.com", "r-1")]
        )
        assert ann.id != bob.id
        assert await store.find_recipient("r-1") == ann
        assert bob.reference == ""

    async def test_a_draft_without_anything_is_refused_and_registers_none(self, store):
        with pytest.raises(StoreError, match="address or a reference"):
            await store.register_recipients([RecipientDraft("ann@example.com"), RecipientDraft()])
        assert await store.find_recipient("ann@example.com") is None

    # references in URLs ------------------------------------------------------------------------

    async def test_a_reference_in_a_url_registers_its_recipient_on_the_first_visit(self, store, mail):
        first, second = await mail.visited(
            mail.visit(recipient_id=NOBODY, reference="r-7", verified=False),
            mail.visit(1, recipient_id=NOBODY, reference="r-7", verified=False),
        )
        assert first.recipient == second.recipient
        assert len(second.facts.siblings) == 1
        found = await store.find_recipient("r-7")
        assert found.reference == "r-7"
        assert not found.verified
        row, _ = await visits(store)
        assert (row.entry.visit.reference, row.entry.visit.verified, row.entry.recipient.id) == (
            "r-7",
            False,
            found.id,
        )

    async def test_a_visit_is_as_verified_as_its_own_reference(self, mail):
        plain, signed = await mail.visited(
            mail.visit(recipient_id=NOBODY, reference="r-7", verified=False),
            mail.visit(1, recipient_id=NOBODY, reference="r-7", verified=True),
        )
        assert plain.recipient.id == signed.recipient.id
        assert (plain.recipient.verified, signed.recipient.verified) == (False, True)

    async def test_an_erased_reference_is_not_registered_again_by_a_visit(self, store, mail):
        await mail.visited(mail.visit(recipient_id=NOBODY, reference="r-7"))
        await store.erase_recipient((await store.find_recipient("r-7")).id)
        (outcome,) = await mail.append(mail.visit(5, recipient_id=NOBODY, reference="r-7"))
        assert isinstance(outcome, Unlogged)
        assert await store.find_recipient("r-7") is None
        assert await visits(store) == []

    async def test_registering_an_erased_reference_again_is_a_new_beginning(self, store, mail):
        await mail.visited(mail.visit(recipient_id=NOBODY, reference="r-7"))
        old = await store.find_recipient("r-7")
        await store.erase_recipient(old.id)
        (new,) = await store.register_recipients([RecipientDraft(reference="r-7")])
        assert new.id != old.id
        (outcome,) = await mail.visited(mail.visit(5, recipient_id=NOBODY, reference="r-7"))
        assert outcome.recipient.id == new.id

    # tracking ----------------------------------------------------------------------------------

    async def test_who_is_not_tracked_leaves_no_trace(self, store, mail):
        assert await store.set_track("Ann@a.example", track=False) == 1
        ann, bob = await mail.append(mail.visit(), mail.visit(who=mail.bob))
        assert isinstance(ann, Unlogged)
        assert isinstance(bob, Judged)
        assert [row.entry.recipient.id for row in await visits(store)] == [mail.bob.id]

    async def test_tracking_can_be_taken_up_again(self, store, mail):
        await store.set_track("ann@a.example", track=False)
        assert await store.set_track("ann@a.example", track=True) == 1
        await mail.visited(mail.visit())

    async def test_a_domain_that_is_not_tracked_holds_for_its_later_recipients_too(self, store, mail):
        assert await store.set_track("@A.example", track=False) == 1
        (later,) = await store.register_recipients([RecipientDraft("late@a.example")])
        assert not later.track
        outcomes = await mail.append(mail.visit(), mail.visit(who=later), mail.visit(who=mail.bob))
        assert [type(outcome) for outcome in outcomes] == [Unlogged, Unlogged, Judged]
        await store.set_track("@a.example", track=True)
        assert (await store.find_recipient("late@a.example")).track

    @pytest.mark.usefixtures("mail")
    async def test_a_domains_permission_does_not_overrule_a_persons_refusal(self, store):
        await store.set_track("ann@a.example", track=False)
        await store.set_track("@a.example", track=True)
        assert not (await store.find_recipient("ann@a.example")).track

    @pytest.mark.usefixtures("mail")
    async def test_tracking_of_somebody_unknown_touches_none(self, store):
        assert await store.set_track("nobody@a.example", track=False) == 0
        assert await store.set_track("r-1", track=False) == 0

    async def test_who_is_not_tracked_can_still_unsubscribe(self, store, mail):
        await mail.opt_out()
        (row,) = [row async for row in store.unsubscribes(Filter())]
        assert row.recipient == "ann@a.example"
        assert await visits(store) == []

    # unsubscribing -----------------------------------------------------------------------------

    async def test_an_opt_out_is_stored_with_the_visit_that_sent_it(self, store, mail):
        take = judge(answer=AnswerKind.UNSUBSCRIBED)
        await mail.visited(mail.visit(link=5, method="POST", one_click=True), take=take)
        await mail.visited(mail.visit(9, link=5, method="POST"), take=take)
        (row,) = [row async for row in store.unsubscribes(Filter())]
        assert (row.at, row.campaign, row.recipient, row.domain, row.one_click) == (
            NOW,
            "news",
            "ann@a.example",
            "a.example",
            True,
        )

    async def test_an_unverified_reference_never_unsubscribes(self, store, mail):
        take = judge(answer=AnswerKind.UNSUBSCRIBED)
        await mail.visited(
            mail.visit(link=5, recipient_id=NOBODY, reference="r-1", verified=False), take=take
        )
        assert [row async for row in store.unsubscribes(Filter())] == []

    async def test_an_erased_recipient_leaves_no_opt_out(self, store, mail):
        await store.erase_recipient(mail.ann.id)
        await mail.opt_out()
        assert [row async for row in store.unsubscribes(Filter())] == []

    # erasing and exporting ---------------------------------------------------------------------

    async def _live(self, mail):
        """Let one recipient leave a trace in every table that can hold one."""
        store = mail.store
        await store.add_message_links([message_link(mail, mail.ann.id)])
        await store.add_deliveries(
            [DeliveryDraft(mail.campaign.id, mail.ann.id, Delivery(NOW, DeliverySource.MX))]
        )
        await mail.visited(mail.visit(), mail.visit(1, link=50))
        await mail.settle()
        await mail.visited(mail.visit(2), mail.visit(3, who=mail.bob))
        await mail.append(mail.stray(4, reason=StrayReason.UNKNOWN_KEY, recipient_id=mail.ann.id))
        await mail.opt_out(one_click=True)

    async def test_an_export_holds_every_row_about_a_recipient(self, store, mail):
        await self._live(mail)
        found = await store.export_recipient(mail.ann.id)
        assert {table for table, rows in found.items() if rows} >= {
            "recipient", "visit", "click", "delivery", "message_link", "unsubscribe", "stray",
        }  # fmt: skip
        assert len(found["visit"]) == 3
        assert found["recipient"][0]["address"] == "ann@a.example"
        assert found["click"][0]["reasons"] == ["ordinary"]
        assert json.loads(json.dumps(found)) == found

    async def test_erasing_removes_every_row_and_nobody_elses(self, store, mail):
        await self._live(mail)
        before = await store.export_recipient(mail.ann.id)
        bobs = await store.export_recipient(mail.bob.id)
        counts = await store.erase_recipient(mail.ann.id)
        assert counts == {table: len(before[table]) for table in counts}
        assert set(before) - set(counts) == {"profile", "campaign", "link"}
        assert not any((await store.export_recipient(mail.ann.id)).values())
        assert await store.export_recipient(mail.bob.id) == bobs
        assert await store.find_recipient("ann@a.example") is None

    async def test_a_changed_copy_of_an_erased_recipients_link_is_erased_too(self, store, mail):
        (person,) = await store.register_recipients([RecipientDraft(reference="r-7")])
        copies = ("r-7", "r-7/x", "r-7.AbCdEfGhIjK", "r-70", "x-r-7")
        await mail.append(*(mail.stray(target=f"/{'t' * 24}/k0x/{text}") for text in copies))
        assert (await store.erase_recipient(person.id))["stray"] == 3
        assert await store.count_strays(since=0.0) == {"bad_mac": 2}

    async def test_references_in_changed_copies_of_links_are_hashed_as_recipients_are(self, open_store):
        store = await open_store(privacy=Privacy("full", "hashed", KEY))
        mail = await send(store)
        (person,) = await store.register_recipients([RecipientDraft(reference="r-7")])
        await mail.append(mail.stray(target=f"/{'t' * 24}/k0x/r-7", recipient_id=person.id))
        (row,) = (await store.export_recipient(person.id))["stray"]
        assert row["target"] == f"/{'t' * 24}/k0x/{person.reference}"

    async def test_the_link_of_an_erased_recipient_still_leads_on_and_is_not_logged(self, store, mail):
        await self._live(mail)
        await store.erase_recipient(mail.ann.id)
        (outcome,) = await mail.append(mail.visit(9))
        assert isinstance(outcome, Unlogged)
        assert outcome.answer.target == mail.links[0].target
        assert [row.entry.recipient.id for row in await visits(store)] == [mail.bob.id]

    async def test_nobody_cannot_be_erased(self, store):
        with pytest.raises(StoreError, match="nobody"):
            await store.erase_recipient(NOBODY)

    # what is stored of addresses ---------------------------------------------------------------

    async def test_truncated_addresses_keep_network_and_domain(self, open_store):
        store = await open_store(privacy=Privacy("truncated", "truncated", KEY))
        mail = await send(store)
        await mail.visited(
            mail.visit(), mail.visit(1, client="2001:db8:1:2:3::4", network="2001:db8:1:2::/64")
        )
        first, second = await visits(store)
        assert (first.entry.visit.client, first.entry.visit.network) == ("192.0.2.0/24", "192.0.2.0/24")
        assert second.entry.visit.client == second.entry.visit.network == "2001:db8:1::/48"
        assert (first.entry.recipient.address, first.entry.recipient.domain) == (
            "a***@a.example",
            "a.example",
        )
        assert await store.find_recipient("ann@a.example") == mail.ann

    async def test_hashed_addresses_can_be_looked_up_and_compared_but_not_read(self, open_store):
        store = await open_store(privacy=Privacy("hashed", "hashed", KEY))
        mail = await send(store)
        same, sibling, other = await mail.visited(
            mail.visit(), mail.visit(1), mail.visit(2, client="192.0.2.8")
        )
        assert sibling.facts.siblings[0].client == sibling.facts.client == same.facts.client
        assert other.facts.client not in {same.facts.client, "192.0.2.8"}
        assert other.facts.network == same.facts.network
        assert same.facts.client != same.facts.network
        (row,) = await visits(store, Filter(recipient="Ann@a.example", limit=1))
        stored = json.dumps(await store.export_recipient(mail.ann.id))
        assert "192.0.2" not in stored
        assert "ann@" not in stored.lower()
        assert row.entry.recipient.domain == "a.example"

    async def test_a_visit_without_a_client_address_has_none_whatever_the_privacy(self, open_store):
        store = await open_store(privacy=Privacy("hashed", "hashed", KEY))
        mail = await send(store)
        await mail.visited(mail.visit(client="", network=""))
        (row,) = await visits(store)
        assert (row.entry.visit.client, row.entry.visit.network) == ("", "")

    # deliveries --------------------------------------------------------------------------------

    async def _known(self, mail, at=0.0, who=None):
        (judged,) = await mail.visited(mail.visit(at, who=who))
        return judged.facts.delivery

    @pytest.mark.parametrize(
        ("worse", "better"),
        [
            (DeliverySource.NONE, DeliverySource.CAMPAIGN),
            (DeliverySource.CAMPAIGN, DeliverySource.SMARTHOST),
            (DeliverySource.SMARTHOST, DeliverySource.PROVIDER),
            (DeliverySource.PROVIDER, DeliverySource.MX),
        ],
    )
    async def test_a_better_source_replaces_a_worse_one_and_never_the_other_way(
        self, store, mail, worse, better
    ):
        def draft(source, at):
            return DeliveryDraft(mail.campaign.id, mail.ann.id, Delivery(at, source))

        assert await store.add_deliveries([draft(worse, 10.0)]) == 1
        assert await self._known(mail) == Delivery(10.0, worse)
        assert await store.add_deliveries([draft(better, 20.0)]) == 1
        assert await store.add_deliveries([draft(worse, 30.0)]) == 0
        assert await self._known(mail) == Delivery(20.0, better)

    async def test_the_newer_word_of_one_source_counts(self, store, mail):
        def draft(at):
            return DeliveryDraft(mail.campaign.id, mail.ann.id, Delivery(at, DeliverySource.MX))

        assert await store.add_deliveries([draft(20.0), draft(10.0), draft(10.0)]) == 2
        assert await self._known(mail) == Delivery(10.0, DeliverySource.MX)

    async def test_a_message_without_a_delivery_takes_its_campaigns(self, store, mail):
        assert await self._known(mail) == NO_DELIVERY
        await store.add_deliveries(
            [DeliveryDraft(mail.campaign.id, NOBODY, Delivery(5.0, DeliverySource.MX))]
        )
        await store.add_deliveries(
            [DeliveryDraft(mail.campaign.id, mail.bob.id, Delivery(6.0, DeliverySource.SMARTHOST))]
        )
        assert await self._known(mail) == Delivery(5.0, DeliverySource.MX)
        assert await self._known(mail, who=mail.bob) == Delivery(6.0, DeliverySource.SMARTHOST)

    async def test_a_delivery_of_an_unknown_campaign_is_refused_and_none_is_recorded(self, store, mail):
        known = DeliveryDraft(mail.campaign.id, mail.ann.id, Delivery(5.0, DeliverySource.MX))
        unknown = DeliveryDraft(CampaignId(99), mail.ann.id, Delivery(5.0, DeliverySource.MX))
        with pytest.raises(StoreError, match="campaign 99"):
            await store.add_deliveries([known, unknown])
        assert await self._known(mail) == NO_DELIVERY

    async def test_an_erased_recipient_gets_no_delivery(self, store, mail):
        await store.erase_recipient(mail.ann.id)
        draft = DeliveryDraft(mail.campaign.id, mail.ann.id, Delivery(5.0, DeliverySource.MX))
        assert await store.add_deliveries([draft]) == 0

    @pytest.mark.parametrize("whole_campaign", [False, True])
    async def test_late_knowledge_opens_a_settled_message_again(self, store, mail, whole_campaign):
        await mail.visited(mail.visit(), mail.visit(1, who=mail.bob))
        await mail.settle()
        await mail.settle(who=mail.bob)
        late = Delivery(NOW - 1.0, DeliverySource.PROVIDER)
        who = NOBODY if whole_campaign else mail.ann.id
        await store.add_deliveries([DeliveryDraft(mail.campaign.id, who, late)])
        due = await store.list_due(last_before=NOW + 100, first_before=0.0, limit=10)
        assert {message.recipient_id for message in due} == (
            {mail.ann.id, mail.bob.id} if whole_campaign else {mail.ann.id}
        )
        seen = []
        await mail.settle(settled(VerdictKind.MACHINE, seen=seen))
        assert seen[0].delivery == late
        assert seen[0].entries[0].facts.delivery == NO_DELIVERY
        assert [row.recipient for row in await clicks(store)] == ["bob@b.example"]

    async def test_a_campaigns_delivery_leaves_messages_alone_that_have_their_own(self, store, mail):
        own = DeliveryDraft(mail.campaign.id, mail.ann.id, Delivery(NOW, DeliverySource.MX))
        await store.add_deliveries([own])
        await mail.visited(mail.visit())
        await mail.settle()
        await store.add_deliveries(
            [DeliveryDraft(mail.campaign.id, NOBODY, Delivery(NOW, DeliverySource.PROVIDER))]
        )
        assert await store.list_due(last_before=NOW + 100, first_before=0.0, limit=10) == []

    async def test_what_was_known_before_opens_nothing(self, store, mail):
        draft = DeliveryDraft(mail.campaign.id, mail.ann.id, Delivery(NOW, DeliverySource.MX))
        await store.add_deliveries([draft])
        await mail.visited(mail.visit())
        await mail.settle()
        assert await store.add_deliveries([draft]) == 0
        assert await store.list_due(last_before=NOW + 100, first_before=0.0, limit=10) == []

    async def test_a_key_is_not_mistaken_for_a_recipient(self, store, mail):
        await mail.visited(mail.visit())
        assert await visits(store, Filter(recipient=key(0))) == []
