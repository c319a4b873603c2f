"""What else happened around a visit: scanners beside people, and people beside each other."""

from __future__ import annotations

from codecs import encode
from functools import partial

import pytest
from claims.browsers import CHROME, FIREFOX, OLD_CHROME
from claims.evidence import reasons

from linkproxy.model import AnswerKind, Delivery, DeliverySource, Judged, RawRequest, Stray, VerdictKind
from linkproxy.store.api import DeliveryDraft, Filter, RecipientDraft
from linkproxy.visit import intake, pipeline
from linkproxy.visit.resemblance import is_copy

NOW = 1_795_000_000.0  # the world's
DELIVERED = Delivery(NOW, DeliverySource.MX)
PERSON, SCANNER = "203.0.113.9", "198.51.100.1"
SWEEP = ("home", "one", "two", "tre", "four", "five", "face", "term")
LYNX = (("User-Agent", "Lynx/2.9.0 libwww-FM/2.14"), ("Accept", "text/html"), ("Accept-Language", "en"))


async def settled(world, judged: Judged) -> VerdictKind:
    row = await world.store.get_visit(judged.visit_id)
    assert row.entry.settled is not None
    return row.entry.settled.kind


async def clicks(world):
    return [row async for row in world.store.clicks(Filter())]


async def sweep(world, at: float, headers=OLD_CHROME, client: str = SCANNER, names=SWEEP) -> list[Judged]:
    return [
        await world.judged(name, at=at + place * 0.1, headers=headers, client=client)
        for place, name in enumerate(names)
    ]


# --- time-of-click scanning --------------------------------------------------------------------


@pytest.mark.parametrize("gap", [-20.0, -1.0, 0.0, 1.0, 25.0])
@pytest.mark.parametrize("scanner", [CHROME, FIREFOX, OLD_CHROME], ids=["same", "other", "old"])
async def test_a_scanner_beside_a_click_neither_costs_nor_adds_one(world, gap, scanner):
    moments = sorted([(900.0, PERSON, CHROME), (900.0 + gap, SCANNER, scanner)], key=lambda item: item[0])
    for at, client, headers in moments:
        await world.judged("one", at=at, client=client, headers=headers)
    await world.settle()
    (click,) = await clicks(world)
    assert click.key == "one0"


@pytest.mark.parametrize("gap", [-5.0, 5.0])
async def test_the_click_is_known_by_the_persons_own_visit_if_the_scanner_looks_worse(world, gap):
    person, other = 900.0, 900.0 + gap
    judged = {}
    for at in sorted((person, other)):
        mine = at == person
        judged[at] = await world.judged(
            "one", at=at, client=PERSON if mine else SCANNER, headers=CHROME if mine else OLD_CHROME
        )
    await world.settle()
    assert [row.visit_id for row in await clicks(world)] == [judged[person].visit_id]


async def test_one_that_is_no_browser_is_blamed_for_coming_beside_another(world):
    await world.judged("one", at=900, client=PERSON)
    beside = await world.judged("one", at=901, client=SCANNER, headers=(("User-Agent", "Mozilla/5.0 (X)"),))
    assert "message.several-networks" in reasons(beside)


async def test_a_coherent_browser_is_not_blamed_for_who_came_beside_it(world):
    await world.judged("one", at=900, client=SCANNER, headers=OLD_CHROME)
    person = await world.judged("one", at=901, client=PERSON)
    assert "message.several-networks" not in reasons(person)


async def test_a_reader_with_a_text_browser_is_kept_too(world):
    await world.judged("one", at=900, client=SCANNER, headers=OLD_CHROME)
    person = await world.judged("one", at=901, client=PERSON, headers=LYNX)
    await world.settle()
    assert await settled(world, person) is VerdictKind.HUMAN


async def test_the_same_headers_from_three_networks_are_a_rotation(world):
    for place, client in enumerate(("198.51.100.1", "192.0.2.7")):
        await world.judged("one", at=900 + place, client=client)
    third = await world.judged("one", at=902, client="100.64.1.1")
    assert reasons(third)["message.several-networks"] == "the same headers from 3 networks"


