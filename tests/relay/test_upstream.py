"""The way to the upstream server: TLS, login, extensions, and connections that are used again."""

from __future__ import annotations

import asyncio

import pytest
from claims.smtp import Mailbox, Server, mail_server
from claims.tls_front import authority

from linkproxy.model import LinkproxyError

PASSWORD = b"correct horse"


def _only_shop(_server, _session, _envelope, _mechanism, given):
    from aiosmtpd.smtp import AuthResult

    return AuthResult(success=given.login == b"shop" and given.password == PASSWORD, handled=False)


@pytest.fixture
def trusted(tmp_path):
    (tmp_path / "tls").mkdir()
    return authority(tmp_path / "tls", "localhost")


# --- TLS -----------------------------------------------------------------------------------------


async def test_starttls_upstream_is_used_and_its_certificate_checked(post, letter, untracked, trusted):
    mailbox = Mailbox()
    async with mail_server(mailbox, tls_context=trusted.server) as port:
        found = await post(
            upstream_host="localhost",
            upstream_port=port,
            upstream_tls="starttls",
            upstream_ca_file=str(trusted.file),
        )
        assert await found.send(letter()) == "250 2.0.0 kept"
    assert mailbox.by_tls == [True]
    assert untracked(mailbox.received[0].content) == letter(campaign=None)


@pytest.mark.parametrize("tls", ["starttls", "opportunistic"])
async def test_a_certificate_that_is_not_trusted_ends_it_before_any_mail(post, letter, trusted, tls):
    mailbox = Mailbox()
    async with mail_server(mailbox, tls_context=trusted.server) as port:
        found = await post(upstream_host="localhost", upstream_port=port, upstream_tls=tls)
        reply = await found.send(letter())
    assert reply.startswith(f"451 4.4.1 localhost:{port}: its certificate is not trusted: ")
    assert mailbox.received == []


async def test_a_certificate_for_another_name_is_not_trusted(post, letter, trusted):
    async with mail_server(Mailbox(), tls_context=trusted.server) as port:
        found = await post(upstream_port=port, upstream_tls="starttls", upstream_ca_file=str(trusted.file))
        assert "its certificate is not trusted: IP address mismatch" in await found.send(letter())


async def test_without_verification_any_certificate_will_do(post, letter, trusted):
    mailbox = Mailbox()
    async with mail_server(mailbox, tls_context=trusted.server) as port:
        found = await post(upstream_port=port, upstream_tls="starttls", upstream_verify=False)
        assert await found.send(letter()) == "250 2.0.0 kept"
    assert mailbox.by_tls == [True]


async def test_starttls_that_is_not_offered_stops_mail_unless_it_is_opportunistic(post, letter):
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        found = await post(upstream_port=port, upstream_tls="starttls")
        assert (await found.send(letter())).startswith("451 4.4.1 ")
        assert mailbox.received == []
        found = await post(upstream_port=port, upstream_tls="opportunistic")
        assert await found.send(letter()) == "250 2.0.0 kept"
    assert mailbox.by_tls == [False]


async def test_implicit_tls_speaks_tls_from_the_first_byte(post, letter, trusted):
    server = Server(implicit_tls=trusted.server)
    await server.start()
    found = await post(
        upstream_host="localhost",
        upstream_port=server.port,
        upstream_tls="implicit",
        upstream_ca_file=str(trusted.file),
    )
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"
    await server.stop()


# --- login ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_file", [True, False])
async def test_it_logs_in_upstream_with_the_password_of_the_settings(
    post, letter, trusted, tmp_path, as_file
):
    (tmp_path / "password.txt").write_bytes(PASSWORD + b"\n")
    secret = (
        {"upstream_password_file": "password.txt"} if as_file else {"upstream_password": PASSWORD.decode()}
    )
    mailbox = Mailbox()
    async with mail_server(mailbox, tls_context=trusted.server, authenticator=_only_shop) as port:
        found = await post(
            upstream_port=port, upstream_tls="starttls", upstream_verify=False, upstream_user="shop", **secret
        )
        assert await found.send(letter()) == "250 2.0.0 kept"
    assert mailbox.logged_in == [True]


async def test_a_wrong_password_is_temporary_for_the_mailer_and_told(post, letter, trusted):
    mailbox = Mailbox()
    async with mail_server(mailbox, tls_context=trusted.server, authenticator=_only_shop) as port:
        found = await post(
            upstream_port=port,
            upstream_tls="starttls",
            upstream_verify=False,
            upstream_user="shop",
            upstream_password="wrong",
        )
        reply = await found.send(letter())
    assert reply == f"451 4.4.1 127.0.0.1:{port}: 535 5.7.8 Authentication credentials invalid"
    assert mailbox.received == []


async def test_an_upstream_that_offers_no_login_is_told(post, letter):
    found = await post(upstream_user="shop", upstream_password="any")
    assert (await found.send(letter())).startswith("451 4.4.1 ")
    assert not any("any" in command for command in found.upstream.commands)


