"""Claims about rollups: whatever happens, they are what counting journal and click log again gives."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from claims.recount import recount, table_of
from store.contract_outgoing import message_link
from store.world import BROWSER, NOW, PROGRAM, Mail, judge, key, send, settled

from linkproxy.model import (
    AnswerKind,
    Delivery,
    DeliverySource,
    Evidence,
    Family,
    Settlement,
    Verdict,
    VerdictKind,
)
from linkproxy.query.replay import settlement_of
from linkproxy.store.api import Cutoffs, DeliveryDraft, Filter, RecipientDraft
from linkproxy.store.review import AppliedReplay
from linkproxy.visit.clicks import clicks_of
from linkproxy.visit.policy import load
from linkproxy.visit.possible import possible_among, with_possible

if TYPE_CHECKING:
    from collections.abc import Callable

    from linkproxy.model import MessageHistory

POLICY = load()
DAY = 86_400.0
WHO = ("ann@a.example", "bob@b.example", "cy@b.example", "dee@d.example", "eve@a.example")


def by_lot(chance: random.Random) -> Callable[[], Verdict]:
    def verdict() -> Verdict:
        kind = chance.choice(tuple(VerdictKind))
        name, decisive = chance.choice((("method.head", True), ("timing.early", False), ("agent", False)))
        evidence = Evidence(name, Family.REQUEST, 6.0, decisive=decisive)
        return Verdict(kind, chance.uniform(-20, 70), -3.0, (evidence,), "policy-2")

    return verdict


def a_person() -> Verdict:
    return Verdict(VerdictKind.HUMAN, -9.0, -3.0, (Evidence("coherent", Family.REQUEST, -6.0),), "policy-2")


def revised(verdict: Callable[[], Verdict]) -> Callable[[MessageHistory], Settlement]:
    """Return a reviser that says what it is told to, with the clicks that go with it."""

    def revise(history):
        fresh = {entry.visit_id: verdict() for entry in history.entries if entry.visit_id in history.open_ids}
        known = {entry.visit_id: entry.settled for entry in history.entries if entry.settled is not None}
        clicks = clicks_of(history.entries, known | fresh, POLICY)
        heads = {click.visit_id for click in clicks}
        settlement = Settlement(
            tuple(fresh.items()),
            tuple(item for item in clicks if item.visit_id in fresh.keys() - history.clicked),
            NOW + 9_999,
            withdrawn=tuple(sorted((history.clicked & fresh.keys()) - heads)),
        )
        return with_possible(history, settlement, POLICY)

    return revise


def lots(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  (repeatable on purpose)


class Story:
    """Random traffic on two campaigns, checked against counting again."""

    def __init__(self, store, mails: list[Mail], seed: int) -> None:
        self.store, self.mails, self.chance = store, mails, lots(seed)
        self.kept = {mail.campaign.name: ({}, {}) for mail in mails}

    def some_visit(self, mail: Mail, who) -> object:
        chance = self.chance
        return mail.visit(
            chance.choice((0, 3 * DAY)) + chance.randrange(4_000),
            link=chance.choice((0, 0, 1, 2, 3, 4, 5)),
            who=who,
            method=chance.choice(("GET", "GET", "GET", "HEAD", "POST")),
            profile=chance.choice((BROWSER, PROGRAM)),
            network=chance.choice(("192.0.2.0/24", "198.51.100.0/24")),
            hop_at=chance.choice((None, None, NOW)),
        )

    async def visits(self) -> None:
        for mail in self.mails:
            people = [self.chance.choice(mail.recipients) for _ in range(self.chance.randrange(1, 7))]
            await self.store.append(
                [self.some_visit(mail, person) for person in people],
                judge(answer=self.chance.choice((AnswerKind.REDIRECT, AnswerKind.NEUTRAL))),
            )

    async def settles(self) -> None:
        for due in await self.store.list_due(last_before=NOW + 1e7, first_before=0.0, limit=50):
            if self.chance.random() < 0.8:
                await self.store.settle(
                    due.campaign_id, due.recipient_id, revised(by_lot(self.chance)), reach_seconds=1_800.0
                )

    async def deliveries(self) -> None:
        mail = self.chance.choice(self.mails)
        at = NOW - self.chance.randrange(5_000)
        who = self.chance.choice((*mail.recipients, None))
        draft = DeliveryDraft(mail.campaign.id, who.id if who else 0, Delivery(at, DeliverySource.MX))
        await self.store.add_deliveries([draft])

    async def replays(self) -> None:
        where = Filter(since=NOW, until=NOW + self.chance.choice((2_000, 5 * DAY)))
        replay_id = await self.store.begin_replay(AppliedReplay(NOW, "op", POLICY.digest))
        messages = [item async for item in self.store.messages(where, reach_seconds=1_800.0)]
        for message in messages:
            await self.store.rejudge(
                replay_id, message, lambda known: settlement_of(known, POLICY, where, NOW + 9_999)
            )

    async def check(self) -> None:
        for mail in self.mails:
            sums, possible = await recount(self.store, mail.campaign, POLICY)
            kept_sums, kept_possible = self.kept[mail.campaign.name]
            found = table_of(await self.store.campaign_sums(mail.campaign.id))
            assert found == (added(sums, kept_sums), added(possible, kept_possible))

    async def purges(self, cutoffs: Cutoffs) -> None:
        """Purge; what is gone from journal and click log is kept, and no sum changes."""
        before = [table_of(await self.store.campaign_sums(mail.campaign.id)) for mail in self.mails]
        await self.store.purge(cutoffs)
        for mail, totals in zip(self.mails, before, strict=True):
            assert table_of(await self.store.campaign_sums(mail.campaign.id)) == totals
            left = await recount(self.store, mail.campaign, POLICY)
            self.kept[mail.campaign.name] = tuple(
                added(total, {place: -count for place, count in part.items()})
                for total, part in zip(totals, left, strict=True)
            )


def added(one: dict, other: dict) -> dict:
    sums = {place: one.get(place, 0) + other.get(place, 0) for place in one.keys() | other.keys()}
    return {place: count for place, count in sums.items() if count}


async def two_mails(store, names=("news", "offers"), who=WHO) -> list[Mail]:
    mails = [await send(store, name, who=who) for name in names]
    for mail in mails:
        links = [message_link(mail, person.id, number=50 + person.id) for person in mail.recipients[:2]]
        await store.add_message_links(links)
    return mails


async def run(story: Story, rounds: int) -> None:
    for _ in range(rounds):
        await story.visits()
        await story.settles()
        await story.chance.choice((story.visits, story.settles, story.deliveries, story.replays))()
        await story.check()


async def rebuilt(store, *, limit: int = 3, between=None) -> int:
    """Count all again; return how many messages that were."""
    await store.begin_rebuild()
    messages, left = 0, 1
    while left:
        step = await store.rebuild(lambda entries: possible_among(entries, POLICY), limit=limit)
        messages, left = messages + step.messages, step.campaigns_left
        if between is not None:
            await between()
    return messages


class RollupContract:
    @pytest.mark.parametrize("seed", range(4))
    async def test_rollups_are_what_counting_again_gives_whatever_happens(self, store, seed):
        story = Story(store, await two_mails(store), seed)
        await run(story, 8)
        (found, _) = table_of(await store.campaign_sums(story.mails[0].campaign.id))
        assert {figure for _, _, figure in found} >= {"human", "machine", "uncertain", "clicks", "raw"}

    @pytest.mark.parametrize("seed", [10, 11])
    async def test_erasing_takes_a_recipient_out_of_the_rollups(self, store, seed):
        story = Story(store, await two_mails(store), seed)
        await run(story, 4)
        for who in (story.mails[0].ann, story.mails[0].recipients[3]):
            await store.erase_recipient(who.id)
            await story.check()
        sums = await store.campaign_sums(story.mails[0].campaign.id)
        assert "d.example" not in sums.sums["domain"]

    async def test_purging_the_journal_and_the_click_log_changes_no_sum(self, store):
        story = Story(store, await two_mails(store), 20)
        await run(story, 5)
        story.chance = lots(3)
        while await store.list_due(last_before=NOW + 1e7, first_before=0.0, limit=1):
            await story.settles()
        await story.purges(Cutoffs(clicks=NOW + DAY))
        await story.check()
        await story.purges(Cutoffs(journal=NOW + 9 * DAY, clicks=NOW + 9 * DAY))
        assert [row async for row in store.visits(Filter())] == []
        later = [replace(mail, recipients=await register(store)) for mail in story.mails]
        story.mails = later
        await run(story, 3)
        await rebuilt(store)
        await story.check()

    async def test_with_the_last_recipient_of_a_domain_nothing_kept_names_it(self, store, mail):
        await mail.visited(mail.visit(0), mail.visit(0, who=mail.bob))
        await mail.settle(revised(a_person))
        await mail.settle(revised(a_person), who=mail.bob)
        await store.purge(Cutoffs(journal=NOW + 10, clicks=NOW + 10))
        await store.erase_recipient(mail.ann.id)
        found = await store.campaign_sums(mail.campaign.id)
        assert {name: sums["clicks"] for name, sums in found.sums["domain"].items()} == {
            "": 1,
            "b.example": 1,
        }
        assert found.possible == {("", -9, 1): 1, ("b.example", -9, 1): 1}

    async def test_a_reference_is_counted_at_its_domain_once_its_address_is_known(self, store):
        mail = await send(store, who=("ann@a.example",))
        (unknown,) = await store.register_recipients([RecipientDraft(reference="r-17")])
        await mail.visited(mail.visit(0, who=unknown), mail.visit(5, link=1, who=unknown))
        await store.add_deliveries(
            [DeliveryDraft(mail.campaign.id, unknown.id, Delivery(NOW - 60, DeliverySource.MX))]
        )
        story = Story(store, [mail], 1)
        story.chance = lots(2)
        await mail.settle(revised(by_lot(story.chance)), who=unknown)
        assert "c.example" not in (await store.campaign_sums(mail.campaign.id)).sums["domain"]
        await store.register_recipients([RecipientDraft("cy@c.example", "r-17")])
        assert set((await store.campaign_sums(mail.campaign.id)).sums["domain"]) == {"c.example"}
        await story.check()

    async def test_a_link_of_one_message_keeps_its_name_when_its_target_is_purged(self, store, mail):
        await store.add_message_links([message_link(mail, mail.ann.id)])
        await mail.visited(mail.visit(0, key=key(50)))
        await mail.settle(revised(a_person))
        name = "https://shop.example/?u={}"
        before = await store.campaign_sums(mail.campaign.id)
        assert set(before.sums["link"]) == {name}
        await store.purge(Cutoffs(message_links=NOW + 10))
        await rebuilt(store)
        assert table_of(await store.campaign_sums(mail.campaign.id)) == table_of(before)
        await store.purge(Cutoffs(journal=NOW + 10, clicks=NOW + 10))
        assert table_of(await store.campaign_sums(mail.campaign.id)) == table_of(before)
        await store.erase_recipient(mail.ann.id)
        assert table_of(await store.campaign_sums(mail.campaign.id))[0]["link", name, "clicks"] == 1

    async def test_who_is_not_tracked_adds_nothing(self, store, mail):
        await store.set_track("ann@a.example", track=False)
        await mail.append(mail.visit(0))
        assert table_of(await store.campaign_sums(mail.campaign.id)) == ({}, {})

    async def test_a_rebuild_goes_on_beside_settling_and_ends_with_the_same_sums(self, store):
        story = Story(store, await two_mails(store), 30)
        await run(story, 3)
        assert await store.count_messages(story.mails[0].campaign.id) > 0

        async def between():
            await story.check()
            await story.visits()
            await story.settles()

        await rebuilt(store, limit=2, between=between)
        await story.check()

    async def test_a_rebuild_tells_how_many_messages_it_has_counted(self, store, mail):
        for name in ("earlier", "later"):
            await send(store, name)
        await mail.visited(mail.visit(0), mail.visit(1), mail.visit(2, who=mail.bob))
        assert await rebuilt(store) == await store.count_messages() == 2

    async def test_messages_that_are_open_count_once_each_and_by_a_raw_visit_alone(self, store):
        mail = await send(store, who=WHO)
        ann, bob, cy, dee, eve = mail.recipients
        await mail.visited(
            *(mail.visit(0, who=ann), mail.visit(1, who=ann, link=1), mail.visit(2, who=bob)),
            *(mail.visit(3, who=cy, method="POST"), mail.visit(4, who=dee, hop_at=NOW)),
            mail.visit(5, who=eve, link=4),
        )
        found = await store.campaign_sums(mail.campaign.id)
        assert [item.is_raw for item in found.open] == [True, True, True, False, False]
        assert found.open_messages == 2
        await mail.settle(settled(), who=ann)
        await mail.visited(mail.visit(900, who=ann))
        found = await store.campaign_sums(mail.campaign.id)
        assert (found.open_messages, found.sums["campaign"][""]["messages"]) == (1, 1)

    async def test_visits_that_are_open_are_told_apart(self, store, mail):
        await mail.visited(mail.visit(0), mail.visit(1, link=4), mail.visit(2, who=mail.bob, method="HEAD"))
        found = await store.campaign_sums(mail.campaign.id)
        assert [(item.link, item.domain, item.is_raw) for item in found.open] == [
            ("k000", "a.example", True), ("k000", "b.example", False),
        ]  # fmt: skip
        assert (found.open_messages, found.blank) == (1, False)
        await mail.settle(settled())
        found = await store.campaign_sums(mail.campaign.id)
        assert [item.domain for item in found.open] == ["b.example"]
        assert found.sums["campaign"][""]["messages"] == 1

    async def test_visits_that_late_knowledge_opens_again_still_count_once(self, store, mail):
        await mail.visited(mail.visit(0))
        await mail.settle(settled())
        await mail.deliver(NOW - 60.0)
        assert [item.recipient_id for item in await due(store)] == [mail.ann.id]
        found = await store.campaign_sums(mail.campaign.id)
        assert (list(found.open), found.open_messages) == ([], 0)
        assert found.sums["campaign"][""]["messages"] == 1


async def due(store):
    return await store.list_due(last_before=NOW + 900, first_before=0.0, limit=9)


async def register(store):
    return await store.register_recipients([RecipientDraft(f"late{place}@{'ab'[place % 2]}.example")
                                            for place in range(4)])  # fmt: skip
