"""What the detection benchmark takes for true."""

from __future__ import annotations

import pytest

from bench.detection import truth
from bench.detection.traffic import MailKind, Truth

MACHINE = "stealth, first link"


def units_of(story):
    return truth.units(story.played(), lambda asked: asked.clicked)


def test_a_machines_message_is_wrong_when_one_of_its_requests_is_a_click(story):
    story.ask(MACHINE, Truth.MACHINE, after=43.0, clicked=False)
    story.ask(MACHINE, Truth.MACHINE, after=44.0, key="bbbb", clicked=True)
    (unit,) = units_of(story).machines
    assert (unit.actor, unit.counted, len(unit.requests)) == (MACHINE, True, 2)


def test_two_requests_of_one_double_click_are_one_click_of_the_person(story):
    story.ask("double click", Truth.CLICK, clicked=True)
    story.ask("double click", Truth.CLICK, after=600.5)
    (unit,) = units_of(story).people
    assert unit.counted
    assert len(unit.requests) == 2


def test_two_clicks_of_a_person_are_told_apart(story):
    story.ask("tabs", Truth.CLICK, clicked=True, click=0)
    story.ask("tabs", Truth.CLICK, after=604.0, key="bbbb", clicked=False, click=1)
    assert sorted(unit.counted for unit in units_of(story).people) == [False, True]


@pytest.mark.parametrize("after", [598.0, 620.0])
def test_a_click_that_names_a_machine_and_took_the_person_in_is_the_persons(story, after):
    story.ask("time of click, before", Truth.MACHINE, after=after, clicked=True, client="198.51.100.9")
    story.ask("Edge", Truth.CLICK, after=600.0)
    units = units_of(story)
    assert [unit.counted for unit in units.people] == [True]
    assert [unit.counted for unit in units.machines] == [False]


def test_a_machines_click_stays_the_machines_when_the_person_was_not_taken_for_one(story):
    story.ask("time of click, before", Truth.MACHINE, after=598.0, clicked=True)
    story.ask("Edge", Truth.CLICK, after=600.0, score=3.0)
    units = units_of(story)
    assert [unit.counted for unit in units.people] == [False]
    assert [unit.counted for unit in units.machines] == [True]


def test_a_machine_long_before_the_person_takes_nobody_in(story):
    story.ask(MACHINE, Truth.MACHINE, after=43.0, clicked=True)
    story.ask("Edge", Truth.CLICK, after=600.0)
    assert [unit.counted for unit in units_of(story).machines] == [True]


def test_a_person_who_looks_at_the_bait_has_not_clicked(story):
    story.ask("screen reader on the bait", Truth.PERSON, key="tttt", status=200)
    assert units_of(story).people == ()


@pytest.mark.parametrize(
    ("status", "location", "stranded"),
    [
        (302, "https://shop.example/", False),
        (200, "", False),
        (303, "https://shop.example/", False),
        (404, "", True),
        (503, "", True),
        (302, "/token/aaaa/~nonce", True),
    ],
)
def test_a_person_is_stranded_without_target_and_without_a_page_that_leads_on(
    story, status, location, stranded
):
    story.ask("Edge", Truth.CLICK, status=status, location=location)
    assert [unit.stranded for unit in units_of(story).people] == [stranded]


def test_who_was_sent_round_and_arrived_is_not_stranded(story):
    story.ask("Edge", Truth.CLICK, location="/token/aaaa/~nonce")
    story.ask("Edge", Truth.CLICK, after=600.1)
    assert [unit.stranded for unit in units_of(story).people] == [False]


def test_a_page_instead_of_the_target_is_noted(story):
    story.ask("Edge", Truth.CLICK, status=200, location="")
    assert [unit.neutral for unit in units_of(story).people] == [True]


def test_stealth_on_a_single_link_of_an_unknown_domain_is_what_nobody_can_tell(story):
    story.mail = MailKind.SINGLE
    story.ask(MACHINE, Truth.MACHINE, after=43.0)
    assert [unit.hidden for unit in units_of(story).machines] == [True]


@pytest.mark.parametrize("telling", ["second link", "bait", "changed copy", "known domain", "library"])
def test_whatever_could_tell_ends_that_excuse(story, telling):
    actor = "library, one link" if telling == "library" else MACHINE
    story.known = telling == "known domain"
    story.ask(actor, Truth.MACHINE, after=43.0)
    if telling in {"second link", "bait"}:
        story.ask(actor, Truth.MACHINE, after=44.0, key="tttt" if telling == "bait" else "bbbb")
    if telling == "changed copy":
        story.ask(actor, Truth.MACHINE, after=42.0, spoil="rot13", status=404)
    assert [unit.hidden for unit in units_of(story).machines] == [False]
