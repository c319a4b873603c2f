"""The two ways to an answer, straight from the socket and through aiohttp, compared byte by byte.

With ``request_log`` the server asks aiohttp about every request; without it only about those that are
no ordinary ones for tracked links. Whatever is sent, answers and journal must be the same.
"""

from __future__ import annotations

import asyncio
import gc
import re
import shutil
import socket
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.web_protocol import RequestHandler
from claims.raw_requests import CASES, CLOSE, END, FIREFOX, ODD, ORDINARY, PIPELINED, SMUGGLED, get

from linkproxy.model import (
    Campaign,
    CampaignId,
    Delivery,
    DeliverySource,
    Link,
    LinkKey,
    LinkKind,
    LinkRole,
    MessageLink,
)
from linkproxy.server import fast
from linkproxy.server.fast import Connection, PublicServer
from linkproxy.server.heads import _Request
from linkproxy.store.api import DeliveryDraft, RecipientDraft

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.server.conftest import Site, Start

NO_MATTER = Campaign(CampaignId(1), "its times of making differ")


def filled(site: Site, part: str | bytes) -> bytes:
    """Return a part of a case with its braces filled in."""
    token = site.path().split("/")[1]
    reference = site.reference_url("CtA1", "x").removeprefix(site.server.addresses.public).rsplit("/", 1)[0]
    names = {
        "path": site.path(),
        "second": site.path("CtB2"),
        "third": site.path("CtC3"),
        "bait": site.path(site.BAIT),
        "unsubscribe": site.path(site.UNSUBSCRIBE),
        "own": site.path("Me55"),
        "token": f"/{token}",
        "forged": f"/{token.swapcase()}/CtA1",
        "reference": reference,
    }
    data = part if isinstance(part, bytes) else part.encode("latin-1")
    for name, text in names.items():
        data = data.replace(b"{%s}" % name.encode(), text.encode())
    second = get(site.path("CtB2"))
    return data.replace(b"{second_length}", str(len(second)).encode())


