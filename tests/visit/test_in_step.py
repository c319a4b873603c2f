"""Recipients of one domain that are hit in step, and people who only seem to be."""

from __future__ import annotations

import math
import random

import pytest
from claims.browsers import CHROME, FIREFOX, OLD_CHROME
from claims.company import START, company, in_step, settle_all, settled, spread, weight_of
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.model import (
    AnswerKind,
    Family,
    LinkKey,
    Neighbour,
    RawRequest,
    RecipientId,
    Step,
    VerdictKind,
)
from linkproxy.store.api import Filter
from linkproxy.visit import in_step as stepping
from linkproxy.visit import intake, pipeline, policy, replay
from linkproxy.visit.policy import PolicyError
from linkproxy.visit.respond import WEAK_FAMILIES

MINUTES = 60.0
RULES = policy.load().in_step


async def hit_together(world, count, *, domain="company.example", at=6 * MINUTES, apart=0.4, **how):
    """Hit one link of each recipient of a domain by a current browser from ever new addresses."""
    found = await company(world, count, domain)
    await found.deliver(0.0)
    return [
        await world.judged("one", at=at + apart * number, client=spread(number), recipient=person, **how)
        for number, person in enumerate(found.people)
    ]


# --- together ----------------------------------------------------------------------------------


async def test_recipients_of_a_domain_hit_in_the_same_seconds_from_rotating_addresses_are_in_step(world):
    judged = await hit_together(world, 20)
    assert in_step(judged[0]) == []
    assert "in-step.together" in in_step(judged[-1])
    assert judged[-1].facts.step == Step(together=19)


async def test_when_settled_the_first_of_them_is_known_to_be_in_step_too_and_more_strongly(world):
    judged = await hit_together(world, 20)
    await settle_all(world, 3600)
    found = await settled(world)
    for item in judged:
        after = weight_of("in-step.together", found[item.visit_id])
        assert after > weight_of("in-step.together", item.verdict)
        assert found[item.visit_id].kind is not VerdictKind.HUMAN
    assert [row async for row in world.store.clicks(Filter())] == []


ARRIVALS = {
    "overnight mail, read at nine": lambda chance: 5 * 3600 + chance.gauss(0, 600),
    "read as it comes": lambda chance: 120 + chance.lognormvariate(math.log(900), 1.0),
}


@pytest.mark.parametrize("arrival", ARRIVALS)
async def test_a_newsletter_at_nine_in_one_company_is_human(world, arrival):
    """Three hundred people of one company: one address, one browser, one link, one delivery."""
    chance = random.Random(9)  # noqa: S311  (repeatable on purpose)
    office = await company(world, 300)
    await office.deliver(0.0)
    times = sorted(ARRIVALS[arrival](chance) for _ in office.people)
    for number, (person, at) in enumerate(zip(office.people, times, strict=True)):
        await world.judged("one", at=at, client="203.0.113.9", recipient=person)
        if number % 10 == 9:
            await settle_all(world, at)
    await settle_all(world, 200_000)
    found = list((await settled(world)).values())
    assert len(found) == 300
    assert sum(item.kind is VerdictKind.HUMAN for item in found) >= 297
    assert sum(weight_of("in-step.together", item) > 3 for item in found) <= 3


async def test_colleagues_who_read_a_mail_in_a_meeting_are_human(world):
    judged = await hit_together(world, 3, apart=3.0)
    await settle_all(world, 3600)
    assert {item.kind for item in (await settled(world)).values()} == {VerdictKind.HUMAN}
    assert [in_step(item) for item in judged] == [[], [], []]


async def test_a_person_with_a_browser_of_their_own_is_not_in_step_with_a_scan(world):
    early = await company(world, 1, first=500)
    await early.deliver(-3600.0)
    await hit_together(world, 20)
    person = await world.judged(
        "two", at=6 * MINUTES + 4, headers=FIREFOX, client="203.0.113.9", recipient=early.people[0]
    )
    assert in_step(person) == []
    await settle_all(world, 3600)
    assert (await settled(world))[person.visit_id].kind is VerdictKind.HUMAN


@pytest.mark.parametrize("domain", ["gmail.com", "web.de"])
async def test_recipients_of_a_freemail_domain_are_never_in_step(world, domain):
    judged = await hit_together(world, 20, domain=domain)
    await settle_all(world, 3600)
    assert judged[-1].facts.step is None
    assert not any(
        item.family is Family.IN_STEP for found in (await settled(world)).values() for item in found.evidence
    )


