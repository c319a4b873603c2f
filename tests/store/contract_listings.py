"""Claims about lists: filters, order, paging."""

from __future__ import annotations

from dataclasses import replace

import pytest
from store.contract_rollups import Story, run, two_mails
from store.world import NOW, clicks, ids, judge, send, settled, visits

from linkproxy.model import AnswerKind, VerdictKind
from linkproxy.store.api import Filter, RecipientDraft


async def two_mailings(store):
    news = await send(store, "news")
    offer = await send(store, "offer")
    for mail in (news, offer):
        await mail.visited(
            mail.visit(0, link=0),
            mail.visit(1, link=1),
            mail.visit(2, link=0, who=mail.bob),
            mail.visit(3, link=2),
        )
    return news, offer


FILTERS = [
    (Filter(), [1, 2, 3, 4, 5, 6, 7, 8]),
    (Filter(campaign="news"), [1, 2, 3, 4]),
    (Filter(campaign="unknown"), []),
    (Filter(key="k000"), [1, 3, 5, 7]),
    (Filter(recipient="BOB@b.example"), [3, 7]),
    (Filter(recipient="carl@c.example"), []),
    (Filter(domain="b.example"), [3, 7]),
    (Filter(domain="@B.Example"), [3, 7]),
    (Filter(since=NOW + 1, until=NOW + 3), [2, 3, 6, 7]),
    (Filter(after_id=3), [4, 5, 6, 7, 8]),
    (Filter(limit=3), [1, 2, 3]),
    (Filter(limit=0), []),
    (Filter(after_id=2, limit=3, campaign="news"), [3, 4]),
    (Filter(campaign="offer", key="k000", domain="a.example", until=NOW + 1), [5]),
]


