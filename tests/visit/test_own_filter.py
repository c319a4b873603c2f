"""A company's own filter and its people leave by one address: what the one does is not the other's."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME, FIREFOX
from claims.evidence import silent

from linkproxy.model import AnswerKind, VerdictKind
from linkproxy.store.api import Filter
from linkproxy.visit import policy

EVERY_LINK = ("home", "one", "bai1", "two", "tre", "four", "five", "face", "term")
FILTER = (("User-Agent", CHROME[5][1].replace("150", "101")), ("Accept", "*/*"))
OFFICE = "203.0.113.9"


async def swept(world, at, *header_sets, method="GET"):
    for place, name in enumerate(EVERY_LINK):
        headers = header_sets[place % len(header_sets)]
        await world.judged(name, at=at + place * 0.2, headers=headers, client=OFFICE, method=method)


async def clicked(world):
    await world.settle(at=2 * 3600.0)
    return [row.key async for row in world.store.clicks(Filter())]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("later", [60.0, 110.0])
async def test_who_clicks_soon_after_the_filter_behind_the_same_address_is_a_click(world, method, later):
    await swept(world, 3600.0, FILTER, method=method)
    person = await world.judged("two", at=3600.0 + later, headers=CHROME, client=OFFICE)
    assert silent(person, "message.most-links")
    assert silent(person, "bait.beside")
    assert person.answer.kind is AnswerKind.REDIRECT
    assert await clicked(world) == ["two0"]


async def test_a_click_in_a_minute_is_no_part_of_the_sweep_that_follows_it(world):
    await world.judged("two", at=3600.0, headers=CHROME, client=OFFICE)
    await swept(world, 3640.0, FILTER)
    assert await clicked(world) == ["two0"]


async def test_a_browser_that_a_program_goes_on_with_is_part_of_its_sweep(world):
    await swept(world, 40.0, FILTER)
    driven = await world.judged("two", at=45.0, headers=CHROME, client=OFFICE)
    assert not silent(driven, "message.most-links")
    assert await clicked(world) == []


async def test_a_link_beside_a_sweep_from_the_same_address_is_not_alone(world):
    await swept(world, 3600.0, FILTER)
    person = await world.judged("two", at=3660.0, headers=CHROME, client=OFFICE)
    await world.settle(at=2 * 3600.0)
    row = await world.store.get_visit(person.visit_id)
    assert "message.alone" not in {item.name for item in row.entry.settled.evidence}


@pytest.mark.parametrize("role", ["scanner", "cloud"])
async def test_in_a_scanners_network_and_in_a_cloud_a_browser_stays_with_the_sweep(world, role):
    world.policy = policy.load(
        f'[networks.own]\nrole = "{role}"\ncertainty = "probable"\ncidrs = ["{OFFICE}"]'
    )
    await swept(world, 3600.0, FILTER)
    driven = await world.judged("two", at=3660.0, headers=CHROME, client=OFFICE)
    assert not silent(driven, "message.most-links")
    assert await clicked(world) == []


async def test_a_sweep_with_a_pool_of_browsers_stays_one(world):
    await swept(world, 40.0, CHROME, FIREFOX)
    late = await world.judged("two", at=70.0, headers=(*CHROME, ("DNT", "1")), client=OFFICE)
    assert not silent(late, "message.most-links")
    assert late.verdict.kind is not VerdictKind.HUMAN


async def test_headers_that_are_no_browsers_leave_a_program_in_the_sweep(world):
    await swept(world, 3600.0, FILTER)
    program = await world.judged(
        "two", at=3660.0, headers=(*FILTER, ("Accept-Language", "en")), client=OFFICE
    )
    assert not silent(program, "message.most-links")
