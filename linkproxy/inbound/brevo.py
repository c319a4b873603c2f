"""Brevo's transactional webhooks.

One event a request, or a list of up to 500 with ``batched``, with the header ``X-Mailin-custom`` of the
message as a text: https://developers.brevo.com/docs/transactional-webhooks and .../batch-webhooks
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from linkproxy.inbound.base import Object, Outcome, Provider, delivery, mapping, seconds
from linkproxy.model import DeliverySource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linkproxy.inbound.base import Told


def _read(event: Object) -> Iterator[Told]:
    if event.get("event") == "delivered":
        yield delivery(_attached(event), address=event.get("email"), at=_at(event))
    else:
        yield Outcome.OTHER


def _attached(event: Object) -> Object:
    """Return what the header says: JSON, or as Brevo's examples have it ``name:value|name:value``."""
    header = event.get("X-Mailin-custom")
    if (found := mapping(header)) or not isinstance(header, str):
        return found
    pairs = (part.partition(":") for part in header.split("|"))
    return {name.strip(): value for name, colon, value in pairs if colon}


def _at(event: Object) -> float | None:
    """Return when it was: in milliseconds, else in seconds; the other fields are in the account's zone."""
    milliseconds = seconds(event.get("ts_epoch"))
    return seconds(event.get("ts_event")) if milliseconds is None else milliseconds / 1000


# The page calls `ts_epoch` the time "when message was sent". By 5xx "all retry attempts" end; a 429 brings
# the events again: https://developers.brevo.com/docs/retry-mechanism
BREVO: Final = Provider("brevo", DeliverySource.PROVIDER, _read, again=429)
