from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.query import interval
from linkproxy.query.interval import SPREAD, Candidate, human_interval, wilson

CAMPAIGNS = 200


def chance(score: float) -> float:
    return 1 / (1 + 10 ** (score / 10))


def mixture(source: random.Random) -> list[Candidate]:
    """A campaign's scores: people, sweeps, and what lies between, in shares that differ a lot."""
    domains = [f"d{number}.example" for number in range(source.randint(3, 20))]
    found = []
    for _ in range(source.randint(40, 160)):
        kind = source.choices(("person", "sweep", "between"), (6, source.choice((1, 4, 12)), 1))[0]
        score = {"person": (-14, 4), "sweep": (45, 10), "between": (5, 8)}[kind]
        clicks = source.randint(4, 30) if kind == "sweep" else source.choice((1, 1, 1, 2, 3))
        found.append(Candidate(source.choice(domains), source.gauss(*score), clicks))
    return found


def truth(candidates: list[Candidate], source: random.Random, *, shape: str) -> int:
    """Draw who was a person, with scores that are wrong together as ``shape`` says."""

    def effect(width: float) -> float:
        if shape == "normal":
            return source.gauss(0, width)
        return source.uniform(-1.7 * width, 1.7 * width)  # as wide, without tails

    counted, removed = effect(SPREAD.counted), effect(SPREAD.removed)
    domains = {item.domain: effect(SPREAD.domain) for item in candidates}
    return sum(
        item.clicks
        for item in candidates
        if source.random()
        < chance(item.score + domains[item.domain] + (counted if item.score < 0 else removed))
    )


@pytest.mark.parametrize("shape", ["normal", "uniform"])
def test_the_interval_holds_the_true_count_in_90_to_98_of_100_imagined_campaigns(shape: str) -> None:
    source = random.Random(7)  # noqa: S311  (a seeded simulation)
    held = 0
    for _ in range(CAMPAIGNS):
        candidates = mixture(source)
        counted = sum(item.clicks for item in candidates if item.score <= -5)
        found = human_interval(candidates, counted=counted)
        held += found.low <= truth(candidates, source, shape=shape) <= found.high
    assert 0.90 <= held / CAMPAIGNS <= 0.98, held


def test_an_interval_that_took_visits_for_independent_would_be_too_narrow() -> None:
    from linkproxy.query.interval import Spread

    source = random.Random(11)  # noqa: S311  (a seeded simulation)
    alone = Spread(0.0, 0.0, 0.0)
    held = 0
    for _ in range(60):
        candidates = mixture(source)
        counted = sum(item.clicks for item in candidates if item.score <= -5)
        found = human_interval(candidates, counted=counted, spread=alone)
        held += found.low <= truth(candidates, source, shape="normal") <= found.high
    assert held < 51, held


def test_visits_of_one_domain_widen_the_interval_more_than_visits_of_many() -> None:
    together = [Candidate("one.example", 5.0)] * 200
    apart = [Candidate(f"d{number}.example", 5.0) for number in range(200)]
    one, many = (human_interval(items, counted=0) for items in (together, apart))
    assert one.high - one.low > many.high - many.low


def test_the_links_that_one_client_opened_stand_or_fall_together() -> None:
    found = human_interval([Candidate("a.example", 0.0, clicks=30)], counted=0)
    assert (found.low, found.high) == (0, 30)


def test_a_sweep_that_is_surely_a_machines_adds_nothing() -> None:
    sweeps = [Candidate("a.example", 75.0, 40)] * 1000
    people = [Candidate("a.example", -60.0)] * 50
    found = human_interval(sweeps + people, counted=50)
    assert (found.low, found.high) == (50, 50)


@settings(max_examples=40)
@given(
    st.lists(
        st.builds(
            Candidate,
            st.sampled_from(["a.example", "b.example", ""]),
            st.floats(-80, 120),
            st.integers(1, 40),
        ),
        max_size=30,
    ),
    st.integers(0, 50),
)
def test_the_interval_is_ordered_holds_the_count_and_is_the_same_each_time(candidates, counted) -> None:
    found = human_interval(candidates, counted=counted)
    assert 0 <= found.low <= counted <= found.high
    assert found.high <= max(counted, sum(item.clicks for item in candidates))
    assert found == human_interval(Counter(candidates).elements(), counted=counted)


def test_wilsons_interval_is_his() -> None:
    # Wilson's score interval for 8 of 10 at 95 %: 0.490 to 0.943 (Agresti and Coull 1998, formula 2).
    found = wilson(8, 10)
    assert (round(found.low, 3), round(found.high, 3)) == (0.490, 0.943)


def test_a_share_of_nothing_may_be_anything() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_holds_the_share_and_stays_a_share(of) -> None:
    happened, count = of
    found = wilson(happened, count)
    assert 0.0 <= found.low <= happened / count + 1e-12
    assert happened / count - 1e-12 <= found.high <= 1.0


def test_many_small_domains_imagined_together_come_to_what_each_by_itself_comes_to() -> None:
    source = random.Random(12)  # noqa: S311  (a seeded simulation)
    candidates = [
        Candidate(f"d{int(400 * source.random() ** 3)}.example", source.gauss(*kind), source.randint(1, most))
        for kind, most in (((-14, 4), 3), ((-3, 5), 1), ((30, 12), 20))
        for _ in range(1_500)
    ]
    cells = interval._cells(candidates)
    assert sum(map(len, cells.values())) > 2_000
    draws = random.Random(3)  # noqa: S311
    each = sorted(interval._draw(cells, None, SPREAD, draws).clicks for _ in range(400))
    found = human_interval(candidates, counted=each[200], level=0.5)
    assert found.expected == pytest.approx(sum(each) / len(each), rel=0.03)
    assert (found.low, found.high) == pytest.approx((each[100], each[299]), rel=0.05)


@pytest.mark.parametrize(
    ("units", "score", "clicks"),
    [
        (9, 3.0, 1),  # few
        (30, -2.0, 1),  # rather people
        (400, 17.0, 2),  # rare
        (3_000, 12.0, 1),  # many
        (3_000, -12.0, 3),
        (700, 0.0, 1),
    ],
)
def test_scores_that_are_wrong_independently_give_the_quantiles_of_the_binomial(
    units: int, score: float, clicks: int
) -> None:
    found = human_interval(
        [Candidate("a.example", score, clicks, units)],
        counted=round(clicks * units * chance(score)),
        level=0.8,
        spread=interval.Spread(0.0, 0.0, 0.0),
    )
    person, cumulated, quantiles = chance(score), 0.0, []
    for number in range(units + 1):
        log = math.lgamma(units + 1) - math.lgamma(number + 1) - math.lgamma(units - number + 1)
        cumulated += math.exp(log + number * math.log(person) + (units - number) * math.log(1 - person))
        if len(quantiles) < 2 and cumulated >= (0.1, 0.9)[len(quantiles)]:
            quantiles.append(number * clicks)
    deviation = clicks * math.sqrt(units * person * (1 - person))
    assert found.expected == pytest.approx(clicks * units * person, abs=4 * deviation / math.sqrt(250))
    assert (found.low, found.high) == pytest.approx(quantiles, abs=0.25 * deviation + clicks)
    assert found.level == 0.8
