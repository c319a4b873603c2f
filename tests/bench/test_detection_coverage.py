"""The campaigns by which intervals are tested, and what is printed of them."""

from __future__ import annotations

import pytest

from bench.detection import coverage, show
from bench.detection.coverage import Held, HeldRate


def test_readers_of_a_campaign_click_with_the_probability_that_it_says() -> None:
    letters = [letter for number in range(40) for letter in coverage.campaign(number, 3)]
    told = [letter.mailing.clicking for letter in letters]
    assert all(rate is not None for rate in told)
    expected = sum(rate or 0.0 for rate in told)
    assert sum(letter.clicks for letter in letters) == pytest.approx(expected, abs=3 * expected**0.5)


def test_rates_are_printed_of_campaigns_that_have_one(capsys: pytest.CaptureFixture[str]) -> None:
    known = [
        Held("a", 5, 5, 4, 6, HeldRate(0.1, 0.12, 0.05, 0.2)),
        Held("b", 5, 5, 4, 6, HeldRate(0.3, 0.1, 0.05, 0.2)),
    ]
    show.rate_intervals({"mixed": [*known, Held("c", 5, 5, 4, 6)], "none": [Held("d", 0, 0, 0, 0)]})
    printed = capsys.readouterr().out
    assert "50 % (1/2)" in printed
    assert "20.00%" in printed
    assert "none" not in printed