@pytest.mark.parametrize("code", [530, 538])
async def test_an_upstream_that_wants_a_login_lets_mail_wait_since_that_is_about_the_relay(
    post, letter, code
):
    found = await post()
    found.upstream.answers["MAIL"] = f"{code} 5.7.0 log in first"
    reply = await found.send(letter())
    assert reply.startswith("451 4.7.0 ")
    assert reply.endswith(": 5.7.0 log in first")


async def test_a_password_never_goes_in_the_clear_to_another_machine(post):
    with pytest.raises(LinkproxyError, match=r"\[relay\] upstream_tls: .* password in the clear"):
        await post(upstream_host="smtp.brand.example", upstream_user="shop", upstream_password="x")


async def test_a_user_without_a_password_is_a_fault_of_the_settings(post):
    with pytest.raises(LinkproxyError, match=r"\[relay\] upstream_user: has no password"):
        await post(upstream_user="shop")


# --- connections ---------------------------------------------------------------------------------


async def test_one_connection_carries_many_messages(post, letter):
    found = await post()
    for _ in range(5):
        assert await found.send(letter()) == "250 2.0.0 taken as 4711"
    assert found.upstream.connections == 1
    assert found.metric("connections_total", outcome="reused") == 4


async def test_a_connection_ends_after_its_number_of_messages(post, letter):
    found = await post(upstream_messages=2)
    for _ in range(5):
        await found.send(letter())
    assert found.upstream.connections == 3
    await found.running.relay.pool.close()
    assert found.upstream.commands.count("QUIT") == 3


async def test_an_idle_connection_is_closed_with_a_word(post, letter):
    found = await post(upstream_idle_seconds=0.05)
    await found.send(letter())
    while found.upstream.open_now:  # noqa: ASYNC110  (the other side's end has no event of ours)
        await asyncio.sleep(0.01)
    assert found.upstream.commands[-1] == "QUIT"


async def test_a_kept_connection_that_died_meanwhile_costs_no_message(post, letter):
    found = await post()
    await found.send(letter())
    await found.upstream.stop()
    await found.upstream.start()
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"


async def test_a_kept_connection_that_upstream_ends_at_mail_costs_no_message(post, letter):
    found = await post()
    await found.send(letter())
    found.upstream.answers["MAIL"] = {"second@": "421 4.4.2 idle for too long"}
    mailer = await found.mailer()
    begun = asyncio.create_task(mailer.say("MAIL FROM:<second@brand.example>"))
    while found.upstream.connections < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert await begun == "451 4.4.2 idle for too long"  # the fresh one says so too, and is believed
    found.upstream.answers.clear()
    assert await mailer.send(letter()) == "250 2.0.0 taken as 4711"


async def test_what_was_begun_and_left_is_forgotten_upstream_before_the_next_message(post, letter):
    found = await post()
    mailer = await found.mailer()
    await mailer.begin(to="left@example.com")
    await mailer.say("RSET")
    await mailer.send(letter(), to="anna@example.com")
    assert found.upstream.connections == 1
    assert "RSET" in found.upstream.commands
    assert found.upstream.received[0].recipients == ["anna@example.com"]


async def test_what_is_refused_at_the_end_is_forgotten_upstream_before_the_next_message(post, letter):
    """Postfix keeps such a transaction open, and refuses the MAIL of the next message (503)."""
    found = await post()
    found.upstream.answers["END"] = "550 5.7.1 no"
    assert await found.send(letter()) == "550 5.7.1 no"
    found.upstream.answers.clear()
    assert await found.send(letter(), to="ben@example.com") == "250 2.0.0 taken as 4711"
    assert found.upstream.connections == 1
    words = [line.split(" ")[0] for line in found.upstream.commands]
    assert words == ["EHLO", "MAIL", "RCPT", "DATA", "RSET", "MAIL", "RCPT", "DATA"]


async def test_when_all_connections_are_in_use_the_mailer_tries_again(post, letter):
    found = await post(upstream_connections=1, upstream_seconds=0.1)
    first, second = await found.mailer(), await found.mailer()
    await first.begin()
    assert (await second.begin()).startswith("451 4.3.2 all connections to the upstream server are in use")
    assert await first.data(letter()) == "250 2.0.0 taken as 4711"
    assert await second.send(letter()) == "250 2.0.0 taken as 4711"


async def test_a_mailer_that_leaves_while_it_waits_frees_its_connection(post, letter):
    found = await post(upstream_connections=1, upstream_seconds=5)
    found.upstream.answers["RCPT"] = {"slow@": "silent"}
    first = await found.mailer()
    await first.say("MAIL FROM:<news@brand.example>")
    first.writer.write(b"RCPT TO:<slow@example.com>\r\n")
    await first.writer.drain()
    while not any("slow@" in command for command in found.upstream.commands):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    first.cut()
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"


def test_a_bad_file_of_certificates_is_a_fault_of_the_settings(tmp_path):
    from linkproxy.config_relay import RelaySection
    from linkproxy.server.relay.service import check

    (tmp_path / "bad.pem").write_text("no certificate")
    bad = str(tmp_path / "bad.pem")
    with pytest.raises(LinkproxyError) as caught:
        check(RelaySection(upstream_host="localhost", upstream_ca_file=bad, tls_cert_file=bad))
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "[relay] upstream_ca_file",
        "[relay] tls_cert_file, tls_key_file",
    ]
