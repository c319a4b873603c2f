from __future__ import annotations

import json
import re
import stat
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Installation

DAY = 86400.0


def test_deliveries_of_a_campaign_a_recipient_and_a_list_are_recorded(here: Installation) -> None:
    here.mail()
    told = here.ok("deliveries", "add", "spring").text
    assert told == "Recorded 1 of 1 for campaign spring as a whole.\n"
    assert (
        "Recorded 1 of 1"
        in here.ok(
            "deliveries",
            "add",
            "spring",
            "--recipient",
            "anna@example.com",
            "--at",
            "-5m",
            "--source",
            "smarthost",
        ).text
    )
    here.write(
        "accepted.csv", "email,at,source\nanna@example.com,2026-05-01T09:30:00Z,mx\nben@example.com,,\n"
    )
    assert "Recorded 2 of 2" in here.ok("deliveries", "add", "spring", "--csv", "accepted.csv").text


def test_a_less_exact_source_does_not_replace_a_better_one(here: Installation) -> None:
    here.mail()
    here.ok("deliveries", "add", "spring", "--recipient", "anna@example.com", "--source", "mx")
    later = here.ok("deliveries", "add", "spring", "--recipient", "anna@example.com", "--source", "smarthost")
    assert "Recorded 0 of 1" in later.text


def test_bad_lines_of_deliveries_are_named_and_stop_all_or_are_skipped(here: Installation) -> None:
    here.mail()
    here.write(
        "accepted.csv",
        "email,at,source\na@example.com,soon,mx\nb@example.com,-5m,pigeon\nc@example.com,-5m,mx\n",
    )
    told = here.fails("deliveries", "add", "spring", "--csv", "accepted.csv")
    assert "accepted.csv: line 2: at: " in told
    assert "accepted.csv: line 3: source: " in told
    assert "nothing was recorded" in told
    skipped = here.run("deliveries", "add", "spring", "--csv", "accepted.csv", "--on-error", "skip")
    assert skipped.code == 1
    assert "Recorded 1 of 1" in skipped.text


@pytest.mark.parametrize("at", ["soon", "9999-01-01", "1960-01-01"])
def test_a_time_at_which_nothing_can_have_been_accepted_is_refused(here: Installation, at: str) -> None:
    assert "--at" in here.fails("deliveries", "add", "spring", "--at", at)


@pytest.mark.parametrize("source", ["mx", "provider", "smarthost"])
def test_mail_that_was_accepted_hours_from_now_is_a_time_without_its_offset(
    here: Installation, source: str
) -> None:
    """A morning in Europe, told as UTC: every click until then would be one before delivery."""
    here.ok("campaign", "add", "spring")
    here.write("accepted.csv", f"email,at,source\na@example.com,+2h,{source}\nb@example.com,+2m,{source}\n")
    told = here.fails("deliveries", "add", "spring", "--csv", "accepted.csv")
    assert "accepted.csv: line 2: at: " in told
    assert "120 minutes ahead" in told
    assert "without an offset is UTC" in told
    assert "line 3" not in told
    assert "--at: " in here.fails("deliveries", "add", "spring", "--at", "+2h", "--source", source)
    assert "Recorded 1 of 1" in here.ok("deliveries", "add", "spring", "--at", "+2h").text


def test_what_is_known_about_a_recipient_is_exported_and_erased(here: Installation) -> None:
    html = here.mail()
    here.visit(here.paths(html)[:1], time.time())
    exported = here.ok("recipients", "export", "anna@example.com").json
    assert exported["recipient"]
    assert exported["visit"]
    here.ok("recipients", "export", "anna@example.com", "--out", "anna.json")
    assert json.loads((here.folder / "anna.json").read_text())["recipient"] == exported["recipient"]
    assert stat.S_IMODE((here.folder / "anna.json").stat().st_mode) == 0o600
    assert "nothing changed" in here.fails("recipients", "erase", "anna@example.com", stdin=b"n\n")
    assert "visit 1" in here.ok("recipients", "erase", "anna@example.com", "--yes").text
    assert "no recipient" in here.fails("recipients", "export", "anna@example.com")
    assert here.ok("visits", "--format", "jsonl").lines == []


