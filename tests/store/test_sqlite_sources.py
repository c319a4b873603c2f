"""Claims about how a file tells where weights come from."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from store.contract_sources import by, judged_twice, rules, said
from store.world import visits

from linkproxy.store.evidence_rows import evidence_text


async def test_a_rule_set_tells_its_sources_once_however_many_visits_there_are(store, mail, path):
    policy = rules("where it comes from")
    await mail.visited(*(mail.visit(at) for at in range(20)), take=by(policy))
    with closing(sqlite3.connect(path)) as db:
        stored = "".join(text for (text,) in db.execute("SELECT evidence FROM visit"))
        told = db.execute("SELECT sources FROM policy WHERE hash = ?", (policy.digest,)).fetchall()
    assert (len(told), told[0][0].count("where it comes from")) == (1, 1)
    assert (stored.count("where it comes from"), stored.count("another source")) == (0, 20)


async def test_a_row_of_an_older_version_with_its_sources_inside_stays_readable(
    store, mail, path, open_store
):
    visit_id, first, second = await judged_twice(mail)
    first, second = first[:3], second[:3]  # no judge ever left out a source that its rule set has
    await store.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE policy SET sources = ''")
        texts = (evidence_text(first), evidence_text(second))
        db.execute("UPDATE visit SET evidence = ?, settled_evidence = ?", texts)
    again = await open_store()
    mail.store = again
    policy = rules("where it comes from")
    await mail.visited(mail.visit(5), take=by(policy))
    old, new = (row.entry for row in await visits(again))
    assert old.visit_id == visit_id
    assert (old.verdict.evidence, old.settled.evidence) == (first, second)
    assert new.verdict.evidence == said(policy)
