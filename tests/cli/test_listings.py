from __future__ import annotations

import csv
import io
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Installation

OFFER = "https://www.brand.example/offer?a=1&b=2"
SCANNER = (("User-Agent", "python-requests/2.32.3"), ("Accept", "*/*"))
HOUR = 3600.0


@pytest.fixture
def visited(here: Installation) -> Installation:
    """A scanner has swept Anna's links seconds after delivery; she came minutes later."""
    anna = here.mail("anna@example.com")
    ben = here.mail("ben@other.example")
    delivered = time.time() - 2 * HOUR
    here.ok("deliveries", "add", "spring", "--at", "-2h", "--source", "provider")
    here.visit(here.paths(anna), delivered + 20, SCANNER, peer="203.0.113.9")
    here.visit([here.path_to(OFFER, anna)], delivered + 1200)
    here.visit(here.paths(ben), delivered + 30, SCANNER, peer="203.0.113.9")
    return here


def test_a_click_is_listed_once_its_message_is_settled(visited: Installation) -> None:
    assert visited.ok("clicks", "--format", "jsonl").lines == []
    assert "Settled 2 messages." in visited.ok("settle").text
    (click,) = visited.ok("clicks", "--format", "jsonl").lines
    assert click["recipient"] == "anna@example.com"
    assert click["target"] == OFFER
    assert click["settled"] is True
    assert "Settled 0 messages." in visited.ok("settle").text


def test_the_feed_goes_on_behind_the_number_of_its_last_row(visited: Installation) -> None:
    visited.ok("settle")
    (row,) = visited.ok("feed", "--format", "jsonl").lines
    assert (row["kind"], row["recipient"], row["target"]) == ("click", "anna@example.com", OFFER)
    assert visited.ok("feed", "--after", str(row["number"]), "--format", "jsonl").lines == []
    (same,) = visited.ok("feed", "--after", str(row["number"] - 1), "--format", "jsonl").lines
    assert same == row


def test_a_human_visit_not_settled_yet_is_listed_on_request(visited: Installation) -> None:
    (click,) = visited.ok("clicks", "--provisional", "--format", "jsonl").lines
    assert click["settled"] is False


def test_the_journal_lists_every_visit_with_its_reasons(visited: Installation) -> None:
    visits = visited.ok("visits", "--format", "jsonl").lines
    machine = [visit for visit in visits if visit["verdict"] == "machine"]
    human = [visit for visit in visits if visit["verdict"] == "human"]
    assert len(human) == 1
    assert len(visits) == len(machine) + 1
    assert all(visit["reasons"] for visit in machine)
    assert [visit["visit_id"] for visit in visits] == sorted(visit["visit_id"] for visit in visits)


@pytest.mark.parametrize(
    ("filters", "people"),
    [
        (["--campaign", "spring"], {"anna@example.com", "ben@other.example"}),
        (["--recipient", "anna@example.com"], {"anna@example.com"}),
        (["--domain", "other.example"], {"ben@other.example"}),
        (["--verdict", "human"], {"anna@example.com"}),
        (["--since", "-1h"], set()),
        (["--until", "-1d"], set()),
        (["--since", "-3h", "--until", "now"], {"anna@example.com", "ben@other.example"}),
        (["--limit", "1"], {"anna@example.com"}),
        (["--after", "999999"], set()),
    ],
)
def test_the_journal_is_filtered(visited: Installation, filters: list[str], people: set[str]) -> None:
    visits = visited.ok("visits", *filters, "--format", "jsonl").lines
    assert {visit["recipient"] for visit in visits} == people


def test_clicks_are_filtered_by_link(visited: Installation) -> None:
    visited.ok("settle")
    links = visited.ok("campaign", "show", "spring", "--json").json["links"]
    for link in links:
        clicks = visited.ok("clicks", "--link", link["key"], "--format", "jsonl").lines
        assert len(clicks) == (link["target"] == OFFER)


def test_a_link_that_the_campaign_does_not_have_is_told(visited: Installation) -> None:
    visited.ok("settle")
    (key,) = {visit["key"] for visit in visited.ok("clicks", "--format", "jsonl").lines}
    found = visited.ok("clicks", "--campaign", "spring", "--link", key)
    assert (len(found.text.splitlines()), found.err) == (2, "")
    missed = visited.ok("clicks", "--campaign", "spring", "--link", "none")
    assert len(missed.text.splitlines()) == 1
    assert "has no link none" in missed.err


