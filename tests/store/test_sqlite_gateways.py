"""Claims about gateways in the file."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from store.world import NOW

from linkproxy.store.migrate import migrate, shipped


def test_domains_of_recipients_from_before_are_due_after_the_upgrade(tmp_path):
    path = tmp_path / "old.db"
    before = [step for step in shipped() if step.number < 4]
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, path, now=NOW, migrations=before)
        db.executemany(
            "INSERT INTO recipient (address, reference, domain, track, verified) VALUES (?, '', ?, 1, 1)",
            [("ann@a.example", "a.example"), ("eve@a.example", "a.example"), ("", "")],
        )
        migrate(db, path, now=NOW)
        due = db.execute("SELECT domain, expires_at FROM gateway").fetchall()
    assert due == [("a.example", 0.0)]


@pytest.mark.usefixtures("store")
async def test_due_domains_are_found_by_index(path):
    with closing(sqlite3.connect(path)) as db:
        plan = db.execute(
            "EXPLAIN QUERY PLAN SELECT domain FROM gateway WHERE expires_at <= 1 ORDER BY expires_at LIMIT 100"
        ).fetchall()
        last = db.execute("EXPLAIN QUERY PLAN SELECT 1 FROM recipient WHERE domain = 'a.example'").fetchall()
    assert "gateway_due" in str(plan)
    assert "recipient_of_domain" in str(last)
