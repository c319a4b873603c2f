"""What agents are compared with."""

from __future__ import annotations

import re

import crawleruseragents
import pytest

from linkproxy.visit import agents, policy

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0"


@pytest.mark.parametrize("name", ["programs", "browsers", "office", "own_engines", "dead_platforms"])
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


BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    "agent",
    [
        f"Mozilla/5.0 (Linux; U; Android 13; 2201122C) {BLINK} Chrome/100.0.4896.58 UCBrowser/17.2 Mobile",
        f"Mozilla/5.0 (Phone; OpenHarmony 5.0) {BLINK} Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile",
        f"Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.5) {BLINK} Chrome/85.0.4183.93 TV Safari/537.36",
        "Mozilla/5.0 (Mobile; Nokia_2720_Flip; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5.2.2",
    ],
)
def test_an_engine_that_its_browser_keeps_for_years_counts_as_half_as_old(agent):
    now, rules = 1_795_000_000.0, policy.load()
    age = agents.age_years(agents.engine(agent), now, rules)
    assert age > 3
    assert agents.years_old(agent, now, rules) == age / 2


def test_chrome_of_the_same_version_is_as_old_as_it_is():
    agent = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {BLINK} Chrome/100.0.4896.127 Safari/537.36"
    now, rules = 1_795_000_000.0, policy.load()
    assert agents.years_old(agent, now, rules) == agents.age_years(agents.engine(agent), now, rules) > 4