async def test_recipients_of_different_domains_are_not_in_step(world):
    for number in range(20):
        (judged,) = await hit_together(world, 1, domain=f"firm{number}.example", at=360 + 0.1 * number)
        assert judged.facts.step == Step()


async def test_a_sweep_of_one_message_is_one_recipient_however_many_links_it_has(world):
    people = (await company(world, 2)).people
    for place, name in enumerate(("home", "one", "two", "tre", "four", "five")):
        await world.judged(name, at=360 + 0.1 * place, recipient=people[0])
    judged = await world.judged("home", at=361, recipient=people[1])
    assert judged.facts.step.together == 1


# --- the same delay ----------------------------------------------------------------------------


async def test_messages_delivered_one_by_one_and_hit_at_the_same_delay_are_in_step(world):
    mailing = await company(world, 14)
    await mailing.deliver(*(40.0 * number for number in range(14)))
    judged = [
        await world.judged(
            "one", at=40.0 * number + 200 + number % 3, client=spread(number), recipient=person
        )
        for number, person in enumerate(mailing.people)
    ]
    assert in_step(judged[0]) == []
    assert in_step(judged[-1]) == ["in-step.same-delay"]
    await settle_all(world, 86_400)
    found = await settled(world)
    assert weight_of("in-step.same-delay", found[judged[7].visit_id]) > 0
    assert found[judged[7].visit_id].kind is not VerdictKind.HUMAN


async def test_people_whose_messages_came_one_by_one_are_not_in_step(world):
    chance = random.Random(4)  # noqa: S311  (repeatable on purpose)
    mailing = await company(world, 60)
    delivered = [10.0 * number for number in range(60)]
    await mailing.deliver(*delivered)
    visits = sorted((at + 60 * 10 ** chance.uniform(0.3, 2.3), number) for number, at in enumerate(delivered))
    judged = [
        await world.judged("one", at=at, client=spread(number), recipient=mailing.people[number])
        for at, number in visits
    ]
    assert sum(bool(in_step(item)) for item in judged) <= 1
    await settle_all(world, 86_400)
    after = [item for found in (await settled(world)).values() for item in found.evidence]
    assert sum(item.family is Family.IN_STEP for item in after) <= 1


async def test_a_person_who_is_quick_amid_a_scan_of_others_is_not_taken_for_one_of_it(world):
    """One-link mail delivered one by one: half of them scanned after 200 s, one person comes then too."""
    mailing = await company(world, 11)
    await mailing.deliver(*(40.0 * number for number in range(11)))
    for number, person in enumerate(mailing.people[:10]):
        await world.judged("one", at=40.0 * number + 200, client=spread(number), recipient=person)
    reader = await world.judged(
        "one", at=400 + 200, headers=FIREFOX, client="203.0.113.9", recipient=mailing.people[10]
    )
    assert weight_of("in-step.same-delay", reader.verdict) <= 4
    assert reader.answer.target == "https://shop.example/one"


# --- unsubscribes ------------------------------------------------------------------------------


async def test_a_surge_of_unsubscribes_in_a_domain_speaks_against_its_visits(world):
    people = (await company(world, 8)).people
    judged = [
        await world.judged("bye", at=900 + 5.0 * number, client=spread(number), recipient=person)
        for number, person in enumerate(people)
    ]
    assert in_step(judged[1]) == []
    assert weight_of("in-step.unsubscribes", judged[-1].verdict) > weight_of(
        "in-step.unsubscribes", judged[2].verdict
    ) > 0  # fmt: skip
    assert {item.answer.kind for item in judged} == {AnswerKind.UNSUBSCRIBE}


async def test_opting_out_works_in_a_surge_by_button_and_by_one_click(world):
    people = (await company(world, 8)).people
    for number, person in enumerate(people[:6]):
        await world.judged("bye", at=900 + number, client=spread(number), recipient=person)
    pressed = await world.judged("bye", at=908, method="POST", recipient=people[6])
    body = b"List-Unsubscribe=One-Click"
    raw = RawRequest("POST", world.url("bye", people[7]), (), "203.0.113.1", START + 909, body=body)
    visit = intake.read(raw, intake.Gate(world.keyring))
    (clicked,) = await world.store.append([visit], lambda *args: pipeline.take(*args, policy=world.policy))
    assert [item.answer.kind for item in (pressed, clicked)] == [AnswerKind.UNSUBSCRIBED] * 2
    assert "in-step.unsubscribes" in in_step(pressed)
    assert "in-step.unsubscribes" not in in_step(clicked)
    opted_out = [row.recipient async for row in world.store.unsubscribes(Filter())]
    assert opted_out == ["person6@company.example", "person7@company.example"]


