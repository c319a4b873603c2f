"""What agents are compared with."""

from __future__ import annotations

import pytest

from linkproxy.visit import agents, policy

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0"


@pytest.mark.parametrize("name", ["programs", "browsers", "office", "dead_platforms"])
def test_a_list_that_an_operator_empties_matches_nobody(name):
    emptied = policy.load(f"[agents]\n{name} = []\n")
    assert not agents.matches(BROWSER, emptied.agents[name])


def test_a_browser_is_no_program_when_no_programs_are_listed():
    assert not agents.program(BROWSER, policy.load("[agents]\nprograms = []\n"))


SIX_YEARS_ON = 1_984_000_000.0  # 2032-11-14


@pytest.mark.parametrize(
    "text", ["Firefox/240.0", "Chrome/230.0.0.0 Safari/537.36", "Version/32.0 Safari/605.1.15"]
)
def test_a_version_that_is_newer_than_the_rules_does_not_grow_old_with_them(text):
    assert (
        agents.age_years(
            agents.engine(f"Mozilla/5.0 (X11; Linux x86_64) {text}"), SIX_YEARS_ON, policy.load()
        )
        == 0
    )


def test_a_version_that_the_rules_know_grows_old():
    known = agents.engine("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
    assert agents.age_years(known, SIX_YEARS_ON, policy.load()) > 8
