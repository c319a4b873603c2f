"""Mailjet's Event API.

One event a request, or with version 2 a list of them. ``sent`` is told when the recipient's server has
accepted the message; ``Payload`` is the text that the sender attached (``EventPayload``):
https://github.com/mailjet/api-documentation/blob/master/guides/_event-api.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from linkproxy.inbound.base import Object, Outcome, Provider, delivery, mapping, seconds
from linkproxy.model import DeliverySource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linkproxy.inbound.base import Told


def _read(event: Object) -> Iterator[Told]:
    if event.get("event") == "sent":
        attached, at = mapping(event.get("Payload")), seconds(event.get("time"))
        yield delivery(attached, address=event.get("email"), at=at)
    else:
        yield Outcome.OTHER


# In the page's examples `time` is a second after the time in the receiving server's own reply.
MAILJET: Final = Provider("mailjet", DeliverySource.PROVIDER, _read)
