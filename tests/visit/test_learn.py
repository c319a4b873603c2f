"""What a recipient's domain and gateway teach, on the whole path and as arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest
from claims.browsers import CHROME, FIREFOX
from claims.company import LIBRARY, START, company, settle_all, settled, spread
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.model import (
    CampaignKind,
    DomainProfile,
    Learned,
    Lesson,
    ProfileScope,
    RecipientId,
    VerdictKind,
)
from linkproxy.store.gateways import DomainGateway, LookupOutcome
from linkproxy.visit import learn, policy, prior
from linkproxy.visit.policy import PolicyError
from linkproxy.visit.signals import timing

DAY = 86_400.0
HALF_LIFE = 60 * DAY
RULES = policy.load().learning
DOMAIN, GATEWAY = ProfileScope.DOMAIN, ProfileScope.GATEWAY

counts = st.floats(0, 1e6)


async def scanned(world, count, *, domain="company.example", at=43.0, first=0, told=True):
    """Let every message of a domain be followed by a library, its bait too."""
    found = await company(world, count, domain, first)
    if told:
        await found.deliver(0.0)
    for number, person in enumerate(found.people):
        for name in ("one", "bai1"):
            await world.judged(
                name, at=at + 40 * number, headers=LIBRARY, client=spread(number), recipient=person
            )
    await settle_all(world, at + 40 * count + 3600)
    return found


async def read(world, count, *, domain="company.example", first=0, told=True):
    """Let every message of a domain be followed by its reader alone, ten minutes and more after delivery."""
    found = await company(world, count, domain, first)
    if told:
        await found.deliver(0.0)
    for number, person in enumerate(found.people):
        await world.judged(
            "one", at=1200 + 700 * number, headers=FIREFOX, client=spread(number), recipient=person
        )
    await settle_all(world, 1200 + 700 * count + 3600)
    return found


async def newcomer(world, domain="company.example", at=50_000.0):
    (person,) = (await company(world, 1, domain, first=9_000)).people
    return await world.judged("two", at=at, recipient=person)


async def known(world, name="company.example"):
    found = await world.store.list_domain_profiles(min_recipients=20, name=name)
    return next((item for item in found if item.scope is DOMAIN), None)


async def set_gateway(world, domain, name):
    await company(world, 1, domain, first=8_000)
    await world.store.put_gateways(
        [DomainGateway(domain, name, ("mx.example",), LookupOutcome.FOUND, START, START + 1e9)]
    )


# --- the whole path ----------------------------------------------------------------------------


async def test_messages_whose_delivery_nobody_told_of_teach_all_but_early_visits(world):
    await scanned(world, 24, told=False)
    await read(world, 24, domain="readers.example", told=False)
    machines, people = await known(world), await known(world, "readers.example")
    assert round(machines.machines) == 24
    assert machines.people < 1
    assert round(people.people) == 24
    assert people.machines < 1
    every = await world.store.list_domain_profiles(min_recipients=1, min_domains=1)
    scopes = {profile.scope for profile in every}
    assert (ProfileScope.NETWORK in scopes, ProfileScope.EARLY in scopes) == (True, False)


async def test_a_domain_whose_messages_are_scanned_raises_the_prior_of_its_visits(world):
    await scanned(world, 24)
    judged = await newcomer(world)
    stated = world.policy.prior["marketing"]
    assert stated < judged.verdict.prior <= stated + RULES.most_against
    kind, domain = prior.parts(judged.facts, world.policy)
    assert (kind.weight, domain.name) == (stated, "domain company.example")
    assert "24 messages followed by a machine" in domain.detail
    assert judged.verdict.prior == round(kind.weight + domain.weight, 1)


async def test_a_domain_whose_messages_only_people_follow_lowers_the_prior(world):
    await read(world, 24)
    judged = await newcomer(world)
    stated = world.policy.prior["marketing"]
    assert stated - RULES.most_for <= judged.verdict.prior < stated


async def test_nothing_is_made_of_nineteen_recipients_and_of_twenty_there_is(world):
    await scanned(world, 19)
    before = await newcomer(world)
    assert (before.verdict.prior, before.facts.learned) == (world.policy.prior["marketing"], ())
    assert await known(world) is None
    await scanned(world, 1, first=19, at=60_000.0)
    after = await newcomer(world, at=70_000.0)
    assert [item.name for item in after.facts.learned] == ["company.example"]


async def test_many_messages_of_few_recipients_are_still_few_recipients(world):
    people = await scanned(world, 5)
    for hour in range(2, 12):
        for number, person in enumerate(people.people):
            await world.judged("one", at=hour * 3600.0 + number, headers=LIBRARY, recipient=person)
        await settle_all(world, hour * 3600.0 + 3000)
    assert await known(world) is None


async def test_a_freemail_domain_is_learned_by_its_gateway_only(world):
    await set_gateway(world, "gmail.com", "proofpoint")
    await scanned(world, 24, domain="gmail.com")
    assert await known(world, "gmail.com") is None
    judged = await newcomer(world, "gmail.com")
    assert [(item.scope, item.name) for item in judged.facts.learned] == [(GATEWAY, "proofpoint")]
    assert judged.facts.step is None


async def test_a_gateway_speaks_for_a_domain_that_has_taught_nothing_itself(world):
    for number in range(3):
        await set_gateway(world, f"firm{number}.example", "mimecast")
        await scanned(world, 8, domain=f"firm{number}.example", at=43 + 1e4 * number)
    await set_gateway(world, "new.example", "mimecast")
    judged = await newcomer(world, "new.example")
    assert [(item.scope, item.name) for item in judged.facts.learned] == [(GATEWAY, "mimecast")]
    assert judged.verdict.prior > world.policy.prior["marketing"]


async def test_lessons_wear_off(world):
    await scanned(world, 24)
    fresh = await newcomer(world, at=50_000.0)
    old = await newcomer(world, at=50_000.0 + 2 * HALF_LIFE)
    ancient = await newcomer(world, at=50_000.0 + 20 * HALF_LIFE)
    stated = world.policy.prior["marketing"]
    assert fresh.verdict.prior > old.verdict.prior > stated
    assert ancient.verdict.prior == pytest.approx(stated, abs=0.1)


async def test_a_person_in_a_domain_that_is_always_scanned_is_never_turned_aside(world):
    await scanned(world, 60)
    judged = await newcomer(world)
    assert judged.verdict.kind is not VerdictKind.MACHINE
    assert judged.answer.target == "https://shop.example/two"


async def test_how_the_machines_go_about_it_is_told(world):
    await scanned(world, 24)
    found = await known(world)
    assert (found.recipients, round(found.machines), found.people) == (24, 24, 0.0)
    assert found.baited == found.baits_offered == pytest.approx(found.machines)
    assert found.browsers == 0.0
    assert found.delays == pytest.approx(found.machines)


async def test_a_message_teaches_once_however_often_it_is_settled(world):
    people = await scanned(world, 24)
    before = await known(world)
    await people.deliver(-5.0)  # known late: opens every message again
    await settle_all(world, 9_000)
    await world.judged("one", at=43 + 300, headers=LIBRARY, client=spread(0), recipient=people.people[0])
    await settle_all(world, 9_000)
    assert await known(world) == before


async def test_a_readers_second_link_teaches_nothing_more_when_it_is_settled_later(world):
    found = await read(world, 21)
    begin = 1200 + 700 * 21 + 7200
    for more, name in ((0, "one"), (600, "two")):
        for number, person in enumerate(found.people):
            at = begin + more + number
            await world.judged(name, at=at, headers=FIREFOX, client=spread(number), recipient=person)
        await settle_all(world, begin + more + 300)
    assert round((await known(world)).people) == 42


async def test_a_reader_of_two_links_comes_early_once(world):
    found = await company(world, 24)
    await found.deliver(0.0)
    for name, at in (("one", 150.0), ("two", 200.0)):
        for number, person in enumerate(found.people):
            await world.judged(name, at=at + number, headers=FIREFOX, client=spread(number), recipient=person)
    await settle_all(world, 7_200)
    profiles = await world.store.list_domain_profiles(min_recipients=20, name="company.example")
    (early,) = (item for item in profiles if item.scope is ProfileScope.EARLY)
    assert round(early.machines) == 24


async def arrived(world, *, at):
    """Return what a domain has taught of early visits when each of its readers came at a time."""
    found = await company(world, 24)
    await found.deliver(0.0)
    for number, person in enumerate(found.people):
        await world.judged("one", at=at + number, headers=FIREFOX, client=spread(number), recipient=person)
    await settle_all(world, at + 7_200)
    profiles = await world.store.list_domain_profiles(min_recipients=20, name="company.example")
    return [
        (round(item.machines, 1), round(item.people, 1))
        for item in profiles
        if item.scope is ProfileScope.EARLY
    ]


@pytest.mark.parametrize(
    ("at", "early", "later"),
    [
        (100.0, 24.0, 0.0),
        (RULES.early_seconds + 100, 0.0, 24.0),
        (-RULES.early_seconds + 10, 24.0, 0.0),  # clocks differ
    ],
)
async def test_who_comes_later_tells_how_many_of_the_early_ones_are_people(world, at, early, later):
    share = timing.people_by(CampaignKind.MARKETING, RULES.early_seconds, world.policy)
    assert await arrived(world, at=at) == [(early, round(later * share / (1 - share), 1))]


async def test_long_before_its_delivery_nobody_comes_early_or_late(world):
    assert await arrived(world, at=-RULES.early_seconds - 100) == []


async def test_who_waits_for_a_mail_teaches_nothing_of_when_people_come(reset_mail):
    assert await arrived(reset_mail, at=100.0) == await arrived(reset_mail, at=2_000.0) == []


async def test_previewers_and_speculation_teach_nothing_of_the_gateway(world):
    people = (await company(world, 24)).people
    slack = (("User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"), ("Accept", "*/*"))
    for number, person in enumerate(people):
        await world.judged("one", at=700.0 * number, headers=slack, recipient=person)
        await world.judged(
            "two", at=700.0 * number, headers=(*CHROME, ("Sec-Purpose", "prefetch")), recipient=person
        )
    await settle_all(world, 100_000)
    assert await known(world) is None


@pytest.mark.parametrize("gateway", ["", "proofpoint"])
async def test_a_profile_does_not_feed_on_itself(world, gateway):
    """The same traffic teaches the same, whether or not what was taught is used."""
    using = world.policy
    deaf = policy.load(
        "[learning]\nmost_against = 0.0\nmost_for = 0.0\n" + '[signals."in-step.together"]\nweight = 0.0\n'
        '[signals."in-step.same-delay"]\nweight = 0.0\n'
    )
    taught, verdicts = [], []
    for name, rules in (("one.example", using), ("two.example", deaf)):
        world.policy = rules
        if gateway:
            await set_gateway(world, name, f"{gateway}")
        await scanned(world, 24, domain=name)
        borderline = await company(world, 40, name, first=100)
        await borderline.deliver(40_000.0)
        for number, person in enumerate(borderline.people):
            at = 40_000.0 + 300 + 0.5 * number
            await world.judged("one", at=at, client=spread(number), recipient=person)
        await settle_all(world, 60_000)
        verdicts.append(sorted(found.score for found in (await settled(world)).values()))
        taught.append(replace(await known(world, name), name=""))
    assert verdicts[0] != verdicts[1][: len(verdicts[0])]
    assert taught[0] == taught[1]


# --- the policy --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("min_recipients = 19", "learning.min_recipients must be from 20 to 200"),
        ("min_recipients = 201", "learning.min_recipients must be from 20 to 200"),
        ("half_life_days = 0", "learning.half_life_days must be above 0"),
        ("base_people = 0", "learning.base_people must be from 0.01"),
        ("most_for = -1", "learning.most_for must not be below 0"),
        (
            "half_live_days = 3",
            "learning.half_live_days is no setting of the policy; did you mean half_life_days?",
        ),
    ],
)
def test_a_policy_cannot_make_profiles_of_a_few_people_or_of_nonsense(text, fault):
    with pytest.raises(PolicyError, match=fault.replace(".", r"\.").replace("?", r"\?")):
        policy.load(f"[learning]\n{text}")


def test_the_base_of_learning_is_the_stated_prior_of_marketing():
    rules = policy.load()
    share = RULES.base_machines / (RULES.base_machines + RULES.base_people)
    assert share == pytest.approx(
        10 ** (rules.prior["marketing"] / 10) / (1 + 10 ** (rules.prior["marketing"] / 10)), abs=0.01
    )


def test_an_operator_adds_freemail_domains():
    rules = policy.load('[freemail]\nalso = ["Mail.Town.Example", "@post.example"]')
    assert rules.is_freemail("mail.town.example", "")
    assert rules.is_freemail("post.example", "")
    assert rules.is_freemail("gmail.com", "")
    assert not rules.is_freemail("town.example", "")


# --- the arithmetic ----------------------------------------------------------------------------


@given(st.floats(0.01, 0.99), counts, counts)
@settings(max_examples=200)
def test_a_machine_share_lies_between_what_was_held_and_what_was_seen(share, machines, people):
    found = learn.machine_share(share, machines, people, RULES)
    seen = machines / (machines + people) if machines + people else share
    assert min(share, seen) - 1e-9 <= found <= max(share, seen) + 1e-9


@given(st.floats(0.01, 0.99), counts, counts, st.floats(0.001, 1e6))
@settings(max_examples=200)
def test_one_more_machine_never_lowers_the_share_and_one_more_person_never_raises_it(
    share, machines, people, more
):
    found = learn.machine_share(share, machines, people, RULES)
    assert learn.machine_share(share, machines + more, people, RULES) >= found - 1e-12
    assert learn.machine_share(share, machines, people + more, RULES) <= found + 1e-12


@given(st.lists(st.tuples(st.sampled_from(["machines", "people"])), max_size=40))
@settings(max_examples=100)
def test_lessons_of_one_moment_teach_the_same_in_any_order(names):
    def profile_after(order):
        found = DomainProfile(DOMAIN, "a.example")
        for (name,) in order:
            found = learn.taught(found, lesson(**{name: 1}), START)
        return found

    assert profile_after(names) == profile_after(list(reversed(names)))


@given(counts, counts, counts, counts)
@settings(max_examples=200)
def test_the_shifts_of_gateway_and_domain_together_stay_within_the_caps(machines, people, more, others):
    shifts = learn.shifts(
        [Learned(DOMAIN, "a.example", machines, people), Learned(GATEWAY, "g", more, others)], RULES
    )
    assert [item.scope for item, _ in shifts] == [GATEWAY, DOMAIN]
    total = sum(weight for _, weight in shifts)
    assert -RULES.most_for - 0.05 <= total <= RULES.most_against + 0.05


@given(st.lists(st.tuples(st.floats(0, 1e8), st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30))
@settings(max_examples=200)
def test_counts_wear_off_as_if_each_lesson_had_worn_off_by_itself(lessons):
    found = DomainProfile(DOMAIN, "a.example")
    for at, machines, people in sorted(lessons):
        found = learn.taught(found, lesson(machines=machines, people=people), at)
    last = max(at for at, _, _ in lessons)
    for place, name in ((1, "machines"), (2, "people")):
        alone = sum(item[place] * learn.worn(last - item[0], HALF_LIFE) for item in lessons)
        assert getattr(found, name) == pytest.approx(alone, abs=1e-6)


def test_half_of_a_lesson_is_left_after_a_half_life_and_a_clock_that_goes_back_wears_nothing_off():
    assert learn.worn(HALF_LIFE, HALF_LIFE) == 0.5
    assert learn.worn(-HALF_LIFE, HALF_LIFE) == 1.0
    late = learn.taught(
        DomainProfile(DOMAIN, "a.example", machines=4.0, taught_at=START), lesson(people=1), START - DAY
    )
    assert (late.machines, late.people, late.taught_at) == (4.0, 1.0, START)


def test_what_a_clock_that_was_ahead_taught_wears_off_from_when_it_is_set_right():
    ahead = DomainProfile(DOMAIN, "a.example", machines=4.0, taught_at=START + 1000 * DAY)
    found = learn.taught(ahead, lesson(people=1), START)
    assert (found.machines, found.people, found.taught_at) == (4.0, 1.0, START)


def lesson(**counts):
    return Lesson("a.example", "", RecipientId(1), HALF_LIFE, **counts)
