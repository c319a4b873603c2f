"""Domains of whose mail no delivery time is told: nearly all visited, or followed by keen people."""

from __future__ import annotations

import random

import pytest
from claims.browsers import CHROME, FIREFOX, GERMAN
from claims.company import LIBRARY, company, settle_all, settled, spread, weight_of
from hypothesis import given, settings
from hypothesis import strategies as st
from visit.conftest import build

from linkproxy.model import (
    NOBODY,
    AnswerKind,
    CampaignKind,
    Delivery,
    DeliverySource,
    Learned,
    ProfileScope,
    VerdictKind,
)
from linkproxy.store.api import DeliveryDraft, Filter
from linkproxy.visit import mailed, policy, replay

RULES = policy.load().learning
NAME = "company.example"
HOUR = 3600.0
MINUTE = 60.0


async def followed(world, people, *, begin=0.0, apart=40.0, headers=CHROME):
    """Let one link of each message be followed once, each from a network of its own; settle as it goes."""
    for number, person in enumerate(people):
        at = begin + apart * number
        await world.judged("one", at=at, headers=headers, client=spread(number), recipient=person)
        await settle_all(world, at)
    await settle_all(world, begin + apart * len(people) + HOUR)


async def newcomer(world, *, at, headers=CHROME, first=9_000):
    (person,) = (await company(world, 1, NAME, first)).people
    return await world.judged("two", at=at, headers=headers, recipient=person)


async def taught(world):
    """Return how many messages were visited, and how many recipients the mailings may have gone to."""
    found = await world.store.list_domain_profiles(min_recipients=20, name=NAME)
    rows = [(round(item.machines), round(item.people)) for item in found if item.scope is ProfileScope.MAILED]
    return rows[0] if rows else None


# --- what it says ------------------------------------------------------------------------------


async def test_a_domain_nearly_all_of_whose_messages_are_visited_is_scanned_though_no_time_is_known(unheard):
    await followed(unheard, (await company(unheard, 24)).people)
    judged = await newcomer(unheard, at=20 * HOUR)
    assert await taught(unheard) == (24, 24)
    assert weight_of("in-step.nearly-all", judged.verdict) > 5
    assert weight_of("request.as-machines", judged.verdict) > 5
    assert judged.verdict.prior > unheard.policy.prior["marketing"]
    assert judged.verdict.kind is VerdictKind.UNCERTAIN, "whoever it is gets to the target"


@pytest.mark.parametrize("share", [0.2, 0.35, 0.5])
async def test_a_company_of_keen_readers_is_not_scanned_however_close_together_they_come(unheard, share):
    """Sent overnight, and read at nine: all in one hour, by the company's one browser."""
    chance = random.Random(9)  # noqa: S311  (repeatable on purpose)
    everybody = (await company(unheard, 120)).people
    readers = chance.sample(everybody, round(share * len(everybody)))
    await followed(unheard, readers, begin=5 * HOUR, apart=MINUTE)
    await followed(unheard, readers[::2], begin=29 * HOUR, apart=MINUTE, headers=GERMAN)  # once more
    judged = await newcomer(unheard, at=70 * HOUR)
    assert weight_of("in-step.nearly-all", judged.verdict) == 0.0
    assert weight_of("request.as-machines", judged.verdict) == 0.0
    assert judged.verdict.kind is VerdictKind.HUMAN


async def test_of_nineteen_recipients_nothing_is_made(unheard):
    await followed(unheard, (await company(unheard, 19)).people)
    assert (await newcomer(unheard, at=20 * HOUR)).facts.learned == ()


async def test_of_freemail_nothing_is_made(unheard):
    await followed(unheard, (await company(unheard, 24, "gmail.com")).people)
    found = await unheard.store.list_domain_profiles(min_recipients=20)
    assert [item for item in found if item.scope is ProfileScope.MAILED] == []


async def test_a_phone_in_such_a_domain_is_not_held_to_it(unheard):
    await followed(unheard, (await company(unheard, 24)).people)
    judged = await newcomer(unheard, at=20 * HOUR, headers=FIREFOX)
    assert weight_of("in-step.nearly-all", judged.verdict) == 0.0
    assert judged.verdict.kind is VerdictKind.HUMAN


async def test_who_comes_behind_such_a_browser_is_the_person(unheard):
    people = (await company(unheard, 24)).people
    await followed(unheard, people)
    reader = await unheard.judged("one", at=20 * HOUR, headers=GERMAN, recipient=people[3])
    assert reader.answer.kind is AnswerKind.HOP
    followed_hop = unheard.hop_url("one", at=20 * HOUR, recipient=people[3])
    headers = (*GERMAN, ("Cookie", "hop=1"))
    await unheard.judged(at=20 * HOUR + 1, target=followed_hop, headers=headers, recipient=people[3])
    await settle_all(unheard, 21 * HOUR)
    found = (await settled(unheard))[reader.visit_id]
    assert weight_of("in-step.nearly-all", found) == 0.0
    assert found.kind is VerdictKind.HUMAN


