"""``linkproxy gateways``: listing and refreshing, with a name server of our own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from claims.nameserver import BROKEN, name_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claims.nameserver import NameServer


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server on a thread of its own, since commands have their own event loop."""
    found: list[NameServer] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with name_server({}) as running:
            found.append(running)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.fixture
def asking(here, server):
    """An installation that asks it, with two recipients."""
    config = here.folder / "config.toml"
    config.write_text(f'[gateways]\nnameservers = ["{server.address}"]\ntimeout_seconds = 30\n')
    server.records["filtered.example"] = ["10 mx1.mimecast.com.", "20 mx2.mimecast.com."]
    here.mail("anna@filtered.example")
    here.mail("bert@broken.example")
    server.records["broken.example"] = BROKEN
    return here


def rows(here) -> list[list[str]]:
    return [line.split(",") for line in here.ok("gateways", "list", "--format", "csv").text.splitlines()]


def test_domains_come_in_with_recipients_and_are_due(asking):
    assert [row[:4] for row in rows(asking)] == [
        ["domain", "gateway", "mx", "outcome"],
        ["broken.example", "", "", "due"],
        ["filtered.example", "", "", "due"],
    ]


def test_a_refresh_asks_for_what_is_due_and_says_what_came_of_it(asking, server):
    assert asking.ok("gateways", "refresh").text == "Looked up 2 domains: 1 failed, 1 found.\n"
    listed = asking.ok("gateways", "list", "--format", "jsonl").lines
    assert [(row["domain"], row["gateway"], row["outcome"]) for row in listed] == [
        ("broken.example", "", "failed"),
        ("filtered.example", "mimecast", "found"),
    ]
    assert listed[1]["mx"] == ["mx1.mimecast.com", "mx2.mimecast.com"]
    assert listed[1]["looked_up_at"] < listed[1]["expires_at"]
    server.asked.clear()
    assert "Nothing is due" in asking.ok("gateways", "refresh").err
    assert server.asked == []


def test_one_domain_or_all_can_be_asked_for_again(asking, server):
    asking.ok("gateways", "refresh")
    server.records["filtered.example"] = ["10 mx.own.example."]
    told = asking.ok("gateways", "refresh", "--domain", "@Filtered.example").text
    assert told == "Looked up 1 domain: 1 found.\n"
    assert ["filtered.example", "", "mx.own.example", "found"] in [row[:4] for row in rows(asking)]
    assert asking.ok("gateways", "refresh", "--all").text == "Looked up 2 domains: 1 failed, 1 found.\n"


def test_a_domain_without_recipients_is_refused(asking, server):
    told = asking.fails("gateways", "refresh", "--domain", "nobody.example")
    assert "no recipient has the domain nobody.example" in told
    assert server.asked == []
    asking.fails("gateways", "refresh", "--domain", "filtered.example", "--all", code=2)


def test_an_empty_list_says_where_domains_come_from(here):
    assert "They come in with recipients" in here.ok("gateways", "list").err


def test_a_name_server_that_is_none_is_named(here):
    (here.folder / "config.toml").write_text('[gateways]\nnameservers = ["dns.example"]\n')
    told = here.fails("gateways", "refresh")
    assert "[gateways] nameservers" in told
    assert 'holds "dns.example", which is not an address such as "192.0.2.53"' in told
