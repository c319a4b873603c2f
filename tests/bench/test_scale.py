"""The simulation of large senders, held against what can be worked out by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from bench.detection import schedule
from bench.scale import demand, node
from bench.scale.demand import BIN, DAY, Sender, busiest_day
from bench.scale.node import Node, arrivals, play, waiting
from bench.scale.plan import (
    POSTGRESQL,
    SQLITE,
    Kept,
    Limits,
    Question,
    gigabytes,
    late_seconds,
    most_mails,
    plan,
    settler_load,
)

ROOT = Path(__file__).parents[2]
ALONE = Sender(mails=3e7, scanned=0.1, links=5)


def seeded(number):
    return Random(number)  # noqa: S311  (seeded, as in the benchmark)


def poisson(rate, seconds, seed=1):
    return arrivals(seeded(seed), sweeps=0, links=1, clicks=rate, seconds=seconds)


# --- group commit against closed forms --------------------------------------------------------


@pytest.mark.parametrize("load", [0.2, 0.5, 0.8])
def test_one_visit_a_commit_is_the_queue_of_pollaczek_and_khinchine(load):
    alone = Node(0.002, 0.0005, most=1)
    played = play(alone, poisson(load / 0.0025, 600))
    assert played.mean == pytest.approx(waiting(load / 0.0025, 0.0025), rel=0.06)
    assert played.busy == pytest.approx(load, rel=0.03)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_a_commit_holds_what_came_during_the_one_before(load):
    busy = Node(0.003, 0.0001)
    rate = load / busy.visit_seconds
    played = play(busy, poisson(rate, 30))
    assert len(played.answers) / played.commits == pytest.approx(busy.mean_commit(rate), rel=0.05)


def test_group_commit_lies_between_free_commits_and_a_commit_for_each_visit():
    shared, rate = Node(0.002, 0.0001), 300.0
    mean = play(shared, poisson(rate, 300)).mean
    assert shared.commit_seconds + waiting(rate, shared.visit_seconds) < mean
    assert mean < waiting(rate, shared.commit_seconds + shared.visit_seconds)


def test_a_visit_that_comes_alone_waits_for_its_commit_and_nothing_else():
    played = play(Node(0.002, 0.0001), [1.0, 2.0, 3.0])
    assert played.answers == pytest.approx([0.0021] * 3)
    assert played.commits == 3


def test_no_commit_holds_more_than_the_journal_takes_at_once():
    played = play(Node(0.002, 0.0001), [0.0] * (2 * node.MOST_AT_ONCE + 1))
    assert (played.commits, len(played.answers)) == (3, 2 * node.MOST_AT_ONCE + 1)


def test_more_than_the_highest_rate_makes_answers_ever_later():
    slow = Node(0.002, 0.0001)
    below, above = (play(slow, poisson(share * slow.highest, 20)) for share in (0.8, 1.3))
    assert below.quantile(0.99) < 0.1
    # After 20 seconds of 1.3 times what it can take, the last ones wait for what it could not.
    assert above.quantile(1.0) == pytest.approx(20 * 0.3, rel=0.1)


def test_the_settlers_turn_delays_a_visit_by_no_more_than_that_turn():
    held = play(Node(0.002, 0.0001), [0.05], turns=[(0.0, 0.1), (0.06, 0.1)])
    assert held.answers == pytest.approx([0.1 - 0.05 + 0.0021])


def test_a_settler_that_is_behind_and_visits_take_turns():
    turns = [(0.0, 0.1)] * 10
    times = [place * 0.01 for place in range(100)]
    played = play(Node(0.002, 0.0001), times, turns)
    assert played.commits >= 9  # one between any two turns
    assert played.quantile(1.0) < 2 * 0.11


# --- who visits when --------------------------------------------------------------------------


def test_a_day_has_as_many_visits_as_its_mails_bring():
    day = busiest_day(ALONE, seeded(1))
    mails = ALONE.mails / 30 * ALONE.busy
    assert sum(day.sweeps) * BIN == pytest.approx(mails * ALONE.scanned, rel=1e-6)
    assert sum(day.clickers) * BIN == pytest.approx(mails * ALONE.click_rate, rel=1e-3)
    assert sum(day.visits(ALONE)) * BIN == pytest.approx(mails * ALONE.visits, rel=1e-3)


def test_sweeps_and_clicks_follow_the_delays_that_the_detection_bench_draws():
    chance = seeded(1)
    sweeps = [schedule.sweep(chance) for _ in range(20_000)]
    clicks = [schedule.click(chance) for _ in range(20_000)]
    for after in (15, 43, 60, 300, 3600, 7200, 20_000):
        for share_by, drawn in ((demand.swept_by, sweeps), (demand.clicked_by, clicks)):
            share = sum(delay <= after for delay in drawn) / len(drawn)
            assert share_by(after) == pytest.approx(share, abs=0.015), (share_by.__name__, after)


def test_one_campaign_peaks_while_it_goes_out_and_slower_sending_lowers_the_peak():
    one = replace(ALONE, recipients=1e9, mails=6e7, send_minutes=10)
    assert one.campaigns == pytest.approx(4)
    fast, slow = (
        max(busiest_day(replace(one, send_minutes=minutes), seeded(3)).sweeps) for minutes in (10, 240)
    )
    assert fast > 4 * slow


def test_nodes_behind_a_balancer_share_the_visits_of_a_sweep():
    whole, half = (
        arrivals(seeded(1), sweeps=100, links=10, clicks=50, seconds=60, nodes=nodes) for nodes in (1, 2)
    )
    assert len(whole) == pytest.approx(60 * 1050, rel=0.05)
    assert len(half) == pytest.approx(30 * 1050, rel=0.05)
    assert whole == sorted(whole)


# --- how much it takes ------------------------------------------------------------------------


def test_a_plan_keeps_within_its_limits_and_one_installation_less_does_not():
    asked = Question(Sender(), POSTGRESQL, seconds=2)
    found = plan(asked)
    assert found.installations > 1
    assert found.settler_load <= asked.limits.settler_load
    assert found.node_load <= asked.limits.load
    assert found.late_seconds <= asked.limits.click_minutes * 60
    assert found.played.quantile(0.99) * 1e3 <= asked.limits.p99_ms
    less = busiest_day(asked.sender, seeded(1)).part(found.installations - 1)
    over = (
        settler_load(asked.sender, less, POSTGRESQL) > asked.limits.settler_load
        or late_seconds(asked.sender, less, POSTGRESQL) > asked.limits.click_minutes * 60
    )
    assert over


def test_what_one_installation_carries_needs_one_and_a_tenth_more_needs_two():
    asked = Question(Sender(), SQLITE, seconds=2)
    mails, found = most_mails(asked)
    assert found is not None
    sizes = [
        plan(replace(asked, sender=replace(asked.sender, mails=mails * more))).installations
        for more in (1, 1.1)
    ]
    assert sizes[0] == 1
    assert sizes[1] >= 2


def test_a_settler_with_time_to_spare_is_never_late_and_an_overloaded_one_is():
    day = busiest_day(ALONE, seeded(1))
    quick, slow = replace(POSTGRESQL, settle_ms=0.1, settle_us=0), replace(POSTGRESQL, settle_ms=300)
    assert late_seconds(ALONE, day, quick) == 0
    assert settler_load(ALONE, day, slow) == pytest.approx(
        (sum(day.sweeps) * slow.settle_seconds(5) + sum(day.clickers) * slow.settle_seconds(1.5)) * BIN / DAY
    )
    assert late_seconds(ALONE, day, slow) > 3600


def test_limits_that_nothing_keeps_are_said_so():
    slow_disk = Question(ALONE, replace(SQLITE, commit_ms=80, cpu_us=150), Limits(p99_ms=50), seconds=1)
    with pytest.raises(ValueError, match=r"comes alone takes 80\.15 ms"):
        plan(slow_disk)
    no_time = Question(ALONE, SQLITE, Limits(load=0), seconds=1)
    with pytest.raises(ZeroDivisionError):
        plan(no_time)
    no_nodes = Question(ALONE, replace(SQLITE, most_nodes=0), seconds=1)
    with pytest.raises(ValueError, match="no number of installations"):
        plan(no_nodes)


def test_disk_is_visits_by_their_bytes_for_as_long_as_they_are_kept():
    found = gigabytes(ALONE, SQLITE, Kept(journal_days=60, message_links=1))
    assert found["journal"] == pytest.approx(3e7 * ALONE.visits * SQLITE.visit_bytes * 2 / 1e9)
    assert found["message links"] == pytest.approx(3e7 * SQLITE.message_link_bytes * 365 / 30 / 1e9)


# --- the command ------------------------------------------------------------------------------


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "bench.scale", "--quick", "--seconds", "1", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_same_seed_gives_the_same_figures_and_options_change_them(tmp_path):
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file, words in zip(files, ([], [], ["--links", "2"]), strict=True):
        done = run("--engine", "sqlite", "--scanned", "0.1", "--json", str(file), *words)
        assert done.returncode == 0, done.stderr
    first, again, fewer = (json.loads(file.read_text())["results"] for file in files)
    assert first == again
    assert first["plans"][0]["peak_rate"] > 3 * fewer["plans"][0]["peak_rate"]
    assert first["asked"]["sender"]["mails"] == 1e9


def test_impossible_limits_end_with_one_line(tmp_path):
    done = run("--engine", "sqlite", "--p99-ms", "1", "--cpu-us", "150", "--commit-ms", "2")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "a visit that comes alone takes 2.15 ms, more than the limit; "
        "change the limits or the costs (--help lists them)"
    )
