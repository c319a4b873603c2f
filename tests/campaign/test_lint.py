"""Lint: every finding with its example in docs/lint.md, and what must not be found."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.campaign.hosts import organisation, same_organisation, shown_host
from linkproxy.campaign.lint import CHECKS, MOST_OF_ONE, Severity, is_message, lint_html, lint_message
from linkproxy.model import Campaign, CampaignId, CampaignKind

ROOT = Path(__file__).parents[2]
MAILS = ROOT.parent / "shared" / "samples" / "mail"
SAMPLES = MAILS / "eml"
PAGE = (ROOT / "docs" / "lint.md").read_text("utf-8")
CAMPAIGN = Campaign(CampaignId(0), "spring", base_url="https://click.brand.example")
LEAVE = '<a href="https://www.brand.example/unsubscribe">Unsubscribe</a>'


def sections() -> list[tuple[str, str]]:
    parts = re.split(r"^## (\w+)\n", PAGE, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def names(html: str, campaign: Campaign | None = CAMPAIGN, sender: str = "") -> set[str]:
    return {finding.check.name for finding in lint_html((html + LEAVE).encode(), campaign, sender=sender)}


def names_of_message(raw: str, campaign: Campaign | None = CAMPAIGN) -> set[str]:
    return {finding.check.name for finding in lint_message(raw.encode(), campaign)}


def test_the_page_has_every_check_in_its_order() -> None:
    assert [name for name, _ in sections()] == [check.name for check in CHECKS]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_every_check_is_on_the_page_with_an_example_that_shows_it(check) -> None:
    text = dict(sections())[check.name]
    assert text.strip().startswith(f"{check.severity.name.lower()}. {check.reason}\n\n{check.advice}\n")
    blocks = re.findall(r"```(\w*)\n(.*?)\n```", text, re.DOTALL)
    shown = blocks[-1][1]
    base = re.search(r"with the base URL `(.*)`", text)
    campaign = replace(CAMPAIGN, base_url=base[1]) if base else CAMPAIGN
    if check.name == "oversize":
        blocks.insert(0, ("html", "<p>" + "x" * (110_000 - 7) + "</p>"))
    form, example = blocks[0]
    look = lint_message if form == "eml" else lint_html
    found = [finding.detail for finding in look(example.encode(), campaign) if finding.check is check]
    assert found == [shown]


def test_an_ordinary_message_has_no_findings() -> None:
    assert not names_of_message(
        "From: Brand <news@brand.example>\nMIME-Version: 1.0\n"
        "List-Unsubscribe: <https://www.brand.example/leave/1>\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\n"
        "Content-Type: multipart/alternative; boundary=cut\n\n"
        "--cut\nContent-Type: text/plain\n\nSpring: https://www.brand.example/spring\n"
        f"--cut\nContent-Type: text/html; charset=utf-8\n\n<a href='https://www.brand.example/'>Spring</a>{LEAVE}\n"
        "--cut--\n"
    )


def test_findings_come_worst_first_and_name_the_place_of_their_link() -> None:
    html = f'<a href="http://www.brand.example/">a</a><a href="/b">b</a>{LEAVE}'
    found = [
        (finding.check.name, finding.check.severity, finding.position) for finding in lint_html(html.encode())
    ]
    assert found == [("relative_target", Severity.ERROR, 1), ("plain_http", Severity.WARNING, 0)]


def test_a_tracking_host_under_the_senders_organisation_is_aligned() -> None:
    link = '<a href="https://www.brand.example/">x</a>'
    assert "tracking_not_aligned" not in names(link, sender="news.brand.example")
    assert "tracking_not_aligned" in names(link, sender="shop.example")
    assert "tracking_not_aligned" not in names(link, None, sender="shop.example")


def test_organisations_are_told_by_the_public_suffix_list() -> None:
    assert organisation("Click.Brand.co.uk.") == "brand.co.uk"
    assert not same_organisation("a.github.io", "b.github.io")
    assert organisation("192.0.2.1") == "192.0.2.1"
    assert organisation("co.uk") == "co.uk"


@pytest.mark.parametrize(
    "text", ["Node.js", "version 2.0", "1.5", "ada@brand.example", "Read brand.com now", ""]
)
def test_words_with_a_dot_are_not_taken_for_a_url(text: str) -> None:
    assert not shown_host(text)


@pytest.mark.parametrize("text", ["https://Brand.example/a", "www.brand.example", "brand.example:8080/x"])
def test_a_shown_url_gives_its_host(text: str) -> None:
    expected = "" if text.startswith("brand.example") else "brand.example"
    assert shown_host(text) == expected
    assert shown_host(text.replace(".example", ".com")) == "brand.com"


def test_a_link_that_is_left_alone_may_show_its_url() -> None:
    shown = 'href="https://www.brand.example/">www.brand.example</a>'
    assert "shown_url_tracked" in names(f"<a {shown}")
    assert "shown_url_tracked" not in names(f'<a data-linkproxy="off" {shown}')
    assert "shown_url_tracked" not in names(f"<a {shown}", replace(CAMPAIGN, leave_shown_urls=True))
    assert "shown_url_tracked" not in names(f"<a {shown}", None)


@pytest.mark.parametrize("host", ["0x7f.1", "3232235777", "[2001:db8::1]", "192.0.2.1:8080"])
def test_an_address_is_one_in_any_spelling(host: str) -> None:
    assert "ip_host" in names(f'<a href="https://{host}/">x</a>')


@pytest.mark.parametrize(
    "target", ["htps://www.brand.example/", "hhttp://x.example", "mailto:", "C:\\spring.pdf", "data:,x"]
)
def test_a_mistyped_scheme_leads_nowhere(target) -> None:
    assert names(f'<a href="{target}">Spring</a>') == {"empty_target"}


@pytest.mark.parametrize(
    "target", ["ssh://x.example", "sms:+49301", "webcal://x.example/a.ics", "tel:+49301"]
)
def test_schemes_that_apps_open_are_no_mistakes(target) -> None:
    assert "empty_target" not in names(f'<a href="{target}">Spring</a>')


@pytest.mark.parametrize("target", ["", "#", " # ", "javascript:void(0)", "file:///C:/spring.pdf"])
def test_a_placeholder_for_a_link_is_named_unless_it_is_meant(target) -> None:
    assert names(f'<a href="{target}">Spring</a>') == {"empty_target"}
    assert names(f'<a href="{target}">Unsubscribe</a>') == {"empty_target"}
    assert names(f'<a href="{target}" data-linkproxy="off">Spring</a>') == set()
    assert names(f'<a href="{target}" data-linkproxy="unsubscribe">Leave</a>') == set()
    assert names('<a name="top"></a><a href="#top">Up</a><a href="tel:+1">Call</a>') == set()


@pytest.mark.parametrize("host", ["https:", "intranet", "localhost:3000", "shop.local", "staging.brand.test"])
def test_a_host_that_nobody_outside_knows_is_named(host) -> None:
    assert names(f'<a href="https://{host}/spring">Spring</a>') == {"local_host"}


def test_a_transactional_mail_needs_no_way_to_unsubscribe() -> None:
    raw = "From: shop@brand.example\nContent-Type: text/plain\n\nYour order: https://www.brand.example/o\n"
    receipts = replace(CAMPAIGN, kind=CampaignKind.TRANSACTIONAL)
    assert {"no_unsubscribe_link", "no_unsubscribe_header"} <= names_of_message(raw)
    assert not names_of_message(raw, receipts)


def test_the_header_that_a_campaign_adds_is_not_missed_unless_it_cannot_be_added() -> None:
    raw = "From: news@brand.example\nContent-Type: text/plain\n\nSpring\n"
    adds = replace(CAMPAIGN, list_unsubscribe=True)
    assert "no_unsubscribe_header" not in names_of_message(raw, adds)
    http = replace(adds, base_url="http://click.brand.example")
    assert {"no_unsubscribe_header", "tracking_plain_http"} <= names_of_message(raw, http)


def test_a_message_of_too_many_parts_is_unreadable() -> None:
    raw = "Content-Type: multipart/mixed; boundary=b\n\n" + "--b\n\n" * 1025
    found = {finding.check.name: finding.detail for finding in lint_message(raw.encode(), CAMPAIGN)}
    assert found["unreadable"] == "a message of more than 1,024 parts"


def test_a_merge_tag_that_unsubscribes_is_a_way_to_unsubscribe() -> None:
    html = '<a href="https://www.brand.example/">x</a> <a href="{{ unsubscribe_url }}">Leave</a>'
    assert "no_unsubscribe_link" not in {finding.check.name for finding in lint_html(html.encode(), CAMPAIGN)}


def test_a_tag_in_square_brackets_stays_untracked_and_leads_somewhere() -> None:
    assert "merge_tag_inside" in names('<a href="https://www.brand.example/?name=[FIRSTNAME]">x</a>')
    assert not {"relative_target", "merge_tag_inside"} & names('<a href="[MIRROR]">In the browser</a>')


@pytest.mark.parametrize("kind", ["html", "plain"])
def test_a_text_with_an_openpgp_block_is_signed_already(kind) -> None:
    raw = f"Content-Type: text/{kind}\n\n-----BEGIN PGP SIGNED MESSAGE-----\nhttps://www.brand.example/\n"
    assert "already_signed" in names_of_message(raw)


def test_utf_16_without_a_label_is_named() -> None:
    found = lint_html("<p>Spring</p>".encode("utf-16"), CAMPAIGN)
    assert "text/html in the charset utf-16" in [finding.detail.removesuffix("-le") for finding in found]


def test_a_merge_tag_in_a_mail_address_is_no_untracked_link() -> None:
    assert "merge_tag_inside" not in names('<a href="mailto:{{ name }}@brand.example">Write</a>')
    assert "merge_tag_inside" in names('<a href="//{{ host }}/x">x</a>')


def test_what_may_be_a_merge_tag_and_is_tracked_is_named():
    for part in ("$name", "u/$userId?x=1", "?u=__id__&amp;x=1", "*id*/x", "x/$user_id#top"):
        assert "may_be_merge_tag" in names(f'<a href="https://www.brand.example/{part}">x</a>')
    for url in (
        "https://cash.app/$brand",
        "https://www.brand.example/odata/$metadata",
        "https://www.brand.example/db.nsf/0/AB12/$FILE/a.pdf",
        "https://www.brand.example/Outer$Inner.html?price=1$",
        "https://www.brand.example/a__b__c/*/x",
        "https://www.brand.example/$_57.JPG?x=1",
    ):
        assert "may_be_merge_tag" not in names(f'<a href="{url}">x</a>')


def test_a_picture_in_the_text_is_no_attachment_and_an_attached_one_is() -> None:
    def related(disposition: str) -> str:
        return (
            "From: a@brand.example\nContent-Type: multipart/related; boundary=cut\n\n"
            "--cut\nContent-Type: text/html\n\n<img src='cid:1'>\n"
            f"--cut\nContent-Type: image/png\nContent-ID: <1>\nContent-Disposition: {disposition}\n\nx\n--cut--\n"
        )

    assert "attachment" not in names_of_message(related("inline; filename=logo.png"))
    assert "attachment" in names_of_message(related("attachment; filename=logo.png"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("=?utf-8?q?Fr=C3=BChling=2Epdf?=", "Frühling.pdf"),
        ("Frühling.pdf", "Frühling.pdf"),
        # Encoded in what is no charset, or not encoded at all.
        ("=?ütf-8?q?a?=", "=?ütf-8?q?a?="),
        ("=?nosuch?q?a?=", "=?nosuch?q?a?="),
        ("=?utf-8?b?x?=", "=?utf-8?b?x?="),
    ],
)
def test_a_file_is_named_as_a_person_reads_its_name(name: str, shown: str) -> None:
    raw = (
        "From: a@brand.example\nContent-Type: multipart/mixed; boundary=cut\n\n--cut\n\nx\n--cut\n"
        f'Content-Type: application/pdf; name="{name}"\n\nx\n--cut--\n'
    )
    [finding] = [found for found in lint_message(raw.encode()) if found.check.name == "attachment"]
    assert finding.detail == shown


def test_words_before_a_url_in_plain_text_are_no_host_that_it_shows() -> None:
    raw = "From: a@brand.example\n\nwww.brand.example\nhttps://shop.example/\n"
    assert "shown_url_differs" not in names_of_message(raw)


def test_of_a_link_that_nobody_can_follow_nothing_else_is_said() -> None:
    assert names('<a href="http://user@192.168.0.1/">x</a>') & {"invalid_target", "ip_host"} == {
        "invalid_target"
    }


def test_one_check_fills_no_report_by_itself() -> None:
    html = '<a href="http://www.brand.example/">x</a>' * (MOST_OF_ONE + 20)
    found = [finding for finding in lint_html(html.encode()) if finding.check.name == "plain_http"]
    assert len(found) == MOST_OF_ONE


def test_a_message_is_told_from_html() -> None:
    assert is_message(b"From: a@brand.example\n\n<p>x</p>")
    assert not is_message(b"<!DOCTYPE html>\n<p>From: here</p>")
    assert not is_message(b"Dear reader, ...")


@settings(max_examples=150)
@given(st.binary(max_size=400))
def test_no_bytes_make_it_fail(raw: bytes) -> None:
    lint_message(raw, CAMPAIGN)
    lint_message(
        b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: text/html\n\n" + raw, CAMPAIGN
    )
    lint_html(raw, CAMPAIGN)
    is_message(raw)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample mails are not here")
def test_real_mails_are_looked_at_without_fault() -> None:
    files = sorted(SAMPLES.glob("*.eml"))
    found = {finding.check.name for path in files for finding in lint_message(path.read_bytes(), CAMPAIGN)}
    assert found <= {check.name for check in CHECKS}
    assert {"plain_http", "shortener", "already_signed", "attachment"} <= found


@pytest.mark.skipif(not MAILS.is_dir(), reason="the sample mails are not here")
def test_the_page_tells_in_how_many_sample_mails_each_check_finds_something() -> None:
    looks = {".eml": lint_message, ".html": lint_html}
    files = [file for file in MAILS.rglob("*") if file.suffix in looks]
    found = Counter(
        name
        for file in files
        for name in {finding.check.name for finding in looks[file.suffix](file.read_bytes(), CAMPAIGN)}
    )
    assert f"In {len(files)} mails" in PAGE
    told = re.findall(r"^\| (\w+) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert {name: int(count) for name, count in told} == found
