"""Rollups of SQLite: what only a look into the file shows."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from store.contract_rollups import Story, rebuilt, run, two_mails
from store.files import query
from store.world import NOW

from linkproxy.store.migrate import migrate, shipped


async def test_a_rebuild_repairs_damaged_rollups_and_listings(store, path):
    story = Story(store, await two_mails(store), 40)
    await run(story, 3)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for table in ("rollup", "rollup_possible", "rollup_message", "settled_visit"):
            db.execute(f"DELETE FROM {table}")
        db.execute("INSERT INTO rollup VALUES (1, 'live', 'day', '1999-01-01', 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)")
    await rebuilt(store)
    await story.check()
    settled = query(path, "SELECT count(*) FROM visit WHERE settled_verdict IS NOT NULL")
    assert query(path, "SELECT count(*) FROM settled_visit") == settled
    assert query(path, "SELECT * FROM rollup_rebuild") == []


def test_the_rows_of_an_older_store_are_listed_and_due_to_be_counted(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, path, now=NOW, migrations=[item for item in shipped() if item.number < 9])
        columns = [row[1:3] for row in db.execute("PRAGMA table_info(visit)")]
        values = {name: 0 if kind in {"INTEGER", "REAL"} else "" for name, kind in columns}
        values |= {"id": 7, "at": NOW, "campaign_id": 1, "recipient_id": 1, "key": "k000"}
        values["settled_verdict"] = "human"
        db.execute(
            "INSERT INTO campaign SELECT 1, 'news', 'marketing', '', '', '', '', '', '', '', '', 0, 0, '', 0"
        )
        db.execute(
            "INSERT INTO recipient (id, address, reference, domain, track, verified) VALUES (1, '', '', 'a.example', 1, 1)"
        )
        db.execute(f"INSERT INTO visit VALUES ({', '.join('?' * len(values))})", list(values.values()))
        db.execute("INSERT INTO click VALUES (7, ?, 1, 1, 'k000', -9, '[]', 1, 0)", (NOW,))
        migrate(db, path, now=NOW)
        assert db.execute("SELECT * FROM settled_visit").fetchall() == [(1, 7, "a.example", "human", "k000")]
        assert db.execute("SELECT * FROM visit_hour").fetchall() == [(int(NOW // 3600), 7, 7)]
        assert db.execute("SELECT domain FROM click").fetchall() == [("a.example",)]
        assert db.execute("SELECT * FROM rollup_rebuild").fetchall() == [(1, -1, 1)]
