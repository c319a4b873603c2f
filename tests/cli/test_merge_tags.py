"""Merge-tag mode from list to unsubscribe: references signed, links rewritten, filled in, pressed."""

from __future__ import annotations

import csv
import io
import re
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from linkproxy.model import AnswerKind

if TYPE_CHECKING:
    from tests.cli.conftest import Installation

PAGES = sorted((Path(__file__).parents[2] / "docs" / "mailers").glob("*.md"))
CONSOLE = re.compile(r"^ *```console\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SHOWN = b'<p><a href="https://www.brand.example/spring">www.brand.example</a> <a href="https://www.brand.example/x">x</a></p>'


@pytest.fixture
def spring(here: Installation) -> Installation:
    here.ok("campaign", "add", "spring")
    here.write("list.csv", "email,id\nada@people.example,K-1\n")
    return here


def signed_reference(here: Installation) -> str:
    out = here.ok("recipients", "sign", "list.csv").out.decode()
    return next(csv.DictReader(io.StringIO(out)))["linkproxy"]


def test_who_has_a_signed_reference_can_unsubscribe_at_linkproxy(spring: Installation) -> None:
    html = spring.ok(
        "rewrite", "newsletter.html", "--campaign", "spring", "--merge-tag", "*|LP|*", "--signed", "--quiet"
    ).out
    sent = html.replace(b"*|LP|*", signed_reference(spring).encode())
    links = spring.ok("campaign", "show", "spring", "--json").json["links"]
    key = next(link["key"] for link in links if link["kind"] == "unsubscribe")
    path = next(path for path in spring.paths(sent) if path.split("/")[2] == key)
    now = time.time()
    assert spring.visit([path], now) == [AnswerKind.UNSUBSCRIBE]
    assert spring.visit([path], now + 5, method="POST") == [AnswerKind.UNSUBSCRIBED]
    assert "K-1" in spring.ok("unsubscribes", "--format", "csv").text


def test_without_signed_the_unsubscribe_link_stays_the_mails_own(spring: Installation) -> None:
    html = spring.ok(
        "rewrite", "newsletter.html", "--campaign", "spring", "--merge-tag", "*|LP|*", "--quiet"
    ).out
    assert b'<a data-linkproxy="unsubscribe" href="">' in html
    links = spring.ok("campaign", "show", "spring", "--json").json["links"]
    assert "unsubscribe" not in {link["kind"] for link in links}


def test_signed_is_about_a_merge_tag(spring: Installation) -> None:
    told = spring.fails(
        "rewrite", "newsletter.html", "--campaign", "spring", "--recipient", "K-1", "--signed", code=2
    )
    assert "--signed is about the references of a --merge-tag" in told


def test_a_message_with_signed_references_carries_the_tag_in_its_header(here: Installation) -> None:
    here.ok("campaign", "add", "spring", "--base-url", "https://click.brand.example")
    here.write(
        "mail.eml",
        b"From: news@brand.example\r\nContent-Type: text/html\r\n\r\n<a href='https://www.brand.example/'>x</a>\r\n",
    )
    command = ["rewrite", "mail.eml", "--campaign", "spring", "--merge-tag", "*|LP|*", "--list-unsubscribe"]
    ran = here.ok(*command, "--signed")
    [header] = [line for line in ran.out.split(b"\r\n") if line.startswith(b"List-Unsubscribe:")]
    assert header.startswith(b"List-Unsubscribe: <https://click.brand.example/")
    assert header.endswith(b"/*|LP|*>")
    assert b"List-Unsubscribe" not in here.ok(*command).out


def test_links_that_show_their_url_stay_as_they_are_when_the_campaign_says_so(here: Installation) -> None:
    here.write("shown.html", SHOWN)
    here.ok("campaign", "add", "true", "--leave-shown-urls")
    ran = here.ok("rewrite", "shown.html", "--campaign", "true", "--recipient", "K-1")
    assert b'href="https://www.brand.example/spring">www.brand.example</a>' in ran.out
    assert b"https://www.brand.example/x" not in ran.out
    assert "shown url" in ran.err
    here.ok("campaign", "add", "all")
    plain = here.ok("rewrite", "shown.html", "--campaign", "all", "--recipient", "K-1").out
    assert b"https://www.brand.example/spring" not in plain


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_commands_of_a_mailers_page_run_as_they_stand(here: Installation, page: Path) -> None:
    here.write("contacts.csv", "id,email,name\nK-1,ada@people.example,Ada\n")
    here.write("template.html", SHOWN)
    tags = set()
    for command in "".join(CONSOLE.findall(page.read_text("utf-8"))).splitlines():
        words = shlex.split(command.partition(" > ")[0])
        ran = here.ok(*words[1:])
        if "--merge-tag" in words:
            tags.add(tag := words[words.index("--merge-tag") + 1])
            assert ran.out.count(f"/{tag}".encode()) == 4  # two links, two bait
    assert tags
    [row] = csv.DictReader(io.StringIO((here.folder / "signed.csv").read_text()))
    assert row["lp"].startswith("K-1.")
