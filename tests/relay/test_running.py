"""The relay as a process: start, health, check, stop; and its links when they are clicked."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys

import aiohttp
import pytest
from claims.browsers import OVER_HTTP as BROWSER
from claims.smtp import CUT, Mailer
from click.testing import CliRunner

from linkproxy import config as configs
from linkproxy.campaign.tokens import format_keys, new_key
from linkproxy.cli.main import linkproxy
from linkproxy.model import Delivery, DeliverySource, LinkproxyError
from linkproxy.server.app import running as serving
from linkproxy.server.relay.app import running
from linkproxy.store.api import Filter

# --- from the mail to the click --------------------------------------------------------------------


async def test_a_click_in_received_mail_becomes_a_visit_with_reasons_timed_by_the_acceptance(
    post, letter, url
):
    found = await post()
    await found.send(letter())
    await found.deliveries()
    token, key = (part.decode() for part in url.search(found.last).groups())
    later = 1_780_000_000.0 + 300
    async with (
        serving(found.config, clock=lambda: later) as server,
        aiohttp.ClientSession() as web,
        web.get(f"{server.addresses.public}/{token}/{key}", headers=BROWSER, allow_redirects=False) as answer,
    ):
        assert answer.status == 302
        [visit] = [row async for row in server.services.store.visits(Filter())]
    assert visit.campaign == "spring"
    assert visit.target == "https://shop.example/spring?c=7"
    assert visit.entry.recipient.address == "anna@example.com"
    assert visit.entry.facts.delivery == Delivery(1_780_000_000.0, DeliverySource.SMARTHOST)
    assert visit.entry.verdict.evidence


# --- health --------------------------------------------------------------------------------------


async def test_health_and_metrics_are_told_on_a_port_of_its_own(post, letter):
    found = await post()
    await found.send(letter())
    async with aiohttp.ClientSession() as web:
        async with web.get(found.running.private + "/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
        async with web.get(found.running.private + "/readyz") as answer:
            assert answer.status == 200
            assert await answer.json() == {"ready": True, "parts": {"store": "ok", "upstream": "ok"}}
        async with web.get(found.running.private + "/metrics") as answer:
            counted = 'linkproxy_relay_messages_total{answer="accepted",treatment="rewritten"} 1.0'
            assert counted in (await answer.text()).splitlines()


async def test_readiness_says_what_keeps_upstream_from_being_reached(post, letter):
    found = await post()
    await found.upstream.stop()
    await found.send(letter())
    async with aiohttp.ClientSession() as web, web.get(found.running.private + "/readyz") as answer:
        assert answer.status == 503
        assert "4.4.1 127.0.0.1:" in (await answer.json())["parts"]["upstream"]


async def test_health_is_told_to_no_page_under_a_name_of_its_own(post):
    found = await post()
    async with aiohttp.ClientSession() as web:
        for path, status in (("/metrics", 421), ("/readyz", 421), ("/healthz", 200)):
            evil = {"Host": "evil.example"}
            async with web.get(found.running.private + path, headers=evil) as answer:
                assert answer.status == status


@pytest.mark.parametrize("host", ["[::1]", "[::1]:8082", "LOCALHOST", "127.0.0.1:"])
async def test_health_is_told_by_every_form_of_a_configured_name(post, host):
    found = await post()
    async with (
        aiohttp.ClientSession() as web,
        web.get(found.running.private + "/readyz", headers={"Host": host}) as answer,
    ):
        assert answer.status == 200


# --- start ---------------------------------------------------------------------------------------


async def test_a_port_in_use_is_a_fault_with_what_to_do(post):
    found = await post()
    with pytest.raises(LinkproxyError, match=r"\[relay\] host and port: .* is in use by another program"):
        await post(port=found.port)
    taken = int(found.running.private.rpartition(":")[2])
    with pytest.raises(LinkproxyError, match=r"\[relay\] private_port: .* is in use"):
        await post(private_port=taken)


async def test_without_an_upstream_it_does_not_start(post):
    with pytest.raises(LinkproxyError, match="upstream_host: names no server"):
        await post(upstream_host="")


async def _checked(folder, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "linkproxy", "--config", str(folder / "config.toml"), *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_check_says_that_upstream_answers_and_what_it_offers(post, tmp_path):
    found = await post()
    code, out, _ = await _checked(tmp_path, "relay", "--check")
    assert code == 0
    assert f"127.0.0.1:{found.upstream.port} answers: no TLS, no login" in out
    assert "it offers 8BITMIME, SIZE, SMTPUTF8" in out
    assert found.upstream.received == []
    assert found.upstream.commands[-1] == "QUIT"


async def test_check_says_what_is_wrong_upstream_and_with_rules(post, tmp_path):
    found = await post(
        rules=[{"from_address": "*", "campaign": "summer"}, {"subject": "*", "campaign": "spring"}]
    )
    found.upstream.answers["CONNECT"] = "554 5.7.1 your address is blocked"
    code, out, err = await _checked(tmp_path, "relay", "--check")
    assert code == 1
    assert "554 5.7.1 your address is blocked" in out
    assert "[[relay.rules]] name campaigns that are not there: 'summer'" in out
    assert err == "linkproxy: the relay would not work like this.\n"


@pytest.mark.parametrize(("wanted", "told"), [("always", True), ("never", False)])
async def test_check_says_whose_mail_lacks_the_header_that_it_is_to_get(post, tmp_path, wanted, told):
    await post(list_unsubscribe=wanted)
    code, out, _ = await _checked(tmp_path, "relay", "--check")
    assert code == 0
    said = "List-Unsubscribe is left out, since their base URLs are not https: 'spring'"
    assert (said in " ".join(out.split())) == told


async def test_check_says_nothing_of_archived_campaigns(post, tmp_path):
    await post(list_unsubscribe="always")
    assert (await _checked(tmp_path, "campaign", "archive", "spring"))[0] == 0
    code, out, _ = await _checked(tmp_path, "relay", "--check")
    assert code == 0
    assert "List-Unsubscribe is left out" not in " ".join(out.split())


async def test_check_says_that_the_keys_are_another_installations(post, letter, tmp_path):
    found = await post()
    await found.send(letter())
    (tmp_path / "signing-keys.txt").write_text(format_keys([new_key(())]))
    code, out, _ = await _checked(tmp_path, "relay", "--check")
    assert code == 1
    assert "signing key 1 is not the key of that id" in " ".join(out.split())


@pytest.mark.parametrize(
    ("said", "settings", "advice"),
    [
        ("220 upstream.example", {"upstream_port": 1}, "See [relay] upstream_host and upstream_port"),
        ("220 upstream.example", {"upstream_host": "nowhere.invalid"}, "See [relay] upstream_host."),
        ("220 upstream.example", {"upstream_tls": "starttls"}, "See [relay] upstream_tls"),
        ("220 upstream.example", {"upstream_tls": "implicit"}, '"implicit" goes with 465'),
        ("554 5.7.1 your address is blocked", {}, "It does not want this machine"),
        (CUT, {}, "does the server run"),
    ],
)
async def test_check_says_which_setting_to_look_at(post, tmp_path, said, settings, advice):
    found = await post(**settings)
    found.upstream.answers["CONNECT"] = said
    code, out, _ = await _checked(tmp_path, "relay", "--check")
    assert code == 1
    assert advice in " ".join(out.split())


async def test_config_check_names_an_open_relay_with_all_other_faults(post, tmp_path):
    await post()
    text = (tmp_path / "config.toml").read_text()
    (tmp_path / "config.toml").write_text(text + '\nclient_networks = ["0.0.0.0/0"]\ntls_required = true\n')
    code, _, err = await _checked(tmp_path, "config", "check")
    assert code == 1
    assert "client_networks: 0.0.0.0/0 would make this an open relay" in err
    assert "tls_required: there is no TLS" in err


def test_a_new_user_is_made_by_command_and_the_password_shown_once(tmp_path):
    (tmp_path / "config.toml").write_text('[relay]\nusers_file = "users.txt"\n')
    done = CliRunner().invoke(
        linkproxy, ["--config", str(tmp_path / "config.toml"), "relay", "--new-user", "shop"]
    )
    assert done.exit_code == 0, done.output
    password = done.stdout.strip()
    from linkproxy.server.relay.admission import Users

    assert Users(configs.load(tmp_path / "config.toml", {}).relay.users_file).knows(
        b"shop", password.encode()
    )


# --- stop ----------------------------------------------------------------------------------------


async def _process(folder) -> tuple[asyncio.subprocess.Process, int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "linkproxy", "--config", str(folder / "config.toml"), "relay",
        stderr=asyncio.subprocess.PIPE, env=os.environ | {"LINKPROXY__LOG__FORMAT": "json"},
    )  # fmt: skip
    assert process.stderr is not None
    while b'"relay"' not in (line := await process.stderr.readline()):
        assert line, "the relay has ended"
    return process, int(json.loads(line)["address"].rpartition(":")[2])


async def test_a_stop_finishes_the_message_under_way_and_says_goodbye_to_the_others(post, letter, tmp_path):
    found = await post()
    process, port = await _process(tmp_path)
    idle, busy = await Mailer.connect(port), await Mailer.connect(port)
    found.upstream.hold = asyncio.Event()
    await busy.begin()
    await busy.say("DATA")
    busy.writer.write(letter() + b".\r\n")
    await found.upstream.began_end.wait()
    process.send_signal(signal.SIGTERM)
    assert await idle.hear() == "421 4.3.2 the relay is stopping; try again"
    with pytest.raises(ConnectionError):
        await Mailer.connect(port)
    found.upstream.hold.set()
    assert await busy.hear() == "250 2.0.0 taken as 4711"
    assert await busy.hear() == "421 4.3.2 the relay is stopping; try again"
    assert await process.wait() == 0
    assert len(found.upstream.received) == 1
    assert [source for _, source, _ in await found.deliveries()] == ["smarthost"]


async def test_systemd_hears_when_it_is_ready_and_when_it_stops(post, tmp_path, monkeypatch):
    await post()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", channel.getsockname())
        process, _ = await _process(tmp_path)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        assert [channel.recv(100) for _ in range(2)] == [b"READY=1", b"STOPPING=1"]


async def test_a_stop_does_not_wait_for_ever(post, letter, tmp_path):
    found = await post(shutdown_seconds=0.3)
    process, port = await _process(tmp_path)
    mailer = await Mailer.connect(port)
    found.upstream.answers["END"] = "silent"
    await mailer.begin()
    await mailer.say("DATA")
    mailer.writer.write(letter() + b".\r\n")
    await found.upstream.began_end.wait()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    assert await mailer.reader.read() == b""


async def test_killed_in_the_middle_the_mailer_hears_no_yes_and_sends_again(post, letter, tmp_path):
    found = await post()
    process, port = await _process(tmp_path)
    found.upstream.hold = asyncio.Event()
    mailer = await Mailer.connect(port)
    await mailer.begin()
    await mailer.say("DATA")
    mailer.writer.write(letter() + b".\r\n")
    await found.upstream.began_end.wait()
    process.kill()
    await process.wait()
    assert await mailer.hear() == ""
    found.upstream.hold.set()
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"
    # At least once: the same link in both, so a click counts for the same message.
    assert len({mail.content for mail in found.upstream.received}) == 1


async def test_a_relay_and_its_server_share_one_store(post, letter):
    found = await post()
    async with serving(found.config), running(found.config):
        assert await found.send(letter()) == "250 2.0.0 taken as 4711"
