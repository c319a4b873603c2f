"""Claims about two stores on the same data, as two server processes have them."""

from __future__ import annotations

import asyncio
import random

from store.world import NOW, Mail, clicks, ids, judge, key, settled

from linkproxy.model import (
    NOBODY,
    AnswerKind,
    Delivery,
    DeliverySource,
    LinkKind,
    LinkRole,
    MessageLink,
    Stray,
    Unlogged,
    VerdictKind,
)
from linkproxy.store.api import DeliveryDraft, DuplicateError, RecipientDraft


async def beside(mail, open_store):
    """Return the same mailing as another process sees it; both have judged a visit already."""
    other = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
    await mail.visited(mail.visit(0))
    await other.visited(other.visit(1))
    return other


class TogetherContract:
    async def test_each_sees_the_others_visits(self, mail, open_store):
        other = await beside(mail, open_store)
        (mine,) = await mail.visited(mail.visit(2))
        (theirs,) = await other.visited(other.visit(3))
        assert [sibling.at - NOW for sibling in mine.facts.siblings] == [0, 1]
        assert [sibling.at - NOW for sibling in theirs.facts.siblings] == [0, 1, 2]

    async def test_more_news_than_is_read_one_by_one_is_seen_all_the_same(self, mail, open_store):
        other = Mail(await open_store(news=10), mail.campaign, mail.links, mail.recipients)
        await other.visited(other.visit(0))
        await mail.visited(*(mail.visit(number, who=mail.recipients[number % 2]) for number in range(1, 31)))
        (judged,) = await other.visited(other.visit(40))
        assert len(judged.facts.siblings) == 16

    async def test_each_sees_what_the_other_has_settled_since_it_looked_for_settled_visits(
        self, mail, open_store
    ):
        other = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
        await other.visited(other.visit(0, who=mail.bob))
        await mail.visited(mail.visit(1))
        await mail.settle()
        (judged,) = await other.visited(other.visit(200))
        assert [sibling.at - NOW for sibling in judged.facts.siblings] == [1]

    async def test_each_sees_more_settled_visits_of_the_other_than_it_is_told_one_by_one(
        self, mail, open_store
    ):
        other = Mail(await open_store(news=1), mail.campaign, mail.links, mail.recipients)
        await other.visited(other.visit(0, who=mail.bob))
        await mail.visited(mail.visit(1), mail.visit(2, who=mail.bob))
        await mail.settle()
        await mail.settle(who=mail.bob)
        (judged,) = await other.visited(other.visit(200))
        assert [sibling.at - NOW for sibling in judged.facts.siblings] == [1]

    async def test_each_sees_the_others_strays(self, mail, open_store):
        other = await beside(mail, open_store)
        await mail.append(mail.stray(2), mail.stray(3))
        await other.append(other.stray(4))
        (mine,) = await mail.visited(mail.visit(5))
        (theirs,) = await other.visited(other.visit(5))
        assert (mine.facts.strays.all, theirs.facts.strays.all) == (3, 3)

    async def test_a_stray_of_who_was_erased_is_forgotten_by_the_other_too(self, mail, open_store):
        """A changed copy of a link names its message."""
        other = await beside(mail, open_store)
        await other.append(
            other.stray(2, campaign_id=mail.campaign.id, recipient_id=mail.bob.id), other.stray(3)
        )
        await mail.store.erase_recipient(mail.bob.id)
        (mine,) = await mail.visited(mail.visit(4))
        (theirs,) = await other.visited(other.visit(5))
        assert (mine.facts.strays.all, theirs.facts.strays.all) == (1, 1)

    async def test_a_delivery_told_to_one_is_known_to_the_other_whatever_came_before(self, mail, open_store):
        other = await beside(mail, open_store)
        await mail.settle()
        (changed_link,) = await other.append(other.visit(2, who=mail.bob, link=99))
        assert isinstance(changed_link, Stray)
        for who in (mail.ann, mail.bob):
            await mail.deliver(-60 + NOW, who=who)
            (theirs,) = await other.visited(other.visit(3, who=who))
            assert theirs.facts.delivery == Delivery(NOW - 60, DeliverySource.MX)

    async def test_an_address_that_one_learns_of_a_reference_is_known_to_the_other(self, mail, open_store):
        (person,) = await mail.store.register_recipients([RecipientDraft(reference="r-1", verified=False)])
        other = Mail(await open_store(), mail.campaign, mail.links, mail.recipients)
        await other.visited(other.visit(0, who=person))
        await mail.store.register_recipients([RecipientDraft("cid@c.example", "r-1")])
        (theirs,) = await other.visited(other.visit(1, who=person))
        assert theirs.recipient is not None
        assert (theirs.recipient.domain, theirs.recipient.verified) == ("c.example", True)

    async def test_each_sees_what_the_other_settled(self, mail, open_store):
        other = await beside(mail, open_store)
        await mail.settle(settled(VerdictKind.MACHINE))
        (theirs,) = await other.visited(other.visit(2))
        assert [sibling.verdict for sibling in theirs.facts.siblings] == [VerdictKind.MACHINE] * 2

    async def test_an_answer_that_was_corrected_is_what_both_are_told(self, mail, open_store):
        other = await beside(mail, open_store)
        (hop,) = await mail.visited(mail.visit(2), take=judge(answer=AnswerKind.HOP))
        await other.visited(other.visit(3))
        await mail.store.correct_answer(hop.visit_id, AnswerKind.REDIRECT)
        for side in (mail, other):
            (judged,) = await side.visited(side.visit(4))
            assert AnswerKind.HOP not in {sibling.answer for sibling in judged.facts.siblings}
        row = await other.store.get_visit(hop.visit_id)
        assert row.entry.answer is AnswerKind.REDIRECT
        await mail.store.correct_answer(hop.visit_id + 1_000_000, AnswerKind.REDIRECT)

    async def test_a_message_is_settled_by_one_of_them(self, mail, open_store):
        other = await beside(mail, open_store)
        outcomes = await asyncio.gather(mail.settle(), other.settle())
        assert sorted(outcome is None for outcome in outcomes) == [False, True]
        assert len(await clicks(mail.store)) == 2

    async def test_a_changed_target_an_opt_out_a_delivery_and_an_erasure_hold_for_both(
        self, mail, open_store
    ):
        other = await beside(mail, open_store)
        store = other.store
        await store.set_target(mail.campaign.id, key(0), "https://new.example/", who="op", at=NOW)
        await store.add_deliveries(
            [DeliveryDraft(mail.campaign.id, NOBODY, Delivery(7.0, DeliverySource.MX))]
        )
        (judged,) = await mail.visited(mail.visit(2))
        assert judged.answer.target == "https://new.example/"
        assert judged.facts.delivery == Delivery(7.0, DeliverySource.MX)
        await store.set_track("@b.example", track=False)
        await store.erase_recipient(mail.ann.id)
        outcomes = await mail.append(mail.visit(3), mail.visit(3, who=mail.bob))
        assert [type(outcome) for outcome in outcomes] == [Unlogged, Unlogged]

    async def test_links_added_by_one_are_served_by_the_other(self, mail, open_store):
        other = await beside(mail, open_store)
        (missing,) = await mail.append(mail.visit(2, link=50))
        await other.store.add_message_links(
            [
                MessageLink(
                    mail.campaign.id,
                    mail.ann.id,
                    key(50),
                    "https://m.example/",
                    LinkKind.CONTENT,
                    LinkRole.BODY,
                    9,
                    "",
                )
            ]
        )
        (found,) = await mail.visited(mail.visit(3, link=50))
        assert isinstance(missing, Stray)
        assert found.answer.target == "https://m.example/"

    async def test_both_adding_the_same_campaign_makes_one(self, mail, open_store):
        other = await open_store()
        outcomes = await asyncio.gather(
            mail.store.add_campaign(mail.campaign), other.add_campaign(mail.campaign), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [DuplicateError] * 2
        assert len(await other.list_campaigns()) == 1

    async def test_ids_are_unique_and_nothing_is_lost_when_both_write_at_once(self, mail, open_store):
        other = await beside(mail, open_store)
        batches = [
            side.visited(*(side.visit(number, who=side.recipients[number % 2]) for number in range(7)))
            for _ in range(20)
            for side in (mail, other)
        ]
        judged = [item for batch in await asyncio.gather(*batches) for item in batch]
        assert len({item.visit_id for item in judged}) == len(judged) == 280
        assert set(await ids(mail.store)) >= {item.visit_id for item in judged}

    async def test_whatever_happens_in_whichever_order_each_judge_is_told_the_journal(self, mail, open_store):
        """A random history of both; the oracle is the list of what was answered."""
        other = await beside(mail, open_store)
        chance = random.Random(20)  # noqa: S311  (repeatable on purpose)
        journal = {mail.ann.id: [NOW, NOW + 1], mail.bob.id: []}
        for step in range(2, 120):
            side = chance.choice([mail, other])
            who = chance.choice(side.recipients)
            if chance.random() < 0.15:
                await side.settle(who=who)
                continue
            seen = []
            for _ in range(chance.randint(1, 3)):
                journal[who.id].append(NOW + step)
            count = journal[who.id].count(NOW + step)
            await side.visited(*(side.visit(step, who=who) for _ in range(count)), take=judge(seen=seen))
            assert [sibling.at for sibling in seen[-1].siblings] == journal[who.id][:-1]
