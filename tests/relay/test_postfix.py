"""Postfix behind the relay and in front of it: what it says is told, and no mail is lost or doubled."""

from __future__ import annotations

import asyncio
import re
import smtplib
from contextlib import AsyncExitStack

import pytest
from claims import postfix
from claims.smtp import Mailer

pytestmark = [pytest.mark.servers, pytest.mark.skipif(bool(postfix.missing()), reason=postfix.missing())]

PEOPLE = [f"{name}@example.com" for name in ("anna", "ben", "cleo", "dora", "emil")]
MAILBOXES = " ".join(f"{{{who} = {who.partition('@')[0]}/}}" for who in PEOPLE)
SAYS = " ".join(
    f"{{{name}@brand.example = {answer}}}"
    for name, answer in {
        "later": "450 4.2.1 come again",
        "never": "550 5.7.1 not from you",
        "bye": "421 4.7.0 leaving",
    }.items()
)
STAGES = {
    "MAIL": "smtpd_sender_restrictions",
    "RCPT": "smtpd_recipient_restrictions",
    "DATA": "smtpd_data_restrictions",
    "END": "smtpd_end_of_data_restrictions",
}


@pytest.fixture
async def start():
    """Start Postfixes that end with the test."""
    async with AsyncExitStack() as stack:

        async def begin(**settings: str) -> postfix.Postfix:
            return await stack.enter_async_context(postfix.running(**settings))

        yield begin


@pytest.fixture
def receiving(start):
    """Start a Postfix that keeps mail to everybody of example.com."""

    async def begin(**settings: str) -> postfix.Postfix:
        kept = {"virtual_mailbox_domains": "example.com", "virtual_mailbox_maps": f"inline:{{ {MAILBOXES} }}"}
        return await start(**kept, **settings)

    return begin


@pytest.fixture
def sending(start):
    """Start a Postfix whose smarthost is the relay; what it could not send it tries again after a second."""

    async def begin(relay_port: int, **settings: str) -> postfix.Postfix:
        usual = {
            "relayhost": f"[127.0.0.1]:{relay_port}",
            "queue_run_delay": "1s",
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "1s",
            "transport_retry_time": "1s",
            "smtp_connection_cache_destinations": "static:all",
        }
        return await start(**{**usual, **settings})

    return begin


def _as_sent(mail: bytes) -> bytes:
    """Return a delivered mail without the headers that the server adds, lines as on the wire."""
    own = mail[mail.index(b"From: News") :]
    return re.sub(rb"(?m)^(?:Date|Message-Id): .*\n", b"", own).replace(b"\n", b"\r\n")


async def _hand_over(server: postfix.Postfix, content: bytes, *people: str) -> None:
    """Send one mail to several people, as an application does that leaves the rest to its Postfix."""

    def talk() -> None:
        with smtplib.SMTP("127.0.0.1", server.port, local_hostname="shop.example", timeout=30) as client:
            assert client.sendmail("news@brand.example", people, content, ["BODY=8BITMIME"]) == {}

    await asyncio.to_thread(talk)


# --- Postfix behind the relay ------------------------------------------------------------------


async def test_mail_arrives_in_postfix_as_it_was_sent_but_for_its_links(post, letter, untracked, receiving):
    server = await receiving()
    found = await post(upstream_port=server.port)
    content = letter(b".", b"..dots", "äöü".encode(), b"x" * 990, b"")
    assert re.match(r"250 2\.0\.0 Ok: queued as \w+", await found.send(content))
    [mail] = await server.arrived("anna")
    assert untracked(_as_sent(mail)) == letter(
        b".", b"..dots", "äöü".encode(), b"x" * 990, b"", campaign=None
    )
    assert [who for who, _, _ in await found.deliveries()] == ["anna@example.com"]


