"""Mailgun's webhooks.

One event a request under ``event-data``, with what the sender attached (``v:``) under ``user-variables``:
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads

Mailgun alone sends a delivery no second time, whatever the answer:
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-retries
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from linkproxy.inbound.base import Object, Outcome, Provider, delivery, mapping, seconds
from linkproxy.model import DeliverySource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linkproxy.inbound.base import Told


def _read(event: Object) -> Iterator[Told]:
    data = mapping(event.get("event-data"))
    if data.get("event") == "delivered":
        attached, at = mapping(data.get("user-variables")), seconds(data.get("timestamp"))
        yield delivery(attached, address=data.get("recipient"), at=at)
    else:
        yield Outcome.OTHER


# Its `timestamp` is when the event was made, which is not said to be when the receiving server answered:
# https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-structure
MAILGUN: Final = Provider("mailgun", DeliverySource.PROVIDER, _read)
