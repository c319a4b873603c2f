"""Mailers and connections that go away at the worst moment: what is lost, what is doubled, who is told."""

from __future__ import annotations

import asyncio
import smtplib
import ssl

import pytest
from claims.smtp import CUT, TAKEN, Mailer
from claims.tls_front import authority
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize("stage", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "half", "all but the dot"])
async def test_a_mailer_that_goes_before_the_end_takes_its_message_with_it(post, letter, stage):
    found = await post()
    mailer = await Mailer.connect(found.port, greet=False)
    await mailer.hear()
    steps = {
        "EHLO": "EHLO mailer.example",
        "MAIL": "MAIL FROM:<news@brand.example>",
        "RCPT": "RCPT TO:<anna@example.com>",
        "DATA": "DATA",
    }
    for step, line in steps.items():
        if stage != "greeting":
            await mailer.say(line)
        if stage in {step, "greeting"}:
            break
    if stage == "half":
        mailer.writer.write(letter()[:60])
    elif stage == "all but the dot":
        mailer.writer.write(letter())
    await mailer.writer.drain()
    mailer.cut()
    assert await found.send(letter(), to="ben@example.com") == "250 2.0.0 taken as 4711"
    assert [mail.recipients for mail in found.upstream.received] == [["ben@example.com"]]
    assert [who for who, _, _ in await found.deliveries()] == ["ben@example.com"]


async def test_a_mailer_that_goes_before_the_last_word_had_its_message_passed_on_once(post, letter):
    found = await post()
    found.upstream.hold = asyncio.Event()
    mailer = await found.mailer()
    await mailer.begin()
    await mailer.say("DATA")
    mailer.writer.write(letter() + b".\r\n")
    await found.upstream.began_end.wait()
    mailer.cut()
    found.upstream.hold.set()
    found.upstream.hold = None
    assert await found.send(letter(), to="ben@example.com") == "250 2.0.0 taken as 4711"
    assert [mail.recipients[0] for mail in found.upstream.received] == ["anna@example.com", "ben@example.com"]
    assert [who for who, _, _ in await found.deliveries()] == ["anna@example.com", "ben@example.com"]


async def test_what_upstream_took_without_saying_so_is_counted_as_unsure_and_sent_again(post, letter):
    found = await post()
    found.upstream.answers["END"] = TAKEN
    mailer = await found.mailer()
    assert (await mailer.send(letter())).startswith("451 4.4.2 ")
    found.upstream.answers.clear()
    await mailer.say("RSET")
    assert await mailer.send(letter()) == "250 2.0.0 taken as 4711"
    first, second = (mail.content for mail in found.upstream.received)
    assert first == second
    assert found.metric("messages_total", treatment="rewritten", answer="unsure") == 1
    assert found.metric("messages_total", treatment="rewritten", answer="accepted") == 1


async def test_a_mailer_that_lingers_within_tls_keeps_no_message_from_being_finished_at_a_stop(
    post, letter, tmp_path
):
    (tmp_path / "tls").mkdir()
    context = ssl.create_default_context(cafile=authority(tmp_path / "tls", "127.0.0.1").file)
    context.check_hostname = False
    found = await post(tls_cert_file="tls/certificate.pem", tls_key_file="tls/key.pem")
    found.upstream.hold = asyncio.Event()

    def linger() -> smtplib.SMTP:
        client = smtplib.SMTP("127.0.0.1", found.port, timeout=30)
        client.starttls(context=context)
        client.docmd("QUIT")  # and stays connected
        return client

    lingering = [await asyncio.to_thread(linger) for _ in range(3)]
    sending = asyncio.create_task(found.send(letter()))
    await found.upstream.began_end.wait()
    stopping = asyncio.create_task(found.running.relay.stop())
    await asyncio.sleep(0)
    found.upstream.hold.set()
    assert await sending == "250 2.0.0 taken as 4711"
    await stopping
    for client in lingering:
        client.close()
    assert [who for who, _, _ in await found.deliveries()] == ["anna@example.com"]


