"""Several links of one message: told by pace, and by where each of them was asked from."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME, FIREFOX

from linkproxy.model import VerdictKind
from linkproxy.store.api import Filter
from linkproxy.visit import policy

ZONE = (
    '[networks.gateway]\nrole = "people"\ncertainty = "certain"\ncidrs = ["198.51.100.0/24", "192.0.2.0/24"]'
)


def weight(judged, name):
    return next((item.weight for item in judged.verdict.evidence if item.name == name), 0.0)


async def followed(world, *steps):
    """Follow links of the message, each (name, seconds, address, headers); return how the last was judged."""
    last = None
    for name, at, client, *headers in steps:
        last = await world.judged(name, at=3600.0 + at, client=client, headers=[*headers, CHROME][0])
    return last


async def test_links_followed_from_ever_other_networks_by_the_same_headers_are_a_scanners(world):
    two = await followed(world, ("one", 0, "198.51.100.1"), ("two", 20, "192.0.2.7"))
    three = await followed(world, ("tre", 40, "203.0.113.9"))
    assert 0 < weight(two, "message.rotates") < weight(three, "message.rotates")


async def test_links_within_seconds_from_two_networks_say_more_than_minutes_apart(world):
    """A browser asks over the connection that it has, and that has one address."""
    soon = await followed(world, ("one", 0, "198.51.100.1"), ("two", 4, "192.0.2.7"))
    assert weight(soon, "message.rotates") == 17.0
    third = await followed(world, ("tre", 8, "203.0.113.9"))
    assert weight(third, "message.rotates") == 26.0
    later = await followed(world, ("four", 40, "203.0.113.9"))
    assert weight(later, "message.rotates") == 17.0


async def test_a_telephone_that_leaves_the_wifi_between_two_quick_clicks_is_a_persons(world):
    steps = ("one", 0, "198.51.100.1", FIREFOX), ("two", 8, "192.0.2.7", FIREFOX)
    assert (await followed(world, *steps)).verdict.kind is VerdictKind.HUMAN


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("198.51.100.1", "198.51.100.99"),  # one network
        ("198.51.100.1", "198.51.7.9"),  # two of one provider
        ("198.51.100.1", "2001:db8::1"),  # IPv4 and IPv6 of one reader
    ],
)
async def test_a_reader_whose_address_changes_a_little_does_not_rotate(world, first, second):
    judged = await followed(world, ("one", 0, first), ("two", 20, second))
    assert weight(judged, "message.rotates") == 0.0


async def test_an_address_of_the_other_version_excuses_no_rotation(world):
    steps = ("one", 0, "198.51.100.1"), ("two", 20, "2001:db8::1"), ("tre", 40, "192.0.2.7")
    assert weight(await followed(world, *steps), "message.rotates") == 11.0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("104.28.76.70", "172.225.48.168"),
        ("172.224.226.9", "104.28.99.1"),
        ("2606:54c0:25a0::1", "2a02:26f7:c400::9"),
    ],
)
async def test_who_leaves_by_two_exits_of_private_relay_does_not_rotate(world, first, second):
    judged = await followed(world, ("one", 0, first), ("two", 5, second))
    assert weight(judged, "message.rotates") == 0.0
    assert judged.verdict.kind is VerdictKind.HUMAN


async def test_the_same_link_from_two_networks_is_no_rotation(world):
    judged = await followed(world, ("one", 0, "198.51.100.1"), ("one", 20, "192.0.2.7"))
    assert weight(judged, "message.rotates") == 0.0


async def test_what_others_at_home_follow_makes_no_rotation_of_one_link(world):
    steps = ("one", 0, "198.51.100.1"), ("two", 10, "192.0.2.7", FIREFOX), ("one", 20, "192.0.2.7")
    assert weight(await followed(world, *steps), "message.rotates") == 0.0


async def test_a_web_gateway_that_spreads_its_people_over_networks_is_not_blamed(world):
    world.policy = policy.load(ZONE)
    judged = await followed(world, ("one", 0, "198.51.100.1"), ("two", 20, "192.0.2.7"))
    assert weight(judged, "message.rotates") == 0.0


async def test_a_cloud_that_spreads_its_machines_over_networks_is_blamed(world):
    world.policy = policy.load(ZONE.replace("people", "cloud"))
    judged = await followed(world, ("one", 0, "198.51.100.1"), ("two", 20, "192.0.2.7"))
    assert weight(judged, "message.rotates") == 11.0


async def test_tabs_opened_at_a_hands_pace_say_less_than_a_sweep_of_as_many_links(world):
    home = "203.0.113.9"
    tabs = await followed(
        world, *((name, place * 2.4, home) for place, name in enumerate(("one", "two", "tre", "four")))
    )
    sweep = await followed(
        world, *((name, 9000 + place * 0.9, home) for place, name in enumerate(("one", "two", "tre", "four")))
    )
    assert 0 < weight(tabs, "message.links-in-seconds") < weight(sweep, "message.links-in-seconds")


async def test_one_pause_amid_quick_links_is_no_hands_pace(world):
    moments = (("one", 0.0), ("two", 0.3), ("tre", 0.6), ("four", 3.2))
    judged = await followed(world, *((name, at, "203.0.113.9") for name, at in moments))
    (found,) = (item for item in judged.verdict.evidence if item.name == "message.links-in-seconds")
    assert "none quickly after another" not in found.detail


async def test_coming_back_over_the_extra_hop_makes_no_sweep_slower(world):
    """A link counts from when it was followed, not from when its hop was."""
    for name, at in (("one", 43.0), ("two", 43.05)):
        await world.judged(name, at=at)
        back = await world.judged(name, at=at + 0.9, target=world.hop_url(name, at=at))
    assert weight(back, "message.links-in-seconds") >= 18.0


async def test_the_middle_one_of_three_tabs_is_not_held_for_a_sweep(world):
    """Two seconds for three links are not one, from whichever of them it is counted."""
    for place, name in enumerate(("one", "two", "tre")):
        await world.judged(name, at=1500.0 + place)
    await world.settle()
    rows = [row.entry async for row in world.store.visits(Filter())]
    assert [entry.settled.kind for entry in rows] == [VerdictKind.HUMAN] * 3
    weights = {
        item.weight
        for entry in rows
        for item in entry.settled.evidence
        if item.name == "message.links-in-seconds"
    }
    assert len(weights) == 1


async def test_three_links_within_a_second_are_a_sweep_from_whichever_it_is_counted(world):
    for place, name in enumerate(("one", "two", "tre")):
        await world.judged(name, at=1500.0 + place * 0.5)
    await world.settle()
    rows = [row.entry async for row in world.store.visits(Filter())]
    assert all(entry.settled.kind is not VerdictKind.HUMAN for entry in rows)