class ListingContract:
    @pytest.mark.parametrize(("where", "places"), FILTERS, ids=str)
    async def test_filters_restrict_visits(self, store, where, places):
        await two_mailings(store)
        every = await ids(store)
        assert await ids(store, where) == [every[place - 1] for place in places]

    @pytest.mark.parametrize(("where", "places"), FILTERS, ids=str)
    @pytest.mark.parametrize("settle_first", [True, False])
    async def test_filters_restrict_clicks_whether_settled_or_provisional(
        self, store, where, places, settle_first
    ):
        for mail in await two_mailings(store):
            if settle_first:
                await mail.settle()
                await mail.settle(who=mail.bob)
        every = await ids(store)
        found = [row.visit_id for row in await clicks(store, where, provisional=True)]
        assert found == [every[place - 1] for place in places]
        settled_ones = [row.visit_id for row in await clicks(store, where)]
        assert settled_ones == (found if settle_first else [])

    async def test_visits_are_filtered_by_the_settled_verdict_where_there_is_one(self, store, mail):
        first, second = await mail.visited(
            mail.visit(), mail.visit(1, who=mail.bob), take=judge(VerdictKind.MACHINE)
        )
        await mail.settle()
        assert await ids(store, Filter(verdict=VerdictKind.HUMAN)) == [first.visit_id]
        assert await ids(store, Filter(verdict=VerdictKind.MACHINE)) == [second.visit_id]
        assert await ids(store, Filter(verdict=VerdictKind.UNCERTAIN)) == []

    async def test_provisional_clicks_are_unsettled_visits_of_people_to_content(self, store, mail):
        (human,) = await mail.visited(mail.visit(0))
        await mail.visited(mail.visit(1, method="HEAD"))
        await mail.visited(mail.visit(2, link=4), mail.visit(3, link=5))
        await mail.visited(mail.visit(4), take=judge(VerdictKind.UNCERTAIN))
        await mail.visited(mail.visit(5), take=judge(answer=AnswerKind.RETRY))
        (row,) = await clicks(store, provisional=True)
        assert (row.visit_id, row.settled, row.score, row.reasons) == (
            human.visit_id,
            False,
            -9.0,
            ("ordinary",),
        )
        assert row.recipient == "ann@a.example"

    async def test_settled_and_provisional_clicks_come_in_one_order_and_none_twice(self, store, mail):
        await mail.visited(mail.visit(0), mail.visit(1, who=mail.bob), mail.visit(2))
        await mail.settle()
        await mail.visited(mail.visit(3))
        rows = await clicks(store, provisional=True)
        assert [(row.at - NOW, row.settled) for row in rows] == [(0, True), (1, False), (2, True), (3, False)]

    async def test_long_lists_come_whole_and_in_order_while_others_write(self, store, mail):
        for start in range(0, 700, 100):
            await mail.visited(*(mail.visit(start + number) for number in range(100)))
        found = []
        async for row in store.visits(Filter(limit=650)):
            found.append(row.entry.visit_id)
            if len(found) == 10:
                await mail.visited(mail.visit(900))
        assert len(found) == 650
        assert found == sorted(set(found))
        assert len(await ids(store)) == 701

    async def test_a_cursor_goes_on_where_a_page_ended(self, store, mail):
        await mail.visited(*(mail.visit(number) for number in range(9)))
        await mail.settle()
        pages, after = [], 0
        while page := await clicks(store, Filter(after_id=after, limit=4)):
            pages.append(len(page))
            after = page[-1].visit_id
        assert pages == [4, 4, 1]

    async def test_who_has_no_address_is_listed_by_reference(self, store, mail):
        (who,) = await store.register_recipients([RecipientDraft(reference="r-1")])
        await mail.visited(mail.visit(who=who))
        await mail.settle(who=who)
        (row,) = await clicks(store, Filter(recipient="r-1"))
        assert (row.recipient, row.domain) == ("r-1", "")

    async def test_opt_outs_are_listed_by_campaign_person_domain_and_time(self, store, mail):
        other = await send(store, "offer")
        for place, (campaign, who) in enumerate([(mail, mail.ann), (mail, mail.bob), (other, other.ann)]):
            await campaign.opt_out(place, who=who, one_click=place == 1)

        async def listed(where):
            return [(row.campaign, row.recipient) async for row in store.unsubscribes(where)]

        assert await listed(Filter(campaign="news")) == [("news", "ann@a.example"), ("news", "bob@b.example")]
        assert await listed(Filter(recipient="ann@a.example")) == [
            ("news", "ann@a.example"),
            ("offer", "ann@a.example"),
        ]
        assert await listed(Filter(domain="b.example")) == [("news", "bob@b.example")]
        assert await listed(Filter(since=NOW + 2)) == [("offer", "ann@a.example")]
        assert await listed(Filter(limit=1)) == [("news", "ann@a.example")]

    async def test_an_opt_out_counts_once_and_keeps_its_first_time(self, store, mail):
        for at in (0, 5):
            await mail.opt_out(at)
        (row,) = [row async for row in store.unsubscribes(Filter())]
        assert row.at == NOW

    async def test_journal_rows_name_the_settled_verdict_beside_the_first(self, store, mail):
        await mail.visited(mail.visit(), take=judge(VerdictKind.UNCERTAIN))
        await mail.settle(settled(VerdictKind.MACHINE, score=25.0))
        (row,) = await visits(store)
        assert (row.entry.verdict.kind, row.entry.settled.kind, row.entry.settled.score) == (
            VerdictKind.UNCERTAIN, VerdictKind.MACHINE, 25.0,
        )  # fmt: skip

    @pytest.mark.parametrize("seed", range(3))
    async def test_any_filter_lists_what_reading_all_and_choosing_gives(self, store, seed):
        """Settled, open and opened again, two campaigns, days apart; pages of 1 to 5 rows."""
        story = Story(store, await two_mails(store), seed)
        await run(story, 4)
        await story.visits()
        chance = story.chance
        everything, clicked = await visits(store), await clicks(store)
        assert {row.entry.settled is None for row in everything} == {True, False}
        for _ in range(60):
            where = some_filter(chance)
            chosen = [row.entry.visit_id for row in everything if fits(where, row)]
            assert await ids(store, where) == chosen
            assert await paged(ids, store, where, chance) == chosen
            where = replace(where, verdict=None)
            chosen = [row for row in clicked if fits_click(where, row)]
            assert await clicks(store, where) == chosen


def some_filter(chance):
    def maybe(*values):
        return chance.choice(values) if chance.random() < 0.4 else None

    return Filter(
        campaign=maybe("news", "offers", "unknown") or "",
        key=maybe("k000", "k001", "k051") or "",
        recipient=maybe("ann@a.example", "bob@b.example", "x@y.example") or "",
        domain=maybe("a.example", "b.example", "y.example") or "",
        since=maybe(NOW + 1_000, NOW + 90_000.5, NOW + 3 * 86_400 + 2_000, NOW + 1e6),
        until=maybe(NOW + 2_000, NOW + 90_000, NOW + 3 * 86_400 + 3_000, NOW - 1e6),
        verdict=maybe(*VerdictKind),
        after_id=chance.choice((0, 0, 7)),
    )


def fits(where, row):
    entry = row.entry
    return (
        where.campaign in {"", row.campaign}
        and where.key in {"", entry.visit.key}
        and where.recipient in {"", entry.recipient.address}
        and where.domain in {"", entry.recipient.domain}
        and where.spans(entry.visit.at)
        and where.verdict in {None, (entry.settled or entry.verdict).kind}
        and entry.visit_id > where.after_id
    )


def fits_click(where, row):
    return (
        where.campaign in {"", row.campaign}
        and where.key in {"", row.key}
        and where.recipient in {"", row.recipient}
        and where.domain in {"", row.domain}
        and where.spans(row.at)
        and row.visit_id > where.after_id
    )


async def paged(listed, store, where, chance):
    found = []
    while page := await listed(store, replace(where, limit=chance.randrange(1, 6))):
        found += page
        where = replace(where, after_id=page[-1])
    return found
