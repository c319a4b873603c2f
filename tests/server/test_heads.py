"""Whatever is read without aiohttp, aiohttp reads the same."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from linkproxy.campaign.tokens import Keyring, SigningKey
from linkproxy.model import CampaignId, RecipientId
from linkproxy.server import heads
from linkproxy.server.heads import LINE, OWN_NAMES, Head, Heads
from linkproxy.visit.intake import PROFILE_HEADERS, TRACKED, Gate, path_of, said_by

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYRING = Keyring([SigningKey(1, bytes(range(32)))])
GATE = Gate(KEYRING, (ip_network("127.0.0.0/8"),))
TOKEN = KEYRING.sign(CampaignId(7), RecipientId(99))
WARM = Heads(GATE)
PLAIN = f"GET /{TOKEN}/aB3x HTTP/1.1\r\nHost: click.example\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"
SCRAPS = [
    "\r\n", "\n", "\r", " ", "\t", ":", "\0", "/", "?", "#", "%7e", "~", "\xe9", "GET ", "POST ", "HTTP/1.0", "Host: y\r\n",
    "Content-Length: 0\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n",
    "Connection: keep-alive\r\n", "Connection: x\r\n", "Upgrade: h2c\r\n", "Expect: 100-continue\r\n", "\r\n\r\n", PLAIN,
    "Cookie: hop=1\r\n", "cookie: a=b; hop=1\r\n", "X-Forwarded-For: 203.0.113.9\r\n", "X-Forwarded-For: 203.0.113.8, ",
    "X-Forwarded-For:198.51.100.4 \r\n", "X-Forwarded-For : 198.51.100.5\r\n", "X-Forwarded-Proto: https\r\n",
    "Cookie: hop=1\r\n continued\r\n", "X-Forwarded-For:\r\n\t203.0.113.7\r\n",
]  # fmt: skip


def read(text: str) -> Head | None:
    line = LINE.match(text)
    return None if line is None else WARM.read(text, line.end())


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


edits = st.lists(
    st.tuples(st.integers(0, len(PLAIN)), st.integers(0, 3), st.sampled_from(SCRAPS)), max_size=3
)


@settings(max_examples=400)
@given(edits=edits)
@example(edits=[(len(PLAIN) - 2, 0, "X-Forwarded-For: 203.0.113.9\r\n")])
@example(edits=[(len(PLAIN) - 2, 0, "Cookie: hop=1\r\n continued\r\n")])
@example(edits=[(len(PLAIN), 0, "Cookie: hop=1\r\n")])
@example(edits=[(len(PLAIN) - 2, 0, "X-Forwarded-For:\r\nCookie: \r\n")])
@example(edits=[(len(PLAIN) - 2, 0, "x-forwarded-for:  203.0.113.8 ,203.0.113.9 \r\n")])
@example(edits=[(len(PLAIN) - 2, 0, "X-Forwarded-For: 203.0.113.8\r\nX-FORWARDED-FOR: 203.0.113.9\r\n")])
def test_what_is_read_here_is_one_request_to_aiohttp_with_the_same_lines(
    loop: asyncio.AbstractEventLoop, edits: list[tuple[int, int, str]]
) -> None:
    text = PLAIN
    for place, cut, scrap in edits:
        text = text[:place] + scrap + text[place + cut :]
    head = read(text)
    if head is None:
        return
    # aiohttp's connection, of which its parser needs flow control alone.
    parser = HttpRequestParser(Mock(), loop, 65536, max_line_size=8190, max_field_size=8190)
    try:
        messages, upgraded, tail = parser.feed_data(text.encode("latin-1"))
    except HttpProcessingError as error:
        pytest.fail(f"aiohttp refuses {text!r}: {error}")
    ((message, payload),) = messages
    line = LINE.match(text)
    assert line is not None
    assert (upgraded, tail, payload.is_eof()) == (False, b"", True)
    assert (message.method, message.path.partition("?")[0]) == (line[1], line[2])
    assert head.close is message.should_close
    theirs = tuple((name.decode("ascii"), value.decode("ascii")) for name, value in message.raw_headers)
    assert head.said == said_by(theirs, GATE)
    assert head.headers == tuple(pair for pair in theirs if pair[0].lower() not in OWN_NAMES)


@settings(max_examples=200)
@given(st.from_regex(LINE, fullmatch=False).filter(LINE.match))
def test_a_line_says_of_a_path_what_intake_says(text: str) -> None:
    line = LINE.match(text)
    assert line is not None
    target = text[: line.end()].split(" ", 1)[1]
    asked = TRACKED.fullmatch(path_of(target))
    assert asked is not None
    assert asked.groups() == line.groups()[2:]
    assert line[2] == path_of(target)


def test_the_same_lines_are_the_same_head_whatever_the_path() -> None:
    known = Heads(GATE)
    other = PLAIN.replace("aB3x", "cD4y")
    first = known.read(PLAIN, LINE.match(PLAIN).end())
    assert first is not None
    assert known.read(other, LINE.match(other).end()) is first
    assert known.read(PLAIN.replace("curl", "wget"), LINE.match(PLAIN).end()) is not first


def test_lines_of_ones_own_are_no_other_head_but_say_who_it_is() -> None:
    known = Heads(GATE)
    told = [f"X-Forwarded-For: 203.0.113.{number}\r\nCookie: hop={number}" for number in range(9)]
    heads = [known.read(text := f"{PLAIN[:-2]}{own}\r\n\r\n", LINE.match(text).end()) for own in told]
    assert [head.said.hops for head in heads] == [(f"203.0.113.{number}",) for number in range(9)]
    assert [head.said.hop_cookie for head in heads] == [number == 1 for number in range(9)]
    assert {head.said.profile for head in heads} == {known.read(PLAIN, LINE.match(PLAIN).end()).said.profile}
    assert len(known) == 1


def test_lines_of_ones_own_are_no_part_of_profiles() -> None:
    assert not OWN_NAMES & PROFILE_HEADERS
    assert not [name for name in OWN_NAMES if name.startswith("sec-")]


@pytest.mark.parametrize("name", sorted(OWN_NAMES))
def test_lines_of_ones_own_are_known_in_any_case(name: str) -> None:
    known = Heads(GATE)
    for spelt in (name, name.title(), name.upper()):
        text = f"{PLAIN[:-2]}{spelt}: x\r\n\r\n"
        assert known.read(text, LINE.match(text).end()) is not None
    assert len(known) == 1


@pytest.mark.parametrize("bound", ["MOST_HEADS", "MOST_CHARACTERS"])
def test_what_is_remembered_is_bounded_and_the_oldest_go_first(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(heads, bound, 3 if bound == "MOST_HEADS" else 3 * len(PLAIN))
    known = Heads(GATE)
    texts = [PLAIN.replace("8.5.0", f"8.5.{number}") for number in range(9)]
    firsts = [known.read(text, LINE.match(text).end()) for text in texts]
    assert known.read(texts[-1], LINE.match(texts[-1]).end()) is firsts[-1]
    assert known.read(texts[0], LINE.match(texts[0]).end()) is not firsts[0]
    assert len(known) <= 4
