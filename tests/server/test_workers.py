"""Several processes on one store: they judge as one, know of each other, and leave politely."""

from __future__ import annotations

import asyncio
import fcntl
import random
import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from linkproxy.model import AnswerKind, Delivery, DeliverySource, LinkKey
from linkproxy.server.app import Duty, Place, running
from linkproxy.server.board import Board, Seat
from linkproxy.server.listeners import Door
from linkproxy.server.warm import WarmLinks
from linkproxy.store.api import DeliveryDraft, Filter, RecipientDraft

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.conftest import Site, Start


# --- judging -----------------------------------------------------------------------------------


def traffic(people: int) -> list[tuple[float, int, str, bool]]:
    """Return visits in order: seconds since the one before, whose message, which link, a program."""
    chance = random.Random(4)  # noqa: S311  (repeatable on purpose)
    keys = ["CtA1", "CtB2", "CtC3", "CtD4", "Ba1t", "Un5u"]
    sweep = [(0.2, 0, key, False) for key in keys]
    others = [
        (chance.choice([0.1, 0.5, 3.0]), chance.randrange(people), chance.choice(keys), chance.random() < 0.2)
        for _ in range(60)
    ]
    readers = [(40.0, people + number, chance.choice(keys[:4]), False) for number in range(4)]
    return [*sweep, *others, *readers]


async def played(sites: list[Site], people: int = 5) -> list[tuple[object, ...]]:
    """Send the traffic, each visit to a server by chance, settle, and return what came of it."""
    chance = random.Random(9)  # noqa: S311  (repeatable on purpose)
    site = sites[0]
    site.clock.now = site.START
    recipients = await site.store.register_recipients(
        [RecipientDraft(address=f"p{number}@company.example") for number in range(people + 4)]
    )
    for seconds, person, key, program in traffic(people):
        site.clock.now += seconds
        asked = chance.choice(sites)
        await asked.ask(asked.url(key, recipients[person]), headers=site.SCANNER if program else None)
    site.clock.now += 7200
    await asyncio.gather(*(item.server.services.settler.once() for item in sites))
    return [
        (row.entry.visit.at, row.entry.visit.key, row.entry.answer, row.entry.verdict, row.entry.settled)
        for row in await site.visits()
    ]


async def test_three_servers_on_one_store_judge_the_same_traffic_as_one_does(start: Start) -> None:
    alone = await played([await start(store={"url": "sqlite:alone.db"})])
    together = [await start(store={"url": "sqlite:together.db"}) for _ in range(3)]
    assert await played(together) == alone
    assert {row[3].kind for row in alone} >= {"human", "machine"}
    assert all(row[4] is not None for row in alone)


async def test_a_message_is_settled_and_counted_by_one_of_several_settlers(start: Start) -> None:
    sites = [await start() for _ in range(3)]
    await played(sites)
    clicks = sum([await site.metric("linkproxy_clicks_total") for site in sites])
    assert clicks == len(await stored_clicks(sites[0])) > 0


async def stored_clicks(site: Site) -> list[object]:
    return [row async for row in site.store.clicks(Filter())]


async def test_visits_that_come_while_another_process_writes_share_one_commit(start: Start, locked) -> None:
    site = await start(store={"commit_seconds": 30.0})
    waiting = site.server.services.journal._commits
    with locked():
        asked = []
        for key in site.TARGETS:
            asked.append(asyncio.create_task(site.ask(site.url(key))))
            while len(waiting.unfinished()) < len(asked):  # noqa: ASYNC110  (turns of the loop)
                await asyncio.sleep(0)
            while waiting._running is None or not waiting._begun:  # noqa: ASYNC110  (likewise)
                await asyncio.sleep(0)
    assert {(await answer).status for answer in asked} == {302}
    assert await site.metric("linkproxy_commit_visits_count") == 1
    assert await site.metric("linkproxy_commit_visits_sum") == len(site.TARGETS)


# --- the warm link table, late answers ----------------------------------------------------------


async def test_a_target_corrected_by_another_process_reaches_the_warm_link_table(start: Start) -> None:
    first, other = await start(), await start()
    warm = WarmLinks(first.store)
    await warm.load()
    await first.ask(first.url())
    visit = (await first.visits())[0].entry.visit
    await other.store.set_target(
        other.campaign.id, LinkKey(other.CONTENT), "https://shop.example/new", who="op", at=other.START
    )
    assert (await warm.find(visit)).target == first.TARGET
    await warm.renew()
    assert (await warm.find(visit)).target == "https://shop.example/new"


