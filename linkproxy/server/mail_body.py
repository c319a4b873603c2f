"""The mail in a request: HTML, or a whole message as text or in base64."""

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


def read_mail(body: Body, most_bytes: int) -> Given:
    """Read ``html`` or ``message``; what is wrong with it becomes a fault of the body."""
    is_message = body.has("message")
    field = "message" if is_message else "html"
    if is_message and body.has("html"):
        body.fault("html", "give either html or message")
    if body.has("list_unsubscribe") and not is_message:
        body.fault("list_unsubscribe", "is of messages; HTML alone has no header")
    content, write = _content(body, field)
    if len(content) > most_bytes:
        body.fault(field, f"is larger than [limits] mail_bytes, {most_bytes}")
    list_unsubscribe = body.flag("list_unsubscribe") and is_message
    if (signed := body.flag("signed")) and not body.has("merge_tag"):
        body.fault("signed", "is about the references of a merge_tag")
    return Given(Mail(content, is_message, list_unsubscribe=list_unsubscribe, signed=signed), field, write)


def _content(body: Body, field: str) -> tuple[bytes, Callable[[bytes], str]]:
    """Return a mail's bytes, and how to write such a mail.

    A message may come in base64, which has no colon; any header has one.
    """
    text = body.text(field, required=True)
    if field == "message" and ":" not in text:
        try:
            return base64.b64decode("".join(text.split()), validate=True), _base64
        except ValueError:
            body.fault(field, "is neither a message, which has a header, nor base64")
            return b"", _base64
    try:
        return text.encode(), bytes.decode
    except UnicodeEncodeError:
        body.fault(field, "holds half a surrogate pair, which is no character")
        return b"", bytes.decode


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
