"""Claims about going over the journal again: by message, replays applied, shadow verdicts."""

from __future__ import annotations

import pytest
from store.world import EVIDENCE, NOW, REACH, clicks, settled

from linkproxy.model import Click, Delivery, DeliverySource, Settlement, Verdict, VerdictKind
from linkproxy.store import review, review_rows
from linkproxy.store.api import Cutoffs, DeliveryDraft, Filter
from linkproxy.store.review import AppliedReplay, ShadowVerdict


async def messages(store, where=None, reach_seconds=REACH):
    return [item async for item in store.messages(where or Filter(), reach_seconds=reach_seconds)]


def shape(message):
    return [item.entry.visit_id for item in message.visits]


def machine(message):
    """Take every visit for a machine's, and every click away."""
    verdict = Verdict(VerdictKind.MACHINE, 33.0, -12.0, EVIDENCE, "policy-9")
    ids = [item.entry.visit_id for item in message.visits]
    return Settlement(
        tuple((visit_id, verdict) for visit_id in ids),
        (),
        NOW + 5_000,
        withdrawn=tuple(item.entry.visit_id for item in message.visits if item.clicked),
    )


def shadow(judged, kind=VerdictKind.MACHINE, live=VerdictKind.HUMAN):
    return ShadowVerdict(
        judged.visit_id, judged.visit.at, judged.visit.campaign_id, judged.recipient.id, live, -9.0,
        kind, 21.0, EVIDENCE, "policy-s",
    )  # fmt: skip


