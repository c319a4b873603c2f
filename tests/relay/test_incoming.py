"""A message that DATA brings is read whole, in whatever pieces it comes, and within bounds."""

from __future__ import annotations

import asyncio
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.server.relay.incoming import read_message
from linkproxy.server.relay.replies import LONG_LINE, TOO_LARGE, Reply
from linkproxy.server.relay.upstream import stuffed

LINE = 64
TEXT = st.lists(st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"a", b"x" * 70]), max_size=30).map(b"".join)


async def read(*pieces: bytes, most_bytes: int = 10_000, limit: int = LINE) -> tuple[bytes | Reply, bytes]:
    """Return what is read of these pieces, and what is left."""
    reader = asyncio.StreamReader(limit=limit)
    reading = asyncio.ensure_future(read_message(reader, most_bytes=most_bytes, line_bytes=LINE))
    for piece in pieces:
        reader.feed_data(piece)
        await asyncio.sleep(0)
    reader.feed_eof()
    return await reading, await reader.read()


def longest(message: bytes) -> int:
    return max(len(line) for line in message.removesuffix(b"\r\n").split(b"\r\n")) + 2


@settings(max_examples=200)
@given(text=TEXT, cuts=st.lists(st.integers(0, 400), max_size=6), limit=st.sampled_from([8, LINE, 4096]))
async def test_a_message_and_what_was_said_behind_it_come_as_they_were_sent(text, cuts, limit):
    message = text + b"\r\n" if text and not text.endswith(b"\r\n") else text
    sent = stuffed(message) + b"MAIL FROM:<a@brand.example>\r\n"
    places = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]
    pieces = [sent[start:end] for start, end in pairwise(places)]
    found, left = await read(*pieces, limit=limit)
    assert left == b"MAIL FROM:<a@brand.example>\r\n"
    stuffed_longest = longest(stuffed(message).removesuffix(b".\r\n"))
    assert found == (LONG_LINE if stuffed_longest > LINE else message)


@pytest.mark.parametrize(("length", "fits"), [(98, True), (99, False)])
async def test_the_largest_message_is_read_and_one_byte_more_is_not(length, fits):
    message = (b"x" * 48 + b"\r\n") * 2 + b"y" * (length - 100 + 48)
    message = message[: length - 2] + b"\r\n"
    found, left = await read(stuffed(message), b"QUIT\r\n", most_bytes=98)
    assert found == (message if fits else TOO_LARGE)
    assert left == b"QUIT\r\n"


@pytest.mark.parametrize(
    "piece", [b"x" * 10_000, b"\r\n" * 5_000], ids=["no line end", "nothing but line ends"]
)
async def test_whatever_comes_no_more_than_a_few_messages_worth_is_held(piece):
    tracemalloc.start()
    found, _ = await read(*[piece] * 400, b"\r\n.\r\n", most_bytes=100_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == TOO_LARGE
    assert peak < 1_000_000