async def test_a_phone_that_changes_networks_is_one_person(world):
    await world.judged("one", at=900, client="203.0.113.9")
    moved = await world.judged("one", at=912, client="100.64.1.1")
    assert "message.several-networks" not in reasons(moved)
    await world.settle()
    assert len(await clicks(world)) == 1


async def test_a_forwarded_mail_clicked_much_later_is_a_click_of_its_own(world):
    await world.judged("one", at=900, client=PERSON)
    await world.judged("one", at=1300, client="192.0.2.77", headers=FIREFOX)
    await world.settle()
    assert len(await clicks(world)) == 2


# --- a person and a sweep ----------------------------------------------------------------------


@pytest.mark.parametrize("headers", [CHROME, FIREFOX], ids=["the scanner's headers", "other headers"])
@pytest.mark.parametrize("at", [300.35, 330.0, 900.0])
async def test_a_person_beside_a_sweep_is_kept(world, headers, at):
    """Browser-driven scanners have a person's very headers; the network tells them apart."""
    before = [name for place, name in enumerate(SWEEP) if 300 + place * 0.1 < at]
    await sweep(world, at=300, headers=CHROME, names=before)
    person = await world.judged("two", at=at, headers=headers, client=PERSON)
    for name in SWEEP[len(before) :]:
        await world.judged(name, at=at + 0.1, headers=CHROME, client=SCANNER)
    await world.settle()
    assert await settled(world, person) is VerdictKind.HUMAN
    assert [(row.key, row.visit_id) for row in await clicks(world)] == [("two0", person.visit_id)]


async def test_a_sweep_whose_every_request_comes_from_elsewhere_is_still_a_sweep(world):
    visits = [
        await world.judged(name, at=900 + place * 0.2, client=f"100.{64 + place}.1.1")
        for place, name in enumerate(SWEEP)
    ]
    await world.settle()
    assert {await settled(world, judged) for judged in visits} == {VerdictKind.MACHINE}
    assert await clicks(world) == []


@pytest.mark.parametrize("seconds", [150, 600, 1500])
async def test_a_companys_filter_behind_the_same_address_costs_no_later_click(world, seconds):
    await sweep(world, at=40, client=PERSON)
    await world.judged("bai1", at=41, client=PERSON, headers=OLD_CHROME)
    person = await world.judged("two", at=41 + seconds, client=PERSON)
    assert not {"message.most-links", "bait.beside"} & set(reasons(person))
    await world.settle(at=5000)
    assert [row.visit_id for row in await clicks(world)] == [person.visit_id]


async def test_who_changes_headers_within_a_sweep_belongs_to_it(world):
    await sweep(world, at=300, client=PERSON, names=SWEEP[:7])
    assert "message.most-links" in reasons(await world.judged("term", at=312, client=PERSON))


async def test_the_same_headers_from_the_same_address_belong_to_a_sweep_after_any_pause(world):
    await sweep(world, at=300, client=PERSON, headers=CHROME, names=SWEEP[:7])
    assert "message.most-links" in reasons(await world.judged("term", at=900, client=PERSON))


async def test_a_rescan_hours_before_says_nothing_about_a_click(world):
    await sweep(world, at=600, headers=CHROME)
    person = await world.judged("one", at=1500, client=PERSON)
    assert not {"message.most-links", "message.links-in-seconds"} & set(reasons(person))


async def test_the_unsubscribe_link_among_a_sweep_is_evidence(world):
    await sweep(world, at=900, headers=FIREFOX, names=("one", "two"))
    asked = await world.judged("bye", at=900.4, headers=FIREFOX, client=SCANNER)
    after = await world.judged("tre", at=900.9, headers=FIREFOX, client=SCANNER)
    assert reasons(asked)["message.unsubscribe-swept"].startswith("the unsubscribe link and 2 others")
    assert "message.unsubscribe-swept" in reasons(after)


async def test_who_reads_something_and_then_unsubscribes_is_no_sweep(world):
    first = await world.judged("one", at=900)
    asked = await world.judged("bye", at=960)
    pressed = await world.judged("bye", at=962, method="POST")
    assert "message.unsubscribe-swept" not in {**reasons(first), **reasons(asked), **reasons(pressed)}