async def test_a_pipelining_mailer_says_everything_at_once(post, letter):
    found = await post()
    mailer = await Mailer.connect(found.port, greet=False)
    await mailer.hear()
    assert "250-PIPELINING" in await mailer.say("EHLO mailer.example")
    envelope = [
        "MAIL FROM:<news@brand.example>",
        "RCPT TO:<anna@example.com>",
        "RCPT TO:<ben@example.com>",
        "DATA",
    ]
    assert await mailer.say(*envelope) == "250 2.1.0 sender noted"
    assert await mailer.hear() == "250 2.1.5 recipient noted"
    assert (await mailer.hear()).startswith("452 4.5.3 ")
    assert (await mailer.hear()).startswith("354 ")
    assert await mailer.say(letter() + b".", "MAIL FROM:<>", "QUIT") == "250 2.0.0 taken as 4711"
    assert await mailer.hear() == "250 2.1.0 sender noted"
    assert (await mailer.hear()).startswith("221 ")
    assert found.upstream.commands.count("MAIL FROM:<news@brand.example>") == 1


async def test_a_pipelining_mailer_whose_sender_is_refused_gets_nothing_through(post, letter):
    found = await post()
    found.upstream.answers["MAIL"] = "550 5.7.1 not from you"
    mailer = await found.mailer()
    assert await mailer.say("MAIL FROM:<x@brand.example>", "RCPT TO:<anna@example.com>", "DATA") == (
        "550 5.7.1 not from you"
    )
    assert (await mailer.hear()).startswith("503 ")
    assert (await mailer.hear()).startswith("503 ")
    assert found.upstream.received == []


async def test_many_mailers_at_once_get_each_message_through_once_to_the_right_one(post, letter, url):
    found = await post(upstream_connections=4)
    people = [f"person{number}@example.com" for number in range(40)]

    async def one(part: list[str]) -> list[str]:
        mailer = await found.mailer()
        return [await mailer.send(letter(person.encode()), to=person) for person in part]

    words = await asyncio.gather(*(one(people[start::8]) for start in range(8)))
    assert {word for part in words for word in part} == {"250 2.0.0 taken as 4711"}
    got = {mail.recipients[0]: mail.content for mail in found.upstream.received}
    assert len(found.upstream.received) == len(got) == 40
    assert all(person.encode() in got[person] for person in people)
    assert len({url.search(content)[1] for content in got.values()}) == 40
    assert found.upstream.most_open <= 4
    assert sorted(who for who, _, _ in await found.deliveries()) == sorted(people)


# --- everything at once --------------------------------------------------------------------------

MISHAP = (
    st.tuples(
        st.sampled_from(["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END"]),
        st.sampled_from([CUT, "451 4.3.0 later", "421 4.3.2 going"]),
    )
    | st.just(("END", TAKEN))
    | st.sampled_from([("mailer", step) for step in ("MAIL", "RCPT", "DATA", "half")])
)


async def _give_up(mailer: Mailer, letter: bytes, step: str) -> None:
    """Go away at a step of a message."""
    await mailer.say("MAIL FROM:<news@brand.example>")
    if step != "MAIL":
        await mailer.say("RCPT TO:<anna@example.com>")
    if step in {"DATA", "half"}:
        await mailer.say("DATA")
    if step == "half":
        mailer.writer.write(letter)
        await mailer.writer.drain()
    mailer.cut()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mishaps=st.lists(MISHAP, max_size=6))
async def test_a_mailer_that_tries_again_loses_nothing_and_doubles_only_what_it_was_told(
    post, letter, mishaps
):
    found = getattr(post, "found", None) or await post()
    post.found = found
    found.upstream.received.clear()
    passed = doubled = 0
    for stage, how in mishaps:
        if stage == "mailer":
            await _give_up(await found.mailer(), letter(), how)
            continue
        found.upstream.answers = {stage: how, **({"HELO": how} if stage == "EHLO" else {})}
        reply = await found.send(letter())
        # A kept connection skips the stages before MAIL, so the message may pass.
        assert reply.startswith(("451 ", "250 "))
        passed += reply.startswith("250 ")
        doubled += how == TAKEN and "send it again" in reply
        found.upstream.answers = {}
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"
    assert doubled == mishaps.count(("END", TAKEN))
    assert len(found.upstream.received) == passed + 1 + doubled
