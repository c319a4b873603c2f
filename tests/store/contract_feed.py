"""Claims about the feed: who follows it gets each change of the click log, and each once."""

from __future__ import annotations

import asyncio

import pytest
from store.contract_rollups import Story, two_mails
from store.world import NOW, clicks, send, settled

from linkproxy.model import VerdictKind
from linkproxy.store.api import Cutoffs, Filter
from linkproxy.store.gaps import GAPS


async def feed(store, where=None):
    return [row async for row in store.feed(where or Filter())]


async def told(store, where=None):
    return [(str(row.kind), row.visit_id) for row in await feed(store, where)]


class Follower:
    """Reads the feed as a program does: page by page, from where it ended last time."""

    def __init__(self, store, *, size=2):
        self.store, self.size, self.after, self.got = store, size, 0, []
        self.numbers = []

    @property
    def clicks(self):
        """What the click log is, by what the feed told: the last word on each visit holds."""
        return sorted(visit_id for visit_id, kind in {v: k for k, v in self.got}.items() if kind == "click")

    async def poll(self):
        while True:
            end = (await self.store.ends()).feed
            page = await feed(self.store, Filter(after_id=self.after, limit=self.size))
            self.got += [(str(row.kind), row.visit_id) for row in page]
            self.numbers += [row.number for row in page]
            if len(page) < self.size:
                self.after = max([end, *(row.number for row in page)])
                return
            self.after = page[-1].number


