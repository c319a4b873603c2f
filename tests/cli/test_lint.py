"""`linkproxy lint`: files, folders, messages; text, JSON and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Installation

GOOD = '<p><a href="https://www.brand.example/">Spring</a> <a href="https://www.brand.example/leave">Unsubscribe</a></p>'
WARNED = GOOD.replace('https://www.brand.example/"', 'http://www.brand.example/"')
WRONG = GOOD.replace('https://www.brand.example/"', '/spring"')


def test_a_mail_in_order_ends_with_0_and_says_so(here: Installation) -> None:
    here.write("good.html", GOOD)
    ran = here.ok("lint", "good.html", "--fail-on", "warning")
    assert ran.out == b""
    assert ran.err == "Nothing found in 1 mail.\n"


@pytest.mark.parametrize(
    ("html", "fail_on", "code"),
    [
        (WARNED, "error", 0),
        (WARNED, "warning", 1),
        (WRONG, "error", 1),
        (WRONG, "never", 0),
    ],
)
def test_the_exit_code_goes_by_the_worst_finding(
    here: Installation, html: str, fail_on: str, code: int
) -> None:
    here.write("mail.html", html)
    assert here.run("lint", "mail.html", "--fail-on", fail_on).code == code


def test_text_has_severity_place_reason_and_advice(here: Installation) -> None:
    here.write("mail.html", WARNED)
    text = here.ok("lint", "mail.html").text
    assert text.splitlines() == [
        "mail.html: warning: plain_http",
        "  Browsers call http insecure, and anybody on the way can read and change it.",
        "  Link to the https address.",
        "    link 1: http://www.brand.example/",
    ]


def test_a_folder_is_looked_through_for_html_and_messages(here: Installation) -> None:
    here.write("ready/a.html", GOOD)
    here.write("ready/sub/b.EML", "From: news@brand.example\n\nSpring is here.\n")
    here.write("ready/notes.txt", WRONG)
    told = here.ok("lint", "ready", "--json").json
    assert [item["file"] for item in told] == ["ready/a.html", "ready/sub/b.EML"]
    assert told[0]["findings"] == []
    assert {item["check"] for item in told[1]["findings"]} == {"no_unsubscribe_link", "no_unsubscribe_header"}
    assert told[1]["findings"][0]["position"] is None
    here.write("empty/notes.txt", "")
    assert "no .html, .htm or .eml file" in here.fails("lint", "empty")


def test_standard_input_may_be_html_or_a_message(here: Installation) -> None:
    html = here.run("lint", "-", "--json", stdin=WRONG.encode())
    assert [item["check"] for item in html.json[0]["findings"]] == ["relative_target"]
    message = here.run("lint", "-", "--json", stdin=b"From: a@brand.example\n\nSpring is here.\n")
    assert "no_unsubscribe_header" in {item["check"] for item in message.json[0]["findings"]}


def test_a_file_of_another_name_may_be_html_or_a_message(here: Installation) -> None:
    """As for `rewrite`: its first lines tell."""
    here.write("letter", "From: a@brand.example\n\nSpring is here.\n")
    told = here.run("lint", "letter", "--json").json
    assert "no_unsubscribe_header" in {item["check"] for item in told[0]["findings"]}


def test_a_file_named_txt_is_a_plain_text(here: Installation) -> None:
    here.write(
        "mail.txt", "Spring: http://www.brand.example/\n\nUnsubscribe: https://www.brand.example/leave\n"
    )
    told = here.ok("lint", "mail.txt", "--json").json
    assert [finding["check"] for finding in told[0]["findings"]] == ["plain_http"]


def test_a_campaign_tells_where_tracked_links_are_and_what_the_mail_is_for(here: Installation) -> None:
    here.write("mail.html", '<a href="https://www.shop.example/">Your order</a>')
    here.ok(
        "campaign", "add", "receipts", "--kind", "transactional", "--base-url", "https://click.shop.example"
    )
    assert here.ok("lint", "mail.html", "--campaign", "receipts", "--from", "shop.example").out == b""
    text = here.ok("lint", "mail.html", "--campaign", "receipts", "--from", "news@brand.example").text
    assert "links on click.shop.example, From at brand.example" in text
    refused = here.fails("lint", "mail.html", "--campaign", "receipts", "--from", "foo bar")
    assert "--from: 'foo bar' is not a mail domain" in refused


def test_a_base_url_stands_for_a_campaign_that_is_not_there_yet(here: Installation) -> None:
    here.write("mail.html", GOOD)
    assert (
        "tracking_plain_http" in here.ok("lint", "mail.html", "--base-url", "http://click.brand.example").text
    )
    assert "--base-url:" in here.fails("lint", "mail.html", "--base-url", "click.brand.example")
    assert "not both" in here.fails(
        "lint", "mail.html", "--base-url", "https://a.example", "--campaign", "x", code=2
    )
    assert "there is no campaign 'none'" in here.fails("lint", "mail.html", "--campaign", "none")


def test_lint_changes_nothing_and_needs_no_campaign_in_the_store(here: Installation) -> None:
    given = here.write("mail.html", WRONG).read_bytes()
    here.run("lint", "mail.html")
    assert (here.folder / "mail.html").read_bytes() == given
    assert not (here.folder / "linkproxy.db").exists()
