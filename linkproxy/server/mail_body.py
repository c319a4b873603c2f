"""The mail in a request: HTML, plain text, or a whole message as text or in base64."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.server.rewriter import Mail

if TYPE_CHECKING:
    from collections.abc import Callable

    from linkproxy.server.body import Body


@dataclass(frozen=True, slots=True)
class Given:
    """A mail, the field it stood in, and how to write another one as it was written."""

    mail: Mail
    field: str
    write: Callable[[bytes], str]


MAIL_FIELDS = ("html", "text", "message")


def read_mail(body: Body, most_bytes: int) -> Given:
    """Read ``html``, ``text`` or ``message``; what is wrong with it becomes a fault of the body."""
    named = [field for field in MAIL_FIELDS if body.has(field)]
    field = named[-1] if named else "html"
    if len(named) > 1:
        body.fault(named[0], f"give one of {', '.join(MAIL_FIELDS)}")
    is_message = field == "message"
    if body.has("list_unsubscribe") and not is_message:
        body.fault("list_unsubscribe", "is of messages; HTML or text alone has no header")
    content, write = _content(body, field)
    if len(content) > most_bytes:
        body.fault(field, f"is larger than [limits] mail_bytes, {most_bytes}")
    if (signed := body.flag("signed")) and not body.has("merge_tag"):
        body.fault("signed", "is about the references of a merge_tag")
    mail = Mail(
        content,
        is_message,
        is_text=field == "text",
        list_unsubscribe=body.flag("list_unsubscribe") if body.has("list_unsubscribe") else None,
        signed=signed,
    )
    return Given(mail, field, write)


def _content(body: Body, field: str) -> tuple[bytes, Callable[[bytes], str]]:
    """Return a mail's bytes, and how to write such a mail.

    A message may come in base64, which has no colon; any header has one.
    """
    text = body.text(field, required=not body.has(field))  # an empty one comes back as it came
    if field == "message" and ":" not in text:
        try:
            return base64.b64decode("".join(text.split()), validate=True), _base64
        except ValueError:
            body.fault(field, "is neither a message, which has a header, nor base64")
            return b"", _base64
    return text.encode(), bytes.decode


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
