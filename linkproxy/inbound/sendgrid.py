"""Twilio SendGrid's Event Webhook.

A list of events, each with what the sender attached (``custom_args``, ``unique_args``) among its own
fields: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from linkproxy.inbound.base import Object, Outcome, Provider, delivery, seconds
from linkproxy.model import DeliverySource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linkproxy.inbound.base import Told


def _read(event: Object) -> Iterator[Told]:
    if event.get("event") == "delivered":
        yield delivery(event, address=event.get("email"), at=seconds(event.get("timestamp")))
    else:
        yield Outcome.OTHER


# The page calls `timestamp` the time "when the message was sent": not surely that of the receiving server.
SENDGRID: Final = Provider("sendgrid", DeliverySource.PROVIDER, _read)
