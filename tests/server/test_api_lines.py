"""POST /api/v1/rewrite as JSON Lines: a stream in, a stream out, nothing gathered on the way."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from claims.api import call

from linkproxy.server.json_lines import answers_to, lines_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.server.conftest import Site

HTML = '<p><a href="https://shop.example/spring?a=1&amp;b=2#top">Spring</a> <a href="https://new.example/">New</a></p>'
ROOM = 10_000


async def stream(site: Site, key: str, *lines: object) -> list[dict[str, Any]]:
    """Send lines, objects as JSON and bytes as they are; return the answers."""
    sent = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/jsonl"}
    address = site.server.addresses.private + "/api/v1/rewrite"
    async with site.web.post(address, data=sent, headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "application/jsonl"
        return [json.loads(line) for line in (await response.text()).splitlines()]


def mail(who: str, **fields: object) -> dict[str, object]:
    return {"campaign": "spring", "html": HTML, "recipient": who, **fields}


async def test_each_line_is_answered_in_its_turn_as_a_call_by_itself_would_be(site: Site, key: str) -> None:
    first, second = mail("anna@example.com"), mail("ben@example.com")
    answers = await stream(site, key, first, second)
    assert [(answer["line"], answer["ok"]) for answer in answers] == [(1, True), (2, True)]
    for line, answer in zip((first, second), answers, strict=True):
        _, alone = await call(site, key, "/api/v1/rewrite", line)
        assert answer == {"line": answer["line"], **alone}


async def test_a_bad_line_is_told_with_its_number_and_ends_no_other(site: Site, key: str) -> None:
    answers = await stream(
        site,
        key,
        mail("anna@example.com"),
        b"not json",
        b"",
        b"[]",
        {"campaign": "nowhere", "html": HTML, "recipient": "x@example.com"},
        {"campaign": "spring", "recipient": "not an address@", "html": HTML, "htlm": "x"},
        b'{"a": "\xff"}',
        mail("ben@example.com"),
    )
    assert [(answer["line"], answer["ok"]) for answer in answers] == [
        (1, True), (2, False), (4, False), (5, False), (6, False), (7, False), (8, True),
    ]  # fmt: skip
    told = {answer["line"]: answer for answer in answers}
    assert told[2]["errors"] == ["the line is not JSON: Expecting value at column 1"]
    assert told[4]["errors"] == ["the line is not a JSON object"]
    assert "there is none named 'nowhere'" in told[5]["error"]
    assert len(told[6]["errors"]) == 2
    assert {told[number]["status"] for number in (2, 4, 5, 6, 7)} == {400}


async def test_a_template_is_sent_once_and_serves_the_recipients_of_all_lines_after_it(
    site: Site, key: str
) -> None:
    before, one, many, own = await stream(
        site,
        key,
        {"defaults": {"campaign": "spring", "html": HTML}},
        {"recipients": ["anna@example.com"]},
        {"recipients": ["ben@example.com", "c-17"]},
        {"text": "https://new.example/", "recipient": "anna@example.com"},
    )
    assert before == {"line": 1, "ok": True}
    assert [message["recipient"] for answer in (one, many) for message in answer["messages"]] == [
        "anna@example.com",
        "ben@example.com",
        "c-17",
    ]
    alone = {"campaign": "spring", "html": HTML, "recipients": ["anna@example.com"]}
    assert one["messages"] == (await call(site, key, "/api/v1/rewrite", alone))[1]["messages"]
    assert own["text"].startswith("http://click.example/")
    links = (await call(site, key, "/api/v1/campaigns/spring"))[1]["links"]
    targets = [link["target"] for link in links if link["kind"] == "content"]
    assert targets.count("https://new.example/") == 1


async def test_templates_and_campaigns_that_take_turns_are_not_taken_for_one_another(
    site: Site, key: str
) -> None:
    await call(site, key, "/api/v1/campaigns", {"name": "summer"})
    lines = [
        {"campaign": campaign, field: text, "recipients": [who]}
        for who in ("anna@example.com", "ben@example.com")
        for campaign, field, text in (
            ("spring", "html", HTML),
            ("summer", "html", HTML),
            ("summer", "html", HTML.replace("New", "Newer")),
            ("summer", "text", "https://new.example/"),
        )
    ]
    answers = await stream(site, key, *lines)
    for line, answer in zip(lines, answers, strict=True):
        _, alone = await call(site, key, "/api/v1/rewrite", line)
        assert answer == {"line": answer["line"], **alone}
    shown = [str(answer["messages"][0].items()) for answer in answers]
    assert len(set(shown)) == len(lines)


@pytest.mark.parametrize(
    "line", [{"defaults": {}, "html": "x"}, {"defaults": 1}, {"defaults": {"campain": "spring"}}]
)
async def test_defaults_that_are_none_are_told(site: Site, key: str, line: object) -> None:
    [told] = await stream(site, key, line)
    assert (told["ok"], told["status"]) == (False, 400)
    assert "defaults" in told["error"]


async def test_without_a_key_no_line_is_read(site: Site) -> None:
    headers = {"Content-Type": "application/x-ndjson"}
    address = site.server.addresses.private + "/api/v1/rewrite"
    async with site.web.post(address, data=b"{}\n", headers=headers) as response:
        assert response.status == 401


async def test_an_answer_comes_while_the_request_is_still_being_sent(site: Site, key: str) -> None:
    reader, writer = await opened(site, key)
    for who in ("anna@example.com", "ben@example.com", "cleo@example.com"):
        await send(writer, mail(who))
        answer = await answered(reader)
        assert answer["ok"]
        assert "http://click.example/" in answer["html"]
    writer.write(b"0\r\n\r\n")
    assert await reader.readline() == b"0\r\n"
    writer.close()


async def test_a_client_that_goes_away_loses_nothing_and_the_same_lines_give_the_same_links_again(
    site: Site, key: str
) -> None:
    lines = [mail(f"r{number}@example.com") for number in range(6)]
    reader, writer = await opened(site, key)
    answers = []
    for line in lines[:3]:
        await send(writer, line)
        answers.append(await answered(reader))
    writer.write(b"1000\r\n" + json.dumps(lines[3]).encode()[:40])  # the middle of a line
    await writer.drain()
    writer.transport.abort()
    again = await stream(site, key, *lines)
    assert all(answer["ok"] for answer in again)
    assert again[:3] == answers
    spring = re.search(r'href="http://click\.example(/[^"]+)">Spring', answers[0]["html"])
    assert spring
    response = await site.ask(site.server.addresses.public + spring[1])
    assert response.headers["Location"] == site.TARGET


async def test_no_line_is_read_before_the_answer_to_the_one_before_is_taken() -> None:
    pulled = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal pulled
        for number in range(100):
            pulled += 1
            yield b"%d\n" % number

    async def answer(data: bytes) -> dict[str, Any]:
        return {"was": int(data)}

    taken = 0
    async for record in answers_to(lines_of(chunks(), ROOM), answer, ROOM):
        assert record == {"line": taken + 1, "ok": True, "was": taken}
        taken += 1
        assert pulled == taken
    assert taken == 100


async def test_a_line_beyond_the_limit_is_told_and_never_held() -> None:
    held = 0

    async def chunks() -> AsyncIterator[bytes]:
        yield b"1\n"
        for _ in range(1000):
            yield b"x" * 1000
        yield b"x\n2"

    async def answer(data: bytes) -> dict[str, Any]:
        nonlocal held
        held = max(held, len(data))
        return {}

    found = [record async for record in answers_to(lines_of(chunks(), ROOM), answer, ROOM)]
    assert [(record["line"], record["ok"], record.get("status")) for record in found] == [
        (1, True, None), (2, False, 413), (3, True, None),
    ]  # fmt: skip
    assert held == 1


async def opened(site: Site, key: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin a stream over a bare connection, and read the head of its answer."""
    address = urlsplit(site.server.addresses.private)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        f"POST /api/v1/rewrite HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/jsonl\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    return reader, writer


async def send(writer: asyncio.StreamWriter, line: object) -> None:
    data = json.dumps(line).encode() + b"\n"
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))
    await writer.drain()


async def answered(reader: asyncio.StreamReader) -> dict[str, Any]:
    size = int(await reader.readline(), 16)
    found: dict[str, Any] = json.loads(await reader.readexactly(size))
    await reader.readexactly(2)
    return found
