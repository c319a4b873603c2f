"""The oracle is a bound: it knows the simulation's own curves, and more of them only helps."""

from __future__ import annotations

from bench.detection import oracle
from bench.detection.traffic import MailKind

DRAWS = 4_000


def test_the_browser_beside_the_delay_makes_the_best_of_judges_no_worse():
    found = {(row.mail, row.seen): row for row in oracle.best(3, DRAWS)}
    for mail in (MailKind.SINGLE, MailKind.TRANSACTIONAL):
        delay, both = found[mail, "delay"], found[mail, "delay, browser"]
        assert 0.0 <= both.error < delay.error < 0.5
        assert both.machines_counted < delay.machines_counted
        assert both.people_lost < delay.people_lost


def test_who_waits_for_a_mail_is_harder_to_tell_from_a_scanner():
    found = {(row.mail, row.seen): row for row in oracle.best(3, DRAWS)}
    assert found[MailKind.TRANSACTIONAL, "delay"].error > found[MailKind.SINGLE, "delay"].error


def test_nothing_is_told_of_two_kinds_that_are_alike():
    same = list(range(100)) * 5
    row = oracle._best(MailKind.SINGLE, "delay", same, same)
    assert row.error == 0.5 or abs(row.error - 0.5) < 1e-9
    assert abs(row.machines_counted - 0.99) < 1e-9
