"""What is said of campaigns that are held against each other."""

from __future__ import annotations

import random

import pytest

from linkproxy.model import Campaign, CampaignId
from linkproxy.query.compare import Compared, Difference, sentences
from linkproxy.query.rate import ImaginedRate, difference
from linkproxy.query.reports import Report


def campaign(name: str, rate: float | None, found: Difference | None = None) -> Compared:
    made = Report(Campaign(CampaignId(1), name, base_url="https://click.example", created_at=0.0), {})
    made.imagined_rate = None if rate is None else ImaginedRate(rate, (rate,))
    return Compared(made, found)


def test_of_campaigns_that_nobody_holds_against_another_nothing_is_said() -> None:
    assert sentences([]) == sentences([campaign("a", 0.1)]) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Difference(2.4, 0.6, 4.13, 0.95), "b: its rate is higher than that of a, by 2.40 percentage points"),
        (Difference(-2.4, -4.13, -0.6, 0.95), "b: its rate is lower than that of a, by 2.40 percentage"),
        (Difference(0.8, -1.1, 2.3, 0.95), "may be up to 1.10 percentage points lower or 2.30 higher."),
        (Difference(0.8, 0.0, 2.3, 0.95), "may be up to 0.00 percentage points lower or 2.30 higher."),
    ],
)
def test_a_difference_is_shown_where_its_interval_leaves_out_none(found: Difference, said: str) -> None:
    first, last = sentences([campaign("a", 0.1), campaign("b", 0.1, found)])
    assert said in first
    assert ("by 0.60 to 4.13 with 95 %." in first) is found.is_shown
    assert "one look" in last


def test_a_difference_that_chance_alone_does_not_explain_is_left_to_the_judges_doubt() -> None:
    found = Difference(2.76, -0.17, 4.48, 0.95, beyond_chance=True)
    said = sentences([campaign("a", 0.0444), campaign("b", 0.072, found)])[0]
    assert "no difference is shown." in said
    assert "Chance alone would hardly make one so large. The judge might" in said


@pytest.mark.parametrize(("rates", "of"), [((None, 0.1), "a"), ((0.1, None), "b"), ((None, None), "b")])
def test_without_a_rate_nothing_can_be_said_and_whose_is_missing_is(
    rates: tuple[float | None, ...], of: str
) -> None:
    [said] = sentences([campaign("a", rates[0]), campaign("b", rates[1])])
    assert said == f"b and a: nothing can be said, since no click rate is known of {of}."


def test_that_intervals_of_several_differences_are_widened_is_said() -> None:
    found = Difference(0.8, -1.1, 2.3, 0.983333)
    said = sentences([campaign("a", 0.1), *(campaign(name, 0.1, found) for name in "bcd")])
    assert said[3].startswith("3 campaigns are held against a,")
    assert "widened to 98.33 %" in said[3]


def test_a_higher_level_gives_a_wider_interval() -> None:
    source = random.Random(4)  # noqa: S311
    one, two = (ImaginedRate(0.1, tuple(source.betavariate(20, 180) for _ in range(600))) for _ in range(2))
    usual, wide = difference(one, two), difference(one, two, 1 - 0.05 / 3)
    assert wide.low < usual.low < 0 < usual.high < wide.high
    # Of two shares with so many clickers the difference has a standard deviation of 3 points.
    assert (usual.low, usual.high) == pytest.approx((-1.96 * 0.03, 1.96 * 0.03), abs=0.008)
    assert (wide.low, wide.high) == pytest.approx((-2.39 * 0.03, 2.39 * 0.03), abs=0.012)