async def exchange(site: Site, parts: list[str | bytes], *, half_close: bool = False) -> bytes:
    """Send parts, one after the other, and return all that comes back, its dates masked."""
    host, port = site.server.addresses.public.removeprefix("http://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    answer = b""
    with suppress(BrokenPipeError, ConnectionResetError):  # whoever is cut off keeps what came before
        for part in parts:
            writer.write(filled(site, part))
            for _ in range(10):  # turns of the loop, in which the server reads it
                await asyncio.sleep(0)
        if half_close:
            writer.write_eof()
        async with asyncio.timeout(20):
            while data := await reader.read(65536):
                answer += data
    writer.close()
    return re.sub(rb"Date: [^\r]+", b"Date: masked", answer)


async def traces(site: Site) -> dict[str, Any]:
    """Return everything that requests have left behind."""
    rows = [row.entry for row in await site.visits()]
    return {
        "visits": [(entry.visit, entry.answer, entry.verdict) for entry in rows],
        "facts": [replace(entry.facts, campaign=NO_MATTER, link=None) for entry in rows],
        "strays": await site.store.count_strays(since=0),
        "responses": [
            await site.metric("linkproxy_http_responses_total", listener="public", status=status)
            for status in ("2xx", "3xx", "4xx", "5xx")
        ],
        "redirects": await site.metric("linkproxy_visits_total", verdict="human", answer="redirect"),
    }


@pytest.fixture
async def both(start: Start, tmp_path: Path) -> Callable[..., Awaitable[tuple[Site, Site]]]:
    """Start two servers with the same keys and mail: one asks aiohttp only where it must, one always."""

    async def begin(**sections: dict[str, Any]) -> tuple[Site, Site]:
        made = []
        for name, log in (("fast", False), ("plain", True)):
            folder = tmp_path / name
            folder.mkdir()
            if made:
                for keys in ("signing-keys.txt", "privacy-key.txt"):
                    shutil.copy(tmp_path / "fast" / keys, folder / keys)
            server = {**sections.get("server", {}), "request_log": log}
            site = await start(folder, **{**sections, "server": server})
            await add_message_link(site)
            made.append(site)
        return made[0], made[1]

    return begin


async def add_message_link(site: Site) -> None:
    target = "https://shop.example/order/8347"
    await site.store.add_message_links(
        [
            MessageLink(
                *(site.campaign.id, site.recipient.id, LinkKey("Me55"), target),
                *(LinkKind.CONTENT, LinkRole.BODY, 20, target),
            )
        ]
    )


async def telling(site: Site) -> Site:
    """Make a campaign whose targets are told of visits; its mail was delivered ten minutes ago."""
    drafted = Campaign(CampaignId(0), "telling", base_url="http://click.example", click_id="lp_click")
    campaign = await site.store.add_campaign(drafted)
    link = Link(campaign.id, LinkKey(site.CONTENT), site.TARGET, LinkKind.CONTENT, LinkRole.BODY, 0)
    await site.store.add_links([link])
    delivery = Delivery(site.START - 600, DeliverySource.MX)
    await site.store.add_deliveries([DeliveryDraft(campaign.id, site.recipient.id, delivery)])
    return replace(site, campaign=campaign)


async def came_the_same(
    fast: Site, plain: Site, parts: list[str | bytes], *, half_close: bool = False
) -> bytes:
    """Assert that both answer the same and remember the same; return the answer."""
    first = await exchange(fast, parts, half_close=half_close)
    second = await exchange(plain, parts, half_close=half_close)
    # Whoever has closed its half may be gone before the answer: then it is cut off, both ways.
    assert first == second or (half_close and (first.startswith(second) or second.startswith(first)))
    for site in (fast, plain):
        if site.server.services.journal is not None:  # its commit may end after the connection
            await site.server.services.journal._commits.drain()
    assert await traces(fast) == await traces(plain)
    return first


@pytest.mark.parametrize(
    "family", [ORDINARY, ODD, SMUGGLED, PIPELINED], ids=["ordinary", "odd", "smuggled", "pipelined"]
)
async def test_whatever_is_sent_both_ways_give_the_same_bytes_and_the_same_journal(
    both: Any, family: dict[str, list[str | bytes]]
) -> None:
    fast, plain = await both()
    for case, parts in family.items():
        try:
            first, second = await exchange(fast, parts), await exchange(plain, parts)
        except TimeoutError:
            pytest.fail(case)
        assert first == second, case
        assert await traces(fast) == await traces(plain), case


async def test_a_client_that_closes_its_half_is_treated_the_same(both: Any) -> None:
    fast, plain = await both()
    for case in ("a click", "HEAD", "a bait"):
        await came_the_same(fast, plain, CASES[case], half_close=True)


async def test_who_says_that_nothing_more_comes_is_sent_on_all_the_same(both: Any) -> None:
    fast, _ = await both()
    for case in ("a click", "HEAD"):
        assert (await exchange(fast, CASES[case], half_close=True)).startswith(b"HTTP/1.1 302 "), case


async def test_a_person_with_all_the_cookies_of_the_brands_domain_is_sent_on(both: Any) -> None:
    fast, plain = await both()
    cookies = "; ".join(f"preference{number}={'c' * 1000}" for number in range(25))
    answer = await came_the_same(fast, plain, [get(headers=FIREFOX + f"Cookie: {cookies}\r\n" + CLOSE)])
    assert answer.startswith(b"HTTP/1.1 302 ")


FRONTS = (
    "X-Forwarded-For: 203.0.113.9\r\n",
    "X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n",
    "X-Forwarded-For: 203.0.113.9\r\nX-JA4: t13d190900_9dc949149365_97f8aa674fd9\r\n",
    "",
)


async def test_behind_a_trusted_front_both_ways_see_the_same_client(both: Any) -> None:
    server = {"trusted_proxies": ["127.0.0.0/8"], "fingerprint_header": "X-JA4"}
    fast, plain = await both(server=server)
    for said in FRONTS:
        await came_the_same(fast, plain, [get(headers=FIREFOX + said + CLOSE)])
    rows = await fast.visits()
    assert [row.entry.visit.client for row in rows] == ["203.0.113.9"] * 3 + ["127.0.0.1"]
    assert [row.entry.visit.secure for row in rows] == [False, True, False, False]


async def test_the_extra_hop_is_the_same_both_ways(both: Any) -> None:
    fast, plain = await both()
    for site in (fast, plain):
        delivery = Delivery(site.START - 40, DeliverySource.MX)
        await site.store.add_deliveries([DeliveryDraft(site.campaign.id, site.recipient.id, delivery)])
    answer = await came_the_same(fast, plain, [get()])
    assert b"\r\nSet-Cookie: hop=1; " in answer
    location = re.search(rb"Location: (\S+)", answer)
    assert location is not None
    path = fast.path().rsplit("/", 1)[0] + "/" + location[1].decode()
    assert b"\r\nLocation: https://shop.example/spring" in await came_the_same(fast, plain, [get(path)])


async def test_a_click_id_is_the_same_both_ways(both: Any) -> None:
    fast, plain = [await telling(site) for site in await both()]
    assert b"lp_click=" in await came_the_same(fast, plain, [get()])


async def test_who_is_not_tracked_is_sent_on_both_ways_and_leaves_no_trace(both: Any) -> None:
    fast, plain = await both()
    for site in (fast, plain):
        await site.store.erase_recipient(site.recipient.id)
    assert b" 302 Found" in await came_the_same(fast, plain, [get()])
    assert await fast.visits() == []


async def test_ordinary_requests_for_tracked_links_are_not_aiohttps_business(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the tests above would compare aiohttp with itself."""
    handed_over: list[str] = []
    handler = PublicServer.handler
    await add_message_link(site)
    for case, parts in ORDINARY.items():
        if len(parts) == 1:
            monkeypatch.setattr(
                PublicServer, "handler", lambda server, case=case: handed_over.append(case) or handler(server)
            )
            await exchange(site, parts)
    assert handed_over == []
    await exchange(site, ODD["OPTIONS"])
    assert len(handed_over) == 1


# --- many at once ------------------------------------------------------------------------------


async def test_a_flood_in_one_connection_is_answered_in_order(both: Any) -> None:
    keys = [f"Ct{letter}" for letter in ("A1", "B2", "C3", "D4")] * 60
    parts = ["".join(get(f"{{token}}/{key}", FIREFOX) for key in keys), END]
    fast, plain = await both()
    answer = await exchange(fast, parts)
    assert len(re.findall(rb"HTTP/1.1 (?:302|200) ", answer)) == len(keys) + 1
    assert answer == await exchange(plain, parts)
    assert [row.entry.visit.key for row in await fast.visits()] == keys


async def test_who_has_gone_does_not_keep_the_others_of_a_commit_from_their_answers(
    start: Start, locked: Callable[[], AbstractContextManager[None]]
) -> None:
    site = await start()
    host, port = site.server.addresses.public.removeprefix("http://").rsplit(":", 1)
    people = (await site.store.register_recipients([RecipientDraft(reference=f"r{n}") for n in range(6)]))[:6]
    clients = []
    with locked():
        for person in people:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(get(site.path("CtA1", person)).encode())
            clients.append((reader, writer))
        for _ in range(50):
            await asyncio.sleep(0)
        for _, writer in clients[::2]:
            writer.transport.abort()
        for _ in range(50):
            await asyncio.sleep(0)
    answers = [await reader.read() for reader, _ in clients[1::2]]
    assert all(answer.startswith(b"HTTP/1.1 302 Found\r\n") for answer in answers)
    for _, writer in clients:
        writer.close()
    assert len(await site.visits()) == len(people)


@pytest.mark.parametrize(("last", "status"), [("{third}", b"302"), ("/nothing", b"404")])
async def test_what_was_asked_before_a_client_closed_its_half_is_answered_and_then_it_is_closed(
    site: Site, locked: Callable[[], AbstractContextManager[None]], last: str, status: bytes
) -> None:
    host, port = site.server.addresses.public.removeprefix("http://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    with locked():
        for path in ("{path}", "{second}", last):
            writer.write(filled(site, get(path, FIREFOX)))
            for _ in range(20):
                await asyncio.sleep(0)
        (connection,) = begun()
        writer.write_eof()
        await until(lambda: connection._sent_all)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == [b"302", b"302", status]


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  (turns of the loop, in which the server does its work)
            await asyncio.sleep(0)


def begun() -> list[Connection]:
    return [item for item in gc.get_objects() if type(item) is Connection and item._transport]


async def test_what_comes_behind_a_request_to_close_is_no_visit_however_slowly_the_client_reads(
    site: Site,
) -> None:
    host, port = site.server.addresses.public.removeprefix("http://").rsplit(":", 1)
    loop, page, asked = asyncio.get_running_loop(), site.path(site.BAIT), 0
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.setblocking(False)
        await loop.sock_connect(client, (host, int(port)))
        await until(begun)
        (connection,) = begun()
        transport = connection._transport
        assert transport is not None
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
        while transport.get_write_buffer_size() < 20_000:
            await loop.sock_sendall(client, get(page, FIREFOX).encode())
            await until(lambda: connection._visit)
            await until(lambda: connection._visit is None)
            asked += 1
        transport.set_write_buffer_limits(high=transport.get_write_buffer_size() + 100)
        await loop.sock_sendall(client, get(page).encode())  # whose answer is more than the client takes
        await until(lambda: connection._visit)
        await loop.sock_sendall(client, get(page).encode())
        await until(lambda: connection._rest and connection._visit)
        await until(lambda: connection._visit is None)
        assert connection._full
        answer = b""
        while data := await loop.sock_recv(client, 65536):
            answer += data
    await until(lambda: not begun())
    await site.server.services.journal._commits.drain()
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == asked + 1
    assert len(await site.visits()) == asked + 1


async def test_a_connection_that_has_ended_leaves_nothing_to_the_garbage_collector(site: Site) -> None:
    gc.collect()
    gc.disable()
    try:
        for number in range(5):
            await exchange(site, [get(headers=FIREFOX + f"X-Number: {number}\r\n" + CLOSE)])
        async with asyncio.timeout(20):
            while left := [item for item in gc.get_objects() if type(item) in {Connection, _Request}]:
                del left
                await asyncio.sleep(0)
    finally:
        gc.enable()


async def test_a_connection_that_aiohttp_had_is_not_kept_until_its_time_is_over(site: Site) -> None:
    await exchange(site, [get("/healthz", FIREFOX + CLOSE)])
    async with asyncio.timeout(20):
        while any(type(item) is RequestHandler and item.transport is None for item in gc.get_objects()):
            gc.collect()
            await asyncio.sleep(0)


async def test_a_connection_that_nobody_uses_is_closed_in_the_end(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "KEEP_ALIVE_SECONDS", 0.5)
    site = await start()
    host, port = site.server.addresses.public.removeprefix("http://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(filled(site, get(headers=FIREFOX)))
    async with asyncio.timeout(20):
        assert (await reader.read()).startswith(b"HTTP/1.1 302 Found\r\n")
    writer.close()


@pytest.mark.parametrize("part", ["GET {path} HTTP/1.1\r\nHost: click.exam", "GET {path} HT", ""])
@pytest.mark.parametrize("logged", [False, True])
async def test_half_a_request_does_not_hold_its_connection_for_ever(start, monkeypatch, part, logged):
    monkeypatch.setattr(fast, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(fast, "KEEP_ALIVE_SECONDS", 0.5)
    site = await start(server={"request_log": logged})
    assert await exchange(site, [part]) == b""


async def test_a_connection_whose_requests_are_whole_stays(start, monkeypatch):
    monkeypatch.setattr(fast, "HEAD_SECONDS", 0.2)
    site = await start(server={"request_log": True})
    host, port = site.server.addresses.public.removeprefix("http://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    until = asyncio.get_running_loop().time() + 3 * fast.HEAD_SECONDS
    while asyncio.get_running_loop().time() < until:
        writer.write(filled(site, get(headers=FIREFOX)))
        assert await reader.readuntil(b"\r\n\r\n")
    writer.close()
