"""The simulated traffic is what its description says, and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from bench.detection import drive, leave_out, population, schedule, truth
from bench.detection.actors_machines import MACHINES, PREVIEWERS
from bench.detection.actors_people import PEOPLE
from bench.detection.tokens import spoilt
from bench.detection.trials import clicked
from linkproxy.visit import policy

DRAWS = 20_000
TOKEN = "abcdefghijklmnopqrstuvwx"


@pytest.mark.parametrize(
    ("low", "high", "share"), [(0, 10, 0.005), (20, 60, 0.664), (60, 300, 0.283), (0, 43, 0.5)]
)
def test_sweeps_begin_when_they_were_seen_to(low, high, share):
    chance = Random(1)  # noqa: S311  (seeded, as in the benchmark)
    hits = sum(low <= schedule.sweep(chance) < high for _ in range(DRAWS))
    assert hits / DRAWS == pytest.approx(share, abs=0.015)


@pytest.mark.parametrize(("hours", "share"), [(1, 0.336), (3, 0.514), (24, 0.81)])
def test_people_click_when_they_were_seen_to(hours, share):
    chance = Random(1)  # noqa: S311  (as above)
    hits = sum(schedule.click(chance) < hours * 3600 for _ in range(DRAWS))
    assert hits / DRAWS == pytest.approx(share, abs=0.015)


@pytest.mark.parametrize("how", ["%27", "swap", "rot13", "cut"])
def test_a_spoilt_token_is_another_one(how):
    assert spoilt(TOKEN, how) != TOKEN
    assert spoilt(TOKEN, "") == TOKEN


def test_every_actor_is_in_the_population():
    readers = population.build(1, population.Size(known=0, small=2, quiet=1))
    assert {reader.domain.scanner for reader in readers} == {
        "",
        *(one.name for one in (*MACHINES, *PREVIEWERS)),
    }
    assert {reader.person for reader in readers} == {one.name for one in PEOPLE}


def test_the_same_seed_sends_the_same_mail():
    size = population.Size(known=0, small=1, quiet=1)
    one, other = (population.letters(population.build(3, size), 3) for _ in range(2))
    assert one == other


@pytest.mark.parametrize("family", sorted(leave_out.LEFT_OUT))
def test_what_is_left_out_is_a_policy_that_differs_from_the_shipped_one(family):
    assert policy.load(leave_out.overlay(family)).digest != policy.load().digest


def test_every_family_that_is_left_out_has_actors():
    families = {one.family for one in (*MACHINES, *PREVIEWERS, *PEOPLE)}
    assert set(leave_out.LEFT_OUT) <= families


@pytest.fixture
def few():
    """Return the mail of a library's domain and of one that nobody scans."""
    readers = population.build(1, population.Size(known=0, small=2, quiet=1))
    return population.letters(
        [one for one in readers if one.domain.scanner == "library, all links" or one.person == "Edge"], 1
    )


async def test_a_run_finds_every_visit_again_and_settles_it(few, tmp_path):
    played = await drive.play(few, tmp_path / "run")
    assert played.asked
    assert all(one.entry is not None and one.entry.settled is not None for one in played.asked)
    units = truth.units(played, clicked)
    assert not any(unit.counted for unit in units.machines if unit.actor == "library, all links")
    assert not any(unit.stranded for unit in units.people)


async def test_the_same_mail_is_judged_alike_twice(few, tmp_path):
    runs = [await drive.play(few, tmp_path / name) for name in ("one", "two")]
    verdicts = [Counter((one.at, one.entry.settled.score) for one in played.asked) for played in runs]
    assert verdicts[0] == verdicts[1]
