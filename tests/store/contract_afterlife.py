"""Claims about engagement, and about clicks that were none."""

from __future__ import annotations

import json
from dataclasses import replace

from store.world import NOW, Mail, clicks, judge, send, settled

from linkproxy.model import (
    Afterlife,
    Campaign,
    CampaignId,
    Engagement,
    EngagementKind,
    Link,
    LinkKey,
    LinkKind,
    LinkRole,
    Settlement,
    Verdict,
    VerdictKind,
)
from linkproxy.store.afterlife import LATE_SECONDS, EngagementOutcome
from linkproxy.store.api import Cutoffs, Filter, RecipientDraft

BEACON, CALL = EngagementKind.BEACON, EngagementKind.CALL


async def telling(store) -> Mail:
    """Make a campaign whose targets are told of visits."""
    campaign = await store.add_campaign(
        Campaign(CampaignId(0), "telling", base_url="https://click.example", click_id="lpid")
    )
    link = Link(campaign.id, LinkKey("k000"), "https://shop.example/", LinkKind.CONTENT, LinkRole.BODY, 0)
    await store.add_links([link])
    drafts = [RecipientDraft(f"{name}@a.example") for name in ("ann", "bob", "cal")]
    return Mail(store, campaign, [link], await store.register_recipients(drafts))


async def tell(store, judged, *, at=30.0, seconds=10.0, pages=1, kind=BEACON, client="192.0.2.7"):
    told = Engagement(judged.visit_id, kind, NOW + at, NOW + at, seconds, pages, "192.0.2.0/24")
    return await store.add_engagement(told, client=client)


async def retractions(store, where=None):
    return [row async for row in store.retractions(where or Filter())]


async def history_of(mail, who=None):
    seen = []
    await mail.settle(settled(seen=seen), who=who)
    return seen[-1]