@pytest.mark.parametrize("stage", STAGES)
async def test_what_postfix_says_at_a_stage_is_said_to_the_mailer(post, letter, receiving, stage):
    restriction = f"check_sender_access inline:{{ {SAYS} }}"
    server = await receiving(smtpd_delay_reject="no", **{STAGES[stage]: restriction})
    found = await post(upstream_port=server.port)
    mailer = await found.mailer()
    expected = {"later": "450 4.2.1 ", "never": "550 5.7.1 ", "bye": "451 4.7.0 "}
    for sender, start in expected.items():
        reply = await mailer.send(letter(), sender=f"{sender}@brand.example")
        assert reply.startswith(start), reply
        await mailer.say("RSET")
    assert (await mailer.send(letter(), to="ben@example.com")).startswith("250 2.0.0 ")
    await server.arrived("ben")
    assert server.mails("anna") == []
    assert [who for who, _, _ in await found.deliveries()] == ["ben@example.com"]


async def test_of_many_recipients_postfix_gets_those_that_it_takes_and_the_mailer_hears_of_the_others(
    post, letter, url, receiving
):
    slow = "check_recipient_access inline:{ {cleo@example.com = 450 4.2.0 greylisted} }"
    server = await receiving(smtpd_recipient_restrictions=f"{slow}, permit_mynetworks, reject")
    found = await post(upstream_port=server.port)
    everybody = ["ghost@example.com", *PEOPLE[:3]]

    def talk(client: smtplib.SMTP) -> dict[str, str]:
        told, waiting = {}, everybody
        while waiting:
            try:
                refused = client.sendmail("news@brand.example", waiting, letter())
            except smtplib.SMTPRecipientsRefused as error:
                refused = error.recipients
            told |= {who: words.decode()[:5] for who, (_, words) in refused.items()}
            waiting = [who for who, (_, words) in refused.items() if words.startswith(b"4.5.3")]
        return told

    told = await found.library(talk)
    assert told == {"ghost@example.com": "5.1.1", "cleo@example.com": "4.2.0", "ben@example.com": "4.5.3"}
    mails = [*await server.arrived("anna"), *await server.arrived("ben")]
    assert len({url.search(mail)[1] for mail in mails}) == len(mails) == 2
    assert server.mails("cleo") == []


@pytest.mark.parametrize("stage", ["idle", "MAIL", "RCPT", "DATA", "half"])
async def test_a_postfix_that_dies_in_a_conversation_neither_loses_nor_doubles(
    post, letter, receiving, stage
):
    server = await receiving()
    found = await post(upstream_port=server.port)
    mailer = await found.mailer()
    assert (await mailer.send(letter(), to="ben@example.com")).startswith("250 ")
    if stage != "idle":
        await mailer.say("MAIL FROM:<news@brand.example>")
    if stage in {"RCPT", "DATA", "half"}:
        await mailer.say("RCPT TO:<anna@example.com>")
    if stage in {"DATA", "half"}:
        await mailer.say("DATA")
    if stage == "half":
        mailer.writer.write(letter()[:60])
        await mailer.writer.drain()
    server.kill_sessions()
    if stage in {"DATA", "half"}:
        assert (await mailer.say(letter()[60 * (stage == "half") :] + b".")).startswith("451 ")
    elif stage != "idle":
        assert (await mailer.say("RCPT TO:<cleo@example.com>")).startswith(("451 ", "452 "))
    await mailer.say("RSET")
    assert (await mailer.send(letter())).startswith("250 ")
    assert len(await server.arrived("anna")) == len(server.mails("ben")) == 1
    assert server.mails("cleo") == []


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "half", "all but the dot"])
async def test_a_mailer_that_goes_leaves_nothing_in_postfix(post, letter, receiving, stage):
    server = await receiving()
    found = await post(upstream_port=server.port)
    mailer = await found.mailer()
    steps = ["MAIL FROM:<news@brand.example>", "RCPT TO:<anna@example.com>", "DATA"]
    for step in steps[: {"MAIL": 1, "RCPT": 2}.get(stage, 3)]:
        await mailer.say(step)
    mailer.writer.write({"half": letter()[:60], "all but the dot": letter()}.get(stage, b""))
    await mailer.writer.drain()
    mailer.cut()
    assert (await found.send(letter(), to="ben@example.com")).startswith("250 ")
    await server.arrived("ben")
    await server.empty()
    assert server.mails("anna") == []


