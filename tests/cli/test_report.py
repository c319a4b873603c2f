"""``linkproxy report``: how its figures are shown; test_review.py claims what they are."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cli.conftest import SCANNER, SPRING

if TYPE_CHECKING:
    from cli.conftest import Installation

DAY = 86_400.0
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def clicked(here: Installation) -> Installation:
    """Anna, Ben and Cleo have clicked; Cleo three and Ben seven days after Anna."""
    for days, who in ((0, "anna@example.com"), (7, "ben@other.example"), (3, "cleo@example.com")):
        here.visit([here.path_to(SPRING, here.mail(who))], NOON + days * DAY)
    here.ok("settle")
    return here


def _rows(here: Installation, title: str, *options: str) -> list[list[str]]:
    """Return a table of the report, headings first; columns are two blanks apart."""
    part = here.ok("report", "spring", *options).text.split(f"\n{title}\n")[1].split("\n\n")[0]
    return [re.split(r"  +", line) for line in part.splitlines()]


def test_a_bar_is_headed_by_what_it_shows_whatever_figure_stands_before_it(clicked: Installation) -> None:
    for options in ((), ("--raw",)):
        headings, first, *_ = _rows(clicked, "By domain", *options)
        assert headings[-1] == "Clicks"
        assert set(first[-1]) == {"█"}


def test_without_a_click_there_are_no_bars_and_no_heading_of_them(here: Installation) -> None:
    here.visit([here.path_to(SPRING, here.mail())], NOON, headers=SCANNER)
    here.ok("settle")
    assert _rows(here, "By domain")[0].count("Clicks") == 1


def test_days_without_visits_are_not_skipped(clicked: Installation) -> None:
    days = [row[:2] for row in _rows(clicked, "By day (UTC)")[1:]]
    assert days == [
        ["2026-03-10", "1"],
        ["(2 days)", "0"],
        ["2026-03-13", "1"],
        ["(3 days)", "0"],
        ["2026-03-17", "1"],
    ]
    assert len(clicked.ok("report", "spring", "--json").json["by_day"]) == 3


def test_a_single_day_without_visits_is_named(clicked: Installation) -> None:
    clicked.visit([clicked.path_to(SPRING, clicked.mail("dan@example.com"))], NOON + 2 * DAY)
    clicked.ok("settle")
    days = [row[:2] for row in _rows(clicked, "By day (UTC)")[1:5]]
    assert days == [["2026-03-10", "1"], ["2026-03-11", "0"], ["2026-03-12", "1"], ["2026-03-13", "1"]]


def test_links_with_the_same_target_are_told_apart_by_their_position(here: Installation) -> None:
    here.write("newsletter.html", f'<a href="{SPRING}">Picture</a> <p>Text</p> <a href="{SPRING}">Button</a>')
    html = here.mail()
    places = {
        link["key"]: str(link["position"])
        for link in here.ok("campaign", "show", "spring", "--json").json["links"]
        if link["target"] == SPRING
    }
    here.visit([path for path in here.paths(html) if path.split("/")[2] in places], NOON)
    here.ok("settle")
    headings, *rows = _rows(here, "By link")
    assert {row[0]: row[headings.index("Position")] for row in rows} == places
    assert len(places) == 2


def test_a_domain_has_a_rate_where_its_deliveries_are_known(clicked: Installation) -> None:
    assert "Rate" not in _rows(clicked, "By domain")[0]
    for who in ("anna@example.com", "cleo@example.com", "dan@example.com"):
        clicked.ok("deliveries", "add", "spring", "--recipient", who, "--at", "2026-03-09", "--source", "mx")
    headings, *rows = _rows(clicked, "By domain")
    found = {row[0]: dict(zip(headings, row, strict=False)) for row in rows}
    assert (found["example.com"]["Delivered"], found["example.com"]["Rate"]) == ("3", "66.67%")
    assert (found["other.example"]["Delivered"], found["other.example"]["Rate"]) == ("-", "-")


def test_the_rate_of_a_plain_counter_stands_beside_that_of_people(clicked: Installation) -> None:
    everybody = ("anna@example.com", "ben@other.example", "cleo@example.com", "dan@example.com")
    for who in everybody:
        clicked.ok("deliveries", "add", "spring", "--recipient", who, "--at", "2026-03-09", "--source", "mx")
    scanned = clicked.path_to(SPRING, clicked.mail("dan@example.com"))
    clicked.visit([scanned], NOON, headers=SCANNER, peer="203.0.113.9")
    clicked.ok("settle")
    raw = clicked.ok("report", "spring", "--raw").text
    between = clicked.ok("report", "spring", "--json").json["click_rate_interval"]
    told = f"{between['low']:.2%} to {between['high']:.2%} with 95 %"
    assert f"75.00% of delivered messages   {told}\n" in raw
    assert "Raw: 4 GET requests for content links, from 4 messages, a click rate of 100.00%." in raw
    table = clicked.ok("compare", "--format", "table").text.splitlines()
    assert table[0].endswith("Raw rate")
    assert table[1].endswith("100.00%")


@pytest.mark.parametrize("by", ["link", "day", "domain"])
def test_a_table_of_a_report_can_be_had_whole_as_a_file(clicked: Installation, by: str) -> None:
    told = clicked.ok("report", "spring", "--json").json[f"by_{by}"]
    assert clicked.ok("report", "spring", "--by", by, "--format", "jsonl").lines == told
    rows = list(
        csv.DictReader(clicked.ok("report", "spring", "--by", by, "--format", "csv").text.splitlines())
    )
    assert rows == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in told
    ]
    assert rows[0]["human_clicks"]
    assert (
        clicked.ok("report", "spring", "--by", by, "--format", "table").text.lower().startswith(f"\nby {by}")
    )


def test_a_table_of_a_report_without_visits_says_so(here: Installation) -> None:
    here.mail()
    ran = here.ok("report", "spring", "--by", "link", "--format", "table")
    assert (ran.text, ran.err) == ("", "No visits.\n")


def test_a_file_of_a_report_needs_to_know_by_what(clicked: Installation) -> None:
    assert "--by" in clicked.fails("report", "spring", "--format", "csv", code=2)
    assert "--format" in clicked.fails("report", "spring", "--by", "day", "--json", code=2)


def test_why_there_is_no_rate_is_told(clicked: Installation) -> None:
    assert "deliveries add" in clicked.ok("report", "spring").text
    clicked.ok("deliveries", "add", "spring", "--recipient", "anna@example.com", "--at", "2026-03-10T11:00Z")
    (line,) = re.findall(r"Click rate +(.*)", clicked.ok("report", "spring").text)
    assert line == "not known: more messages have clicks than are recorded as delivered"
