"""The baselines do what their descriptions say."""

from __future__ import annotations

import pytest

from bench.detection import baselines
from bench.detection.traffic import Truth

PERSON = "Edge"


def counts(story, name):
    """Return the requests that a baseline counts, by their time after arrival."""
    played = story.played()
    found = baselines.counted(played, baselines.BASELINES[name])
    return [one.request.after for one in played.asked if id(one) in found]


def test_every_baseline_counts_a_person_after_ten_minutes(story):
    story.ask(PERSON, Truth.CLICK)
    assert [name for name in baselines.BASELINES if counts(story, name) == [600.0]] == list(
        baselines.BASELINES
    )


@pytest.mark.parametrize("agent", ["curl/8.14.1", "Slackbot-LinkExpanding 1.0", "", "Googlebot/2.1"])
def test_the_agent_list_knows_programs(story, agent):
    story.ask(PERSON, Truth.MACHINE, headers=(("user-agent", agent),))
    assert counts(story, "agent list") == []


def test_the_agent_list_believes_a_browsers_name(story):
    story.ask(PERSON, Truth.MACHINE, after=0.5)
    assert counts(story, "agent list") == [0.5]


def test_ten_seconds_are_counted_from_delivery_as_told(story):
    for after in (9.9, 10.1):
        story.ask(PERSON, Truth.CLICK, after=after)
    assert counts(story, "under 10 s") == [10.1]


@pytest.mark.parametrize(
    ("after", "agent", "client", "counted"),
    [
        (1.0, "curl/8", "203.0.113.7", False),
        (1.0, "Mozilla/5.0 Chrome/150", "40.92.0.7", False),
        (60.0, "curl/8", "40.92.0.7", False),
        (1.0, "Mozilla/5.0 Chrome/150", "203.0.113.7", True),
        (60.0, "curl/8", "203.0.113.7", True),
        (60.0, "Mozilla/5.0 Chrome/150", "40.92.0.7", True),
    ],
)
def test_two_of_three_hints_are_needed(story, after, agent, client, counted):
    story.ask(PERSON, Truth.MACHINE, after=after, headers=(("user-agent", agent),), client=client)
    assert bool(counts(story, "two of three")) is counted


@pytest.mark.parametrize("header", [("sec-gpc", "1"), ("dnt", "1"), ("sec-purpose", "prefetch")])
def test_two_of_three_does_not_track_who_opted_out(story, header):
    story.ask(PERSON, Truth.CLICK, headers=(("user-agent", "Mozilla/5.0 Firefox/150"), header))
    assert counts(story, "two of three") == []


def test_thirty_seconds_are_too_soon_for_the_fourth(story):
    for after in (29.0, 31.0):
        story.ask(PERSON, Truth.CLICK, after=after)
    assert counts(story, "networks, 30 s, 5 s bursts") == [31.0]


def test_every_member_of_a_burst_falls_for_the_fourth(story):
    story.ask(PERSON, Truth.MACHINE, after=40.0)
    story.ask(PERSON, Truth.MACHINE, after=44.0, key="bbbb")
    story.ask(PERSON, Truth.MACHINE, after=60.0, key="cccc")
    assert counts(story, "networks, 30 s, 5 s bursts") == [60.0]


def test_a_burst_from_rotating_addresses_escapes_the_fourth(story):
    story.ask(PERSON, Truth.MACHINE, after=40.0)
    story.ask(PERSON, Truth.MACHINE, after=41.0, key="bbbb", client="198.51.100.4")
    assert counts(story, "networks, 30 s, 5 s bursts") == [40.0, 41.0]


def test_no_baseline_meets_bait_or_changed_links(story):
    story.ask(PERSON, Truth.MACHINE, key="tttt")
    story.ask(PERSON, Truth.MACHINE, key="uuuu")
    story.ask(PERSON, Truth.MACHINE, spoil="cut", status=404)
    assert [name for name in baselines.BASELINES if counts(story, name)] == []