async def test_a_providers_one_click_post_is_no_sweep(world):
    await world.judged("bye", at=900, method="POST")
    assert "message.unsubscribe-swept" not in reasons(await world.judged("one", at=901))


# --- changed links -----------------------------------------------------------------------------


def changed(token: str) -> list[str]:
    middle = token[:8] + "AAAA" + token[12:]
    return [token + "%27", middle, token[:-3], token[3:], encode(token, "rot13"), token.swapcase()]


async def test_a_changed_copy_of_the_messages_own_link_is_strong(world):
    _, token, key = world.url("one").split("/")
    for place, copy in enumerate(changed(token)):
        at, client = 900 + place * 400, f"100.64.{place}.1"
        assert isinstance(await world.send(target=f"/{copy}/{key}", at=at, client=client), Stray), copy
        visit = await world.judged("one", at=at + 1, client=client)
        assert "changed copies" in reasons(visit)["mutation.stray"], copy


async def test_a_token_replaced_before_the_same_link_key_is_weaker(world):
    await world.send(target="/AQAAAAAAAAAAAAAAAAAAAAAA/one0", at=900)
    assert "somewhat like" in reasons(await world.judged("one", at=901))["mutation.stray"]


async def test_a_changed_link_of_another_message_says_next_to_nothing(world):
    (bob,) = await world.store.register_recipients([RecipientDraft("bob@customer.example")])
    _, token, _ = world.url("one", bob).split("/")
    await world.send(target=f"/{token[:-2]}AA/two0", at=900)
    person = await world.judged("one", at=901)
    (item,) = [item for item in person.verdict.evidence if item.name == "mutation.stray"]
    assert item.weight <= 1
    assert person.verdict.kind is VerdictKind.HUMAN


def badly_copied(url: str) -> list[str]:
    """Return what people paste when the end is lost at the end of a line."""
    return [url[:20], url[:25], url[:26], url[:-2]]


@pytest.mark.parametrize("place", range(4))
async def test_who_copied_a_link_badly_and_went_back_for_it_is_a_person(world, place):
    copy = badly_copied(world.url("one"))[place]
    assert isinstance(await world.send(target=copy, at=900), Stray)
    person = await world.judged("one", at=915)
    assert person.verdict.kind is VerdictKind.HUMAN
    await world.settle()
    assert len(await clicks(world)) == 1


async def test_who_cuts_off_a_link_in_the_address_bar_has_clicked_all_the_same(world):
    found, _, kind = await late_stray(world, f"{world.url('one')[:26]}", seconds=20)
    assert (found, kind) == ([5.0], VerdictKind.HUMAN)


@pytest.mark.parametrize("seconds", [0.2, 2.0])
async def test_a_cut_off_copy_and_the_whole_link_at_once_are_a_scanners(world, seconds):
    await world.send(target=badly_copied(world.url("one"))[0], at=900)
    visit = await world.judged("one", at=900 + seconds)
    assert "changed copies" in reasons(visit)["mutation.stray"]


async def test_many_cut_off_copies_are_a_scanners_however_slow(world):
    for place, copy in enumerate(badly_copied(world.url("one"))[:3]):
        await world.send(target=copy, at=900 + 5 * place)
    assert "changed copies" in reasons(await world.judged("one", at=920))["mutation.stray"]


async def late_stray(world, copy: str, *, seconds: float, settled_at: float = 0.0, **stray):
    """Return the settled evidence of mutation on a visit at 900 s, and its verdict then and before."""
    visit = await world.judged("one", at=900)
    assert isinstance(await world.send(target=copy, at=900 + seconds, **stray), Stray)
    await world.settle(at=settled_at or 3600)
    entry = (await world.store.get_visit(visit.visit_id)).entry
    found = [item.weight for item in entry.settled.evidence if item.name == "mutation.stray"]
    return found, visit.verdict.kind, entry.settled.kind


@pytest.mark.parametrize("place", range(6))
async def test_a_changed_copy_that_comes_after_the_visit_is_seen_when_its_message_settles(world, place):
    _, token, key = world.url("one").split("/")
    found, first, kind = await late_stray(world, f"/{changed(token)[place]}/{key}", seconds=20)
    assert (found, first) == ([25.0], VerdictKind.HUMAN)
    assert kind is not VerdictKind.HUMAN
    assert await clicks(world) == []


