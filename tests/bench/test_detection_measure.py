"""The rates that the detection benchmark prints."""

from __future__ import annotations

import pytest

from bench.detection import measure, truth
from bench.detection.measure import Rate
from bench.detection.traffic import Truth
from linkproxy.model import Delivery, DeliverySource

TOLD = Delivery(1_000_000.0, DeliverySource.PROVIDER)


def clicked(asked):
    return asked.clicked


def test_common_actors_do_not_drown_rare_ones():
    found = {("often", None): Rate(0, 99), ("rarely", None): Rate(1, 1)}
    assert measure.macro(found) == pytest.approx(0.5)


def test_a_long_sweep_is_one_message(story):
    for number in range(40):
        story.ask("stealth, all at once", Truth.MACHINE, after=43 + number / 20, key="aaaa", score=40.0)
    units = truth.units(story.played(), clicked)
    assert measure.rates(units.machines, lambda unit: unit.counted) == {
        ("stealth, all at once", None): Rate(0, 1)
    }


def test_uncertain_people_are_lost_and_said_to_be_uncertain(story):
    story.ask("quick", Truth.CLICK, after=20.0, score=4.0)
    found = measure.summary(truth.units(story.played(), clicked))
    assert (found.people_lost, found.people_uncertain) == (1.0, 1.0)


def test_people_taken_for_machines_are_lost_and_not_uncertain(story):
    story.ask("quick", Truth.CLICK, after=20.0, score=30.0)
    found = measure.summary(truth.units(story.played(), clicked))
    assert (found.people_lost, found.people_uncertain) == (1.0, 0.0)


def test_time_to_settle_is_counted_from_the_visit(story):
    story.ask("Edge", Truth.CLICK, clicked=True, settled_after=95.0)
    assert measure.summary(truth.units(story.played(), clicked)).settle_seconds == pytest.approx(95.0)


@pytest.mark.parametrize(("hits", "of", "upper"), [(0, 100, 0.037), (5, 100, 0.112), (0, 0, 1.0)])
def test_the_upper_end_of_a_rate_is_wilsons(hits, of, upper):
    assert Rate(hits, of).upper == pytest.approx(upper, abs=0.001)


@pytest.mark.parametrize(("threshold", "counted"), [(-20.0, False), (-10.0, True), (5.0, True)])
def test_a_moved_threshold_counts_what_the_click_log_has_below_it(story, threshold, counted):
    one = story.ask("Edge", Truth.CLICK, score=-12.0, clicked=True)
    assert measure.at_threshold(one, threshold=threshold) is counted


def test_a_moved_threshold_counts_no_second_request_of_a_click(story):
    double = story.ask("double click", Truth.CLICK, score=-12.0, clicked=False)
    assert not measure.at_threshold(double, threshold=5.0)


def test_a_moved_threshold_counts_uncertain_visits_up_to_it(story):
    one = story.ask("quick", Truth.CLICK, score=4.0)
    assert measure.at_threshold(one, threshold=5.0)
    assert not measure.at_threshold(one, threshold=3.0)


def test_no_threshold_counts_what_is_decided(story):
    head = story.ask("HEAD before GET", Truth.MACHINE, score=4.0, method="HEAD", decisive=True)
    assert not measure.at_threshold(head, threshold=100.0)


def test_no_threshold_counts_the_bait(story):
    bait = story.ask("stealth, follows bait", Truth.MACHINE, key="tttt", score=4.0)
    assert not measure.at_threshold(bait, threshold=100.0)


def test_at_a_loss_of_nothing_every_person_is_counted(story):
    story.ask("quick", Truth.CLICK, after=20.0, score=4.0)
    story.ask("stealth, one a second", Truth.MACHINE, after=40.0, score=20.0)
    story.ask("stealth, one a second", Truth.MACHINE, after=41.0, score=20.0, key="bbbb")
    found = measure.Moved([story.played()]).at_loss(0.0)
    assert (found.people_lost, found.machines_counted) == (0.0, 0.0)
    assert 4.0 <= found.threshold < 20.0


def test_where_the_judge_is_wrong_the_worst_comes_first(story):
    story.ask("Edge", Truth.CLICK, clicked=True)
    story.ask("stealth, first link", Truth.MACHINE, after=43.0, clicked=True, key="bbbb")
    rows = measure.worst(truth.units(story.played(), clicked))
    assert [(actor, rate) for actor, _, rate, _ in rows] == [("stealth, first link", Rate(1, 1))]
