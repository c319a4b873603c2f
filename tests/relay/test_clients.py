"""Who may send: by address, by login, by both; never the whole world."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from base64 import b64decode, b64encode

import pytest
from claims.smtp import Mailer
from claims.tls_front import authority
from structlog.testing import capture_logs

from linkproxy.config_relay import RelaySection
from linkproxy.model import LinkproxyError
from linkproxy.server.relay.admission import Admission, Users, new_user
from linkproxy.server.relay.service import check

NOWHERE = {"client_networks": ["192.0.2.0/24"]}


def section(**values: object) -> RelaySection:
    return RelaySection.model_validate({"upstream_host": "localhost", **values})


@pytest.fixture
def users(tmp_path) -> dict[str, str]:
    return {
        "users_file": str(tmp_path / "users.txt"),
        "password": new_user(str(tmp_path / "users.txt"), "shop"),
    }


# --- by address ----------------------------------------------------------------------------------


def test_by_default_nobody_but_this_machine_may_send():
    admission = Admission(section())
    for client in ("127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"):
        assert admission.refusal(client, logged_in=False) is None
    for client in ("192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1", "", "garbage"):
        assert admission.refusal(client, logged_in=False).code == 554


@pytest.mark.parametrize(
    ("clients", "answers"),
    [
        ("address", [554, 554, None, None]),
        ("auth", [530, None, 530, None]),
        ("either", [530, None, None, None]),
        ("both", [554, 554, 530, None]),
    ],
)
def test_who_may_send_is_a_table(clients, answers):
    admission = Admission(section(clients=clients, client_networks=["192.0.2.0/24"]))
    cases = [("198.51.100.1", False), ("198.51.100.1", True), ("192.0.2.7", False), ("192.0.2.7", True)]
    said = [admission.refusal(client, logged_in=logged_in) for client, logged_in in cases]
    assert [refusal.code if refusal else None for refusal in said] == answers


@pytest.mark.parametrize("clients", ["address", "either"])
@pytest.mark.parametrize(
    "network", ["0.0.0.0/0", "::/0", "128.0.0.0/1", "2000::/3", "::ffff:0:0/96", "96.0.0.0/7"]
)
def test_a_relay_that_is_open_to_the_world_does_not_start(clients, network, users):
    with pytest.raises(LinkproxyError, match=r"client_networks: .* would make this an open relay"):
        check(
            section(clients=clients, client_networks=["127.0.0.1", network], users_file=users["users_file"])
        )


def test_networks_that_one_owner_has_and_worlds_that_must_log_in_may_be_named(users):
    check(section(client_networks=["10.0.0.0/8", "2001:db8::/32", "fd00::/8"][:2]))
    check(section(clients="both", client_networks=["0.0.0.0/0"], users_file=users["users_file"]))


@pytest.mark.parametrize("clients", ["address", "both"])
async def test_a_client_from_elsewhere_is_refused_before_it_says_a_word(post, users, clients):
    found = await post(**NOWHERE, clients=clients, users_file=users["users_file"], client_connections=1)
    for number in (1, 2):
        stranger = await Mailer.connect(found.port, greet=False)
        assert (await stranger.hear()).startswith("554 5.7.1 you may not send here")
        assert await stranger.hear() == ""
        assert found.metric("refusals_total", reason="client") == number
    assert found.upstream.commands == []


@pytest.mark.parametrize("method", ["POST", "get", "PUT", "CONNECT"])
async def test_who_was_made_to_speak_http_from_here_sends_no_mail(post, method):
    found = await post()
    mailer = await Mailer.connect(found.port, greet=False)
    await mailer.hear()
    mail = ("EHLO page.example", "MAIL FROM:<a@b.example>", "RCPT TO:<anna@example.com>", "DATA", "", ".")
    answer = await mailer.say("\r\n".join([f"{method} / HTTP/1.1", "Content-Length: 100", "", *mail]))
    assert answer == "521 5.5.1 this takes mail, and is no web server"
    assert await mailer.hear() == ""
    assert found.upstream.commands == []
    assert found.metric("refusals_total", reason="http") == 1


# --- by login ------------------------------------------------------------------------------------


def login(found, name: str, password: str, **starttls: object):
    def talk(client: smtplib.SMTP) -> object:
        if starttls:
            client.starttls(**starttls)
        client.login(name, password)
        return client.sendmail("news@brand.example", ["anna@example.com"], b"Subject: a\r\n\r\n")

    return found.library(talk)


async def test_who_logs_in_may_send(post, users):
    found = await post(clients="auth", users_file=users["users_file"], **NOWHERE)
    assert await login(found, "shop", users["password"]) == {}
    assert len(found.upstream.received) == 1


@pytest.mark.parametrize(("name", "password"), [("shop", "wrong"), ("ship", None), ("", ""), ("shöp", "ä")])
async def test_a_wrong_name_or_password_gets_nowhere(post, users, name, password):
    found = await post(clients="auth", users_file=users["users_file"])
    with pytest.raises((smtplib.SMTPAuthenticationError, UnicodeEncodeError)):
        await login(found, name, users["password"] if password is None else password)
    assert found.upstream.received == []


async def test_auth_login_asks_in_the_words_that_go_programs_compare(post, users):
    found = await post(clients="auth", users_file=users["users_file"])
    mailer = await found.mailer()
    assert b64decode((await mailer.say("AUTH LOGIN")).removeprefix("334 ")) == b"Username:"
    assert b64decode((await mailer.say("c2hvcA==")).removeprefix("334 ")) == b"Password:"
    said = await mailer.say(b64encode(users["password"].encode()).decode())
    assert said.startswith("235 ")
    mailer.close()


async def test_who_does_not_log_in_is_asked_to(post, users):
    found = await post(clients="auth", users_file=users["users_file"])
    assert await found.send(b"Subject: a\r\n\r\n") == "530 5.7.0 log in first"


async def test_a_user_whose_line_is_removed_is_refused_at_once(post, users, tmp_path):
    found = await post(clients="auth", users_file=users["users_file"])
    assert await login(found, "shop", users["password"]) == {}
    (tmp_path / "users.txt").write_text("# nobody\n")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        await login(found, "shop", users["password"])


async def test_a_users_file_that_is_gone_makes_mailers_try_again(post, users, tmp_path):
    found = await post(clients="auth", users_file=users["users_file"])
    (tmp_path / "users.txt").unlink()
    with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        await login(found, "shop", users["password"])
    assert caught.value.smtp_code == 454


async def test_guessing_passwords_ends_the_connection(post, users):
    found = await post(clients="auth", users_file=users["users_file"])
    mailer = await found.mailer()
    said = [await mailer.say("AUTH plain AHNob3AAeA==") for _ in range(11)]
    assert {word[:3] for word in said[:10]} == {"535"}
    assert said[10].startswith("421 ")
    assert found.metric("refusals_total", reason="login") == 10


async def test_login_is_not_offered_where_nobody_can_log_in(post):
    found = await post()
    mailer = await Mailer.connect(found.port, greet=False)
    assert await mailer.hear() == "220 relay.example ESMTP linkproxy"
    assert await mailer.say("EHLO mailer.example") == (
        "250-relay.example\n250-SIZE 52428800\n250-8BITMIME\n250-SMTPUTF8\n250-PIPELINING\n250 HELP"
    )


async def test_starttls_and_login_work_together(post, users, tmp_path):
    (tmp_path / "tls").mkdir()
    trusted = authority(tmp_path / "tls", "127.0.0.1")
    context = ssl.create_default_context(cafile=trusted.file)
    context.check_hostname = False
    found = await post(
        clients="both",
        users_file=users["users_file"],
        tls_cert_file="tls/certificate.pem",
        tls_key_file="tls/key.pem",
        tls_required=True,
    )
    with pytest.raises(smtplib.SMTPSenderRefused) as caught:
        await login(found, "shop", users["password"])
    assert caught.value.smtp_error == b"5.7.0 use STARTTLS first"
    assert await login(found, "shop", users["password"], context=context) == {}
    assert len(found.upstream.received) == 1


async def test_a_mailer_that_does_not_trust_the_certificate_is_no_fault_of_ours(post, tmp_path):
    (tmp_path / "tls").mkdir()
    authority(tmp_path / "tls", "127.0.0.1")
    found = await post(tls_cert_file="tls/certificate.pem", tls_key_file="tls/key.pem")
    with capture_logs() as lines:
        with pytest.raises(ssl.SSLCertVerificationError):
            await found.library(lambda client: client.starttls(context=ssl.create_default_context()))
        while found.running.relay.conversations:  # noqa: ASYNC110  (until the relay has heard of it too)
            await asyncio.sleep(0.01)
    assert [(line["event"], line.get("reason")) for line in lines] == [("relay.refused", "tls")]
    assert found.metric("refusals_total", reason="tls") == 1


async def test_tls_within_tls_is_refused_and_harms_nobody(post, tmp_path):
    (tmp_path / "tls").mkdir()
    trusted = authority(tmp_path / "tls", "127.0.0.1")
    found = await post(tls_cert_file="tls/certificate.pem", tls_key_file="tls/key.pem")
    context = ssl.create_default_context(cafile=trusted.file)
    context.check_hostname = False

    def talk(client: smtplib.SMTP) -> list[int]:
        client.starttls(context=context)
        return [client.docmd(word)[0] for word in ("STARTTLS", "EHLO mailer.example", "NOOP")]

    with capture_logs() as lines:
        assert await found.library(talk) == [503, 250, 250]
    assert lines == []


async def _within_tls(mailer: Mailer, context: ssl.SSLContext) -> None:
    transport = mailer.writer.transport
    within = await asyncio.get_running_loop().start_tls(transport, transport.get_protocol(), context)
    mailer.reader._transport = mailer.writer._transport = within


async def test_what_came_before_tls_is_not_taken_for_said_within_it(post, tmp_path):
    """Whoever sits between may have said it (RFC 3207 section 4.2)."""
    (tmp_path / "tls").mkdir()
    context = ssl.create_default_context(cafile=authority(tmp_path / "tls", "127.0.0.1").file)
    context.check_hostname = False
    found = await post(tls_cert_file="tls/certificate.pem", tls_key_file="tls/key.pem")
    mailer = await found.mailer()
    assert (await mailer.begin(to="stranger@example.com")).startswith("250 ")
    assert (await mailer.say("STARTTLS", "MAIL FROM:<stranger@example.com>", "NOOP")).startswith("220 ")
    await _within_tls(mailer, context)
    assert (await mailer.say("DATA")).startswith("503 ")
    assert (await mailer.say("EHLO mailer.example")).startswith("250-")
    assert (await mailer.say("DATA")).startswith("503 ")
    assert "MAIL FROM:<stranger@example.com>" not in found.upstream.commands
    mailer.close()


async def test_a_login_without_end_is_a_fault_of_the_mailer_and_not_of_ours(post, users):
    found = await post(clients="auth", users_file=users["users_file"])
    mailer = await found.mailer()
    with capture_logs() as lines:
        assert await mailer.say("AUTH PLAIN") == "334 "
        assert (await mailer.say(b"A" * 600_000)).startswith("500 5.5.6 ")
    assert lines == []


def test_a_new_user_has_a_password_of_chance_and_a_file_of_its_owner(tmp_path):
    path = tmp_path / "users.txt"
    first, second = new_user(str(path), "shop"), new_user(str(path), "crm@brand.example")
    assert first != second
    assert path.stat().st_mode & 0o777 == 0o600
    assert first not in path.read_text()
    assert list(Users(str(path)).read()) == ["shop", "crm@brand.example"]
    assert Users(str(path)).knows(b"shop", first.encode())
    assert not Users(str(path)).knows(b"shop", second.encode())


@pytest.mark.parametrize("name", ["shop", "", "a b", "a:b", "x" * 101, "schöp"])
def test_a_user_that_is_there_or_cannot_be_one_is_refused(tmp_path, name):
    path = str(tmp_path / "users.txt")
    new_user(path, "shop")
    with pytest.raises(LinkproxyError):
        new_user(path, name)
    assert list(Users(path).read()) == ["shop"]


def test_every_bad_line_of_a_users_file_is_named(tmp_path):
    (tmp_path / "users.txt").write_text("# users\nshop\n\nshop:abc\n")
    with pytest.raises(LinkproxyError) as caught:
        check(section(clients="auth", users_file=str(tmp_path / "users.txt")))
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == ["line 2", "line 4"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"clients": "auth"}, "nobody can log in without users_file"),
        ({"clients": "auth", "host": "0.0.0.0", "users_file": "x"}, "passwords in the clear"),  # noqa: S104  (compared, not bound)
        ({"tls_required": True}, "there is no TLS without a certificate"),
        ({"upstream_host": ""}, "upstream_host: names no server"),
    ],
)
def test_settings_that_cannot_work_are_faults(values, words):
    with pytest.raises(LinkproxyError, match=words):
        check(section(**values))


async def test_a_mailer_that_logs_in_may_say_whose_mail_it_was(post, letter, users):
    """Sendmail does (RFC 4954 section 5): a refusal would bounce its mail. Upstream has another login."""
    found = await post(clients="auth", users_file=users["users_file"])

    def talk(client: smtplib.SMTP) -> object:
        client.login("shop", users["password"])
        return client.sendmail("a@brand.example", "anna@example.com", letter(), ["AUTH=<>", "SIZE=300"])

    assert await found.library(talk) == {}
    assert found.upstream.received[0].sender == "MAIL FROM:<a@brand.example> SIZE=300"
    mailer = await (await post()).mailer()
    assert (await mailer.say("MAIL FROM:<a@brand.example> AUTH=<>")).startswith("555 ")
