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