def test_who_does_not_want_to_be_tracked_is_not(here: Installation) -> None:
    here.mail()
    for whom, answer, told in (
        ("anna@example.com", "no", "off for anna@example.com (known recipients: 1)"),
        ("@Example.com", "yes", "on for @example.com (known recipients: 1)"),
        ("@new.example", "no", "off for @new.example (known recipients: 0)"),
    ):
        assert told in here.ok("recipients", "track", whom, answer).text
    assert "no recipient" in here.fails("recipients", "track", "nobody@example.com", "no")


def test_a_purge_removes_what_is_older_than_asked_and_says_what(here: Installation) -> None:
    html = here.mail()
    here.visit(here.paths(html)[:1], time.time() - 40 * DAY)
    here.ok("settle")
    assert "Nothing is old enough" in here.ok("purge").text
    shown = here.ok("purge", "--journal-days", "30", "--clicks-days", "0", "--dry-run").text
    assert "kept for good" in shown
    assert re.search(r"^journal +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", shown, re.MULTILINE), shown
    assert len(here.ok("visits", "--format", "jsonl").lines) == 1
    assert "Steps done" in here.on_terminal("stderr", "purge")
    assert here.ok("purge", "--journal-days", "30").text.startswith("Removed 1 visit")
    assert here.ok("visits", "--format", "jsonl").lines == []


def test_an_api_key_is_shown_once_listed_by_name_and_removed(here: Installation) -> None:
    ran = here.ok("keys", "add", "shop")
    key = ran.text.strip()
    assert key.startswith("lpk_")
    assert "Authorization: Bearer" in ran.err
    listed = here.ok("keys", "list").text
    assert "shop" in listed
    assert key not in listed
    here.fails("keys", "add", "shop")
    here.ok("keys", "remove", "shop")
    assert "keys list" in here.fails("keys", "remove", "shop")
    assert "keys add" in here.ok("keys", "list").err


def test_what_an_api_key_may_is_chosen_and_listed(here: Installation) -> None:
    here.ok("keys", "add", "admin")
    here.ok("keys", "add", "provider", "--may", "deliver")
    listed = here.ok("keys", "list").text
    assert re.search(r"^admin +everything ", listed, re.MULTILINE), listed
    assert re.search(r"^provider +deliver ", listed, re.MULTILINE), listed
    assert (
        "Sign in to the dashboard with it, or send it as"
        in here.ok("keys", "add", "mia", "--may", "read").err
    )
    told = here.fails("keys", "add", "x", "--may", "all", code=2)
    assert "'everything', 'read', 'send', 'deliver', 'engage'" in told


def test_the_database_holds_no_api_key_in_the_clear(here: Installation) -> None:
    key = here.ok("keys", "add", "shop").text.strip()
    for path in here.folder.glob("linkproxy.db*"):
        assert key.encode() not in path.read_bytes()


def test_signing_keys_rotate_and_links_of_the_old_key_still_work(here: Installation) -> None:
    before = here.mail()
    here.ok("signing-keys", "rotate")
    after = here.mail()
    assert here.paths(before) != here.paths(after)
    assert len(here.visit([*here.paths(before)[:1], *here.paths(after)[:1]], time.time())) == 2
    path = here.folder / "signing-keys.txt"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first, second = here.ok("signing-keys", "list").text.splitlines()[1:]
    assert "signs" in first
    assert "is read" in second
    assert "spring" in second


def test_a_key_that_live_mail_carries_is_removed_by_force_only(here: Installation) -> None:
    here.mail()
    (row,) = here.ok("signing-keys", "list").text.splitlines()[1:]
    old = row.split()[0]
    assert "only one" in here.fails("signing-keys", "remove", old)
    here.ok("signing-keys", "rotate")
    kept = (here.folder / "signing-keys.txt").read_text()
    assert "spring" in here.fails("signing-keys", "remove", old)
    assert (here.folder / "signing-keys.txt").read_text() == kept
    here.ok("signing-keys", "remove", old, "--force")
    assert "there is no signing key" in here.fails("signing-keys", "remove", old)


def test_signing_keys_that_stand_in_the_environment_are_not_rewritten(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINKPROXY__SIGNING__KEYS", (here.folder / "signing-keys.txt").read_text())
    assert "signing.keys_file" in here.fails("signing-keys", "rotate")
