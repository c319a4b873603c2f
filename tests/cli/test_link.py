from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Installation

NEW = "https://www.brand.example/corrected"


@pytest.fixture
def key(here: Installation) -> str:
    here.mail()
    links = here.ok("campaign", "show", "spring", "--json").json["links"]
    return next(link["key"] for link in links if link["target"] == "https://www.brand.example/spring")


def target_of(here: Installation, key: str) -> str:
    links = here.ok("campaign", "show", "spring", "--json").json["links"]
    return next(link["target"] for link in links if link["key"] == key)


def test_a_target_is_changed_when_the_user_agrees(here: Installation, key: str) -> None:
    ran = here.ok("link", "set-target", "spring", key, NEW, stdin=b"y\n")
    assert "leads to:      https://www.brand.example/spring" in ran.err
    assert f"shall lead to: {NEW}" in ran.err
    assert target_of(here, key) == NEW


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b""])
def test_a_target_stays_when_the_user_does_not_agree(here: Installation, key: str, answer: bytes) -> None:
    assert "nothing changed" in here.fails("link", "set-target", "spring", key, NEW, stdin=answer)
    assert target_of(here, key) == "https://www.brand.example/spring"
    assert here.ok("link", "audit", "spring", "--json").json["changes"] == []


def test_the_audit_log_keeps_who_changed_what(here: Installation, key: str) -> None:
    here.ok("link", "set-target", "spring", key, NEW, "--yes", "--who", "anna")
    (change,) = here.ok("link", "audit", "spring", "--json").json["changes"]
    assert change["at"].endswith("Z")
    assert (change["key"], change["who"]) == (key, "anna")
    assert (change["old_target"], change["new_target"]) == ("https://www.brand.example/spring", NEW)
    assert NEW in here.ok("link", "audit", "spring").text


TRACKED = f"http://localhost:8080/{'A' * 24}/aB3x"
"""As copied from a mail: a link could lead to itself, and people would go round."""


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "/offer", "https://user@brand.example/", "https://", TRACKED]
)
def test_what_cannot_be_a_target_is_refused(here: Installation, key: str, url: str) -> None:
    assert "target" in here.fails("link", "set-target", "spring", key, url, "--yes")
    assert target_of(here, key) == "https://www.brand.example/spring"


def test_a_key_that_is_not_there_is_told_with_where_to_look(here: Installation, key: str) -> None:
    assert "campaign show spring" in here.fails("link", "set-target", "spring", "0000", NEW, "--yes")


@pytest.mark.parametrize("kind", ["bait", "open"])
def test_a_link_that_linkproxy_answers_itself_has_no_target(here: Installation, kind: str) -> None:
    here.ok("campaign", "add", "told", "--opens", "--html", "newsletter.html", "--quiet")
    links = here.ok("campaign", "show", "told", "--json").json["links"]
    own = next(link["key"] for link in links if link["kind"] == kind)
    assert f"of the kind {kind}" in here.fails("link", "set-target", "told", own, NEW, "--yes")
    assert here.ok("link", "audit", "told", "--json").json["changes"] == []