class FeedContract:
    @pytest.mark.parametrize("seed", range(4))
    async def test_who_follows_the_feed_has_the_click_log_whatever_happens_meanwhile(
        self, store, open_store, seed
    ):
        story = Story(store, await two_mails(store), seed)
        often, seldom = Follower(store, size=3), Follower(await open_store(), size=7)
        for _ in range(12):
            await story.visits()
            await story.settles()
            await story.chance.choice((story.visits, story.settles, story.deliveries, story.replays))()
            await often.poll()
            if story.chance.random() < 0.3:
                await seldom.poll()
        for follower in (often, seldom):
            await follower.poll()
            assert follower.numbers == sorted(set(follower.numbers))
            assert follower.clicks == [row.visit_id for row in await clicks(store)]
        withdrawn = {row.visit_id async for row in store.retractions(Filter())}
        assert withdrawn == {row.visit_id for row in await feed(store) if row.kind == "retraction"}
        assert {"click", "retraction"} == {kind for kind, _ in often.got}

    async def test_a_follower_beside_several_settlers_misses_nothing(self, store, open_store):
        mail = await send(store, who=tuple(f"p{number}@a.example" for number in range(40)))
        other, follower = await open_store(), Follower(store, size=5)
        await mail.visited(*(mail.visit(number, who=who) for number, who in enumerate(mail.recipients)))
        settling = [
            asyncio.ensure_future(
                (store, other)[place % 2].settle(mail.campaign.id, who.id, settled(), reach_seconds=60.0)
            )
            for place, who in enumerate(mail.recipients)
        ]
        while not all(task.done() for task in settling):
            await follower.poll()
        await asyncio.gather(*settling)
        await follower.poll()
        assert follower.numbers == sorted(set(follower.numbers))
        assert follower.clicks == [row.visit_id for row in await clicks(store)]
        assert len(follower.got) == 40

    async def test_the_feed_has_clicks_in_the_order_in_which_they_settle(self, store, mail):
        first, second = await mail.visited(mail.visit(0), mail.visit(1, who=mail.bob))
        assert await feed(store) == []
        await mail.settle(who=mail.bob)
        await mail.settle()
        assert await told(store) == [("click", second.visit_id), ("click", first.visit_id)]
        numbers = [row.number for row in await feed(store)]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] <= (await store.ends()).feed

    async def test_a_row_of_the_feed_is_the_row_of_the_click_log(self, store, mail):
        await mail.visited(mail.visit(3))
        await mail.settle()
        (row,), (click,) = await feed(store), await clicks(store)
        for name in ("visit_id", "at", "campaign", "key", "target", "role", "recipient", "domain"):
            assert getattr(row, name) == getattr(click, name)
        assert (row.score, row.reasons, row.verified) == (click.score, click.reasons, click.verified)
        assert row.changed_at >= row.at

    async def test_who_goes_on_behind_the_last_number_gets_what_settles_late_and_nothing_twice(
        self, store, mail
    ):
        old, young = await mail.visited(mail.visit(0), mail.visit(500, who=mail.bob))
        await mail.settle(who=mail.bob)
        after = (await feed(store))[-1].number
        await mail.settle()
        assert await told(store, Filter(after_id=after)) == [("click", old.visit_id)]
        assert young.visit_id > old.visit_id

    async def test_a_click_that_is_withdrawn_and_restored_comes_anew_each_time(self, store, mail):
        (judged,) = await mail.visited(mail.visit())
        follower = Follower(store)
        for kind in (VerdictKind.HUMAN, VerdictKind.MACHINE, VerdictKind.HUMAN):
            await mail.settle(settled(kind))
            await follower.poll()
            await mail.deliver(NOW - len(follower.got))
        assert follower.got == [(kind, judged.visit_id) for kind in ("click", "retraction", "click")]
        assert await told(store) == follower.got[-1:]

    async def test_a_click_that_stays_one_does_not_come_again(self, store, mail):
        await mail.visited(mail.visit())
        await mail.settle()
        before = await feed(store)
        await mail.deliver(NOW - 60)
        await mail.settle()
        assert await feed(store) == before

    async def test_filters_restrict_the_feed(self, store, mail):
        other = await send(store, "offer")
        for sent in (mail, other):
            await sent.visited(sent.visit(0), sent.visit(5, link=1, who=sent.bob))
            await sent.settle()
            await sent.settle(who=sent.bob)
        every = await told(store)
        assert await told(store, Filter(campaign="offer")) == every[2:]
        assert await told(store, Filter(domain="b.example")) == every[1::2]
        assert await told(store, Filter(recipient="ann@a.example")) == every[::2]
        assert await told(store, Filter(key="k001")) == every[1::2]
        assert await told(store, Filter(since=NOW + 1)) == every[1::2]
        assert await told(store, Filter(until=NOW + 1, limit=1)) == every[:1]

    async def test_long_feeds_come_whole_and_in_order(self, store):
        mail = await send(store, who=tuple(f"p{number}@a.example" for number in range(230)))
        await mail.visited(*(mail.visit(number, who=who) for number, who in enumerate(mail.recipients)))
        for who in reversed(mail.recipients):
            await mail.settle(who=who)
        rows = await feed(store)
        assert [row.visit_id for row in rows] == sorted((row.visit_id for row in rows), reverse=True)
        assert len(rows) == 230

    async def test_a_number_never_comes_again_after_a_purge_an_erasure_or_a_restart(
        self, store, mail, open_store
    ):
        follower = Follower(store)
        for take_away in (
            lambda store: store.purge(Cutoffs(clicks=NOW + 1000)),
            lambda store: store.erase_recipient(mail.ann.id),
        ):
            await mail.visited(mail.visit(link=len(follower.got)))
            await mail.settle()
            await follower.poll()
            await take_away(store)
            assert await feed(store) == []
            follower.store = mail.store = store = await open_store()
        (last,) = await mail.visited(mail.visit(9, who=mail.bob))
        await mail.settle(who=mail.bob)
        await follower.poll()
        assert len(follower.got) == 3
        assert follower.got[-1] == ("click", last.visit_id)

    async def test_every_visit_that_comes_later_is_behind_the_end_of_the_visits(
        self, store, mail, open_store
    ):
        assert (await store.ends()).visit == 0
        (visited,) = await mail.visited(mail.visit())
        assert (await (await open_store()).ends()).visit == visited.visit_id
        await store.erase_recipient(mail.ann.id)
        assert (await store.ends()).visit == visited.visit_id
        (later,) = await mail.visited(mail.visit(1, who=mail.bob))
        assert later.visit_id > visited.visit_id

    async def test_the_id_of_an_opt_out_never_comes_again(self, store, mail, open_store):
        await mail.opt_out(0)
        (first,) = [row async for row in store.unsubscribes(Filter())]
        assert (await (await open_store()).ends()).unsubscribe == first.unsubscribe_id
        await store.erase_recipient(mail.ann.id)
        mail.store = store = await open_store()
        await mail.opt_out(5, who=mail.bob)
        (later,) = [row async for row in store.unsubscribes(Filter(after_id=first.unsubscribe_id))]
        assert later.recipient == "bob@b.example"
        assert (await store.ends()).unsubscribe == later.unsubscribe_id
        await store.skip_ids()
        assert (await store.ends()).unsubscribe == later.unsubscribe_id + GAPS["unsubscribe"]

    async def test_after_a_gap_the_feed_goes_on_behind_it(self, store, mail):
        await mail.visited(mail.visit())
        await mail.settle()
        end = (await store.ends()).feed
        await store.skip_ids()
        assert (await store.ends()).feed == end + GAPS["feed"]
        await mail.visited(mail.visit(5, who=mail.bob))
        await mail.settle(who=mail.bob)
        assert [row.number for row in await feed(store, Filter(after_id=end))] == [end + GAPS["feed"] + 1]
