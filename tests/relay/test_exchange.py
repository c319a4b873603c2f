"""Mail in, the same mail out: what arrives, and what the mailer hears."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from claims.smtp import CUT, SILENT, STAGES
from structlog.testing import capture_logs

if TYPE_CHECKING:
    import smtplib


async def test_a_message_arrives_with_its_link_tracked_and_everything_else_as_it_was(post, letter, untracked):
    found = await post()
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"
    [mail] = found.upstream.received
    assert mail.recipients == ["anna@example.com"]
    assert untracked(mail.content) == letter(campaign=None)
    assert mail.content != letter(campaign=None)
    assert await found.deliveries() == [("anna@example.com", "smarthost", 1_780_000_000.0)]


async def test_a_message_of_no_campaign_passes_byte_for_byte_and_leaves_no_trace(post, letter):
    found = await post()
    assert await found.send(letter(campaign=None)) == "250 2.0.0 taken as 4711"
    assert found.last == letter(campaign=None)
    assert found.rows("SELECT * FROM recipient") == []
    assert await found.deliveries() == []


async def test_pythons_own_client_sends_through_it(post, letter, untracked):
    found = await post()

    def talk(client: smtplib.SMTP) -> object:
        return client.sendmail("news@brand.example", ["anna@example.com"], letter(), ["BODY=8BITMIME"])

    assert await found.library(talk) == {}
    assert untracked(found.last) == letter(campaign=None)


async def test_two_recipients_never_get_the_same_link(post, letter, url):
    found = await post()
    for to in ("anna@example.com", "ben@example.com"):
        await found.send(letter(), to=to)
    tokens = [url.search(mail.content)[1] for mail in found.upstream.received]
    assert tokens[0] != tokens[1]


# --- what the upstream server says ---------------------------------------------------------------


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "END"])
@pytest.mark.parametrize(
    "said",
    ["450 4.2.0 greylisted, come back", "550 5.1.1 nobody here", "552-5.2.2 full\r\n552 since Monday"],
    ids=["4xx", "5xx", "two lines"],
)
async def test_what_upstream_refuses_is_refused_in_its_own_words(post, letter, stage, said):
    found = await post()
    found.upstream.answers[stage] = said
    assert await found.send(letter()) == said.replace("\r\n", "\n")
    assert found.upstream.received == []
    assert await found.deliveries() == []
    found.upstream.answers.clear()
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"


@pytest.mark.parametrize(
    "said",
    [
        "554 5.7.1 <anna@example.com>: Relay access denied",
        "550 relay not permitted",
        "550 5.7.1 <anna@example.com>... Relaying denied. Proper authentication required.",
        "550 5.7.1 Relaying to <anna@example.com> denied (authentication required)",
        "550 5.7.1 Unable to relay for anna@example.com",
        "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
        "550 5.7.64 TenantAttribution; Relay Access Denied",
        "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
        "550-5.7.1 Invalid credentials for relay [192.0.2.1]. The IP address you've\r\n550 5.7.1 registered differs.",
        "550 5.7.0 Mail relay denied [192.0.2.1]. Invalid credentials for relay.",
    ],
)
async def test_that_the_relay_may_not_relay_bounces_no_mail_and_is_told(post, letter, said):
    found = await post()
    found.upstream.answers["RCPT"] = said
    with capture_logs() as logs:
        for _ in range(2):
            reply = (await found.send(letter())).replace("451-", "451 ")
            assert reply.startswith("451 4.7.1 the upstream server does not let")
    [line] = [line for line in logs if line["event"] == "relay.denied"]
    assert "anna" not in line["error"]
    assert found.metric("denials_total") == 2


@pytest.mark.parametrize(
    "said",
    [
        "550 5.1.1 <anna@example.com>: Recipient address rejected: host mx.example said: 554 Relay access denied",
        "554 5.7.1 <anna@example.com>: Recipient address rejected: Access denied",
        "550 5.7.1 Message rejected as spam",
    ],
)
async def test_what_is_said_of_a_recipient_is_handed_back_though_it_speaks_of_relaying_elsewhere(
    post, letter, said
):
    found = await post()
    found.upstream.answers["RCPT"] = said
    assert await found.send(letter()) == said
    assert found.metric("denials_total") == 0


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO"])
@pytest.mark.parametrize("said", ["421 4.7.0 too busy", "554 5.7.1 your address is blocked"])
async def test_what_upstream_says_of_us_before_a_message_is_temporary_and_told(post, letter, stage, said):
    found = await post()
    found.upstream.answers |= {stage: said, "HELO": said}
    reply = await found.send(letter())
    assert reply.startswith("451 4.4.1 127.0.0.1:")
    assert stage == "EHLO" or said in reply
    assert found.running.relay.pool.fault in reply


async def test_an_upstream_that_knows_no_ehlo_is_greeted_with_helo(post, letter):
    found = await post()
    found.upstream.answers["EHLO"] = "502 5.5.1 what?"
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"


@pytest.mark.parametrize("how", [CUT, SILENT])
@pytest.mark.parametrize("stage", STAGES)
async def test_an_upstream_that_goes_or_sleeps_at_any_stage_makes_the_mailer_try_again(
    post, letter, stage, how
):
    found = await post(upstream_seconds=0.2, accept_seconds=0.2)
    found.upstream.answers |= {stage: how, "HELO": how}
    reply = await found.send(letter())
    assert reply.startswith("451 4.4.")
    assert ("send it again" in reply) == (stage == "END")
    assert await found.deliveries() == []
    found.upstream.answers.clear()
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"


async def test_an_upstream_that_is_not_there_makes_the_mailer_try_again(post, letter):
    found = await post()
    await found.upstream.stop()
    assert (await found.send(letter())).startswith("451 4.4.1 ")
    assert found.metric("connections_total", outcome="failed") == 1


async def test_an_upstream_that_stays_away_is_logged_once_and_again_when_it_was_there_meanwhile(post, letter):
    found = await post()
    with capture_logs() as logs:
        for said in ("421 4.7.0 too busy", "421 4.7.0 too busy", "220 hello", "421 4.7.0 too busy"):
            found.upstream.answers["CONNECT"] = said
            await found.running.relay.pool.close()
            await found.send(letter())
    assert [line["event"] for line in logs if line["event"] == "relay.upstream_failed"] == [
        "relay.upstream_failed"
    ] * 2


async def test_upstream_closing_in_the_middle_is_no_closing_of_ours(post, letter):
    found = await post()
    found.upstream.answers["RCPT"] = "421 4.3.2 shutting down"
    mailer = await found.mailer()
    assert await mailer.begin() == "451 4.3.2 shutting down"
    found.upstream.answers.clear()
    await mailer.say("RSET")
    assert await mailer.send(letter()) == "250 2.0.0 taken as 4711"


@pytest.mark.parametrize("stage", ["RCPT", "END"])
async def test_a_connection_of_many_refusals_is_given_up_before_the_server_hangs_up_on_the_next_mailer(
    post, letter, stage
):
    found = await post()
    found.upstream.answers[stage] = "550 5.1.1 nobody here"
    for _ in range(5):
        assert await found.send(letter()) == "550 5.1.1 nobody here"
    assert found.upstream.connections == 1
    found.upstream.answers.clear()
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"
    assert found.upstream.connections == 2


async def test_a_message_that_is_taken_makes_up_for_the_refusals_before_it(post, letter):
    found = await post()
    for said in ("550 5.1.1 nobody here", None) * 8:
        found.upstream.answers = {"RCPT": said} if said else {}
        await found.send(letter())
    assert found.upstream.connections == 1


async def test_a_yes_to_data_that_is_no_go_ahead_is_no_acceptance(post, letter):
    found = await post()
    found.upstream.answers["DATA"] = "250 sure"
    assert (await found.send(letter())).startswith("451 4.5.0 ")
    assert found.upstream.received == []


async def test_an_answer_that_is_none_is_temporary(post, letter):
    found = await post()
    found.upstream.answers["RCPT"] = "hello there"
    assert (await found.send(letter())).startswith("451 4.5.0 ")


# --- recipients ----------------------------------------------------------------------------------


async def test_a_second_recipient_waits_for_a_message_of_its_own(post, letter, url):
    found = await post()
    everybody = ["anna@example.com", "ben@example.com", "cleo@example.com"]

    def talk(client: smtplib.SMTP) -> list[dict]:
        refused = [client.sendmail("news@brand.example", everybody, letter())]
        while refused[-1]:
            refused.append(client.sendmail("news@brand.example", list(refused[-1]), letter()))
        return refused

    with capture_logs() as lines:
        first, second, third = await found.library(talk)
    assert {code for code, _ in first.values()} == {452}
    assert (set(first), set(second), third) == (set(everybody[1:]), set(everybody[2:]), {})
    assert [mail.recipients for mail in found.upstream.received] == [[one] for one in everybody]
    assert len({url.search(mail.content)[1] for mail in found.upstream.received}) == 3
    assert found.metric("refusals_total", reason="recipient") == 3
    # Once for each message: whose program does not look at what was refused sees it in the log.
    assert [line["reason"] for line in lines if line["event"] == "relay.refused"] == ["recipient"] * 2


async def test_after_a_refused_recipient_the_next_one_is_the_first(post, letter):
    found = await post()
    found.upstream.answers["RCPT"] = {"ghost@": "550 5.1.1 nobody here"}
    mailer = await found.mailer()
    assert await mailer.begin(to="ghost@example.com") == "550 5.1.1 nobody here"
    assert await mailer.say("RCPT TO:<anna@example.com>") == "250 2.1.5 recipient noted"
    assert await mailer.data(letter()) == "250 2.0.0 taken as 4711"
    assert found.upstream.received[0].recipients == ["anna@example.com"]


async def test_together_all_recipients_get_one_message_whose_links_stand_for_the_group(post, letter, url):
    found = await post(recipients="together")
    found.upstream.answers["RCPT"] = {"ghost@": "550 5.1.1 nobody here"}

    def talk(client: smtplib.SMTP) -> object:
        everybody = ["anna@example.com", "ghost@example.com", "ben@example.com"]
        return client.sendmail("news@brand.example", everybody, letter())

    assert await found.library(talk) == {"ghost@example.com": (550, b"5.1.1 nobody here")}
    [mail] = found.upstream.received
    assert mail.recipients == ["anna@example.com", "ben@example.com"]
    assert url.search(mail.content)
    [(reference, source, _)] = await found.deliveries()
    assert reference.startswith("group-")
    assert source == "smarthost"
    assert found.rows("SELECT verified, address FROM recipient") == [(0, "")]


async def test_together_a_message_that_is_sent_again_has_the_same_links(post, letter):
    found = await post(recipients="together")

    async def send(*people: str) -> bytes:
        mailer = await found.mailer()
        await mailer.begin()
        for person in people:
            await mailer.say(f"RCPT TO:<{person}>")
        return await mailer.data(letter())

    found.upstream.answers["END"] = "451 4.7.1 greylisted"
    assert (await send("ben@example.com")).startswith("451 ")
    found.upstream.answers.clear()
    await send("ben@example.com")
    first = found.last
    await send("ben@example.com")
    assert found.last == first
    await send("cleo@example.com")
    assert found.last != first
    assert found.rows("SELECT count(*) FROM recipient") == [(2,)]


async def test_together_one_recipient_alone_is_that_recipient(post, letter):
    found = await post(recipients="together")
    await found.send(letter())
    assert [who for who, _, _ in await found.deliveries()] == ["anna@example.com"]


async def test_together_no_unsubscribe_link_no_bait_and_no_picture_stand_for_a_group(post):
    found = await post(recipients="together", list_unsubscribe="always")
    await found.store.add_campaign(replace(found.campaign, name="told", opens=True))
    html = (
        b"X-LinkProxy-Campaign: told\r\nContent-Type: text/html\r\n\r\n"
        b'<p>Hello</p><p><a href="https://shop.example/a">a</a></p>'
        b'<a data-linkproxy="unsubscribe" href="https://shop.example/bye">out</a><p>Bye</p>\r\n'
    )
    mailer = await found.mailer()
    await mailer.begin()
    await mailer.say("RCPT TO:<ben@example.com>")
    await mailer.data(html)
    assert found.last.count(b"http://click.brand.example/") == 1
    assert b"https://shop.example/bye" in found.last
    assert b"List-Unsubscribe" not in found.last
