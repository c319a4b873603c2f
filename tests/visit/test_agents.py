"""What agents are compared with."""

from __future__ import annotations

import re

import crawleruseragents
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


def test_a_crawler_of_another_version_has_no_pattern_compiled_anew(monkeypatch):
    """Else who sends another agent with each request holds up everybody: there are 1,500 patterns."""
    usual = policy.load()
    assert agents.crawler("curl/8.5.0", usual) == "^curl"
    compiled = []
    monkeypatch.setattr(re._compiler, "compile", lambda *args: compiled.append(args))
    assert agents.crawler("curl/8.5.1", usual) == "^curl"
    assert compiled == []


def test_entries_are_those_that_the_list_itself_finds():
    listed = crawleruseragents.CRAWLER_USER_AGENTS_DATA
    seen = [agent for entry in listed for agent in entry.get("instances", ())]
    for agent in seen[::100]:
        found = [listed[place]["pattern"] for place in crawleruseragents.matching_crawlers(agent)]
        assert [*agents._crawlers(agent)] == found