class AfterlifeContract:
    async def test_engagement_is_kept_once_for_each_kind_with_the_most_that_was_told(self, store):
        mail = await telling(store)
        (judged,) = await mail.visited(mail.visit())
        assert await tell(store, judged, at=10, seconds=5) is EngagementOutcome.KEPT
        assert await tell(store, judged, at=20, seconds=4) is EngagementOutcome.UNCHANGED
        assert await tell(store, judged, at=30, seconds=4, pages=2) is EngagementOutcome.KEPT
        assert await tell(store, judged, at=40, seconds=25, kind=CALL) is EngagementOutcome.KEPT
        assert (await history_of(mail)).engagements == (
            Engagement(judged.visit_id, BEACON, NOW + 10, NOW + 30, 5.0, 2, "192.0.2.0/24"),
            Engagement(judged.visit_id, CALL, NOW + 40, NOW + 40, 25.0, 1, "192.0.2.0/24"),
        )

    async def test_news_of_a_settled_visit_opens_it_again_and_old_news_does_not(self, store):
        mail = await telling(store)
        (judged,) = await mail.visited(mail.visit())
        await mail.settle()
        assert await mail.settle() is None
        await tell(store, judged, at=600)
        assert (await history_of(mail)).open_ids == {judged.visit_id}
        await tell(store, judged, at=601)
        assert await mail.settle() is None

    async def test_opening_a_visit_again_makes_no_second_click_of_it(self, store):
        mail = await telling(store)
        (judged,) = await mail.visited(mail.visit())
        await mail.settle()
        await tell(store, judged)
        await mail.settle()
        assert [row.visit_id for row in await clicks(store)] == [judged.visit_id]

    async def test_a_history_tells_of_other_recipients_who_engaged(self, store):
        mail = await telling(store)
        ann, bob = await mail.visited(mail.visit(), mail.visit(who=mail.bob))
        await tell(store, bob)
        await tell(store, ann)
        assert (await history_of(mail)).engaged == 1

    async def test_a_campaign_that_tells_its_targets_nothing_is_asked_nothing(self, mail):
        await mail.visited(mail.visit())
        assert (await history_of(mail)).engagements is None

    async def test_what_was_known_when_a_visit_was_settled_is_frozen_with_it(self, store):
        mail = await telling(store)
        (judged,) = await mail.visited(mail.visit())
        told = Engagement(judged.visit_id, BEACON, NOW + 9, NOW + 9, 5.0, 1, "192.0.2.0/24")
        known = Afterlife(NOW + 90, (told,), 3)
        plain = settled()
        await mail.settle(lambda history: replace(plain(history), afterlives=((judged.visit_id, known),)))
        await store.add_engagement(replace(told, at=NOW + 99, seconds_on_page=80.0))
        assert (await store.get_visit(judged.visit_id)).entry.settled_afterlife == known

    async def test_engagement_with_no_visit_or_too_late_is_not_kept(self, store):
        mail = await telling(store)
        (judged,) = await mail.visited(mail.visit())
        assert await tell(store, replace(judged, visit_id=999)) is EngagementOutcome.NO_VISIT
        assert await tell(store, judged, at=LATE_SECONDS + 1) is EngagementOutcome.LATE
        assert await tell(store, judged, at=-61) is EngagementOutcome.LATE
        assert (await history_of(mail)).engagements == ()

    async def test_engagement_is_heard_from_a_clock_a_minute_behind_until_a_day_after(self, store):
        mail = await telling(store)
        (judged,) = await mail.visited(mail.visit())
        assert await tell(store, judged, at=-60, seconds=5) is EngagementOutcome.KEPT
        assert await tell(store, judged, at=LATE_SECONDS, seconds=6) is EngagementOutcome.KEPT

    async def test_engagement_of_who_is_not_tracked_any_more_is_not_kept(self, store):
        mail = await telling(store)
        (judged,) = await mail.visited(mail.visit())
        await store.set_track("ann@a.example", track=False)
        assert await tell(store, judged) is EngagementOutcome.NO_VISIT

    async def test_engagement_is_exported_and_erased_with_its_recipient(self, store):
        mail = await telling(store)
        ann, bob = await mail.visited(mail.visit(), mail.visit(who=mail.bob))
        await tell(store, ann)
        await tell(store, bob)
        (row,) = (await store.export_recipient(mail.ann.id))["engagement"]
        assert (row["visit_id"], row["seconds_on_page"]) == (ann.visit_id, 10.0)
        json.dumps(row)
        assert (await store.erase_recipient(mail.ann.id))["engagement"] == 1
        assert await tell(store, ann) is EngagementOutcome.NO_VISIT
        assert len((await store.export_recipient(mail.bob.id))["engagement"]) == 1

    async def test_engagement_goes_with_the_journal(self, store):
        mail = await telling(store)
        (judged,) = await mail.visited(mail.visit())
        await tell(store, judged)
        await mail.settle()
        counts = await store.purge(Cutoffs(journal=NOW + 3600))
        assert (counts["visit"], counts["engagement"]) == (1, 1)

    async def test_a_withdrawn_click_is_kept_as_a_retraction_with_its_reasons(self, store):
        mail = await telling(store)
        (judged,) = await mail.visited(mail.visit())
        await mail.settle()
        await tell(store, judged)
        await mail.settle(_machine(at=NOW + 700))
        assert await clicks(store) == []
        (row,) = await retractions(store)
        assert (row.visit_id, row.at, row.withdrawn_at) == (judged.visit_id, NOW, NOW + 700)
        assert (row.campaign, row.key, row.target, row.recipient, row.score, row.reasons) == (
            "telling", "k000", "https://shop.example/", "ann@a.example", 40.0, ("ordinary",),
        )  # fmt: skip

    async def test_a_click_that_comes_back_is_no_retraction(self, store):
        mail = await telling(store)
        (judged,) = await mail.visited(mail.visit())
        await mail.settle()
        await tell(store, judged)
        await mail.settle(_machine(at=NOW + 700))
        await tell(store, judged, at=800, seconds=60)
        await mail.settle()
        assert [row.visit_id for row in await clicks(store)] == [judged.visit_id]
        assert await retractions(store) == []

    async def test_retractions_are_filtered_purged_with_the_clicks_and_erased(self, store):
        mail = await telling(store)
        other = await send(store)
        for who in (mail.ann, mail.bob):
            (judged,) = await mail.visited(mail.visit(who=who))
            await mail.settle(who=who)
            await tell(store, judged)
            await mail.settle(_machine(at=NOW + 700), who=who)
        assert len(await retractions(store, Filter(recipient="ann@a.example"))) == 1
        assert await retractions(store, Filter(campaign=other.campaign.name)) == []
        assert len((await store.export_recipient(mail.ann.id))["retraction"]) == 1
        assert (await store.erase_recipient(mail.ann.id))["retraction"] == 1
        assert (await store.purge(Cutoffs(clicks=NOW + 1)))["retraction"] == 1
        assert await retractions(store) == []

    async def test_a_visit_that_never_was_a_click_is_no_retraction(self, store):
        mail = await telling(store)
        await mail.visited(mail.visit(), take=judge(VerdictKind.MACHINE))
        await mail.settle(_machine(at=NOW + 700))
        assert await retractions(store) == []


def _machine(*, at: float):
    """Return a reviser that takes every open visit for a machine's, and withdraws its click."""
    said = settled(VerdictKind.MACHINE, score=40.0, at=at)

    def revise(history) -> Settlement:
        settlement = said(history)
        assert all(isinstance(verdict, Verdict) for _, verdict in settlement.revised)
        withdrawn = tuple(sorted(history.clicked & history.open_ids))
        return replace(settlement, withdrawn=withdrawn)

    return revise
