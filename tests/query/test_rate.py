from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.query.interval import SPREAD, Candidate, imagine
from linkproxy.query.interval_rest import Drawn
from linkproxy.query.rate import ImaginedRate, difference, imagined_rate

HUMAN = -5.0  # up to this score a visit is a click
APART = 16.0  # a person's score lies so many decibans below no evidence, a machine's above
WIDE = math.sqrt(2 * APART * 10 / math.log(10))  # so that scores are what they say: 10 log10 of odds
DELIVERED = 200
CAMPAIGNS = 101


@dataclass(frozen=True)
class Played:
    """A campaign whose people click with a known probability, and what is said of it."""

    true: float
    said: ImaginedRate


def played(true: float, source: random.Random) -> Played:
    """Send a mail: readers click, machines sweep, and the judge is wrong by domain and as a whole."""
    domains = {f"d{number}.example": source.gauss(0, SPREAD.domain) for number in range(3)}
    counted, removed = source.gauss(0, SPREAD.counted), source.gauss(0, SPREAD.removed)
    scanned = source.choice((0.05, 0.3, 0.8))
    candidates, clickers = [], 0
    for _ in range(DELIVERED):
        domain = source.choice(list(domains))
        came = [(-APART, source.choice((1, 1, 2)))] if source.random() < true else []
        came += [(APART, source.randint(2, 20))] if source.random() < scanned else []
        scores = []
        for middle, clicks in came:
            right = source.gauss(middle, WIDE) + 10 * math.log10(scanned / true) - domains[domain]
            score = right - counted if right < counted else max(0.0, right - removed)
            candidates.append(Candidate(domain, float(round(score)), clicks))
            scores.append(candidates[-1].score)
        clickers += any(score <= HUMAN for score in scores)
    known = sum(item.score <= HUMAN for item in candidates)
    drawn = imagine(candidates, human=HUMAN)
    return Played(true, imagined_rate(drawn, clickers=clickers, delivered=DELIVERED, known=known))


@pytest.fixture(scope="module")
def season() -> list[Played]:
    """Campaigns of which the first two are as good as each other, the next two as well, and so on."""
    source = random.Random(9)  # noqa: S311  (a seeded simulation)
    rates = [source.uniform(0.02, 0.2) for _ in range(CAMPAIGNS // 2 + 1)]
    return [played(rates[place // 2], source) for place in range(CAMPAIGNS)]


def share(held: list[bool]) -> float:
    return sum(held) / len(held)


def test_the_interval_of_a_rate_holds_the_true_one_in_90_to_98_of_100_campaigns(season: list[Played]) -> None:
    found = [(one.said.interval(), one.true) for one in season]
    assert 0.90 <= share([interval.low <= true <= interval.high for interval, true in found]) <= 0.98


@pytest.mark.parametrize("first", [0, 1], ids=["nothing differs", "rates differ"])
def test_the_interval_of_a_difference_holds_the_true_one_in_90_to_98_of_100_pairs(
    season: list[Played], first: int
) -> None:
    pairs = [(season[place], season[place + 1]) for place in range(first, CAMPAIGNS - 1, 2)]
    assert all((one.true == other.true) is (first == 0) for one, other in pairs)
    found = [(difference(one.said, other.said), one.true - other.true) for one, other in pairs]
    assert 0.90 <= share([interval.low <= true <= interval.high for interval, true in found]) <= 0.98


def test_where_the_judge_is_sure_the_interval_is_that_of_chance() -> None:
    drawn = imagine([Candidate("a.example", -55.0)] * 20)
    assert {one.clicks for one in drawn} == {20}
    found = imagined_rate(drawn, clickers=20, delivered=500, known=20).interval()
    # Wilson's for 20 of 500: 2.61 to 6.10 %.
    assert (found.low, found.high) == pytest.approx((0.0261, 0.0610), abs=0.004)


def test_who_clicks_from_two_machines_is_one_clicker() -> None:
    both = [Drawn(40, 40.0, 0.0)] * 2_000
    one, two = (imagined_rate(both, clickers=clickers, delivered=400, known=40) for clickers in (40, 20))
    assert one.interval().expected == pytest.approx(40.5 / 401, rel=0.02)
    assert two.interval().expected == pytest.approx(20.5 / 401, rel=0.02)


def test_a_visitor_who_was_none_of_the_counted_adds_a_clicker_only_where_there_is_none_yet() -> None:
    drawn = [Drawn(100, 50.0, 50.0)] * 2_000
    half = imagined_rate(drawn, clickers=50, delivered=100, known=50)
    assert half.interval().expected == pytest.approx(75.5 / 101, rel=0.02)


def test_a_rate_without_any_visit_is_uncertain_by_chance_alone() -> None:
    found = imagined_rate([], clickers=0, delivered=300, known=0).interval()
    assert found.low == 0
    # The rule of three (Hanley and Lippman-Hand 1983) has 1 % for a one-sided 95 %.
    assert 0.005 < found.high < 0.0125


def test_two_campaigns_with_the_same_figures_are_not_compared_draw_by_draw() -> None:
    drawn = imagine([Candidate("a.example", -12.0)] * 100)
    rate = imagined_rate(drawn, clickers=100, delivered=1_000, known=100)
    alone, between = rate.interval(), difference(rate, rate)
    assert between.low < 0 < between.high
    assert between.high - between.low > 1.2 * (alone.high - alone.low)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=20),
    st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    st.integers(0, 60),
)
def test_the_interval_is_a_share_and_holds_the_measured_rate(clients, of, known) -> None:
    delivered, clickers = of
    drawn = [Drawn(one + other, min(one, known), other) for one, other in clients]
    rate = imagined_rate(drawn, clickers=clickers, delivered=delivered, known=known)
    found = rate.interval()
    assert 0 <= found.low <= clickers / delivered <= found.high <= 1
    assert found == imagined_rate(drawn, clickers=clickers, delivered=delivered, known=known).interval()
    between = difference(rate, rate, level=0.99)
    assert -1 <= between.low <= 0 <= between.high <= 1