async def test_where_a_delivery_time_is_told_that_says_it_instead(unheard):
    await followed(unheard, (await company(unheard, 24)).people)
    late = await company(unheard, 1, first=500)
    await late.deliver(20 * HOUR)
    judged = await unheard.judged("one", at=20 * HOUR + 45, recipient=late.people[0])
    assert weight_of("in-step.nearly-all", judged.verdict) == 0.0
    assert weight_of("timing.delay", judged.verdict) > 0


async def test_a_replay_finds_what_was_learned_as_it_was(unheard):
    await followed(unheard, (await company(unheard, 24)).people)
    await newcomer(unheard, at=20 * HOUR)
    await followed(unheard, (await company(unheard, 30, first=100)).people[::3], begin=30 * HOUR)
    found = set()
    async for message in unheard.store.messages(Filter(), reach_seconds=unheard.policy.reach_seconds):
        for again in replay.replay(message.visits, unheard.policy):
            assert (again.first, again.settled) == (again.entry.verdict, again.entry.settled)
            found |= {item.name for item in again.entry.verdict.evidence}
    assert "in-step.nearly-all" in found


# --- what teaches it ---------------------------------------------------------------------------


async def test_messages_of_a_known_time_and_password_resets_teach_nothing_of_it(unheard, tmp_path):
    told = await company(unheard, 24)
    await told.deliver(0.0)
    await followed(unheard, told.people)
    assert await taught(unheard) is None
    resets = await build(tmp_path, CampaignKind.TRANSACTIONAL)
    await followed(resets, (await company(resets, 24)).people)
    assert await taught(resets) is None
    await resets.store.close()


async def test_a_mailing_of_known_begin_teaches_nothing_of_it(unheard):
    begin = Delivery(1_795_000_000.0, DeliverySource.CAMPAIGN)
    await unheard.store.add_deliveries([DeliveryDraft(unheard.campaign.id, NOBODY, begin)])
    await followed(unheard, (await company(unheard, 24)).people)
    assert await taught(unheard) is None


async def test_machines_that_give_themselves_away_are_not_among_the_visits_but_their_recipients_count(
    unheard,
):
    await followed(unheard, (await company(unheard, 24)).people, headers=LIBRARY)
    assert await taught(unheard) == (0, 24)


async def test_a_message_teaches_once_however_often_it_is_followed(unheard):
    people = (await company(unheard, 24)).people
    await followed(unheard, people)
    await followed(unheard, people, begin=10 * HOUR, headers=GERMAN)
    assert await taught(unheard) == (24, 24)


async def test_who_comes_again_makes_a_mailing_no_older(unheard):
    people = (await company(unheard, 100)).people
    await followed(unheard, people[-20:])
    await followed(unheard, people[-20:], begin=10 * HOUR, headers=GERMAN)
    await followed(unheard, people[:1], begin=20 * HOUR)
    assert await taught(unheard) == (21, 100)


async def test_while_a_mailing_is_young_it_counts_as_followed_by_half_and_later_in_full(unheard):
    people = (await company(unheard, 100)).people
    await followed(unheard, people[:0:-5])  # twenty of them, the last one first
    assert await taught(unheard) == (20, 40)
    await followed(unheard, people[:1], begin=10 * HOUR)
    assert await taught(unheard) == (21, 100)


async def test_who_becomes_known_while_the_mailing_goes_on_counts_as_well(unheard):
    for part in range(6):
        people = (await company(unheard, 20, first=20 * part)).people
        await followed(unheard, people[-4:], begin=24 * HOUR * part)
    visited, recipients = await taught(unheard)
    assert visited / recipients == pytest.approx(24 / 120, abs=0.01)


# --- the arithmetic ----------------------------------------------------------------------------


@given(st.floats(0, 5000), st.floats(0, 5000), st.floats(0.05, 0.95))
@settings(max_examples=200)
def test_no_more_machines_came_than_messages_were_visited_and_none_where_people_may_have_come(
    visited, recipients, share
):
    machines, people = mailed.estimate((Learned(ProfileScope.MAILED, NAME, visited, recipients),), share)
    assert 0.0 <= machines <= visited + 1e-9
    assert people >= 1.0 - 1e-9
    if visited <= share * recipients:
        assert machines == 0.0


@pytest.mark.parametrize(("visited", "machines"), [(50, 0), (60, 0), (61, 22), (90, 80), (100, 100)])
def test_as_much_more_as_chance_may_do_speaks_of_no_machines(visited, machines):
    """Half of 100 messages may be people's, give or take ten: two standard deviations."""
    found, _ = mailed.estimate((Learned(ProfileScope.MAILED, NAME, visited, 100),), 0.5)
    assert found == machines


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_that_makes_no_sense_is_refused(share):
    with pytest.raises(policy.PolicyError, match=r"learning\.mailed_share"):
        policy.load(f"[learning]\nmailed_share = {share}\n")
