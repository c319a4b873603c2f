"""``linkproxy store rekey``: the privacy key is lost."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cli.conftest import SPRING

from linkproxy.model import AnswerKind

if TYPE_CHECKING:
    from cli.conftest import Installation


def lose_key(here: Installation) -> None:
    (here.folder / "privacy-key.txt").write_text("ab" * 32 + "\n")


def test_without_the_old_key_a_store_opens_again_with_everybody_who_is_stored_in_the_clear(
    here: Installation,
) -> None:
    mail = here.mail("anna@example.com")
    here.mail("ref-4711")
    here.ok("recipients", "track", "ref-4711", "no")
    path = here.path_to(SPRING, mail)
    lose_key(here)
    assert "if that is lost: linkproxy store rekey" in here.fails("clicks")
    assert here.ok("store", "rekey", "--yes").text == "2 recipients are found by the new key.\n"
    assert here.visit([path], time.time()) == [AnswerKind.REDIRECT]
    assert here.ok("visits", "--recipient", "Anna@Example.com", "--format", "jsonl").lines
    assert here.mail("anna@example.com") == mail
    exported = here.ok("recipients", "export", "ref-4711").json
    assert [row["track"] for row in exported["recipient"]] == [0]


@pytest.mark.parametrize("degree", ["hashed", "truncated"])
def test_who_is_not_stored_in_the_clear_keeps_their_links_and_is_told_to_be_lost(
    here: Installation, monkeypatch: pytest.MonkeyPatch, degree: str
) -> None:
    monkeypatch.setenv("LINKPROXY__PRIVACY__RECIPIENT_ADDRESS", degree)
    path = here.path_to(SPRING, here.mail("anna@example.com"))
    lose_key(here)
    assert here.ok("store", "rekey", "--yes").text.splitlines() == [
        "0 recipients are found by the new key.",
        "1 are stored without their address and will not be found again.",
    ]
    assert here.visit([path], time.time()) == [AnswerKind.REDIRECT]
    assert "no recipient" in here.fails("recipients", "export", "anna@example.com")
    assert here.path_to(SPRING, here.mail("anna@example.com")) != path


def test_nothing_is_changed_without_a_yes_or_while_somebody_has_the_store_open(here: Installation) -> None:
    here.mail("anna@example.com")
    before = (here.folder / "privacy-key.txt").read_text()
    lose_key(here)
    assert "nothing changed" in here.fails("store", "rekey", stdin=b"n\n")
    with closing(sqlite3.connect(here.folder / "linkproxy.db")) as other:
        other.execute("SELECT count(*) FROM campaign").fetchone()
        assert "another program has it open" in here.fails("store", "rekey", "--yes")
    (here.folder / "privacy-key.txt").write_text(before)
    assert here.ok("recipients", "export", "anna@example.com").json["recipient"]
