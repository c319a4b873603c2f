from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from claims.browsers import CHROME

from linkproxy.query.filters import format_time

if TYPE_CHECKING:
    from tests.cli.conftest import Installation

SCANNER = (("User-Agent", "python-requests/2.32.3"), ("Accept", "*/*"))


def scan(here: Installation, people: range, domain: str = "company.example") -> None:
    """Let a library follow the mail of some recipients, and settle."""
    for number in people:
        paths = here.paths(here.mail(f"person{number}@{domain}"))
        here.visit(paths, time.time() - 7200 + 60 * number, SCANNER, peer=f"198.18.{number}.1")
    here.ok("settle")


@pytest.fixture
def taught(here: Installation) -> Installation:
    scan(here, range(20))
    return here


def test_a_domain_that_twenty_recipients_taught_is_listed(taught: Installation) -> None:
    rows = {row["scope"]: row for row in taught.ok("profiles", "list", "--format", "jsonl").lines}
    assert set(rows) == {"domain", "mailed"}
    row = rows["domain"]
    assert (row["name"], row["recipients"]) == ("company.example", 20)
    assert (row["machines"], row["people"]) == (20.0, 0.0)
    assert row["shift"] > 0
    assert row["takes_bait"] == 1.0
    assert row["current_browsers"] == 0.0
    assert "company.example" in taught.ok("profiles", "list", "--format", "table").text


def test_one_profile_is_shown_in_words_and_as_json(taught: Installation) -> None:
    rows = taught.ok("profiles", "show", "company.example", "--json").json
    text = taught.ok("profiles", "show", "@Company.example").text
    for row in rows:
        assert f"machine share       {row['machine_share']}" in text
        assert f"shift               {row['shift']}" in text


def test_each_profile_of_a_domain_is_shown_however_it_is_written(taught: Installation) -> None:
    begun, told = time.time() - 7200, ["recipient,delivered_at,source"]
    for number in range(20):
        who, at = f"person{number}@company.example", begun + 60 * number
        paths = taught.paths(taught.mail(who, "summer"))
        taught.visit(paths[1:2], at + 40, CHROME, peer=f"198.18.{number}.1")
        told.append(f"{who},{format_time(at)},mx")
    taught.write("told.csv", "\n".join(told))
    taught.ok("deliveries", "add", "summer", "--csv", "told.csv")
    taught.ok("settle")
    rows = taught.ok("profiles", "show", " @Company.example.", "--json").json
    assert {row["scope"] for row in rows} == {"domain", "mailed", "early"}
    assert "there is no profile of @:" in taught.fails("profiles", "show", "@")


def test_explain_says_where_the_prior_comes_from(taught: Installation) -> None:
    newcomer = taught.paths(taught.mail("late@company.example"))
    taught.visit(newcomer[:1], time.time())
    (visit,) = taught.ok("visits", "--recipient", "late@company.example", "--format", "jsonl").lines
    text = taught.ok("explain", visit["visit_id"]).text
    assert "-3.5 marketing mail: as the policy states it" in text
    assert "domain company.example: learned: 20 messages followed by a machine, 0 by a person" in text
    found = taught.ok("explain", visit["visit_id"], "--json").json
    assert round(sum(part["weight"] for part in found["prior_parts"]), 1) == found["first"]["prior"]


def test_explain_names_a_domain_nearly_all_of_whose_mail_is_visited(here: Installation) -> None:
    for number in range(22):
        paths = here.paths(here.mail(f"person{number}@company.example"))
        here.visit(paths[1:2], time.time() - 7200 + 60 * number, CHROME, peer=f"198.18.{number}.1")
    here.ok("settle")
    here.visit(here.paths(here.mail("late@company.example"))[1:2], time.time(), CHROME)
    (visit,) = here.ok("visits", "--recipient", "late@company.example", "--format", "jsonl").lines
    text = here.ok("explain", visit["visit_id"]).text
    assert "in-step.nearly-all" in text
    assert "22 messages visited of 22 that the domain can have had" in text
    rows = here.ok("profiles", "list", "--format", "jsonl").lines
    assert [row["machines"] for row in rows if row["scope"] == "mailed"] == [22.0]


def test_explain_does_not_explain_a_prior_by_a_policy_that_was_not_there(
    taught: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = taught.write("mine.toml", "[prior]\nmarketing = -4.0\n")
    monkeypatch.setenv("LINKPROXY__JUDGE__POLICY_FILE", str(path))
    text = taught.ok("explain", 1).text
    assert "by another policy than the present one" in text


def test_what_was_never_taught_or_by_too_few_is_said_so(here: Installation) -> None:
    scan(here, range(2))
    assert here.ok("profiles", "list", "--format", "jsonl").lines == []
    assert "fewer than 20 of its recipients" in here.fails("profiles", "show", "company.example")
    assert "is a freemail domain" in here.fails("profiles", "show", "gmail.com")


def test_old_lessons_are_purged(taught: Installation) -> None:
    assert "domain profiles" in taught.ok("purge", "--dry-run").text
    before = taught.ok("profiles", "list", "--format", "jsonl").lines
    taught.ok("purge", "--domain-profiles-days", "1")
    after = taught.ok("profiles", "list", "--format", "jsonl").lines
    assert [row["scope"] for row in after] == [row["scope"] for row in before] != []
