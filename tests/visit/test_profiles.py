"""What one lesson does to what is known, and what one neighbour counts for: the arithmetic by itself."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from claims.browsers import CHROME, replaced
from claims.evidence import silent, spoke

from linkproxy.model import (
    DomainProfile,
    Lesson,
    LinkKey,
    Neighbour,
    ProfileScope,
    RecipientId,
    Step,
)
from linkproxy.store.api import Filter
from linkproxy.visit import in_step, learn, policy
from linkproxy.visit.possible import possible_among

NOW = 1_795_000_000.0
HALF_LIFE = 100.0
NOTHING = Lesson("a.example", "", RecipientId(1), HALF_LIFE)
COUNTS = ("machines", "people", "baits_offered", "baited", "browsers", "delays", "delay_ln_sum")


def test_after_a_half_life_half_of_every_count_is_left():
    before = DomainProfile(ProfileScope.DOMAIN, "a.example", **dict.fromkeys(COUNTS, 8.0), taught_at=NOW)
    after = learn.taught(before, NOTHING, NOW + HALF_LIFE)
    assert {name: getattr(after, name) for name in COUNTS} == dict.fromkeys(COUNTS, 4.0)
    assert after.taught_at == NOW + HALF_LIFE


def test_a_lesson_from_before_the_last_one_wears_nothing_off():
    before = DomainProfile(ProfileScope.DOMAIN, "a.example", machines=8.0, taught_at=NOW)
    assert learn.taught(before, replace(NOTHING, machines=1), NOW - HALF_LIFE) == replace(
        before, machines=9.0
    )


def test_every_count_of_a_lesson_reaches_its_own():
    lesson = replace(
        NOTHING, machines=1, people=0, baits_offered=1, baited=0, browsers=1, delay_seconds=math.e**2
    )
    after = learn.taught(DomainProfile(ProfileScope.DOMAIN, "a.example", taught_at=NOW), lesson, NOW)
    assert [getattr(after, name) for name in COUNTS] == [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, pytest.approx(2.0)]


@pytest.mark.parametrize(
    ("scope", "name", "by_another", "machines", "people"),
    [
        (ProfileScope.NETWORK, "198.18.0.0/16", True, 0.9, 0.1),
        (ProfileScope.NETWORK, "203.0.0.0/16", True, 0.2, 0.8),
        (ProfileScope.NETWORK, "203.0.0.0/16", False, 0.05, 0.2),
        (ProfileScope.EARLY, "a.example", False, 3.0, 0.5),
        (ProfileScope.MAILED, "a.example", False, 1.0, 7.0),
    ],
)
def test_each_scope_is_taught_its_own(scope, name, by_another, machines, people):
    lesson = replace(
        NOTHING,
        machines=1,
        early=3.0,
        early_people=0.5,
        visited=1,
        mailed=7,
        networks=(("198.18.0.0/16", 0.9, 0.1), ("203.0.0.0/16", 0.2, 0.8)),
    )
    known = DomainProfile(scope, name, 10.0, 20.0, taught_at=NOW)
    after = learn.taught(known, lesson, NOW + HALF_LIFE, by_another=by_another)
    assert (after.machines, after.people) == pytest.approx((5.0 + machines, 10.0 + people))


# --- in step -----------------------------------------------------------------------------------

RULES = policy.load().in_step
LINK = LinkKey("one0")
NEAR, FAR = RULES.near_seconds, RULES.span_seconds


@pytest.mark.parametrize(
    ("mine", "apart", "theirs", "found"),
    [
        (None, 1.0, None, Step(together=1)),  # nothing is known of deliveries: headers and link tell
        (300.0, 1.0, None, Step(together=1)),
        (300.0, 1.0, 301.0, Step(together=1)),
        (300.0, 1.0, 9_000.0, Step(delays=1)),  # at one time, at other delays: people at nine o'clock
        (300.0, NEAR, None, Step(together=1)),
        (300.0, NEAR + 1, None, Step(around=1)),
        (300.0, -FAR, None, Step(around=1)),
        (300.0, FAR + 1, None, Step()),
    ],
)
def test_where_deliveries_are_known_the_delay_tells_who_is_in_step(mine, apart, theirs, found):
    """``mine`` and ``theirs``: seconds from delivery to the visit; ``apart``: between the two visits."""
    seen = in_step.Seen(NOW, LINK, 7, None if mine is None else NOW - mine)
    came = NOW + apart
    other = Neighbour(RecipientId(2), came, LINK, 7, None if theirs is None else came - theirs)
    assert in_step.step(seen, [other], RULES) == found


# --- the whole path ----------------------------------------------------------------------------


async def test_what_is_not_settled_yet_is_no_possible_click(world):
    await world.send("one", at=600)
    await world.settle(at=4_000)
    await world.send("two", at=9_000)
    entries = [row.entry async for row in world.store.visits(Filter())]
    assert len(entries) == 2
    assert [clicks for _, clicks in possible_among(entries, world.policy)] == [1]


@pytest.mark.parametrize("destination", ["document", "iframe"])
async def test_a_browser_that_opens_a_page_is_coherent_also_within_another(world, destination):
    judged = await world.judged(at=600, headers=replaced(CHROME, sec_fetch_dest=destination))
    assert spoke(judged, "request.coherent").weight < 0


@pytest.mark.parametrize("destination", ["image", "empty", "script"])
async def test_a_browser_that_fetches_something_else_is_not_coherent(world, destination):
    judged = await world.judged(at=600, headers=replaced(CHROME, sec_fetch_dest=destination))
    assert silent(judged, "request.coherent")
