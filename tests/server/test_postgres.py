"""Claims about whole servers on PostgreSQL: two behind one address, and a database that goes away."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from claims.api import assert_fault, call
from claims.postgres_front import front

from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey


async def test_people_are_sent_on_and_no_visit_is_lost_while_the_database_is_away(
    own_postgres, own_database, start
):
    site = await start(store={"url": own_database})
    kept = ("CtA1", "CtB2", "CtC3")
    for key in kept:
        assert (await site.ask(site.url(key))).status == 302
        site.clock.now += 1_000
    await asyncio.to_thread(own_postgres.stop, "immediate")
    for key in kept:
        site.clock.now += 10
        answer = await site.ask(site.url(key))
        assert (answer.status, answer.headers["Location"]) == (302, site.TARGETS[key])
    await asyncio.to_thread(own_postgres.start)
    site.clock.now += 10
    assert (await site.ask(site.url("CtD4"))).status == 302
    await site.server.services.journal.recovered()
    keys = sorted(row.entry.visit.key for row in await site.visits())
    assert keys == ["CtA1", "CtA1", "CtB2", "CtB2", "CtC3", "CtC3", "CtD4"]


async def test_a_visit_whose_commit_was_answered_to_nobody_is_there_once(own_postgres, own_database, start):
    """The answer is lost, and the server stays away for longer than anybody is kept waiting."""
    with tempfile.TemporaryDirectory() as short:  # the path of a socket has 107 bytes
        async with front(Path(short), own_postgres.folder) as between:
            through = own_database.replace(str(own_postgres.folder), short)
            site = await start(store={"url": through, "commit_seconds": 1.0})
            await site.server.services.settler.close()  # its commits are none of a visit
            assert (await site.ask(site.url("CtA1"))).status == 302
            between.losing = True
            site.clock.now += 10
            assert (await site.ask(site.url("CtA1"))).status == 302
            assert between.shut
            assert site.server.services.journal.failing
            site.clock.now += 10
            assert (await site.ask(site.url("CtA1"))).status == 302
            between.shut = False
            await site.server.services.journal.recovered()
            assert [row.entry.visit.at for row in await site.visits()] == [
                site.START,
                site.START + 10,
                site.START + 20,
            ]


@pytest.mark.parametrize("path", ["/api/v1/campaigns/a%00", "/api/v1/visits?campaign=a%00"])
async def test_a_name_that_no_database_holds_is_of_nothing_and_no_failure(own_database, start, path):
    site = await start(store={"url": own_database})
    made = new_key()
    await site.store.add_api_key(ApiKey("test", hash_key(made), site.START))
    assert_fault(await call(site, made, path), 404, "there is none named 'a\\x00'")
    assert_fault(await call(site, made, "/api/v1/profiles?name=a%00"), 400, "name: 'a\\x00' is neither")
