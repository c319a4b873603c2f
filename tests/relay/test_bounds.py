"""What a client may take of time and room, and what it hears to nonsense."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from claims.smtp import Mailer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


async def test_too_many_connections_are_told_to_try_again(post, letter):
    found = await post(client_connections=2)
    first, second = await found.mailer(), await found.mailer()
    third = await Mailer.connect(found.port, greet=False)
    assert await third.hear() == "421 4.3.2 too many connections; try again"
    assert await third.hear() == ""
    assert found.metric("refusals_total", reason="connections") == 1
    second.cut()
    assert await first.send(letter()) == "250 2.0.0 taken as 4711"
    first.close()
    while found.running.relay.conversations:  # noqa: ASYNC110  (the other side's end has no event of ours)
        await asyncio.sleep(0.01)
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"


async def test_a_silent_mailer_is_let_go_but_not_while_we_are_the_ones_who_work(post, letter):
    found = await post(client_seconds=0.2)
    found.upstream.answers["EHLO"] = "250 upstream.example"
    silent = await found.mailer()
    assert await silent.hear() == ""
    found.upstream.hold = asyncio.Event()
    asyncio.get_running_loop().call_later(0.5, found.upstream.hold.set)
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"


async def test_a_mailer_that_reads_nothing_is_let_go_too(post):
    found = await post(client_seconds=0.2)
    mailer = await found.mailer()
    mailer.writer.transport.pause_reading()
    mailer.writer.write(b"NOOP\r\n" * 2_000_000)  # the answers fill what the system keeps for a reader
    while found.running.relay.conversations:  # noqa: ASYNC110  (the other side's end has no event of ours)
        await asyncio.sleep(0.01)
    mailer.cut()


async def test_a_size_that_is_declared_too_large_is_refused_before_the_message(post):
    found = await post(message_bytes=2000)
    mailer = await found.mailer()
    assert (await mailer.say("MAIL FROM:<a@brand.example> SIZE=2001")).startswith("552 ")
    assert (await mailer.say("MAIL FROM:<a@brand.example> SIZE=2000")).startswith("250 ")


async def test_a_message_that_is_too_large_is_refused_and_the_next_one_passes(post, letter):
    found = await post(message_bytes=2000)
    mailer = await found.mailer()
    assert (await mailer.send(letter(b"x" * 900, b"y" * 900, b"z" * 900))).startswith("552 ")
    assert await mailer.send(letter()) == "250 2.0.0 taken as 4711"
    assert len(found.upstream.received) == 1


async def test_an_endless_line_is_refused_without_being_kept(post, letter):
    found = await post()
    mailer = await found.mailer()
    await mailer.begin()
    assert (await mailer.data(b"x" * 600_000 + b"\r\n")).startswith("500 ")
    assert (await mailer.say("NOOP " + "x" * 600_000)).startswith("500 ")
    assert await mailer.send(letter()) == "250 2.0.0 taken as 4711"


async def test_nonsense_is_answered_and_harms_nobody(post, letter):
    found = await post()
    mailer = await found.mailer()
    for line in (
        b"\xff\xfe",
        b"MAIL",
        b"MAIL FROM:",
        b"MAIL FROM:<a b>",
        b"RCPT TO:<a@b.example>",
        b"DATA",
        b"BDAT 5 LAST",
    ):
        assert (await mailer.say(line))[:1] == "5"
    assert await mailer.send(letter()) == "250 2.0.0 taken as 4711"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("<anna@example.com>", "<anna@example.com>"),
        (" <anna@example.com> ", "<anna@example.com>"),
        ("anna@example.com", "<anna@example.com>"),
        ("<=?utf-8?q?=3E?=@example.com>", "<=?utf-8?q?=3E?=@example.com>"),
        ('<"a \\" b> c"@example.com>', '<"a \\" b> c"@example.com>'),
        ("<a(b)c@example.com>", "<a(b)c@example.com>"),
        ("<@old.example,@way.example:anna@example.com>", "<anna@example.com>"),
        ("<anna@[192.0.2.1]>", "<anna@[192.0.2.1]>"),
        ("<postmaster>", "<postmaster>"),
        ("<>", "<>"),
        ("<a b>", None),
        ("<a@b", None),
        ("<a@b>c", None),
        ("<a@b@c>", None),
        ('<"a"b@c>', None),
        ("<a@b> NOTIFY=NEVER", None),
    ],
)
async def test_an_address_goes_on_as_it_was_written_or_not_at_all(post, path, said):
    found = await post()
    mailer = await found.mailer()
    reply = await mailer.say(f"MAIL FROM:{path}")
    commands = [command for command in found.upstream.commands if command.startswith("MAIL")]
    assert commands == ([f"MAIL FROM:{said}"] if said else [])
    assert reply.startswith("250 " if said else "55")
    mailer.close()


COMMAND = st.one_of(
    st.sampled_from(
        [
            *(
                b"EHLO x.example",
                b"HELO x",
                b"RSET",
                b"NOOP",
                b"DATA",
                b".",
                b"STARTTLS",
                b"AUTH PLAIN",
                b"AUTH LOGIN",
            ),
            *(
                b"MAIL FROM:<a@b.example>",
                b"MAIL FROM:<> SIZE=9 BODY=8BITMIME",
                b"RCPT TO:<c@d.example>",
                b"VRFY c",
            ),
            *(
                b"HELP MAIL",
                b"EXPN c",
                b"*",
                b"",
                b"MAIL FROM:<a@b.example> FOO=1",
                b"RCPT TO:<>",
                b"Subject: x",
            ),
        ]
    ),
    st.binary(max_size=40),
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(COMMAND, max_size=14))
async def test_whatever_a_client_says_the_relay_answers_in_replies_and_stays_up(post, letter, lines):
    found = getattr(post, "found", None) or await post()
    post.found = found
    found.upstream.received.clear()
    mailer = await Mailer.connect(found.port)
    for line in [*lines, b".", b"*", b"QUIT"]:
        mailer.writer.write(line + b"\r\n")
    heard = []
    with suppress(ConnectionError):
        while reply := await mailer.hear():
            heard.append(reply)
    assert all(reply[:3].isdigit() for reply in heard)
    assert len(found.upstream.received) <= lines.count(b"DATA")
    mailer.close()
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"
