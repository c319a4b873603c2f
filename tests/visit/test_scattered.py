"""Scanners that change address and headers with every request, and people who only look like that."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME, FIREFOX, replaced

from linkproxy.model import AnswerKind, VerdictKind
from linkproxy.store.api import Filter
from linkproxy.visit import policy

NAMES = ("home", "one", "two", "tre", "four", "five", "face", "term")
LANGUAGES = ("de-DE", "en-GB", "fr-FR", "es-ES", "it-IT", "nl-NL", "pl-PL", "sv-SE")
LATER = 3600.0


def client(number):
    """Return the address and the headers of a client that has nothing in common with the others."""
    headers = replaced(CHROME if number % 2 else FIREFOX, accept_language=LANGUAGES[number])
    return {"client": f"100.{64 + number}.7.9", "headers": headers}


async def swept(world, *, gap, names=NAMES, at=LATER):
    return [
        await world.judged(name, at=at + place * gap, **client(place)) for place, name in enumerate(names)
    ]


async def kinds(world):
    return [row.entry.settled.kind async for row in world.store.visits(Filter())]


def weight(judged):
    return next((item.weight for item in judged.verdict.evidence if item.name == "message.scattered"), 0.0)


@pytest.mark.parametrize("gap", [0.1, 1.1, 2.5])
async def test_a_sweep_that_changes_address_and_headers_with_every_request_adds_no_click(world, gap):
    await swept(world, gap=gap)
    await world.settle(2 * LATER)
    assert VerdictKind.HUMAN not in await kinds(world)
    assert [row async for row in world.store.clicks(Filter())] == []


@pytest.mark.parametrize("gap", [0.3, 1.1])
async def test_a_sweep_that_draws_both_from_a_small_pool_adds_no_click(world, gap):
    for place, name in enumerate(NAMES):
        drawn = {**client(place % 4), "headers": client(place % 3)["headers"]}
        await world.judged(name, at=LATER + place * gap, **drawn)
    await world.settle(2 * LATER)
    assert [row async for row in world.store.clicks(Filter())] == []


@pytest.mark.parametrize("same", ["client", "headers"])
async def test_a_reader_beside_a_sweep_that_changes_one_of_both_is_none_of_many(world, same):
    for place, name in enumerate(NAMES):
        await world.judged(name, at=LATER + place * 0.1, **client(place) | {same: client(1)[same]})
    person = await world.judged("two", at=LATER + 1, client="203.0.113.9")
    assert weight(person) == 0.0


async def test_one_of_such_a_sweep_is_not_said_to_be_alone(world):
    first = (await swept(world, gap=0.5))[0]
    await world.settle(2 * LATER)
    found = (await world.store.get_visit(first.visit_id)).entry.settled.reasons
    assert "message.scattered" in found
    assert "message.alone" not in found


async def test_coming_back_over_the_extra_hop_makes_no_link_popular(world):
    for place, name in enumerate(NAMES):
        at = LATER + place * 0.1
        await world.judged(name, at=at, **client(place))
        await world.judged(name, at=at + 0.05, target=world.hop_url(name, at=at), **client(place))
    last = await world.judged("home", at=LATER + 0.9, **client(0))
    assert weight(last) > 30


async def test_many_readers_of_a_list_who_follow_its_popular_link_are_people(world):
    """A list's address is one recipient: its readers come from everywhere, and mostly to one link."""
    people = await swept(world, gap=1.2, names=("one", "one", "two", "one", "one", "two", "one", "one"))
    await world.settle(2 * LATER)
    assert [weight(judged) for judged in people] == [0.0] * 8
    assert await kinds(world) == [VerdictKind.HUMAN] * 8


async def test_a_reader_of_the_popular_link_is_none_of_those_who_follow_one_of_the_others_each(world):
    await swept(world, gap=0.2, names=("one", "two", "one", "tre", "one", "four"))
    popular, other = [await world.judged(name, at=LATER + 1.2, **client(6)) for name in ("one", "five")]
    assert weight(popular) == 0.0
    assert weight(other) > 0.0


async def test_who_fetches_ahead_follows_nothing(world):
    for place, name in enumerate(NAMES):
        known = client(place)
        ahead = known | {"headers": (*known["headers"], ("Sec-Purpose", "prefetch"))}
        await world.judged(name, at=LATER + 0.1 * place, **ahead)
    person = await world.judged("two", at=LATER + 1.0, client="203.0.113.9")
    assert (weight(person), person.verdict.broken) == (0.0, ())


async def test_two_readers_at_one_time_say_nothing_of_each_other(world):
    assert weight((await swept(world, gap=0.4, names=("one", "two")))[-1]) == 0.0


async def test_a_reader_beside_a_sweep_by_one_client_is_none_of_many(world):
    for place, name in enumerate(NAMES):
        await world.judged(name, at=LATER + place * 0.1, **client(1))
    assert weight(await world.judged("two", at=LATER + 1, **client(2))) == 0.0


async def test_a_reader_minutes_after_such_a_sweep_is_a_click(world):
    await swept(world, gap=0.5)
    person = await world.judged("two", at=LATER + 60, client="203.0.113.9")
    await world.settle(2 * LATER)
    assert [row.visit_id async for row in world.store.clicks(Filter())] == [person.visit_id]


async def test_people_whom_a_web_gateway_spreads_over_networks_are_not_blamed(world):
    world.policy = policy.load(
        '[networks.gateway]\nrole = "people"\ncertainty = "certain"\ncidrs = ["100.64.0.0/10"]'
    )
    assert weight((await swept(world, gap=0.5))[-1]) == 0.0


async def test_what_others_follow_at_the_same_time_never_leads_to_the_neutral_page(world):
    """At forty seconds, when sweeps come, a reader may well be in the midst of one."""
    last = (await swept(world, gap=0.2, at=40.0))[-1]
    assert last.verdict.score >= world.policy.neutral
    assert last.answer.kind is AnswerKind.REDIRECT
