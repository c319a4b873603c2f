"""Messages that take their time on the way upstream: delivered and said to be, or neither."""

from __future__ import annotations

import asyncio

import pytest
from claims.tls_front import authority

LONG = b"x" * 900  # a line; what 20 MB of them are does not fit between two programs


@pytest.fixture
def long(letter):
    return letter(*[LONG] * 22_000, campaign=None)


@pytest.fixture(params=["none", "implicit"])
async def stalled(request, post, upstream, tmp_path):
    """Start a relay, before a server that reads no message until it is told to, by TLS and without."""
    way = {"upstream_tls": request.param}
    if request.param == "implicit":
        (tmp_path / "tls").mkdir()
        trusted = authority(tmp_path / "tls", "localhost")
        await upstream.stop()
        upstream.implicit_tls = trusted.server
        await upstream.start()
        way |= {"upstream_host": "localhost", "upstream_ca_file": str(trusted.file)}

    async def begin(**relay: object):
        upstream.stall = asyncio.Event()
        return await post(**way, **relay)

    return begin


async def _resume(found) -> None:
    """Let the server read on, and return when it has come to an end with that connection."""
    found.upstream.stall.set()
    found.upstream.stall = None
    while found.upstream.open_now:  # noqa: ASYNC110  (it sets no event)
        await asyncio.sleep(0.01)


async def test_what_upstream_stops_taking_is_not_delivered_behind_the_mailers_back(stalled, long):
    found = await stalled(accept_seconds=0.2)
    reply = await found.send(long)
    assert reply.startswith("451 4.4.2 ")
    assert "did not take the whole message" in reply
    await _resume(found)
    assert found.upstream.received == []
    assert found.metric("messages_total", treatment="off", answer="deferred") == 1
    assert (await found.send(long)).startswith("250 ")
    assert [mail.content for mail in found.upstream.received] == [long]


async def test_a_mailer_that_goes_while_its_message_is_passed_on_takes_it_with_it(stalled, letter, long):
    found = await stalled()
    mailer = await found.mailer()
    await mailer.begin()
    await mailer.say("DATA")
    mailer.writer.write(long + b".\r\n")
    await found.upstream.began_stall.wait()
    mailer.cut()
    await _resume(found)
    assert found.upstream.received == []
    assert (await found.send(letter(), to="ben@example.com")).startswith("250 ")
    assert [mail.recipients for mail in found.upstream.received] == [["ben@example.com"]]


@pytest.mark.parametrize(
    ("early", "told"),
    [("552 5.3.4 too large for us", "552 5.3.4 too large"), ("250 2.0.0 thank you", "451 4.4.2 ")],
)
async def test_what_upstream_says_before_it_has_all_is_told_unless_it_is_a_yes(
    stalled, letter, long, early, told
):
    found = await stalled()
    found.upstream.answers["EARLY"] = early
    assert (await found.send(long)).startswith(told)
    await _resume(found)
    assert found.upstream.received == []
    assert (await found.send(letter())).startswith("250 ")
    assert len(found.upstream.received) == 1


async def test_what_is_taken_slowly_has_the_time_that_it_takes(stalled, long):
    found = await stalled(accept_seconds=30)
    sending = asyncio.create_task(found.send(long))
    await found.upstream.began_stall.wait()
    found.upstream.stall.set()
    assert (await sending).startswith("250 ")
    assert [mail.content for mail in found.upstream.received] == [long]
