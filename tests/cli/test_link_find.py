"""``linkproxy link find``: a reader sends the link that led to a strange page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from cli.conftest import SPRING

if TYPE_CHECKING:
    from cli.conftest import Installation

HOST = "http://localhost:8080"
WRAPPED = (
    "https://urldefense.com/v3/__http://localhost:8080{}__;!!AbC!dEf$",
    "https://eur01.safelinks.protection.outlook.com/?url=http%3A%2F%2Flocalhost%3A8080{}&data=05%7C02%7C&reserved=0",
    "https://filter.example/?a=https%3A%2F%2Fother.example{}",
)
"""As filters of recipients put links behind their own."""


@pytest.fixture
def path(here: Installation) -> str:
    return here.path_to(SPRING, here.mail("anna@example.com"))


def test_a_link_is_told_with_campaign_target_and_recipient_and_nothing_is_journalled(
    here: Installation, path: str
) -> None:
    key = path.split("/")[2]
    assert here.ok("link", "find", HOST + path).text.splitlines() == [
        "Campaign   spring",
        f"Link       {key}, content, body",
        f"Leads to   {SPRING}",
        "Recipient  anna@example.com",
        "Visits     linkproxy visits --campaign spring --recipient anna@example.com",
    ]
    assert here.ok("visits", "--format", "jsonl").lines == []


@pytest.mark.parametrize(
    "spelt",
    [
        "{}",
        "localhost:8080{}",
        "<http://localhost:8080{}>",
        " https://other.example{}. ",
        "{}?utm=1#a",
        *WRAPPED,
    ],
)
def test_a_link_is_known_however_it_was_copied(here: Installation, path: str, spelt: str) -> None:
    path = quote(path, safe="") if "%2F" in spelt else path
    assert here.ok("link", "find", spelt.format(path), "--json").json["target"] == SPRING


def test_a_cut_off_link_and_a_changed_token_are_told_apart(here: Installation, path: str) -> None:
    assert "no tracked link" in here.fails("link", "find", HOST + path[:20])
    assert "no tracked link" in here.fails("link", "find", "https://[::1")
    token = "B" + path[2:] if path[1] == "A" else "A" + path[2:]
    assert "none of the signing keys here" in here.fails("link", "find", f"{HOST}/{token}")


def test_a_key_that_is_not_there_ends_with_1_and_says_what_readers_see(here: Installation, path: str) -> None:
    wrong = path[:-4] + ("aaaa" if path[-4:] != "aaaa" else "bbbb")
    ran = here.run("link", "find", HOST + wrong)
    assert ran.code == 1
    assert "Recipient  anna@example.com" in ran.text
    assert "readers see that it is not known" in ran.err


def test_who_is_not_tracked_and_who_was_erased_is_told(here: Installation, path: str) -> None:
    here.ok("recipients", "track", "anna@example.com", "no")
    assert "is not tracked" in here.ok("link", "find", HOST + path).err
    here.ok("recipients", "erase", "anna@example.com", "--yes")
    ran = here.ok("link", "find", HOST + path)
    assert "Whom the mail was for is not known: erased" in ran.err
    assert "Recipient" not in ran.text


def test_a_campaign_of_another_store_is_named_by_its_number(here: Installation, path: str) -> None:
    for name in here.folder.glob("linkproxy.db*"):
        name.unlink()
    assert "campaign 1 of this link is not in the store" in here.fails("link", "find", HOST + path)


@pytest.mark.parametrize(
    ("reference", "note"),
    [
        ("4711", "Nobody is known by this reference"),
        ("{{lp}}", "Nobody filled in the merge tag"),
    ],
)
def test_a_link_with_a_merge_tag_tells_its_reference(here: Installation, reference: str, note: str) -> None:
    here.ok("campaign", "add", "spring", "--quiet")
    tagged = ("rewrite", "newsletter.html", "--campaign", "spring", "--merge-tag", "{{lp}}", "--quiet")
    mail = here.ok(*tagged).out.replace(b"{{lp}}", reference.encode())
    tail = f"/{reference}".encode()
    start = mail.index(HOST.encode())
    url = mail[start : mail.index(tail, start) + len(tail)].decode()
    ran = here.ok("link", "find", url, "--json")
    assert ran.json["notes"][0].startswith(note)
    if reference == "4711":
        wrapped = f"https://urldefense.com/v3/__{url}__;!!AbC!dEf$"
        assert here.ok("link", "find", wrapped, "--json").json["reference"] == reference
    assert ran.json["recipient"] is None


def test_a_message_link_is_found(here: Installation, path: str) -> None:
    here.write("own.html", '<a href="https://www.brand.example/orders?id=8347">Your order</a>')
    mail = here.ok(
        "rewrite", "own.html", "--campaign", "spring", "--recipient", "anna@example.com", "--quiet"
    ).out
    targets = [here.run("link", "find", found, "--json").json["target"] for found in here.paths(mail)]
    assert "https://www.brand.example/orders?id=8347" in targets