async def test_a_hop_that_came_too_late_for_its_visitor_is_journalled_as_the_redirect_it_was(
    start: Start,
) -> None:
    """Else a person who was never sent on a hop would be blamed for not coming back over it."""
    site = await start(store={"commit_seconds": 0.5})
    fresh = Delivery(site.START - 40, DeliverySource.MX)  # in the time of sweeps: uncertain
    (other,) = await site.store.register_recipients([RecipientDraft(address="ben@example.org")])
    for recipient in (site.recipient, other):
        await site.store.add_deliveries([DeliveryDraft(site.campaign.id, recipient.id, fresh)])
    assert "/~" in (await site.ask(site.url("CtB2", other))).headers["Location"]
    held, let_go = asyncio.Event(), asyncio.Event()
    loop, append = asyncio.get_running_loop(), site.store.append

    async def slow(pending, take, more):
        def held_take(visit, source):
            taken = take(visit, source)
            loop.call_soon_threadsafe(held.set)
            asyncio.run_coroutine_threadsafe(let_go.wait(), loop).result()
            return taken

        return await append(pending, held_take, more)

    site.server.services.journal._store = _With(site.store, slow)
    asked = asyncio.create_task(site.ask(site.url("CtC3")))
    await held.wait()
    assert (await asked).headers["Location"] == site.TARGETS["CtC3"]
    let_go.set()
    async with asyncio.timeout(30):
        await site.server.services.journal.recovered()
        while site.server.services.journal._recovery._late:
            await asyncio.wait(site.server.services.journal._recovery._late)
    rows = {row.entry.visit.key: row.entry.answer for row in await site.visits()}
    assert rows == {"CtB2": AnswerKind.HOP, "CtC3": AnswerKind.REDIRECT}


class _With:
    """A store whose disk is slow: the real one, but for the moment at which a commit ends."""

    def __init__(self, store, append):
        self._store = store
        self.append = append

    def __getattr__(self, name):
        return getattr(self._store, name)


# --- what dead processes leave ------------------------------------------------------------------


async def test_what_a_dead_process_has_spilled_is_read_back_by_one_that_runs_already(
    start: Start, locked, tmp_path: Path
) -> None:
    site = await start(store={"commit_seconds": 0.5})
    with locked():
        await site.ask(site.url())
        left = (tmp_path / "linkproxy.spill").read_bytes()
    journal = site.server.services.journal
    async with asyncio.timeout(60):
        await journal.recovered()
    before = len(await site.visits())
    (tmp_path / "linkproxy.spill.5").write_bytes(left)  # as one that was killed leaves it
    await journal._recovery.adopt()
    async with asyncio.timeout(60):
        await journal.recovered()
    assert len(await site.visits()) == before + 1
    assert (tmp_path / "linkproxy.spill.5").stat().st_size == 0


# --- leaving -----------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False], ids=["a tracked link", "a page"])
async def test_a_request_on_a_lasting_connection_is_answered_though_its_server_is_closing(
    start: Start, *, known: bool
) -> None:
    """The answer says that it is the last one, and only then the connection ends."""
    site = await start()
    door = Door(grace_seconds=30)
    closing = AsyncExitStack()
    server = await closing.enter_async_context(running(site.config, clock=site.clock, place=Place(door=door)))
    host, port = server.addresses.public.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    async def ask() -> bytes:
        head = "".join(f"{name}: {value}\r\n" for name, value in site.BROWSER.items())
        path = site.path() if known else "/robots.txt"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: click.example\r\n{head}\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", answer)
        await reader.readexactly(int(length[1]) if length else 0)
        return answer

    assert b"Connection: close" not in await ask()
    gone = asyncio.create_task(closing.aclose())
    while not door.closing:  # noqa: ASYNC110  (a flag, set within a turn of the loop)
        await asyncio.sleep(0)
    last = await ask()
    assert last.startswith(b"HTTP/1.1 302" if known else b"HTTP/1.1 200")
    assert b"connection: close" in last.lower()
    assert await reader.read() == b""
    writer.close()
    await gone
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))


# --- signs of life -------------------------------------------------------------------------------


async def test_a_worker_gives_signs_of_life_while_its_store_is_brought_up_to_date_and_while_it_ends(
    start: Start, tmp_path: Path
) -> None:
    """Else the supervisor would take it for hung, and kill it over and over on a large store."""
    site = await start()
    store = site.config.store.model_copy(update={"url": f"sqlite:{tmp_path / 'new.db'}"})
    config = site.config.model_copy(update={"store": store})
    board = Board(site.server.services.metrics)
    place = Place(Duty.PUBLIC, seat=Seat(board, 1))
    closing = AsyncExitStack()
    with (tmp_path / "new.db.lock").open("a") as another:
        fcntl.flock(another, fcntl.LOCK_EX)
        opening = asyncio.create_task(closing.enter_async_context(running(config, place=place)))
        async with asyncio.timeout(20):
            while not board.read(1).beat_at:  # noqa: ASYNC110  (memory that processes share)
                await asyncio.sleep(0)
        assert not opening.done()
    server = await opening
    drained = server.services.journal._commits.drain
    beats: list[float] = []

    async def drain() -> None:
        beats.append(board.read(1).beat_at)
        await drained()

    server.services.journal._commits.drain = drain
    await closing.aclose()
    assert len(beats) == 1
    assert board.read(1).beat_at >= beats[0] > 0
    assert not board.read(1).public
