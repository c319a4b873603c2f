"""Mailgun's webhooks.

One event a request under ``event-data``, with what the sender attached (``v:``) under ``user-variables``:
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads

Mailgun alone sends a delivery no second time, whatever the answer:
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-retries
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from linkproxy.inbound.base import Fault, Object, Outcome, Provider, delivery, mapping, seconds, text
from linkproxy.model import DeliverySource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from linkproxy.inbound.base import Told

_FRESH_SECONDS: Final = 3600.0
"""What is signed is a time and a token, and no word of the event: who has seen one could sign any."""


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


def signed_mailgun(key: str, clock: Callable[[], float]) -> Provider:
    """Return Mailgun of which only events are taken that are signed with the account's key, and lately.

    https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
    """

    def checked(event: Object) -> Iterator[Told]:
        if _is_signed(mapping(event.get("signature")), key, clock()):
            yield from _read(event)
        else:
            yield Fault("it is not signed with [inbound] mailgun_signing_key, or was long ago")

    return replace(MAILGUN, read=checked)


def _is_signed(given: Object, key: str, now: float) -> bool:
    at = seconds(given.get("timestamp"))
    if at is None or not abs(now - at) < _FRESH_SECONDS:
        return False
    named = text(given.get("timestamp")) + text(given.get("token"))
    right = hmac.new(key.encode(), named.encode(), sha256).hexdigest().encode()
    # The second is the main account's, beside that of a subaccount.
    told = [text(given.get(name)).encode() for name in ("signature", "parent-signature")]
    return any(hmac.compare_digest(one, right) for one in told)