class ReviewContract:
    async def test_the_journal_is_read_message_by_message_in_order_of_arrival(self, store, mail):
        first, bobs, second = await mail.visited(mail.visit(0), mail.visit(1, who=mail.bob), mail.visit(2))
        await mail.settle()
        ann, bob = await messages(store)
        assert (ann.recipient_id, shape(ann)) == (mail.ann.id, [first.visit_id, second.visit_id])
        assert (bob.recipient_id, shape(bob)) == (mail.bob.id, [bobs.visit_id])
        assert [item.clicked for item in (*ann.visits, *bob.visits)] == [True, True, False]
        assert bob.visits[0].entry.settled is None

    async def test_a_settled_visit_knows_what_its_pass_knew(self, store, mail):
        await mail.visited(mail.visit(0), mail.visit(2))
        delivery = Delivery(NOW - 60, DeliverySource.MX)
        await store.add_deliveries([DeliveryDraft(mail.campaign.id, mail.ann.id, delivery)])
        await mail.settle()
        (later,) = await mail.visited(mail.visit(3))
        ((one, two, three),) = [item.visits for item in await messages(store)]
        assert one.seen_id == two.seen_id == later.visit_id - 1
        assert (one.delivery, three.seen_id) == (delivery, 0)

    async def test_reading_can_be_narrowed_to_a_campaign_and_a_time_with_siblings_around_it(
        self, store, mail
    ):
        other = await mail_of_another_campaign(store)
        await other.visited(other.visit(0))
        before, inside, _ = await mail.visited(mail.visit(0), mail.visit(100), mail.visit(5_000))
        where = Filter(campaign="news", since=NOW + 90, until=NOW + 110)
        (found,) = await messages(store, where, reach_seconds=200.0)
        assert shape(found) == [before.visit_id, inside.visit_id]
        assert await store.count_visits(where) == 1
        assert await store.count_visits(Filter()) == 4

    async def test_more_visits_than_one_read_takes_come_all_and_once(self, store, mail):
        judged = await mail.visited(*(mail.visit(at, who=(mail.ann, mail.bob)[at % 2]) for at in range(450)))
        found = [visit_id for message in await messages(store) for visit_id in shape(message)]
        assert sorted(found) == [item.visit_id for item in judged]

    async def test_a_flood_on_one_message_comes_in_parts_that_overlap(self, store, mail):
        most, carried = review.MOST_VISITS, review.CARRIED
        judged = []
        for start in range(0, most + 100, 300):
            judged += await mail.visited(*(mail.visit(at) for at in range(start, start + 300)))
        parts = await messages(store)
        assert [part.carried for part in parts] == [0, carried]
        fresh = [visit_id for part in parts for visit_id in shape(part)[part.carried :]]
        assert fresh == [item.visit_id for item in judged]
        assert len(parts[0].visits) == most

    async def test_a_replay_is_applied_with_its_clicks_and_counted_in_the_audit(self, store, mail):
        await mail.visited(mail.visit(0), mail.visit(1, link=1))
        await mail.settle()
        (message,) = await messages(store)
        replay_id = await store.begin_replay(AppliedReplay(NOW, "op", "policy-9", "news"))
        await store.rejudge(replay_id, message, machine)
        assert await clicks(store) == []
        assert [row.visit_id async for row in store.retractions(Filter())] == shape(message)
        (found,) = await messages(store)
        assert [item.entry.settled.kind for item in found.visits] == [VerdictKind.MACHINE] * 2
        assert [item.entry.settled.policy for item in found.visits] == ["policy-9"] * 2
        assert [item.entry.verdict.policy for item in found.visits] == ["policy-1"] * 2
        assert [item.seen_id for item in found.visits] == [item.seen_id for item in message.visits]
        assert await store.list_replays() == [
            AppliedReplay(NOW, "op", "policy-9", "news", None, None, messages=1, visits=2, gained=0, lost=2)
        ]

    async def test_a_replay_adds_the_clicks_that_it_finds(self, store, mail):
        (judged,) = await mail.visited(mail.visit(0, link=2))
        await mail.settle(settled(VerdictKind.UNCERTAIN))
        (message,) = await messages(store)
        human = Verdict(VerdictKind.HUMAN, -20.0, -12.0, EVIDENCE, "policy-9")

        def revise(known):
            entry = known.visits[0].entry
            click = Click(entry.visit_id, entry.visit.at, entry.visit.campaign_id, entry.visit.recipient_id,
                          entry.visit.key, -20.0, human.reasons)  # fmt: skip
            return Settlement(((entry.visit_id, human),), (click,), NOW)

        await store.rejudge(await store.begin_replay(AppliedReplay(NOW, "op", "policy-9")), message, revise)
        (click,) = await clicks(store)
        assert (click.visit_id, click.score, click.recipient_id) == (judged.visit_id, -20.0, mail.ann.id)
        (audit,) = await store.list_replays()
        assert (audit.visits, audit.gained, audit.lost) == (1, 1, 0)

    async def test_a_replay_that_fails_on_a_message_changes_nothing_of_it(self, store, mail):
        await mail.visited(mail.visit())
        await mail.settle()
        (message,) = await messages(store)
        replay_id = await store.begin_replay(AppliedReplay(NOW, "op", "policy-9"))

        def revise(_message):
            raise ZeroDivisionError("a broken rule")

        with pytest.raises(ZeroDivisionError):
            await store.rejudge(replay_id, message, revise)
        assert len(await clicks(store)) == 1
        assert (await store.list_replays())[0].messages == 0

    async def test_visits_that_are_about_to_be_settled_are_left_to_the_settle_pass(self, store, mail):
        await mail.visited(mail.visit(0))
        (message,) = await messages(store)
        seen = []

        def revise(known):
            seen.extend(known.visits)
            return machine(known)

        await store.rejudge(await store.begin_replay(AppliedReplay(NOW, "op", "p")), message, revise)
        assert seen == []
        assert (await messages(store))[0].visits[0].entry.settled is None

    async def test_shadow_verdicts_are_counted_and_the_different_ones_kept(self, store, mail):
        one, two = await mail.visited(mail.visit(0), mail.visit(1))
        await store.add_shadow_verdicts([shadow(one), shadow(two, VerdictKind.HUMAN)])
        counts = [
            (item.campaign, item.live, item.shadow, item.visits)
            for item in await store.count_shadow_verdicts()
        ]
        assert counts == [("news", "human", "human", 1), ("news", "human", "machine", 1)]
        (row,) = [item async for item in store.shadow_verdicts(Filter())]
        assert (row.campaign, row.recipient, row.verdict) == ("news", "ann@a.example", shadow(one))
        assert [item async for item in store.shadow_verdicts(Filter(campaign="other"))] == []
        assert [item async for item in store.shadow_verdicts(Filter(since=NOW + 1))] == []

    async def test_all_differences_are_read_however_many_make_a_page(self, store, mail, monkeypatch):
        monkeypatch.setattr(review_rows, "PAGE", 2)
        found = await mail.visited(*(mail.visit(place) for place in range(5)))
        ids = [judged.visit_id for judged in found]
        await store.add_shadow_verdicts([shadow(judged) for judged in found])
        for where, read in (
            (Filter(), ids),
            (Filter(limit=0), []),
            (Filter(limit=2), ids[:2]),
            (Filter(limit=3), ids[:3]),
            (Filter(limit=9), ids),
            (Filter(after_id=ids[1]), ids[2:]),
            (Filter(since=NOW + 1, until=NOW + 4), ids[1:4]),
        ):
            assert [row.verdict.visit_id async for row in store.shadow_verdicts(where)] == read

    async def test_a_difference_that_is_gone_when_settled_again_is_forgotten(self, store, mail):
        (one,) = await mail.visited(mail.visit(0))
        await store.add_shadow_verdicts([shadow(one)])
        await store.add_shadow_verdicts([shadow(one, VerdictKind.HUMAN)])
        assert [item async for item in store.shadow_verdicts(Filter())] == []

    async def test_shadow_verdicts_go_with_the_recipient_and_with_the_journal(self, store, mail):
        one, two = await mail.visited(mail.visit(0), mail.visit(1, who=mail.bob))
        await store.add_shadow_verdicts([shadow(one), shadow(two)])
        await store.erase_recipient(mail.ann.id)
        assert [item.verdict.visit_id async for item in store.shadow_verdicts(Filter())] == [two.visit_id]
        await store.add_shadow_verdicts([shadow(one)])
        assert len([item async for item in store.shadow_verdicts(Filter())]) == 1
        await store.purge(Cutoffs(journal=NOW + 100))
        assert [item async for item in store.shadow_verdicts(Filter())] == []

    async def test_delivered_messages_are_counted_by_domain(self, store, mail):
        delivery = Delivery(NOW, DeliverySource.PROVIDER)
        drafts = [DeliveryDraft(mail.campaign.id, who.id, delivery) for who in (mail.ann, mail.bob)]
        await store.add_deliveries([*drafts, DeliveryDraft(mail.campaign.id, 0, delivery)])
        assert await store.count_delivered(mail.campaign.id) == {"a.example": 1, "b.example": 1}


async def mail_of_another_campaign(store):
    from store.world import send

    return await send(store, "other", who=("cy@c.example",))
