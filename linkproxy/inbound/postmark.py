"""Postmark's delivery webhook.

One event a request, with what the sender attached under ``Metadata`` and its time as ISO 8601 with seven
digits of a second: https://postmarkapp.com/developer/webhooks/delivery-webhook
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from linkproxy.inbound.base import Object, Outcome, Provider, delivery, mapping, moment
from linkproxy.model import DeliverySource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linkproxy.inbound.base import Told


def _read(event: Object) -> Iterator[Told]:
    if event.get("RecordType") == "Delivery":
        attached, at = mapping(event.get("Metadata")), moment(event.get("DeliveredAt"))
        yield delivery(attached, address=event.get("Recipient"), at=at)
    else:
        yield Outcome.OTHER


# The page: delivered is when "the destination email server returns an OK response".
POSTMARK: Final = Provider("postmark", DeliverySource.MX, _read)
