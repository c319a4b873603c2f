"""Afterlife: what targets tell of visits is evidence, judged like any other."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from claims.browsers import CHROME
from visit.conftest import NOW, build

from linkproxy.model import (
    AnswerKind,
    Delivery,
    DeliverySource,
    Engagement,
    EngagementKind,
    VerdictKind,
)
from linkproxy.store.afterlife import EngagementOutcome
from linkproxy.store.api import DeliveryDraft, Filter, RecipientDraft
from linkproxy.visit import replay, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from visit.conftest import World

    from linkproxy.model import Evidence, Judged, Verdict

MINUTES = 60.0
HERE, ELSEWHERE = "203.0.113.0/24", "198.51.100.0/24"


@pytest.fixture
async def telling(tmp_path: Path) -> AsyncIterator[World]:
    """A campaign whose targets are told of visits; its mail was delivered at NOW."""
    made = await build(tmp_path, click_id="lpid")
    await made.deliver()
    yield made
    await made.store.close()


async def tell(
    world: World,
    judged: Judged,
    *,
    after: float = 60.0,
    seconds: float = 45.0,
    pages: int = 1,
    network: str = HERE,
    kind: EngagementKind = EngagementKind.BEACON,
) -> None:
    at = judged.visit.at + after
    told = Engagement(judged.visit_id, kind, at, at, seconds, pages, network)
    assert await world.store.add_engagement(told) is EngagementOutcome.KEPT


async def verdict(world: World, judged: Judged, *, at: float = 3600.0) -> Verdict:
    await world.settle(at)
    row = await world.store.get_visit(judged.visit_id)
    assert row is not None
    assert row.entry.settled is not None
    return row.entry.settled


def found(verdict: Verdict, name: str) -> Evidence | None:
    return next((item for item in verdict.evidence if item.name == name), None)


async def engaged(world: World, judged: Judged, **told: object) -> Evidence | None:
    await tell(world, judged, **told)  # type: ignore[arg-type]
    return found(await verdict(world, judged), "afterlife.engaged")


async def others_engage(world: World, count: int) -> None:
    for number in range(count):
        (other,) = await world.store.register_recipients([RecipientDraft(f"r{number}@o{number}.example")])
        await tell(world, await world.judged("one", at=700 + number, recipient=other))


async def test_time_spent_at_the_target_speaks_strongly_for_a_person(telling):
    evidence = await engaged(telling, await telling.judged("one", at=10 * MINUTES))
    assert evidence.weight == -12.0
    assert evidence.counted
    assert "45 s, pages: 1" in evidence.detail


async def test_going_on_to_another_page_does_too(telling):
    judged = await telling.judged("one", at=10 * MINUTES)
    assert (await engaged(telling, judged, seconds=6, pages=2)).weight == -12.0


async def test_a_few_seconds_speak_for_a_person_a_little(telling):
    judged = await telling.judged("one", at=10 * MINUTES)
    assert (await engaged(telling, judged, seconds=5)).weight == -4.0


async def test_less_than_two_seconds_say_nothing(telling):
    judged = await telling.judged("one", at=10 * MINUTES)
    assert await engaged(telling, judged, seconds=1.5) is None


async def test_more_time_than_has_passed_says_nothing(telling):
    judged = await telling.judged("one", at=10 * MINUTES)
    assert await engaged(telling, judged, after=10, seconds=40) is None


async def test_a_beacon_that_was_quicker_than_the_clock_is_heard(telling):
    judged = await telling.judged("one", at=10 * MINUTES)
    assert (await engaged(telling, judged, after=30, seconds=31)).weight == -12.0


async def test_a_beacon_from_another_network_says_less(telling):
    judged = await telling.judged("one", at=10 * MINUTES)
    assert (await engaged(telling, judged, network=ELSEWHERE)).weight == -3.0


async def test_the_word_of_the_targets_own_server_has_no_network_to_differ(telling):
    judged = await telling.judged("one", at=10 * MINUTES)
    told = {"kind": EngagementKind.CALL, "network": ""}
    assert (await engaged(telling, judged, **told)).weight == -12.0


async def test_a_client_that_engages_beside_a_sweep_is_hardly_believed(telling):
    sweep = [
        await telling.judged(name, at=600 + place, client="203.0.113.77")
        for place, name in enumerate(("one", "two", "tre", "four", "five"))
    ]
    assert (await engaged(telling, sweep[2])).weight == -2.0
    assert (await verdict(telling, sweep[2])).kind is not VerdictKind.HUMAN


async def test_who_engages_becomes_a_click_though_the_message_was_settled(telling):
    first = await telling.judged("one", at=40)
    assert first.answer.kind is AnswerKind.HOP
    visit = await telling.judged(target=telling.hop_url("one", at=40), at=49)
    assert (await verdict(telling, visit, at=300)).kind is VerdictKind.UNCERTAIN
    await tell(telling, visit, after=400)
    assert (await verdict(telling, visit)).kind is VerdictKind.HUMAN
    assert [row.visit_id async for row in telling.store.clicks(Filter())] == [visit.visit_id]


async def test_silence_speaks_against_a_person_where_others_engage(telling):
    await others_engage(telling, 5)
    evidence = found(await verdict(telling, await telling.judged("one", at=600)), "afterlife.silent")
    assert evidence.weight == 2.0


async def test_silence_alone_makes_nobody_a_machine(telling):
    await others_engage(telling, 20)
    person = await telling.judged("one", at=10 * MINUTES)
    assert (await verdict(telling, person)).kind is VerdictKind.HUMAN


async def test_a_site_that_tells_of_hardly_anybody_is_not_missed(telling):
    await others_engage(telling, 4)
    assert found(await verdict(telling, await telling.judged("one", at=600)), "afterlife.silent") is None


async def test_silence_says_nothing_while_there_was_no_time_to_tell(telling):
    await others_engage(telling, 5)
    await telling.judged("one", at=600)
    late = await telling.judged("one", at=2390)
    settled = await verdict(telling, late, at=2401)
    assert found(settled, "afterlife.silent") is None


async def test_who_was_sent_to_no_target_is_not_expected_there(telling):
    await others_engage(telling, 5)
    bait = await telling.judged("bai1", at=600)
    asked = await telling.judged("one", at=40)
    assert asked.answer.kind is AnswerKind.HOP
    for judged in (bait, asked):
        assert found(await verdict(telling, judged), "afterlife.silent") is None


async def test_a_target_that_was_given_no_click_id_is_not_expected_to_tell(telling):
    await others_engage(telling, 5)
    key = (await telling.judged("one", at=600)).visit.key
    own = "https://shop.example/?LPID=mine"
    await telling.store.set_target(telling.campaign.id, key, own, who="test", at=NOW)
    assert found(await verdict(telling, await telling.judged("one", at=900)), "afterlife.silent") is None


async def test_a_campaign_without_click_ids_knows_no_afterlife(world):
    judged = await world.judged("one", at=600)
    await tell(world, judged)
    names = {item.name for item in (await verdict(world, judged)).evidence}
    assert not {"afterlife.engaged", "afterlife.silent"} & names


async def test_a_replay_sees_what_the_settle_pass_saw_and_no_more(telling):
    await others_engage(telling, 5)
    silent = await telling.judged("one", at=600)
    reader = await telling.judged("two", at=900, headers=CHROME[:-1], client="192.0.2.4")
    await tell(telling, reader)
    live = {judged.visit_id: await verdict(telling, judged) for judged in (silent, reader)}
    # Told while nobody settles: the journal must not change its mind by itself.
    await tell(telling, silent, after=2000, seconds=900)
    where = Filter(campaign=telling.campaign.name)
    async for message in telling.store.messages(where, reach_seconds=telling.policy.reach_seconds):
        for item in replay.replay(message.visits, telling.policy):
            if item.entry.visit_id in live:
                assert item.settled == live.pop(item.entry.visit_id)
    assert live == {}


async def test_late_contrary_evidence_withdraws_a_click_and_keeps_it_as_a_retraction(telling):
    judged = await telling.judged("one", at=120)
    await telling.settle(at=300)
    assert [row.visit_id async for row in telling.store.clicks(Filter())] == [judged.visit_id]
    # The mail was in fact accepted only seconds before the visit.
    late = Delivery(NOW + 85, DeliverySource.MX)
    await telling.store.add_deliveries([DeliveryDraft(telling.campaign.id, telling.recipient.id, late)])
    await telling.settle(at=7200)
    assert [row.visit_id async for row in telling.store.clicks(Filter())] == []
    (row,) = [row async for row in telling.store.retractions(Filter())]
    assert (row.visit_id, row.withdrawn_at) == (judged.visit_id, NOW + 7200)
    assert "timing.delay" in row.reasons


async def test_the_same_history_is_settled_the_same_way(telling):
    await others_engage(telling, 5)
    judged = await telling.judged("one", at=600)
    await telling.settle()
    (history,) = [item for item in telling.seen if item.entries[0].visit_id == judged.visit_id]
    known = replace(history, engagements=(), engaged=5)
    revise = partial(settle.revise, policy=telling.policy, now=NOW + 900)
    assert revise(known) == revise(known)
    ((_, afterlife),) = revise(known).afterlives
    assert (afterlife.known_at, afterlife.engaged) == (NOW + 900, 5)


SWEEP = ("home", "one", "two", "tre", "four", "five", "face", "term")


async def test_a_click_whose_first_request_turns_out_a_machines_stays_that_of_its_double(telling):
    first = await telling.judged("one", at=600)
    second = await telling.judged("one", at=603)
    await telling.settle(at=700)
    for place, name in enumerate(SWEEP):
        await telling.judged(name, at=701 + place * 0.1)
    await telling.settle(at=900)
    await tell(telling, first, after=301, seconds=3)
    await telling.settle(at=1000)
    human = {
        row.entry.visit_id
        async for row in telling.store.visits(Filter())
        if row.entry.settled.kind is VerdictKind.HUMAN
    }
    clicks = {row.visit_id async for row in telling.store.clicks(Filter())}
    assert clicks <= human
    assert (second.visit_id in human) <= bool(clicks & {first.visit_id, second.visit_id})


async def test_news_of_an_old_visit_does_not_end_the_hold_of_a_fresh_one(telling):
    old = await telling.judged("one", at=600)
    await telling.settle(at=800)
    fresh = await telling.judged("home", at=4000, client="198.51.100.1")
    await tell(telling, old, after=3400.2, seconds=900)
    await telling.settle(at=4000.5)
    row = await telling.store.get_visit(fresh.visit_id)
    assert row.entry.settled is None
