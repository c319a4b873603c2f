"""``linkproxy bait``: how many machines took the bait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Installation

SCANNER = (("Host", "localhost:8080"), ("User-Agent", "python-requests/2.32.3"))


def test_messages_with_machines_and_their_bait_are_counted(here: Installation) -> None:
    anna, ben = here.mail(), here.mail("ben@other.example")
    at = time.time() - 7200
    baits = {
        link["key"]
        for link in here.ok("campaign", "show", "spring", "--json").json["links"]
        if link["kind"] == "bait"
    }
    here.visit(here.paths(anna), at, SCANNER)
    here.visit([path for path in here.paths(ben) if path.split("/")[2] not in baits], at, SCANNER)
    here.ok("settle")
    told = here.ok("bait", "--campaign", "spring", "--json").json
    assert (told["whole"]["messages"], told["whole"]["took_bait"]) == (2, 1)
    assert (told["whole"]["early"], told["whole"]["late"]) == (1, 1)
    assert here.ok("report", "spring", "--bait", "--json").json["bait"] == told
    assert "Told otherwise  Of these, took it" in here.ok("report", "spring", "--bait").text
    assert "Told otherwise" not in here.ok("report", "spring").text
    shown = here.ok("bait").text
    assert "hidden" in shown
    assert "50.0% (" in shown
    assert "(not known)" in shown


def test_without_visits_it_is_said_that_there_is_nothing(here: Installation) -> None:
    assert "No machine has visited" in here.ok("bait").err
    assert "there is no campaign 'nowhere'" in here.fails("bait", "--campaign", "nowhere")