def test_a_pipe_gets_csv_and_a_terminal_a_table(visited: Installation) -> None:
    visited.ok("settle")
    piped, _ = visited.start("clicks", stdout=subprocess.PIPE).communicate()
    (row,) = csv.DictReader(io.StringIO(piped))
    assert row["recipient"] == "anna@example.com"
    shown = visited.on_terminal("stdout", "clicks")
    assert "Recipient" in shown
    assert "visit_id" not in shown


@pytest.mark.parametrize("listing", ["feed", "unsubscribes"])
def test_who_is_ahead_of_what_they_follow_is_told(visited: Installation, listing: str) -> None:
    """As after a backup was restored: they would wait, and miss what the numbers come to again."""
    visited.ok("settle")
    said = visited.fails(listing, "--after", "4711", "--format", "jsonl")
    assert "after: this store has not come so far" in said
    visited.ok("store", "skip-ids")
    assert visited.ok(listing, "--after", "4711", "--format", "jsonl").lines == []


def test_csv_of_unsubscribes_is_safe_in_a_spreadsheet(here: Installation) -> None:
    html = here.mail("=cmd@example.com")
    unsubscribe = next(
        link["key"]
        for link in here.ok("campaign", "show", "spring", "--json").json["links"]
        if link["kind"] == "unsubscribe"
    )
    path = next(path for path in here.paths(html) if path.endswith(unsubscribe))
    assert here.visit([path], time.time()) == ["unsubscribe"]
    assert here.ok("unsubscribes", "--format", "jsonl").lines == []
    assert here.visit([path], time.time(), method="POST") == ["unsubscribed"]
    (row,) = csv.DictReader(io.StringIO(here.ok("unsubscribes", "--format", "csv").text))
    assert row["recipient"] == "'=cmd@example.com"
    assert row["campaign"] == "spring"


def test_a_reader_that_stops_early_is_no_fault(visited: Installation) -> None:
    process = visited.start("visits", "--format", "csv", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait()


def test_all_faults_of_a_filter_are_told_at_once(here: Installation) -> None:
    told = here.fails("clicks", "--since", "soon", "--link", "nope!", "--limit", "many")
    assert {line.split(": ")[1] for line in told.splitlines()} == {"link", "since", "limit"}
    assert "no campaign" in here.fails("clicks", "--campaign", "autumn")


def test_a_table_says_that_there_is_more(visited: Installation) -> None:
    ran = visited.ok("visits", "--format", "table", "--limit", "3")
    assert len(ran.text.splitlines()) == 4


def test_whatever_bytes_a_visitor_sends_every_format_shows_the_visit(here: Installation) -> None:
    html = here.mail()
    hostile = (("User-Agent", "\x1b]0;owned\x07\udcff\udcfe \N{PILE OF POO}"), ("Accept", "=1+1"))
    here.visit(here.paths(html)[:1], time.time(), hostile)
    for form in ("csv", "jsonl", "table"):
        assert "anna@example.com" in here.ok("visits", "--format", form).text
    shown = here.on_terminal("stdout", "explain", "1", columns=80)
    assert "\x1b]0;" not in shown
    assert "\x1b]0;" not in here.ok("explain", "1").text


def test_a_click_that_late_knowledge_withdraws_is_listed_as_retracted(visited: Installation) -> None:
    visited.ok("settle")
    (click,) = visited.ok("clicks", "--format", "jsonl").lines
    assert visited.ok("clicks", "--retracted", "--format", "jsonl").lines == []
    # She came before the mail did: so it was no person.
    visited.ok(
        "deliveries", "add", "spring", "--recipient", "anna@example.com", "--at", "-90m", "--source", "mx"
    )
    visited.ok("settle")
    assert visited.ok("clicks", "--format", "jsonl").lines == []
    (row,) = visited.ok("clicks", "--retracted", "--format", "jsonl").lines
    assert row["visit_id"] == click["visit_id"]
    assert "timing.before-delivery" in row["reasons"]
    assert "--provisional" in visited.fails("clicks", "--retracted", "--provisional", code=2)


def test_the_error_about_an_impossible_delivery_time_says_which_are_possible(here: Installation) -> None:
    assert "less than a day ahead" in here.fails("deliveries", "add", "spring", "--at", "+3d")
