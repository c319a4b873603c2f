"""Through the relay into a mail server that people run, sent by a mailer that people use."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import smtplib

pytestmark = pytest.mark.servers

SMTPD = shutil.which("smtpd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
CONFIG = """\
table people {{ "anna@example.com" = nobody, "ben@example.com" = nobody }}
listen on 127.0.0.1 port {port} hostname upstream.example
action "keep" maildir "{folder}/box" virtual <people>
match from any for domain "example.com" action "keep"
"""
# Its queue and its socket have fixed places; in a mount namespace they are ours alone.
START = """\
mount -t tmpfs tmpfs /var/spool && mount -t tmpfs tmpfs /run && mkdir -m 711 /var/spool/smtpd &&
exec "$0" -d -f "$1"
"""


def _is_opensmtpd() -> bool:
    """Tell whether the program of that name, which others have too, is the one that is meant."""
    if SMTPD is None:
        return False
    return b"OpenSMTPD" in subprocess.run([SMTPD, "-h"], capture_output=True, check=False).stderr


class OpenSmtpd:
    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self._folder = folder

    async def mails(self, count: int) -> list[bytes]:
        """Return so many delivered mails, once they are there."""
        new = self._folder / "box" / "new"
        while not new.is_dir() or len(list(new.iterdir())) < count:  # noqa: ASYNC110  (another program delivers)
            await asyncio.sleep(0.05)
        return sorted(path.read_bytes() for path in new.iterdir())


@pytest.fixture
async def opensmtpd():
    """Run an OpenSMTPD of our own; its mail goes to a folder that its user can reach."""
    if not _is_opensmtpd():
        pytest.skip("OpenSMTPD is not installed")
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:  # noqa: ASYNC221
        pytest.skip("needs root and a mount namespace")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)  # noqa: ASYNC240
    (folder / "smtpd.conf").write_text(CONFIG.format(port=port, folder=folder))
    process = await asyncio.create_subprocess_exec(
        *unshare, "sh", "-c", START, SMTPD, str(folder / "smtpd.conf"), stderr=asyncio.subprocess.DEVNULL
    )
    while process.returncode is None:
        with suppress(OSError):
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            break
        await asyncio.sleep(0.05)
    yield OpenSmtpd(port, folder)
    with suppress(ProcessLookupError):
        process.terminate()
    await process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _as_sent(mail: bytes) -> bytes:
    """Return a delivered mail without the headers that the server adds, lines as on the wire."""
    own = mail[mail.index(b"From: News") :]
    return re.sub(rb"(?m)^(?:Date|Message-ID): .*\n", b"", own).replace(b"\n", b"\r\n")


async def test_a_mailing_to_two_arrives_for_each_with_links_of_their_own(
    post, letter, untracked, url, opensmtpd
):
    found = await post(upstream_port=opensmtpd.port)
    content = letter(b".", b"..dots", "äöü".encode(), b"x" * 900, b"")

    def talk(client: smtplib.SMTP) -> list[dict]:
        everybody = ["anna@example.com", "ben@example.com"]
        refused = client.sendmail("news@brand.example", everybody, content, ["BODY=8BITMIME"])
        return [refused, client.sendmail("news@brand.example", list(refused), content, ["BODY=8BITMIME"])]

    first, second = await found.library(talk)
    assert (list(first), second) == (["ben@example.com"], {})
    mails = await opensmtpd.mails(2)
    assert {untracked(_as_sent(mail)) for mail in mails} == {
        letter(b".", b"..dots", "äöü".encode(), b"x" * 900, b"", campaign=None)
    }
    assert len({url.search(mail)[1] for mail in mails}) == 2
    assert [who for who, _, _ in await found.deliveries()] == ["anna@example.com", "ben@example.com"]


async def test_what_the_real_server_refuses_is_refused_in_its_words(post, letter, opensmtpd):
    found = await post(upstream_port=opensmtpd.port)
    assert (await found.send(letter(), to="ghost@example.com")).startswith(("524 5.2.4 ", "550 "))
    assert (await found.send(letter(), to="anna@other.example")).startswith("550 Invalid recipient: ")
    assert (await found.send(letter(), to="jürgen@example.com")).startswith("553 5.6.7 ")
    assert (await found.send(letter())).startswith("250 2.0.0 ")
    assert len(await opensmtpd.mails(1)) == 1


async def test_a_mailer_cut_in_the_middle_leaves_nothing_in_the_real_server(post, letter, opensmtpd):
    found = await post(upstream_port=opensmtpd.port)
    mailer = await found.mailer()
    await mailer.begin(to="ben@example.com")
    await mailer.say("DATA")
    mailer.writer.write(letter())
    await mailer.writer.drain()
    mailer.cut()
    assert (await found.send(letter())).startswith("250 2.0.0 ")
    [mail] = await opensmtpd.mails(1)
    assert b"Delivered-To: anna@example.com" in mail


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed")
@pytest.mark.parametrize("how", [[], ["--pipeline"], ["--protocol", "SMTP"]])
async def test_swaks_gets_its_mail_through(post, untracked, how):
    found = await post()
    process = await asyncio.create_subprocess_exec(
        "swaks", "--server", f"127.0.0.1:{found.port}", "--from", "a@brand.example", "--to", "anna@example.com",
        "--header", "X-LinkProxy-Campaign: spring", "--body", "see https://shop.example/x", *how,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    assert b"250 2.0.0 taken as 4711" in said
    assert b"see https://shop.example/x" in untracked(found.last, b"https://shop.example/x")
    assert b"see https://shop.example/x" not in found.last
    assert b"X-LinkProxy" not in found.last
