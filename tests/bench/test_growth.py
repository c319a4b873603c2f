"""The rows that bench.growth makes are what visits, judged and settled for real, would have left."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from bench import fill, growth

if TYPE_CHECKING:
    from pathlib import Path


def test_made_visits_are_complete_and_counted_again_come_to_the_same_sums(tmp_path: Path) -> None:
    size = fill.Size(1_500, 20, 400)
    empty = growth._begin(tmp_path / "empty", fill.Size(0, size.campaigns, size.recipients))
    home = growth._install(tmp_path / "used", empty, size)  # the store counts a campaign again, and compares
    with closing(sqlite3.connect(home.folder / "linkproxy.db")) as db:
        counts = {
            table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("visit", "message_visit", "settled_visit", "open_visit", "click")
        }
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (human,) = db.execute("SELECT sum(human) FROM rollup WHERE part = 'campaign'").fetchone()
        unread = "SELECT count(*) FROM visit v JOIN profile p ON p.id = v.profile_id WHERE v.at > p.used_at"
        assert db.execute(unread).fetchone() == (0,), "a purge would take the headers away"
    assert counts["visit"] == counts["message_visit"] == counts["settled_visit"] > size.visits
    assert (counts["open_visit"], counts["click"]) == (0, human)
    assert next(home.paths).count("/") == 2
