"""Claims about whole servers on PostgreSQL: two behind one address, and a database that goes away."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import aiohttp
import pytest
from claims.api import assert_fault, call
from claims.postgres_front import front

from linkproxy.server.app import Addresses, Patience, Place, running
from linkproxy.server.keys import hash_key, new_key
from linkproxy.server.sockets import NO_SOCKETS, bind
from linkproxy.server.waiting import StoppedEarlyError
from linkproxy.store.api import ApiKey, StoreError
from tests.server.conftest import write_config


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


async def _run(config, clock, place, up, stop):
    async with running(config, clock=clock, place=place, stop=stop):
        up.set()
        await stop.wait()


async def test_a_server_that_starts_before_its_database_says_so_and_serves_once_that_is_there(
    own_postgres, own_database, tmp_path, clock
):
    config = write_config(tmp_path, store={"url": own_database})
    sockets = bind(config.server, NO_SOCKETS)
    at, up, stop = Addresses.of(sockets), asyncio.Event(), asyncio.Event()
    await asyncio.to_thread(own_postgres.stop, "fast")
    whole = asyncio.create_task(_run(config, clock, Place(sockets=sockets), up, stop))
    async with aiohttp.ClientSession() as web:
        assert (await web.get(f"{at.public}/healthz")).status == 200
        public, private = await web.get(f"{at.public}/readyz"), await web.get(f"{at.private}/readyz")
        assert (public.status, private.status) == (503, 503)
        assert await public.json() == {"ready": False, "parts": {"store": "failing"}}
        assert "it cannot be reached" in (await private.json())["parts"]["store"]
        person = await web.get(f"{at.public}/{'t' * 24}/aB3x")
        assert (person.status, person.headers["Retry-After"]) == (503, "5")
        assert (await web.get(f"{at.private}/api/v1/campaigns")).status == 503
        counted = await (await web.get(f"{at.private}/metrics")).text()
        assert 'linkproxy_store_failures_total{operation="open"} 0.0' not in counted
        await asyncio.to_thread(own_postgres.start)
        await up.wait()
        assert (await web.get(f"{at.public}/readyz")).status == 200
        assert (await web.get(f"{at.public}/{'t' * 24}/aB3x")).status == 404
    stop.set()
    await whole


async def test_a_stop_ends_the_waiting_for_a_database(own_postgres, own_database, tmp_path, clock):
    config = write_config(tmp_path, store={"url": own_database})
    await asyncio.to_thread(own_postgres.stop, "fast")
    stop = asyncio.Event()
    stop.set()
    with pytest.raises(StoppedEarlyError):
        await _run(config, clock, Place(), asyncio.Event(), stop)
    await asyncio.to_thread(own_postgres.start)


async def test_for_what_waiting_does_not_mend_no_server_waits(own_postgres, own_database, tmp_path, clock):
    config = write_config(tmp_path, store={"url": own_postgres.database("nosuch")})
    with pytest.raises(StoreError, match="there is no such database"):
        await _run(config, clock, Place(), asyncio.Event(), asyncio.Event())


async def test_a_worker_of_new_settings_does_not_wait_since_those_before_serve_on(
    own_postgres, own_database, tmp_path, clock
):
    config = write_config(tmp_path, store={"url": own_database})
    await asyncio.to_thread(own_postgres.stop, "fast")
    with pytest.raises(StoreError, match="it cannot be reached"):
        await _run(config, clock, Place(patience=Patience.NONE), asyncio.Event(), asyncio.Event())
    await asyncio.to_thread(own_postgres.start)
