"""Django sends through us: real Django, a real linkproxy server, a real receiving mail server."""

from __future__ import annotations

import asyncio
import pickle
import re
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import django
import pytest
from aiosmtpd.controller import UnthreadedController
from django.conf import settings
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.test.utils import override_settings
from django.utils.module_loading import import_string

from linkproxy.client import ClientError
from linkproxy.model import DeliverySource
from linkproxy.store.api import Filter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractContextManager

    from tests.server.conftest import Site

if not settings.configured:
    settings.configure(DEFAULT_CHARSET="utf-8", DEFAULT_FROM_EMAIL="us@shop.example", USE_I18N=False)

BACKEND = "linkproxy.contrib.django.EmailBackend"
LOCMEM = "django.core.mail.backends.locmem.EmailBackend"
TARGET = "https://shop.example/account?u=1"
TEXT = f"Hello Jürgen, {TARGET}\n"
HTML = f'<p>Hello Jürgen, <a href="{TARGET}">your account</a></p>'
_TRACKED = re.compile(r"http://click\.example(/[A-Za-z0-9_-]{24}/[A-Za-z0-9]{4})")


class Mailbox:
    """Keeps what a mail server was given."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], bytes]] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802  (aiosmtpd's name)
        self.taken.append((envelope.rcpt_tos, envelope.content))
        return "250 ok"


@pytest.fixture
async def smtp() -> AsyncIterator[tuple[Mailbox, int]]:
    """A mail server on a free port, on this loop."""
    box = Mailbox()
    controller = UnthreadedController(box, "127.0.0.1", 0, loop=asyncio.get_running_loop())
    controller.server = await controller._create_server()
    yield box, controller.server.sockets[0].getsockname()[1]
    controller.server.close()


@pytest.fixture
def linked(site: Site, key: str) -> Callable[..., AbstractContextManager[None]]:
    """Settings of a Django that has this server."""

    def use(**ours: object) -> AbstractContextManager[None]:
        mail.outbox = []
        found = {"URL": site.server.addresses.private, "KEY": key, "BACKEND": LOCMEM, **ours}
        return override_settings(EMAIL_BACKEND=BACKEND, LINKPROXY=found)

    return use


async def send(message: EmailMessage, **options: object) -> int:
    """Send as a web worker does: in a thread that waits."""
    return await asyncio.to_thread(lambda: get_connection(**options).send_messages([message]))


def newsletter(*to: str, **fields: Any) -> EmailMultiAlternatives:
    made = EmailMultiAlternatives("Hello", TEXT, to=list(to), **fields)
    made.attach_alternative(HTML, "text/html")
    made.attach("photo.bin", b"\0\xff", "application/octet-stream")
    return made


NAMED = {"headers": {"x-linkproxy-CAMPAIGN": "spring"}}


async def test_each_recipient_gets_links_of_their_own_over_smtp_and_they_lead_to_the_target(
    site: Site, smtp: tuple[Mailbox, int], linked: Callable[..., AbstractContextManager[None]]
) -> None:
    box, port = smtp
    message = newsletter(
        "Anna <anna@example.com>", "ben@example.com", cc=["cleo@example.com"], bcc=["d@x.example"], **NAMED
    )
    with (
        linked(BACKEND="django.core.mail.backends.smtp.EmailBackend"),
        override_settings(EMAIL_PORT=port, EMAIL_HOST="127.0.0.1"),
    ):
        assert await send(message) == 1
    assert [to for to, _ in box.taken] == [
        ["anna@example.com"],
        ["ben@example.com"],
        ["cleo@example.com"],
        ["d@x.example"],
    ]
    seen, ids = set(), set()
    for _, raw in box.taken:
        got = message_from_bytes(raw, policy=policy.default)
        assert got["To"] == "Anna <anna@example.com>, ben@example.com"
        assert got["Cc"] == "cleo@example.com"
        assert got["Bcc"] is None
        assert got["X-LinkProxy-Campaign"] is None
        ids.add(got["Message-ID"])
        text, html = got.get_body(("plain",)).get_content(), got.get_body(("html",)).get_content()
        assert TARGET not in text + html
        assert _TRACKED.sub(TARGET, text) == TEXT.replace("\n", "\r\n")
        assert next(got.iter_attachments()).get_content() == b"\0\xff"
        seen |= {path.split("/")[1] for path in _TRACKED.findall(text + html)}
        response = await site.ask(site.server.addresses.public + _TRACKED.findall(text)[0])
        assert response.headers["Location"] == TARGET
    assert len(seen) == 4
    assert len(ids) == 1


async def test_options_of_a_mailer_are_those_of_the_backend_that_sends(
    smtp: tuple[Mailbox, int], linked: Callable[..., AbstractContextManager[None]]
) -> None:
    box, port = smtp
    with linked(BACKEND="django.core.mail.backends.smtp.EmailBackend", CAMPAIGN="spring"):
        # As Django 6.1 makes the mailer of that name.
        backend = import_string(BACKEND)(alias="default", host="127.0.0.1", port=port)
        assert await asyncio.to_thread(backend.send_messages, [newsletter("ben@example.com")]) == 1
    [(to, raw)] = box.taken
    assert to == ["ben@example.com"]
    assert TARGET.encode() not in raw


@pytest.mark.skipif(django.VERSION < (6, 1), reason="MAILERS came with Django 6.1")
async def test_django_that_has_mailers_sends_through_us(
    smtp: tuple[Mailbox, int], linked: Callable[..., AbstractContextManager[None]]
) -> None:
    box, port = smtp
    ours = {"BACKEND": BACKEND, "OPTIONS": {"host": "127.0.0.1", "port": port}}
    with (
        linked(BACKEND="django.core.mail.backends.smtp.EmailBackend", CAMPAIGN="spring"),
        override_settings(MAILERS={"default": {"BACKEND": LOCMEM}, "news": ours}),
    ):
        assert await asyncio.to_thread(lambda: newsletter("ben@example.com").send(using="news")) == 1
    [(_, raw)] = box.taken
    assert TARGET.encode() not in raw


async def test_who_stands_in_two_fields_gets_one_copy_and_cc_alone_is_still_shown(
    linked: Callable[..., AbstractContextManager[None]],
) -> None:
    with linked():
        assert (
            await send(newsletter("Anna <a@x.example>", cc=["a@x.example"], bcc=["b@x.example"], **NAMED))
            == 1
        )
        assert [one.recipients() for one in mail.outbox] == [["Anna <a@x.example>"], ["b@x.example"]]
        mail.outbox.clear()
        assert await send(newsletter(cc=["c@x.example"], **NAMED)) == 1
    [only] = mail.outbox
    assert only.recipients() == ["c@x.example"]
    assert only.message()["Cc"] == "c@x.example"


async def test_what_is_handed_on_can_be_copied_and_kept_as_backends_with_a_queue_do(
    linked: Callable[..., AbstractContextManager[None]],
) -> None:
    with linked():
        for one in (newsletter("ben@example.com", **NAMED), newsletter("ben@example.com")):
            assert await asyncio.to_thread(one.send) == 1
    for one in mail.outbox:
        assert pickle.loads(pickle.dumps(one)).to == ["ben@example.com"]  # noqa: S301  (our own)


async def test_what_was_accepted_is_recorded_as_delivered(
    site: Site, linked: Callable[..., AbstractContextManager[None]]
) -> None:
    with linked(CAMPAIGN="spring"):
        assert await send(newsletter("ben@example.com")) == 1
    path = _TRACKED.findall(mail.outbox[0].body)[0]
    await site.ask(site.server.addresses.public + path)
    (row,) = [row async for row in site.store.visits(Filter(recipient="ben@example.com"))]
    assert row.entry.facts.delivery.source is DeliverySource.SMARTHOST


async def test_html_as_the_body_is_tracked_too_and_the_message_itself_is_not_changed(
    linked: Callable[..., AbstractContextManager[None]],
) -> None:
    message = EmailMessage("Hello", HTML, to=["ben@example.com"], **NAMED)
    message.content_subtype = "html"
    with linked():
        assert await send(message) == 1
    assert TARGET not in mail.outbox[0].body
    assert message.body == HTML
    assert message.extra_headers == NAMED["headers"]


async def test_a_message_of_no_campaign_is_sent_as_it_is(
    linked: Callable[..., AbstractContextManager[None]],
) -> None:
    with linked():
        assert await send(newsletter("ben@example.com", "anna@example.com")) == 1
    (sent,) = mail.outbox
    assert (sent.body, sent.to) == (TEXT, ["ben@example.com", "anna@example.com"])


@pytest.mark.parametrize("ours", [{"URL": "http://127.0.0.1:9"}, {"KEY": "wrong"}, {"CAMPAIGN": "nowhere"}])
async def test_mail_that_cannot_be_tracked_is_sent_untracked_or_told_as_the_setting_says(
    linked: Callable[..., AbstractContextManager[None]],
    ours: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with linked(**{"CAMPAIGN": "spring", **ours}):
        assert await send(newsletter("ben@example.com")) == 1
    assert mail.outbox[0].body == TEXT
    assert "sent untracked" in caplog.text
    with linked(**{"CAMPAIGN": "spring", **ours, "ON_FAILURE": "raise"}):
        with pytest.raises(ClientError, match="linkproxy at http"):
            await send(newsletter("ben@example.com"))
        assert await send(newsletter("ben@example.com"), fail_silently=True) == 0
        assert mail.outbox == []


@pytest.mark.parametrize(
    ("ours", "told"),
    [
        ({"KEY": ""}, "keys add"),
        ({"ON_FAILURE": "x"}, "ON_FAILURE"),
        ({"URI": "x"}, "no URI"),
        ({"URL": "x"}, "URL"),
    ],
)
async def test_settings_that_cannot_be_used_are_told(
    linked: Callable[..., AbstractContextManager[None]], ours: dict[str, str], told: str
) -> None:
    with linked(**ours), pytest.raises(ImproperlyConfigured, match=told):
        get_connection()
