"""``linkproxy store rebuild-rollups``, and what reports of an upgraded store say."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cli.conftest import Installation

SCANNER = (("User-Agent", "python-requests/2.32.3"), ("Accept", "*/*"))
TABLES = ("rollup", "rollup_possible", "rollup_message")


@pytest.fixture
def settled(here: Installation) -> Installation:
    """Anna came minutes after a scanner, and all of it is settled."""
    anna = here.mail("anna@example.com")
    delivered = time.time() - 7200
    here.ok("deliveries", "add", "spring", "--at", "-2h", "--source", "provider")
    here.visit(here.paths(anna), delivered + 20, SCANNER, peer="203.0.113.9")
    here.visit(here.paths(anna)[1:2], delivered + 1200)
    here.ok("settle")
    return here


def change(here: Installation, *statements: str) -> None:
    with closing(sqlite3.connect(here.folder / "linkproxy.db")) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def report(here: Installation) -> dict:
    return here.ok("report", "spring", "--json").json


def test_rebuilding_brings_back_what_was_damaged(settled: Installation) -> None:
    before = report(settled)
    assert before["human_clicks"] == 1
    change(settled, "UPDATE rollup SET clicks = clicks + 7", "DELETE FROM rollup_message")
    assert report(settled) != before
    assert settled.ok("store", "rebuild-rollups", "--campaign", "spring").text == "Counted 1 message again.\n"
    assert report(settled) == before
    assert settled.ok("store", "rebuild-rollups").text == "Counted 1 message again.\n"
    assert report(settled) == before


def test_a_bar_shows_how_far_it_is(settled: Installation) -> None:
    shown = settled.on_terminal("stderr", "store", "rebuild-rollups")
    assert "Counting messages" in shown
    assert "1/1" in shown


def test_a_campaign_that_is_not_there_is_named(settled: Installation) -> None:
    assert "there is no campaign 'autumn'" in settled.fails(
        "store", "rebuild-rollups", "--campaign", "autumn"
    )


def test_a_report_of_a_store_that_was_just_upgraded_counts_its_campaign_first(settled: Installation) -> None:
    before = report(settled)
    change(
        settled,
        *(f"DELETE FROM {table}" for table in TABLES),
        "INSERT INTO rollup_rebuild SELECT id, -1, 1 FROM campaign",
    )
    assert report(settled) == before
