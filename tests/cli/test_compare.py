"""``linkproxy compare``: campaigns side by side."""

from __future__ import annotations

import csv
import time
from typing import TYPE_CHECKING

import pytest
from cli.conftest import SPRING

from linkproxy.model import Campaign, CampaignId
from linkproxy.query.compare import COMPARED_COLUMNS, Compared
from linkproxy.query.reports import Report

if TYPE_CHECKING:
    from cli.conftest import Installation


@pytest.fixture
def two(here: Installation) -> Installation:
    """Anna and Ben got one campaign each, delivered two hours ago; Anna has clicked, and it is settled."""
    for name, who in (("spring-a", "anna@example.com"), ("spring-b", "ben@other.example")):
        mail = here.mail(who, name)
        here.ok("deliveries", "add", name, "--recipient", who, "--at", "-2h", "--source", "provider")
        if who.startswith("anna"):
            here.visit([here.path_to(SPRING, mail, name)], time.time() - 3600)
    here.ok("settle")
    return here


def test_each_line_says_what_the_report_of_its_campaign_says(two: Installation) -> None:
    lines = two.ok("compare", "--format", "jsonl").lines
    assert [line["campaign"] for line in lines] == ["spring-a", "spring-b"]
    for line in lines:
        told = two.ok("report", line["campaign"], "--json").json
        same = ("delivered", "human_clickers", "click_rate", "human_clicks", "machine_visits_removed")
        assert {name: line[name] for name in same} == {name: told[name] for name in same}
        assert (line["interval_low"], line["interval_high"]) == (
            (told["interval"]["low"], told["interval"]["high"]) if told["interval"] else (None, None)
        )
        rate = told["click_rate_interval"]
        assert (line["click_rate_low"], line["click_rate_high"]) == (rate["low"], rate["high"])
        assert line["uncertain_visits"] == told["uncertain"]["visits"]
        assert {name: line[f"raw_{name}"] for name in told["raw"]} == told["raw"]
    assert [line["human_clicks"] for line in lines] == [1, 0]
    assert [line["click_rate"] for line in lines] == [1.0, 0.0]


def test_named_campaigns_come_in_the_order_named_archived_or_not(two: Installation) -> None:
    two.ok("campaign", "archive", "spring-b")
    assert [row["campaign"] for row in two.ok("compare", "--format", "jsonl").lines] == ["spring-a"]
    named = two.ok("compare", "spring-b", "spring-a", "--format", "jsonl").lines
    assert [row["campaign"] for row in named] == ["spring-b", "spring-a"]
    assert len(two.ok("compare", "--archived", "--format", "jsonl").lines) == 2
    assert "no campaign 'spring-x'" in two.fails("compare", "spring-a", "spring-x")


def test_the_rate_of_each_named_campaign_is_held_against_that_of_the_first(two: Installation) -> None:
    first, other = two.ok("compare", "spring-a", "spring-b", "--format", "jsonl").lines
    assert [first[name] for name in first if name.startswith("difference_")] == [None] * 4
    assert (other["difference_points"], other["difference_level"]) == (-100, 0.95)
    assert -100 <= other["difference_low"] <= -100 < other["difference_high"] < 100
    alone = two.ok("compare", "--format", "jsonl").lines
    assert {line["difference_points"] for line in alone} == {None}
    shown = two.ok("compare", "spring-a", "spring-b", "spring-a", "--format", "table").text
    assert shown.count("spring-a  ") == 1
    assert "\n\nspring-b and spring-a: no difference is shown." in shown
    assert "one look at a time that was set beforehand" in shown
    assert "Points" not in two.ok("compare", "--format", "table").text
    assert "Points" not in two.ok("compare", "spring-a", "--format", "table").text


def test_a_span_is_that_in_which_campaigns_were_made(two: Installation) -> None:
    assert two.ok("compare", "--until", "-1h", "--format", "jsonl").lines == []
    assert len(two.ok("compare", "--since", "-1h", "--format", "jsonl").lines) == 2
    assert "since: 'May'" in two.fails("compare", "--since", "May")


def test_csv_is_safe_in_a_spreadsheet_and_a_table_shows_rates(two: Installation) -> None:
    two.ok("campaign", "rename", "spring-b", "=spring")
    rows = list(csv.DictReader(two.ok("compare", "--format", "csv").text.splitlines()))
    assert [row["campaign"] for row in rows] == ["spring-a", "'=spring"]
    assert [row["interval_low"] for row in rows][1] == ""
    table = two.ok("compare", "--format", "table").text
    assert "100.00%" in table
    assert "1 to 1" in table or "0 to 1" in table


def test_a_table_shows_thousands_as_a_report_does_and_files_plain_numbers() -> None:
    spring = Campaign(CampaignId(1), "spring", base_url="https://click.example", created_at=0.0)
    made = Compared(Report(spring, {"example.com": 41000}, clicks=3120, clickers=2400))
    shown = {column.name: (column.read(made), column.shown(made)) for column in COMPARED_COLUMNS}
    assert shown["delivered"] == (41000, "41,000")
    assert shown["human_clicks"] == (3120, "3,120")
