"""What a domain's visits teach by when they come, and what any visits teach of their wide network."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME, FIREFOX, GERMAN
from claims.company import LIBRARY, company, settle_all, settled, spread, weight_of
from hypothesis import given, settings
from hypothesis import strategies as st
from visit.conftest import NOW, build

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
from linkproxy.store.api import Cutoffs, DeliveryDraft, Filter
from linkproxy.store.privacy import Privacy
from linkproxy.visit import arrivals, policy, replay, reputation

RULES = policy.load().learning
HOUR = 3600.0
MINUTE = 60.0


SWEEP = ("one", "two", "tre", "four", "bai1")


async def strangers(world, count):
    """Register recipients of as many domains."""
    return [(await company(world, 1, f"far{number}.example")).people[0] for number in range(count)]


async def swept(world, people, *, headers=CHROME, names=SWEEP, begin=0.0):
    """Let a scanner follow links of messages, each from a network of its own inside 198.18.0.0/16."""
    count = len(people)
    for number, person in enumerate(people):
        for place, name in enumerate(names):
            at = begin + 40.0 * number + 0.1 * place
            await world.judged(name, at=at, headers=headers, client=spread(number), recipient=person)
    await settle_all(world, begin + 40.0 * count + HOUR)


async def visited(world, people, *, after, headers=CHROME, begin=0.0):
    """Deliver to each a minute apart and let each be visited from elsewhere so long after."""
    times = [begin + MINUTE * number for number in range(len(people.people))]
    await people.deliver(*times)
    for number, (person, at) in enumerate(zip(people.people, times, strict=True)):
        # Delays are as different as a scanner's queue makes them.
        later = after * (1 + (number * 7 % 11) / 10)
        await world.judged(
            "one", at=at + later, headers=headers, client=f"203.{number}.113.9", recipient=person
        )
    await settle_all(world, begin + MINUTE * len(times) + 2 * after + HOUR)


async def newcomer(world, *, at, client="203.0.113.9", headers=CHROME, delivered=None):
    people = await company(world, 1, "company.example", first=9_000)
    if delivered is not None:
        await people.deliver(delivered)
    return await world.judged("two", at=at, headers=headers, client=client, recipient=people.people[0])


# --- networks ----------------------------------------------------------------------------------


async def test_whom_the_operator_knows_for_a_machine_teaches_nothing_of_its_network(world):
    world.policy = policy.load('[operator.uptime]\nsays = "machine"\ncidrs = ["198.18.0.0/16"]\n')
    await swept(world, await strangers(world, 6), names=("one",))
    known = await world.store.list_domain_profiles(min_recipients=1, min_domains=1)
    assert [row for row in known if row.scope is ProfileScope.NETWORK] == []


async def test_a_network_that_scanners_came_from_is_evidence_in_another_domain(world):
    await swept(world, await strangers(world, 12))
    there = await newcomer(world, at=9 * HOUR, client="198.18.240.1")
    elsewhere = await newcomer(world, at=9 * HOUR, client="192.0.2.1")
    assert weight_of("network.learned", there.verdict) > 5
    assert weight_of("network.learned", elsewhere.verdict) == 0.0
    assert there.verdict.kind is not VerdictKind.MACHINE, "a provider alone condemns nobody"


async def test_a_network_that_people_came_from_speaks_for_a_person(world):
    for number, person in enumerate(await strangers(world, 12)):
        await world.judged("one", at=700.0 * number, headers=FIREFOX, client=spread(number), recipient=person)
    await settle_all(world, 12 * HOUR)
    judged = await newcomer(world, at=13 * HOUR, client="198.18.240.1")
    assert -4.0 <= weight_of("network.learned", judged.verdict) < 0


async def test_a_companys_own_filter_casts_no_doubt_on_who_shares_its_provider(world):
    await swept(world, await strangers(world, 25), headers=LIBRARY, names=("one",))
    judged = await newcomer(world, at=9 * HOUR, client="198.18.240.1")
    assert weight_of("network.learned", judged.verdict) == 0.0


async def test_what_others_did_never_adds_up_to_the_neutral_page(world):
    """Early in a scanned domain, from a network that scanners rent: it may still be a person."""
    for after in (0.0, 90_000.0):
        await visited(world, await company(world, 24), after=45.0, begin=after)
    await swept(world, await strangers(world, 24), begin=200_000.0)
    moment = 90 * HOUR
    people = await company(world, 1, first=9_000)
    await people.deliver(moment)
    judged = await world.judged("two", at=moment + 40, client="198.18.240.1", recipient=people.people[0])
    assert weight_of("network.learned", judged.verdict) > 5
    assert weight_of("in-step.early", judged.verdict) > 5
    assert judged.verdict.score >= world.policy.neutral
    assert judged.answer.kind is AnswerKind.REDIRECT


async def test_a_replay_finds_what_was_learned_of_networks_and_early_visits_as_it_was(world):
    await visited(world, await company(world, 24), after=45.0)
    await swept(world, await strangers(world, 8), begin=10 * HOUR)
    people = await company(world, 1, first=9_000)
    await people.deliver(20 * HOUR)
    await world.judged("two", at=20 * HOUR + 90, client="198.18.240.1", recipient=people.people[0])
    await settle_all(world, 30 * HOUR)
    await visited(
        world, await company(world, 24, first=200), after=5 * HOUR, begin=40 * HOUR
    )  # speaks otherwise
    found = set()
    async for message in world.store.messages(Filter(), reach_seconds=world.policy.reach_seconds):
        for again in replay.replay(message.visits, world.policy):
            assert again.first == again.entry.verdict
            assert again.settled == again.entry.settled
            found |= {item.name for item in again.entry.settled.evidence}
    assert {"network.learned", "in-step.early"} <= found


async def test_a_network_that_four_domains_have_taught_is_not_spoken_of(world):
    await swept(world, await strangers(world, RULES.network_domains - 1))
    judged = await newcomer(world, at=9 * HOUR, client="198.18.240.1")
    assert weight_of("network.learned", judged.verdict) == 0.0


async def test_one_company_alone_says_nothing_of_its_provider_however_much_it_clicks(world):
    await swept(world, (await company(world, 24, "far.example")).people)
    judged = await newcomer(world, at=9 * HOUR, client="198.18.240.1")
    assert weight_of("network.learned", judged.verdict) == 0.0


async def test_freemail_recipients_teach_of_a_network_one_by_one(world):
    await swept(world, (await company(world, 12, "gmail.com")).people)
    judged = await newcomer(world, at=9 * HOUR, client="198.18.240.1")
    assert weight_of("network.learned", judged.verdict) > 5


async def test_networks_that_weigh_are_listed(world):
    await swept(world, await strangers(world, RULES.network_domains))
    least = {"min_recipients": RULES.min_recipients, "min_domains": RULES.network_domains}
    (found,) = await world.store.list_domain_profiles(**least)
    assert (found.scope, found.name, found.recipients) == (ProfileScope.NETWORK, "198.18.0.0/16", 5)
    judged = await newcomer(world, at=9 * HOUR, client="198.18.240.1")
    assert weight_of("network.learned", judged.verdict) != 0.0


async def test_robots_that_name_themselves_mark_no_network(world):
    slack = (
        ("User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.example/robots)"),
        ("Accept", "*/*"),
    )
    for number, person in enumerate(await strangers(world, 12)):
        await world.judged("one", at=40.0 * number, headers=slack, client=spread(number), recipient=person)
    await settle_all(world, 9 * HOUR)
    judged = await newcomer(world, at=10 * HOUR, client="198.18.240.1")
    assert weight_of("network.learned", judged.verdict) == 0.0


async def test_addresses_that_are_stored_as_hashes_teach_of_no_network(world):
    hashed = Privacy("hashed", "full", b"k" * 32)
    assert reputation.name_of(hashed.pseudonym("198.18.7.1", "198.18.7.0/24")[1]) == ""


async def test_what_was_learned_of_networks_does_not_teach_of_networks(world):
    """The same traffic teaches the same, whether or not what was taught is used."""
    taught = []
    for deaf in ("", '[signals."network.learned"]\nweight = 0.0\nfloor = 0.0\n'):
        world.policy = policy.load(deaf)
        found = []
        for number in range(30):
            domain = f"d{number}-{len(taught)}.example"
            (person,) = (await company(world, 1, domain)).people
            address = f"{'100.64' if deaf else '198.18'}.{number}.1"
            base = 1e6 * len(taught) + 5 * HOUR * number
            for place, name in enumerate(SWEEP if number < 8 else ("one",)):
                await world.judged(name, at=base + 0.1 * place, client=address, recipient=person)
            await settle_all(world, base + HOUR)
        rows = await world.store.list_domain_profiles(min_recipients=20)
        found = [
            row
            for row in rows
            if row.scope is ProfileScope.NETWORK and row.name.startswith("100" if deaf else "198")
        ]
        taught.append([(round(row.machines, 2), round(row.people, 2)) for row in found])
    assert taught[0] == taught[1] != []


@pytest.mark.parametrize(
    ("network", "name"),
    [("198.18.7.0/24", "198.18.0.0/16"), ("2001:db8:1:2::/64", "2001:db8::/32"), ("", ""), ("a1b2", "")],
)
def test_a_wide_network_is_a_providers(network, name):
    assert reputation.name_of(network) == name


# --- early visits ------------------------------------------------------------------------------


async def test_a_domain_whose_every_message_is_visited_at_once_is_scanned_by_who_looks_like_people(world):
    await visited(world, await company(world, 24), after=45.0)
    early = await newcomer(world, at=20 * HOUR + 90, delivered=20 * HOUR)
    assert weight_of("in-step.early", early.verdict) > 5
    assert early.verdict.prior > world.policy.prior["marketing"]
    assert early.verdict.kind is not VerdictKind.MACHINE


async def test_a_later_visit_in_such_a_domain_is_a_persons(world):
    await visited(world, await company(world, 24), after=45.0)
    late = await newcomer(world, at=24 * HOUR, delivered=20 * HOUR)
    assert weight_of("in-step.early", late.verdict) == 0.0
    assert late.verdict.kind is VerdictKind.HUMAN


async def test_a_phone_in_such_a_domain_is_held_much_less_to_it(world):
    await visited(world, await company(world, 24), after=45.0)
    desk = await newcomer(world, at=20 * HOUR + 90, delivered=20 * HOUR)
    other = await newcomer(world, at=20 * HOUR + 95, delivered=20 * HOUR, headers=FIREFOX)
    assert 0 < weight_of("in-step.early", other.verdict) < weight_of("in-step.early", desk.verdict) / 2


async def test_a_domain_of_ordinary_readers_with_some_quick_ones_is_not_scanned(world):
    await visited(world, await company(world, 20), after=5 * HOUR)
    await visited(world, await company(world, 4, first=100), after=90.0, begin=90_000.0)
    judged = await newcomer(world, at=60 * HOUR + 90, delivered=60 * HOUR)
    assert weight_of("in-step.early", judged.verdict) == 0.0


async def test_before_later_visits_had_time_to_come_early_ones_say_nothing(world):
    """While a mailing is young all its readers are early."""
    await visited(world, await company(world, 24), after=45.0)
    soon = await newcomer(world, at=3 * HOUR + 90, delivered=3 * HOUR)
    assert weight_of("in-step.early", soon.verdict) == 0.0
    later = await newcomer(world, at=20 * HOUR + 90, delivered=20 * HOUR)
    assert weight_of("in-step.early", later.verdict) > 5


async def test_of_two_early_browsers_at_one_message_neither_is_blamed_for_coming_early(world):
    """One of them is the person, and who would know which?"""
    await visited(world, await company(world, 24), after=45.0)
    moment = 20 * HOUR
    alone, pair = await company(world, 1, first=500), await company(world, 1, first=600)
    for home in (alone, pair):
        await home.deliver(moment)
    await world.judged("one", at=moment + 40, client="192.0.2.7", recipient=alone.people[0])
    await world.judged("one", at=moment + 40, client="192.0.2.7", recipient=pair.people[0])
    await world.judged("one", at=moment + 50, headers=GERMAN, recipient=pair.people[0])
    await settle_all(world, moment + HOUR)
    found = list((await settled(world)).values())[-3:]
    early = [weight_of("in-step.early", verdict) for verdict in found]
    assert early[0] > 5
    assert early[1:] == [0.0, 0.0]


async def test_the_begin_of_a_mailing_is_no_delivery_time_of_a_password_reset(tmp_path):
    """Resets are sent for months after the first one."""
    mail = await build(tmp_path, CampaignKind.TRANSACTIONAL)
    begin = Delivery(NOW, DeliverySource.CAMPAIGN)
    await mail.store.add_deliveries([DeliveryDraft(mail.campaign.id, NOBODY, begin)])
    judged = await mail.judged(at=30.0)
    assert judged.facts.delivery == begin
    assert weight_of("timing.delay", judged.verdict) == 0.0
    await mail.store.close()


async def test_early_visits_to_password_resets_teach_nothing(reset_mail):
    await visited(reset_mail, await company(reset_mail, 24), after=45.0)
    rows = await reset_mail.store.list_domain_profiles(min_recipients=20)
    assert [row for row in rows if row.scope is ProfileScope.EARLY] == []


# --- the browsers of a domain's machines -------------------------------------------------------

SHORT_MAIL = policy.load('[signals."request.as-machines"]\nmin_links = 99\n')
"""As if eight links were few."""


async def test_a_browser_as_the_machines_of_a_domain_have_it_says_little_for_a_person(world):
    world.policy = SHORT_MAIL
    await swept(world, (await company(world, 24)).people)
    desk = await newcomer(world, at=50 * HOUR)
    taken_back = weight_of("request.as-machines", desk.verdict)
    assert 5 < taken_back < -weight_of("request.coherent", desk.verdict)
    other = await newcomer(world, at=55 * HOUR, headers=FIREFOX)
    assert weight_of("request.as-machines", other.verdict) == 0.0, "scanners drive Chromium on a desk"


async def test_machines_without_a_browser_take_nothing_back(world):
    world.policy = SHORT_MAIL
    await swept(world, (await company(world, 24)).people, headers=LIBRARY)
    judged = await newcomer(world, at=50 * HOUR)
    assert weight_of("request.as-machines", judged.verdict) == 0.0


async def test_in_mail_with_many_links_machines_that_gave_themselves_away_would_again(world):
    await swept(world, (await company(world, 24)).people)
    judged = await newcomer(world, at=50 * HOUR)
    assert weight_of("request.as-machines", judged.verdict) == 0.0


async def test_a_few_of_many_messages_are_the_judges_own_mistakes(world):
    world.policy = SHORT_MAIL
    await visited(world, await company(world, 40, first=100), after=5 * HOUR)
    await swept(world, (await company(world, 2)).people, begin=100_000.0)
    judged = await newcomer(world, at=50 * HOUR)
    assert weight_of("request.as-machines", judged.verdict) == 0.0


@pytest.mark.parametrize(("together", "without_first"), [(False, 0.0), (False, 52 * HOUR), (True, 0.0)])
async def test_who_comes_after_a_driven_browser_is_not_held_to_it_when_settled(
    world, together, without_first
):
    """Hours after the scanner it is the reader, who does not excuse it; also to a replay that sees less."""
    world.policy = SHORT_MAIL
    await swept(world, (await company(world, 24)).people)
    (person,) = (await company(world, 1, first=500)).people
    await world.judged("one", at=50 * HOUR, client="192.0.2.7", recipient=person)
    if not together:
        await settle_all(world, 51 * HOUR)
    await world.judged("one", at=53 * HOUR, headers=GERMAN, recipient=person)
    await settle_all(world, 54 * HOUR)
    first, second = list((await settled(world)).values())[-2:]
    assert weight_of("request.as-machines", first) > 5
    assert weight_of("request.as-machines", second) == 0.0
    if without_first:
        await world.store.purge(Cutoffs(journal=NOW + without_first))
    since = None if without_first else NOW + 52 * HOUR
    for where in (Filter(), Filter(since=since)):
        async for message in world.store.messages(where, reach_seconds=world.policy.reach_seconds):
            for again in replay.replay(message.visits, world.policy):
                assert (again.first, again.settled) == (again.entry.verdict, again.entry.settled)


async def test_a_second_browser_at_the_same_address_excuses_nobody(world):
    world.policy = SHORT_MAIL
    await swept(world, (await company(world, 24)).people)
    (person,) = (await company(world, 1, first=500)).people
    await world.judged("one", at=50 * HOUR, recipient=person)
    await world.judged("one", at=53 * HOUR, headers=GERMAN, recipient=person)
    await settle_all(world, 54 * HOUR)
    assert weight_of("request.as-machines", list((await settled(world)).values())[-1]) > 5


@given(st.floats(0, 500), st.floats(0, 500))
@settings(max_examples=100)
def test_no_more_early_visits_are_held_against_a_domain_than_came(early, people):
    learned = (Learned(ProfileScope.EARLY, "company.example", early, people),)
    assert 0.0 <= arrivals.beyond_people(learned, 2.0) <= early
    assert arrivals.beyond_people((), 2.0) == 0.0


@pytest.mark.parametrize("source", list(DeliverySource))
def test_how_early_is_early_depends_on_what_is_known_of_delivery(source):
    seconds = arrivals.early_seconds(Delivery(0.0, source), RULES)
    of_mailing = source in (DeliverySource.CAMPAIGN, DeliverySource.NONE)
    assert seconds == (RULES.early_mailing_seconds if of_mailing else RULES.early_seconds)


async def test_visits_from_hours_before_delivery_teach_nothing_by_when_they_came(world):
    """The time is off by a time zone; nor was anybody early for a mailing that was told of behind it."""
    people = await company(world, 24)
    await people.deliver(3 * HOUR)
    for number, person in enumerate(people.people):
        await world.judged("one", at=HOUR + 60 * number, client=spread(number), recipient=person)
    await settle_all(world, 12 * HOUR)
    rows = await world.store.list_domain_profiles(min_recipients=20)
    found = {row.scope for row in rows if row.name == "company.example"}
    assert ProfileScope.EARLY not in found
    assert ProfileScope.DOMAIN in found


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("early_seconds", 0.0),
        ("early_mailing_seconds", 0.0),
        ("early_doubt", 0.5),
        ("network_domains", 0),
        ("network_machines", 0.0),
        ("network_people", 0.0),
    ],
)
def test_a_setting_of_learning_out_of_its_range_is_named(setting, value):
    with pytest.raises(policy.PolicyError, match=rf"learning\.{setting}"):
        policy.load(f"[learning]\n{setting} = {value}\n")
