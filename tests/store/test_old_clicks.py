"""Click logs of before the feed was counted: what is in them comes first, by visit."""

from __future__ import annotations

import sqlite3

from store.contract_feed import feed, told
from store.world import NOW, send, settled

from linkproxy.model import VerdictKind
from linkproxy.store.api import Filter

_BEFORE = """
DROP INDEX click_in_feed;
DROP INDEX retraction_in_feed;
ALTER TABLE click DROP COLUMN feed_number;
ALTER TABLE retraction DROP COLUMN feed_number;
DELETE FROM meta WHERE name = 'feed';
DELETE FROM migration WHERE name = '0018_feed.sql';
"""


async def test_what_settles_after_the_upgrade_is_behind_all_that_was_there(path, open_store):
    store = await open_store()
    mail = await send(store, who=("ann@a.example", "bob@b.example", "cleo@c.example"))
    ann, bob, cleo = mail.recipients
    old, withdrawn, opened = await mail.visited(
        mail.visit(0), mail.visit(1, who=bob), mail.visit(2, who=cleo)
    )
    await mail.settle(who=bob)
    await mail.settle(who=ann)
    await mail.deliver(NOW - 60, who=bob)
    await mail.settle(settled(VerdictKind.MACHINE), who=bob)
    await store.close()
    with sqlite3.connect(path) as db:
        db.executescript(_BEFORE)
    store = mail.store = await open_store()
    before = [("click", old.visit_id), ("retraction", withdrawn.visit_id)]
    assert await told(store) == before
    assert (await store.ends()).feed >= opened.visit_id
    await mail.settle(who=cleo)
    assert await told(store) == [*before, ("click", opened.visit_id)]
    last = (await feed(store))[-1].number
    assert await told(store, Filter(after_id=opened.visit_id)) == [("click", opened.visit_id)]
    assert last > opened.visit_id
