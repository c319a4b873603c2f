"""Visits wait in the journal for the index of open visits, and are never missed meanwhile."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from store import world
from store.files import query
from store.world import NOW, judge, send

from linkproxy.store import sqlite_open
from linkproxy.store.api import StoreError
from linkproxy.store.sqlite import SqliteStore
from linkproxy.store.sqlite_connect import FileSettings, connect

if TYPE_CHECKING:
    from linkproxy.model import Facts

WAITING = "SELECT count(*) FROM visit WHERE id > (SELECT value FROM meta WHERE name = 'indexed')"
INDEXED = "SELECT count(*) FROM open_visit WHERE visit_id <= (SELECT value FROM meta WHERE name = 'indexed')"


async def test_new_visits_wait_for_the_index_and_are_brought_in_when_messages_are_due(store, mail, path):
    await mail.visited(mail.visit(0), mail.visit(1, who=mail.bob))
    assert (query(path, WAITING), query(path, INDEXED)) == ([(2,)], [(0,)])
    due = await store.list_due(last_before=NOW + 99, first_before=NOW, limit=9)
    assert {message.recipient_id for message in due} == {mail.ann.id, mail.bob.id}
    assert (query(path, WAITING), query(path, INDEXED)) == ([(0,)], [(2,)])


async def test_visits_that_are_too_young_to_be_due_are_left_waiting(store, mail, path):
    """To bring them in would hold up whoever visits just now."""
    await mail.visited(mail.visit(0), mail.visit(1, who=mail.bob))
    assert await store.list_due(last_before=NOW, first_before=NOW - 99, limit=9) == []
    await store.rebuild(lambda _: (), limit=9)
    assert query(path, WAITING) == [(2,)]


async def test_a_message_with_a_waiting_visit_is_due_by_its_first_one_alone(store, mail):
    await mail.visited(mail.visit(0), mail.visit(1, who=mail.bob))
    await store.list_due(last_before=NOW + 50, first_before=NOW - 99, limit=9)
    await mail.visited(mail.visit(60))
    quiet = await store.list_due(last_before=NOW + 50, first_before=NOW - 99, limit=9)
    assert [message.recipient_id for message in quiet] == [mail.bob.id]
    both = await store.list_due(last_before=NOW + 50, first_before=NOW + 0.5, limit=9)
    assert {message.recipient_id for message in both} == {mail.ann.id, mail.bob.id}


async def test_who_brought_visits_in_goes_on_and_another_process_takes_over_from_it(
    open_store, path, monkeypatch
):
    monkeypatch.setattr(sqlite_open, "RUN_VISITS", 20)
    monkeypatch.setattr(sqlite_open, "PART_VISITS", 5)
    one, other = await open_store(), await open_store()
    mail = await send(one)
    elsewhere = world.Mail(other, mail.campaign, mail.links, mail.recipients)
    await elsewhere.visited(mail.visit(0))
    for second in range(1, 30):
        await mail.visited(mail.visit(second))
    left = query(path, WAITING)
    for second in range(30, 49):
        await elsewhere.visited(mail.visit(second))
    assert query(path, WAITING) == [(left[0][0] + 19,)]
    await one.close()
    for second in range(49, 75):
        await elsewhere.visited(mail.visit(second))
    assert query(path, WAITING)[0][0] < 40


async def test_some_thousand_waiting_visits_are_indexed_by_the_visits_themselves(mail, path):
    for second in range(40):
        await mail.visited(*(mail.visit(second + part / 500, who=mail.bob) for part in range(500)))
    ((waiting,),) = query(path, WAITING)
    ((indexed,),) = query(path, INDEXED)
    assert waiting < 13_000
    assert waiting + indexed == 20_000


async def test_a_waiting_visit_is_a_sibling_when_memory_has_no_room_for_its_message(open_store):
    mail = await send(await open_store(messages=1))
    seen: list[Facts] = []
    await mail.visited(mail.visit(0), take=judge(seen=seen))
    for second in range(1, 5):
        await mail.visited(mail.visit(second, who=mail.bob), take=judge(seen=seen))
    await mail.visited(mail.visit(9), take=judge(seen=seen))
    assert [item.visit_id for item in seen[-1].siblings] == [1]


async def test_a_waiting_visit_of_another_process_is_a_sibling_and_stays_one_when_that_indexes(open_store):
    one, other = await open_store(), await open_store()
    mail = await send(one)
    seen: list[Facts] = []
    await other.append([mail.visit(0)], judge(seen=seen))
    await mail.visited(mail.visit(1), take=judge(seen=seen))
    await other.list_due(last_before=NOW + 9, first_before=NOW, limit=1)
    await other.append([mail.visit(2)], judge(seen=seen))
    await mail.visited(mail.visit(3), take=judge(seen=seen))
    assert [[item.visit_id for item in known.siblings] for known in seen] == [[], [1], [1, 2], [1, 2, 3]]


async def test_a_visit_that_comes_while_its_message_is_about_to_be_settled_is_settled_with_it(store, mail):
    await mail.visited(mail.visit(0))
    await store.list_due(last_before=NOW + 99, first_before=NOW, limit=9)
    await mail.visited(mail.visit(50))
    settlement = await mail.settle()
    assert settlement is not None
    assert [visit_id for visit_id, _ in settlement.revised] == [1, 2]
    assert await store.list_due(last_before=NOW + 999, first_before=NOW, limit=9) == []


async def test_readers_see_waiting_visits_as_open(store, mail):
    await mail.visited(mail.visit(0), mail.visit(1, link=1))
    assert [row.visit_id for row in await world.clicks(store, provisional=True)] == [1, 2]


async def test_visits_that_waited_when_a_process_was_killed_are_known_to_the_next(open_store, path, privacy):
    mail = await send(await open_store())
    await mail.visited(mail.visit(0))
    # A second store stands for the process that comes after: the first one never closes.
    after = SqliteStore(path, privacy=privacy)
    await after.open()
    seen: list[Facts] = []
    await after.append([mail.visit(1)], judge(seen=seen))
    (due,) = await after.list_due(last_before=NOW + 99, first_before=NOW, limit=9)
    await after.close()
    assert [item.visit_id for item in seen[-1].siblings] == [1]
    assert (due.first_at, due.last_at) == (NOW, NOW + 1)


async def test_a_waiting_visit_is_erased_with_its_recipient(store, mail, path):
    await mail.visited(mail.visit(0), mail.visit(1, who=mail.bob))
    removed = await store.erase_recipient(mail.ann.id)
    assert removed["visit"] == 1
    assert query(path, "SELECT recipient_id FROM visit") == [(mail.bob.id,)]


async def test_a_batch_that_failed_leaves_nothing_waiting(store, mail, path):
    await mail.visited(mail.visit(0))
    with closing(connect(FileSettings(path, "full", 1.0))) as db:
        db.execute("CREATE TRIGGER refuse BEFORE INSERT ON visit BEGIN SELECT RAISE(ABORT, 'refused'); END")
    with pytest.raises(StoreError, match="refused"):
        await mail.visited(mail.visit(1))
    with closing(connect(FileSettings(path, "full", 1.0))) as db:
        db.execute("DROP TRIGGER refuse")
    seen: list[Facts] = []
    await mail.visited(mail.visit(2), take=judge(seen=seen))
    assert [item.visit_id for item in seen[-1].siblings] == [1]