async def test_people_who_opt_out_over_an_hour_are_no_surge(world):
    for number, person in enumerate((await company(world, 20)).people):
        judged = await world.judged("bye", at=900 + 180.0 * number, client=spread(number), recipient=person)
        assert in_step(judged) == []


# --- what it may do ----------------------------------------------------------------------------


async def test_being_in_step_alone_never_leads_to_the_neutral_page(world):
    world.policy = policy.load(
        '[signals."in-step.together"]\nweight = 90.0\ncurve = [[1.0, 90.0, 90.0]]\n[signals."timing.delay"]\nweight = 0.0'
    )
    judged = await hit_together(world, 6)
    assert judged[-1].verdict.score > world.policy.neutral
    assert judged[-1].answer.kind is not AnswerKind.NEUTRAL
    assert judged[-1].answer.target == "https://shop.example/one"
    assert Family.IN_STEP in WEAK_FAMILIES


async def test_a_replay_under_the_same_policy_gives_the_same_verdicts(world):
    await hit_together(world, 24, headers=OLD_CHROME)
    await settle_all(world, 3600)
    await hit_together(world, 24, at=7000.0, headers=CHROME)
    await settle_all(world, 90_000)
    compared = 0
    async for message in world.store.messages(Filter(), reach_seconds=world.policy.reach_seconds):
        for again in replay.replay(message.visits, world.policy):
            assert again.first == again.entry.verdict
            assert again.settled == again.entry.settled
            compared += again.settled is not None and again.entry.settled_step is not None
    assert compared == 48


# --- the arithmetic ----------------------------------------------------------------------------

neighbours = st.lists(
    st.builds(
        Neighbour,
        st.integers(1, 99).map(RecipientId),
        st.floats(START - 1000, START + 1000),
        st.sampled_from([LinkKey("a"), LinkKey("b")]),
        st.integers(1, 2),
        st.none() | st.floats(START - 5000, START),
        st.none() | st.floats(START - 100, START + 100),
    ),
    max_size=40,
)


@given(neighbours, st.none() | st.floats(START - 5000, START))
@settings(max_examples=200)
def test_counts_are_at_most_the_neighbours_and_do_not_depend_on_their_order(others, delivered):
    seen = stepping.Seen(START, LinkKey("a"), 1, delivered)
    found = stepping.step(seen, others, RULES)
    assert found == stepping.step(seen, list(reversed(others)), RULES)
    assert found.together + found.around <= len(others)
    assert found.same_delay <= found.delays <= len(others)
    assert found.unsubscribes <= len(others)


@given(st.integers(0, 128), st.integers(0, 128))
@settings(max_examples=100)
def test_the_busier_the_minutes_around_the_more_is_excused_up_to_a_bound(together, around):
    found = stepping.beyond_people(Step(together, around), RULES)
    assert together - RULES.excused <= found <= together
    assert stepping.beyond_people(Step(together, around + 1), RULES) <= found


@pytest.mark.parametrize(
    ("delivered_at", "together"),
    [(40.0, [5, 5, 2, 0]), (None, [5, 0, 0, 0])],  # where no delay is known, both must be the same
)
def test_who_follows_the_same_link_by_headers_of_their_own_counts_half(delivered_at, together):
    seen = stepping.Seen(100.0, LinkKey("one0"), 7, delivered_at)

    def others(profile_id: int, key: str) -> list[Neighbour]:
        return [
            Neighbour(RecipientId(number), 101.0, LinkKey(key), profile_id, delivered_at=41.0)
            for number in range(5)
        ]

    counted = [
        stepping.step(seen, others(*likeness), RULES).together
        for likeness in ((7, "one0"), (7, "two0"), (8, "one0"), (8, "two0"))
    ]
    assert counted == together


def test_what_was_frozen_does_not_fade_when_memory_does():
    frozen = Step(together=9, around=2)
    assert stepping.fuller((Step(), None, frozen)) == frozen
    assert stepping.fuller((None, None)) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("near_seconds = 0", "in_step.near_seconds must be above 0"),
        ("span_seconds = 9", "in_step.span_seconds must be above near_seconds"),
    ],
)
def test_windows_that_make_no_sense_are_refused(text, fault):
    with pytest.raises(PolicyError, match=fault):
        policy.load(f"[in_step]\n{text}")