async def test_a_link_key_that_nobody_made_counts_as_a_changed_copy_that_came_after(world):
    _, token, _ = world.url("one").split("/")
    found, *_ = await late_stray(world, f"/{token}/zzzz", seconds=20)
    assert found == [25.0]


@pytest.mark.parametrize(
    ("stray", "seconds", "settled_at"),
    [
        ({"client": SCANNER}, 20, 3600),
        ({}, 301, 3600),
        ({}, 95, 994),  # settled before it came
    ],
    ids=["another client", "other minutes", "a settled message"],
)
async def test_a_changed_copy_of_elsewhere_or_of_another_time_says_nothing(world, stray, seconds, settled_at):
    visit = await world.judged("one", at=900)
    if seconds == 95:
        await world.settle(at=settled_at)
    _, token, key = world.url("one").split("/")
    await world.send(target=f"/{changed(token)[0]}/{key}", at=900 + seconds, **stray)
    await world.settle()
    assert await settled(world, visit) is VerdictKind.HUMAN


async def test_a_person_whose_antivirus_tries_changed_copies_afterwards_is_kept(world):
    _, token, key = world.url("one").split("/")
    found, _, kind = await late_stray(world, f"/{token}%27/{key}", seconds=2, headers=OLD_CHROME)
    assert (found, kind) == ([5.0], VerdictKind.HUMAN)
    assert len(await clicks(world)) == 1


async def test_a_changed_link_of_another_message_that_comes_after_says_next_to_nothing(world):
    (bob,) = await world.store.register_recipients([RecipientDraft("bob@customer.example")])
    _, token, _ = world.url("one", bob).split("/")
    found, _, kind = await late_stray(world, f"/{token[:-2]}AA/two0", seconds=5)
    assert (found, kind) == ([1.0], VerdictKind.HUMAN)


def test_two_messages_tokens_are_no_copies_of_each_other(world):
    tokens = [world.keyring.sign(world.campaign.id, number) for number in range(1, 400)]
    assert not any(is_copy(token, tokens[0]) for token in tokens[1:])


# --- one address, many people ------------------------------------------------------------------


async def test_a_thousand_people_behind_one_proxy_stay_human(world):
    """A minute before one in twenty of them, an antivirus behind the very same address has swept the mail."""
    addresses = [f"p{number}@company.example" for number in range(1000)]
    people = await world.store.register_recipients([RecipientDraft(address) for address in addresses])
    drafts = [DeliveryDraft(world.campaign.id, who.id, DELIVERED) for who in people]
    await world.store.add_deliveries(drafts)
    requests = []
    for number, who in enumerate(people):
        at = 420 + number * 3.0
        if number % 20 == 0:
            copy = world.url("one", who)[:-7] + "AA/one0"
            requests += [(copy, at - 61, OLD_CHROME), (world.url("bai1", who), at - 60, OLD_CHROME)]
        requests.append((world.url(("one", "two", "tre")[number % 3], who), at, CHROME))
    outcomes = await append(world, sorted(requests, key=lambda request: request[1]), "192.0.2.50")
    strays = [outcome for outcome in outcomes if isinstance(outcome, Stray)]
    clicked = [
        outcome for outcome in outcomes if outcome not in strays and outcome.facts.link.kind == "content"
    ]
    assert (len(strays), len(clicked)) == (50, 1000)
    assert {(judged.verdict.kind, judged.answer.kind) for judged in clicked} == {
        (VerdictKind.HUMAN, AnswerKind.REDIRECT)
    }
    while await world.settle(at=8000) is not None:
        pass
    assert len(await clicks(world)) == 1000


async def append(world, requests, client: str):
    visits = [
        intake.read(RawRequest("GET", url, headers, client, NOW + at), world.gate)
        for url, at, headers in requests
    ]
    outcomes = []
    for start in range(0, len(visits), 200):
        batch = visits[start : start + 200]
        outcomes += await world.store.append(batch, partial(pipeline.take, policy=world.policy))
    return outcomes
