"""What of a message may have been a click: the units that a report's interval is drawn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claims.browsers import FIREFOX

from linkproxy.store.api import Filter
from linkproxy.visit.possible import possible_among

if TYPE_CHECKING:
    from visit.conftest import World

    from linkproxy.model import PossibleClicks

LIBRARY = (("User-Agent", "python-requests/2.32.3"), ("Accept", "*/*"))


async def possible(world: World) -> PossibleClicks:
    await world.settle(at=90_000)
    return possible_among([row.entry async for row in world.store.visits(Filter())], world.policy)


async def test_the_links_that_one_client_followed_are_one_draw_whatever_each_of_them_scores(
    world: World,
) -> None:
    for name, at in (("one", 30), ("two", 400), ("tre", 5000)):
        await world.send(name, at=at)
    await world.send("four", at=7000, client="192.0.2.9", headers=FIREFOX)
    units = {count: score for score, count in await possible(world)}
    scores = {row.entry.settled.score async for row in world.store.visits(Filter())}
    assert len(scores) == 4
    assert set(units) == {1, 3}
    assert min(scores) < units[3] < max(scores)


async def test_a_sweep_and_the_person_behind_it_are_two(world: World) -> None:
    for place, name in enumerate(("one", "two", "tre")):
        await world.send(name, at=40 + place * 3.0, client="198.51.100.7", headers=LIBRARY)
    await world.send("one", at=600)
    assert sorted(count for _, count in await possible(world)) == [1, 3]
