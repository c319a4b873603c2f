"""Django's e-mail backend: every recipient gets links of their own, then your usual backend sends.

Name ``linkproxy.contrib.django.EmailBackend`` in ``MAILERS`` (Django 6.1) or ``EMAIL_BACKEND``, and set
``LINKPROXY`` as docs/python.md has it. It asks a linkproxy server by its JSON API: web workers need
neither the signing keys nor the database, and no event loop.
"""

from __future__ import annotations

import copy
import logging
from email.utils import make_msgid, parseaddr
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.utils import DNS_NAME
from django.utils.module_loading import import_string

from linkproxy.client import Client, ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.core.mail import EmailMessage

CAMPAIGN_HEADER: Final = "X-LinkProxy-Campaign"

_USUAL: Final = {
    "URL": "http://127.0.0.1:8081",
    "KEY": "",
    "CAMPAIGN": "",  # of messages that name none; "" leaves those untracked
    "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "ON_FAILURE": "send",  # or "raise"
    "TIMEOUT_SECONDS": 10.0,
}
_log = logging.getLogger("linkproxy.django")


def _setting() -> dict[str, Any]:
    given = getattr(settings, "LINKPROXY", {})
    unknown = sorted(set(given) - set(_USUAL))
    if unknown:
        raise ImproperlyConfigured(
            f"LINKPROXY: there is no {', '.join(unknown)}; there are {', '.join(_USUAL)}"
        )
    found = {**_USUAL, **given}
    if not found["KEY"]:
        raise ImproperlyConfigured(
            "LINKPROXY: KEY is missing; `linkproxy keys add django --may send` prints one"
        )
    if found["ON_FAILURE"] not in {"send", "raise"}:
        raise ImproperlyConfigured('LINKPROXY: ON_FAILURE is "send" or "raise"')
    return found


class EmailBackend(BaseEmailBackend):  # type: ignore[misc]  # Django ships no types
    """Rewrites the links of messages and hands them, one copy a recipient, to ``LINKPROXY["BACKEND"]``."""

    def __init__(self, fail_silently: bool = False, **options: Any) -> None:  # noqa: FBT001, FBT002  (Django's signature)
        super().__init__(alias=options.get("alias"))
        self.fail_silently = fail_silently
        found = _setting()
        self._campaign = found["CAMPAIGN"]
        self._must_track = found["ON_FAILURE"] == "raise"
        try:
            self._client = Client(found["URL"], found["KEY"], timeout_seconds=found["TIMEOUT_SECONDS"])
        except ClientError as error:
            raise ImproperlyConfigured(f"LINKPROXY: URL: {error}") from None
        # Not by get_connection, which takes no backend once Django 6.1 has MAILERS. What stands there in
        # OPTIONS of ours is the sending backend's; that a fault is an error is every backend's default.
        silent = {"fail_silently": True} if fail_silently else {}
        self._sender = import_string(found["BACKEND"])(**silent, **options)

    def open(self) -> bool | None:
        """Open the sending backend's connection."""
        opened: bool | None = self._sender.open()
        return opened

    def close(self) -> None:
        """Close both connections."""
        self._sender.close()
        self._client.close()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send messages and return how many went to all their recipients.

        Without ``fail_silently`` raises what the sending backend raises, and with ``ON_FAILURE`` "raise"
        ClientError for a message that could not be tracked; that one goes to nobody.
        """
        opened = self.open()
        try:
            return sum(self._send(message) for message in email_messages)
        finally:
            if opened:
                self.close()

    def _send(self, message: EmailMessage) -> bool:
        campaign = _named(message) or self._campaign
        if not message.recipients():
            return False
        if not campaign:
            return bool(self._sender.send_messages([_bare(message)]))
        try:
            copies = list(self._copies(message, campaign))
        except ClientError as error:
            if self._must_track:
                if self.fail_silently:
                    return False
                raise
            _log.error("sent untracked, campaign %s: %s", campaign, error)
            return bool(self._sender.send_messages([_bare(message)]))
        sent = self._sender.send_messages(copies) or 0
        if sent == len(copies):
            self._tell(message, campaign)
        return bool(sent == len(copies))

    def _copies(self, message: EmailMessage, campaign: str) -> Iterator[EmailMessage]:
        """Yield a copy for each recipient, with To and Cc as all of them are to see these."""
        recipients = _recipients(message)
        shown = {"To": ", ".join(map(str, message.to)), "Cc": ", ".join(map(str, message.cc))}
        alone = len(recipients) == 1 and bool(message.to)
        common = {} if alone else {name: text for name, text in shown.items() if text}
        common["Message-ID"] = make_msgid(domain=str(DNS_NAME))
        for recipient in recipients:
            one = _bare(message)
            own = {name.lower() for name in one.extra_headers}
            one.extra_headers |= {name: text for name, text in common.items() if name.lower() not in own}
            one.to, one.cc, one.bcc = ([recipient], [], []) if message.to else ([], [], [recipient])
            self._track(one, campaign, _address(recipient))
            yield one

    def _track(self, message: EmailMessage, campaign: str, recipient: str) -> None:
        about = {"campaign": campaign, "recipient": recipient}
        rewrites = {"text/plain": self._client.rewrite_text, "text/html": self._client.rewrite_html}
        rewrite = rewrites.get(f"text/{message.content_subtype}")
        if rewrite and message.body:
            message.body = rewrite(str(message.body), **about)
        if hasattr(message, "alternatives"):
            message.alternatives = [
                part._replace(content=rewrites[part.mimetype](str(part.content), **about))
                if part.mimetype in rewrites
                else part
                for part in message.alternatives
            ]

    def _tell(self, message: EmailMessage, campaign: str) -> None:
        """Tell when the message was accepted; that it cannot be told harms no mail."""
        recipients = [_address(item) for item in _recipients(message)]
        try:
            self._client.deliver(recipients, campaign=campaign)
        except ClientError as error:
            _log.warning("delivery not recorded, campaign %s: %s", campaign, error)


def _recipients(message: EmailMessage) -> list[str]:
    """Return whom a message goes to; who stands in To and in Cc gets it once."""
    return list({_address(item): item for item in reversed(message.recipients())}.values())[::-1]


def _address(recipient: object) -> str:
    return parseaddr(str(recipient))[1] or str(recipient)


def _named(message: EmailMessage) -> str:
    values = (str(value) for name, value in message.extra_headers.items() if _is_campaign(name))
    return next(values, "").strip()


def _bare(message: EmailMessage) -> EmailMessage:
    """Return a copy without the header that names the campaign.

    Without our connection too: backends that keep messages (locmem, queues) copy or pickle what they
    get, and a socket cannot be.
    """
    one = copy.copy(message)
    one.connection = None
    one.extra_headers = {name: text for name, text in message.extra_headers.items() if not _is_campaign(name)}
    return one


def _is_campaign(name: str) -> bool:
    return name.lower() == CAMPAIGN_HEADER.lower()