async def test_postfix_refuses_what_is_too_large_for_it_and_the_mailer_hears_that(post, letter, receiving):
    server = await receiving(message_size_limit="20000")
    found = await post(upstream_port=server.port)
    mailer = await Mailer.connect(found.port)
    large = letter(*[b"x" * 900] * 30)
    assert (await mailer.say(f"MAIL FROM:<news@brand.example> SIZE={len(large)}")).startswith("552 5.3.4 ")
    assert (await mailer.send(large)).startswith("552 5.3.4 ")
    assert (await mailer.send(letter())).startswith("250 ")
    assert len(await server.arrived("anna")) == 1


# --- Postfix in front of the relay ---------------------------------------------------------------


async def test_a_mailing_from_postfix_reaches_everybody_at_once_with_links_of_their_own(
    post, letter, url, sending
):
    found = await post()
    server = await sending(found.port, smtp_destination_recipient_limit="1", default_process_limit="1")
    await _hand_over(server, letter(), *PEOPLE)
    await server.logged("status=sent", times=len(PEOPLE))
    assert await server.logged("conn_use=5")  # all over one connection
    await server.empty()
    got = {mail.recipients[0]: mail.content for mail in found.upstream.received}
    assert sorted(got) == PEOPLE
    assert len(found.upstream.received) == len({url.search(content)[1] for content in got.values()}) == 5
    assert "status=deferred" not in (server.folder / "log").read_text()


async def test_a_postfix_without_that_setting_sends_to_one_after_the_other_and_to_each_once(
    post, letter, url, sending
):
    found = await post()
    server = await sending(found.port)
    await _hand_over(server, letter(), *PEOPLE[:3])
    await server.logged("status=sent", times=3)
    await server.logged("status=deferred", "452 4.5.3", times=2)
    await server.empty()
    assert sorted(mail.recipients[0] for mail in found.upstream.received) == PEOPLE[:3]
    assert len(found.upstream.received) == 3


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "END"])
async def test_what_is_deferred_upstream_waits_in_postfix_and_goes_out_once(post, letter, sending, stage):
    found = await post()
    found.upstream.answers[stage] = "451 4.3.0 later"
    server = await sending(found.port)
    await _hand_over(server, letter(), PEOPLE[0])
    assert await server.logged("status=deferred", "451 4.3.0 later")
    assert found.upstream.received == []
    found.upstream.answers.clear()
    await server.logged("status=sent")
    await server.empty()
    assert [mail.recipients for mail in found.upstream.received] == [PEOPLE[:1]]


async def test_what_is_rejected_upstream_comes_back_to_the_sender_through_the_relay(post, letter, sending):
    found = await post()
    found.upstream.answers["RCPT"] = {PEOPLE[0]: "550 5.1.1 nobody of that name"}
    server = await sending(found.port)
    await _hand_over(server, letter(), PEOPLE[0])
    await server.logged("status=bounced", "550 5.1.1 nobody of that name")
    await server.empty()
    [notice] = found.upstream.received
    assert (notice.sender.split()[1], notice.recipients) == ("FROM:<>", ["news@brand.example"])
    assert b"nobody of that name" in notice.content
    assert found.metric("messages_total", treatment="off", answer="accepted") == 1


async def test_postfix_keeps_its_mail_until_the_relay_is_there(post, letter, sending):
    port = postfix.free_port()
    server = await sending(port)
    await _hand_over(server, letter(), PEOPLE[0])
    await server.logged("status=deferred")
    found = await post(port=port)
    await server.logged("status=sent")
    await server.empty()
    assert [mail.recipients for mail in found.upstream.received] == [PEOPLE[:1]]


async def test_from_postfix_through_the_relay_into_postfix(post, letter, untracked, sending, receiving):
    behind = await receiving()
    found = await post(upstream_port=behind.port)
    before = await sending(found.port, smtp_destination_recipient_limit="1")
    content = letter("äöü".encode(), b".", b"")
    await _hand_over(before, content, *PEOPLE)
    for who in PEOPLE:
        [mail] = await behind.arrived(who.partition("@")[0])
        assert untracked(_as_sent(mail)) == letter("äöü".encode(), b".", b"", campaign=None)
    await before.empty()
    await behind.empty()
    assert sum(len(behind.mails(who.partition("@")[0])) for who in PEOPLE) == len(PEOPLE)
