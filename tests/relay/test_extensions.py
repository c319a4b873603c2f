"""Extensions of SMTP, towards an upstream server with them and without."""

from __future__ import annotations

import pytest
from claims.smtp import Mailbox, mail_server


async def test_parameters_of_mail_are_handed_on_as_far_as_upstream_knows_them(post, letter):
    found = await post()
    mailer = await found.mailer()
    await mailer.say("MAIL FROM:<news@brand.example> SIZE=999 BODY=8BITMIME SMTPUTF8")
    assert found.upstream.commands[-1] == "MAIL FROM:<news@brand.example> SIZE=999 BODY=8BITMIME SMTPUTF8"
    async with mail_server(mailbox := Mailbox(without=("SIZE", "8BITMIME", "SMTPUTF8"))) as port:
        found = await post(upstream_port=port)
        mailer = await found.mailer()
        await mailer.say("MAIL FROM:<news@brand.example> SIZE=999 BODY=8BITMIME SMTPUTF8")
        await mailer.say("RCPT TO:<anna@example.com>")
        assert await mailer.data(letter()) == "250 2.0.0 kept"
    assert mailbox.options == [[]]


async def test_a_size_in_digits_of_no_number_is_a_fault_of_the_mailer_and_not_of_ours(post):
    mailer = await (await post()).mailer()
    assert (await mailer.say("MAIL FROM:<news@brand.example> SIZE=\N{SUPERSCRIPT TWO}")).startswith("501 ")


async def test_the_null_sender_stays_the_null_sender(post, letter):
    found = await post()
    mailer = await found.mailer()
    assert await mailer.send(letter(), sender="") == "250 2.0.0 taken as 4711"
    assert found.upstream.received[0].sender == "MAIL FROM:<>"


async def test_utf8_addresses_go_through_when_upstream_takes_them(post, letter):
    found = await post()
    mailer = await found.mailer()
    await mailer.say("MAIL FROM:<zoë@brand.example> SMTPUTF8")
    assert await mailer.say("RCPT TO:<jürgen@example.com>") == "250 2.1.5 recipient noted"
    assert await mailer.data(letter()) == "250 2.0.0 taken as 4711"
    assert found.upstream.received[0].recipients == ["jürgen@example.com"]
    assert [who for who, _, _ in await found.deliveries()] == ["jürgen@example.com"]


@pytest.mark.parametrize(
    ("sender", "to", "content", "code"),
    [
        ("zoë@brand.example", "anna@example.com", b"Subject: a\r\n\r\n", "550 5.6.7 "),
        ("zoe@brand.example", "jürgen@example.com", b"Subject: a\r\n\r\n", "550 5.6.7 "),
        ("zoe@brand.example", "anna@example.com", "Subject: ä\r\n\r\n".encode(), "550 5.6.9 "),
        ("zoe@brand.example", "anna@example.com", "Subject: a\r\n\r\nä\r\n".encode(), "250 2.0.0 "),
    ],
    ids=["sender", "recipient", "header", "needless"],
)
async def test_smtputf8_to_an_upstream_without_it_is_refused_where_it_is_needed(
    post, sender, to, content, code
):
    found = await post()
    found.upstream.answers["EHLO"] = "250-upstream.example\r\n250 8BITMIME"
    mailer = await found.mailer()
    reply = await mailer.say(f"MAIL FROM:<{sender}> SMTPUTF8")
    if reply.startswith("2"):
        reply = await mailer.say(f"RCPT TO:<{to}>")
    if reply.startswith("2"):
        reply = await mailer.data(content)
    assert reply.startswith(code)


async def test_an_address_beyond_ascii_without_smtputf8_is_refused(post):
    found = await post()
    mailer = await found.mailer()
    assert (await mailer.say("MAIL FROM:<zoë@brand.example>")).startswith("553 5.6.7 ")
    await mailer.say("MAIL FROM:<zoe@brand.example>")
    assert (await mailer.say("RCPT TO:<jürgen@example.com>")).startswith("553 5.6.7 ")


@pytest.mark.parametrize(("body", "code"), [("ä", "554 5.6.3 "), ("a", "250 2.0.0 ")])
async def test_8_bit_text_to_an_upstream_without_8bitmime_is_refused_when_it_is_there(post, body, code):
    found = await post()
    found.upstream.answers["EHLO"] = "250 upstream.example"
    mailer = await found.mailer()
    await mailer.say("MAIL FROM:<zoe@brand.example> BODY=8BITMIME")
    await mailer.say("RCPT TO:<anna@example.com>")
    assert (await mailer.data(f"Subject: a\r\n\r\n{body}\r\n".encode())).startswith(code)


async def test_a_control_character_in_an_address_goes_nowhere(post):
    found = await post()
    mailer = await found.mailer()
    reply = await mailer.say(b'MAIL FROM:<"a\x01b"@brand.example>')
    assert reply.startswith("55")
    assert not any("brand.example" in command for command in found.upstream.commands)
