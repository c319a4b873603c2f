"""Claims about whole servers on PostgreSQL: two behind one address, and a database that goes away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from claims.postgres import NoServerError, own_server
from store.postgres_fixtures import command

from bench.detection import drive, population

if TYPE_CHECKING:
    from bench.detection.played import Asked


@pytest.fixture(scope="module")
def postgres():
    """Return a server of this module's own, which may be stopped."""
    try:
        with own_server() as found:
            yield found
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture
async def url(postgres):
    name = "linkproxy_served"
    await command(postgres.url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}")
    return postgres.database(name)


async def test_people_are_sent_on_and_no_visit_is_lost_while_the_database_is_away(postgres, url, start):
    site = await start(store={"url": url})
    kept = ("CtA1", "CtB2", "CtC3")
    for key in kept:
        assert (await site.ask(site.url(key))).status == 302
        site.clock.now += 1_000
    await asyncio.to_thread(postgres.stop, "immediate")
    for key in kept:
        site.clock.now += 10
        answer = await site.ask(site.url(key))
        assert (answer.status, answer.headers["Location"]) == (302, site.TARGETS[key])
    await asyncio.to_thread(postgres.start)
    site.clock.now += 10
    assert (await site.ask(site.url("CtD4"))).status == 302
    await site.server.services.journal.recovered()
    keys = sorted(row.entry.visit.key for row in await site.visits())
    assert keys == ["CtA1", "CtA1", "CtB2", "CtB2", "CtC3", "CtC3", "CtD4"]


async def test_two_nodes_give_the_verdicts_of_one_and_of_a_file(url, tmp_path):
    """Traffic of the detection bench, request by request to each node in turn."""
    readers = population.build(11, population.Size(known=0, small=1, quiet=1))
    letters = population.letters(readers[::2], 11)
    one = await drive.play(letters, tmp_path / "one")
    two = await drive.play(letters, tmp_path / "two", store_url=url, nodes=2)
    assert len(one.asked) > 250
    assert [said(asked) for asked in two.asked] == [said(asked) for asked in one.asked]


def said(asked: Asked) -> tuple[object, ...]:
    """Return what the server made of a request, but for keys and tokens, which are drawn by lot."""
    entry = asked.entry
    if entry is None:
        return asked.message, asked.status
    return (
        *(asked.message, asked.hop, asked.status, asked.clicked, entry.answer),
        *(
            (verdict.kind, verdict.score, verdict.reasons)
            for verdict in (entry.verdict, entry.settled)
            if verdict
        ),
    )
