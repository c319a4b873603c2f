"""The certificate that mailers see: renewed without a restart, and told before it ends."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import smtplib
import ssl
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from claims.tls_front import authority
from structlog.testing import capture_logs

from linkproxy.config_relay import RelaySection
from linkproxy.model import LinkproxyError
from linkproxy.server.relay.certificate import ends_at, tls_context

from .test_running import _checked, _process

if TYPE_CHECKING:
    from pathlib import Path

TLS = {"tls_cert_file": "tls/certificate.pem", "tls_key_file": "tls/key.pem"}


@pytest.fixture
def tls(tmp_path) -> Path:
    folder = tmp_path / "tls"
    folder.mkdir()
    authority(folder, "127.0.0.1")
    return folder


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def seen(port: int) -> bytes:
    """Return the certificate that a mailer sees, in DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.starttls(context=context)
        assert isinstance(client.sock, ssl.SSLSocket)
        return client.sock.getpeercert(binary_form=True) or b""


def der(folder: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert((folder / "certificate.pem").read_text())


async def test_new_connections_have_a_renewed_certificate(post, tls):
    found = await post(**TLS)
    assert await asyncio.to_thread(seen, found.port) == der(tls)
    authority(tls, "127.0.0.1")
    with capture_logs() as logs:
        found.running.relay.certificate.renew()
    assert await asyncio.to_thread(seen, found.port) == der(tls)
    assert [line["event"] for line in logs][:1] == ["relay.certificate_read"]


@pytest.mark.parametrize("broken", ["certificate.pem", "key.pem"])
async def test_a_renewed_certificate_that_cannot_be_used_changes_nothing_and_is_told(post, tls, broken):
    found = await post(**TLS)
    before = der(tls)
    (tls / broken).write_text("half written")
    with capture_logs() as logs:
        found.running.relay.certificate.renew()
    assert [line["event"] for line in logs] == ["relay.certificate_failed"]
    assert "tls_cert_file" in logs[0]["error"]
    assert await asyncio.to_thread(seen, found.port) == before
    assert found.metric("certificate_end_seconds") > time.time()


async def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(post, tls):
    found = await post(**TLS)
    before = der(tls)
    authority(tls, "127.0.0.1")
    key, plain = tls / "key.pem", tls / "plain.pem"
    key.rename(plain)
    openssl("pkey", "-in", plain, "-aes256", "-passout", "pass:secret", "-out", key)
    with capture_logs() as logs:
        found.running.relay.certificate.renew()
    assert [line["event"] for line in logs] == ["relay.certificate_failed"]
    assert "the key is encrypted" in logs[0]["error"]
    assert await asyncio.to_thread(seen, found.port) == before


def _chain_in_the_wrong_order(tls: Path) -> None:
    certificate = tls / "certificate.pem"
    authority(tls, "ca.example")
    other = certificate.read_text()
    authority(tls, "127.0.0.1")
    certificate.write_text(other + certificate.read_text())


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_chain_in_the_wrong_order, "the key is not that of the first certificate"),
        (lambda tls: (tls / "certificate.pem").write_text(""), "holds no PEM of its kind"),
        (lambda tls: (tls / "key.pem").unlink(), "key.pem: cannot be used: No such file"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_told_with_the_reason(tls, damage, said):
    damage(tls)
    section = RelaySection(tls_cert_file=str(tls / "certificate.pem"), tls_key_file=str(tls / "key.pem"))
    with pytest.raises(LinkproxyError, match=said):
        tls_context(section)


@pytest.mark.parametrize(("days", "code", "said"), [("-1", 1, "it ended on"), ("9", 0, "it ends on")])
async def test_check_says_when_the_certificate_ends(post, tls, tmp_path, days, code, said):
    certificate = tls / "certificate.pem"
    openssl("x509", "-in", certificate, "-signkey", tls / "key.pem", "-days", days, "-out", certificate)
    await post(**TLS)
    found, out, _ = await _checked(tmp_path, "relay", "--check")
    assert (found, said in " ".join(out.split())) == (code, True)


async def test_its_end_is_a_metric_and_0_without_one(post, tls):
    found = await post(**TLS)
    assert found.metric("certificate_end_seconds") == pytest.approx(time.time() + 30 * 86400, abs=600)
    assert (await post()).metric("certificate_end_seconds") == 0


async def told(process: asyncio.subprocess.Process) -> dict[str, str]:
    """Return the next line of the log."""
    assert process.stderr is not None
    while not (line := await process.stderr.readline()).startswith(b"{"):
        assert line, "the relay has ended"
    found: dict[str, str] = json.loads(line)
    return found


async def test_sighup_reads_the_certificate_again_and_ends_nothing(post, tls, tmp_path):
    await post(**TLS)
    process, port = await _process(tmp_path)
    authority(tls, "127.0.0.1")
    process.send_signal(signal.SIGHUP)
    assert (await told(process))["event"] == "relay.certificate_read"
    assert await asyncio.to_thread(seen, port) == der(tls)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_sighup_without_a_certificate_says_what_to_do(post, tmp_path):
    await post()
    process, _ = await _process(tmp_path)
    process.send_signal(signal.SIGHUP)
    assert "restart the relay" in (await told(process))["error"]
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("days", ["1", "20000"], ids=["a year of two digits", "a year of four"])
def test_the_end_is_the_one_that_openssl_reads(tmp_path, days):
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    file = tmp_path / "certificate.pem"
    run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", days, "-subj", "/CN=x",
         "-keyout", tmp_path / "key.pem", "-out", file]
    )  # fmt: skip
    said = run(["openssl", "x509", "-enddate", "-noout", "-in", file]).stdout.strip().partition("=")[2]
    # Often the key stands before the certificate, and the authority's behind it.
    (tmp_path / "chain.pem").write_text((tmp_path / "key.pem").read_text() + file.read_text() * 2)
    assert ends_at(file) == ends_at(tmp_path / "chain.pem") == ssl.cert_time_to_seconds(said)


@pytest.mark.parametrize(
    "text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"]
)
def test_an_end_that_cannot_be_read_is_0(tmp_path, text):
    (tmp_path / "certificate.pem").write_text(text)
    assert ends_at(tmp_path / "certificate.pem") == 0
    assert ends_at(tmp_path / "nowhere.pem") == 0
