"""Amazon SES, whose events come by a subscription of Amazon SNS.

SNS puts an event as a text into a message of its own, unless raw delivery is on; before the first one it
asks whether it may send: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html

What the sender attached are message tags, whose values are letters, digits, ``_`` and ``-`` alone, or
headers of the message:
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html and
https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from linkproxy.inbound.base import (
    CAMPAIGN,
    RECIPIENT,
    Fault,
    Object,
    Outcome,
    Provider,
    Subscription,
    delivery,
    mapping,
    moment,
    text,
)
from linkproxy.model import DeliverySource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linkproxy.inbound.base import Told

_NAMES: Final = (CAMPAIGN, RECIPIENT)
# django-anymail writes a message's metadata there, as JSON: https://anymail.dev/en/stable/esps/amazon_ses/
_METADATA: Final = "x-metadata"
_HEADERS: Final = {"x-linkproxy-campaign": CAMPAIGN, "x-linkproxy-recipient": RECIPIENT}
_CONFIRMING: Final = re.compile(
    r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?/\?Action=ConfirmSubscription&[!-~]{1,2000}"
)
"""Only there is an operator sent: whoever has the key could name any place."""


def _read(message: Object) -> Iterator[Told]:
    kind = message.get("Type")
    if kind is None:
        yield from _event(message)
    elif kind == "Notification":
        # A text that is no JSON is SES's word that it has found the topic.
        yield from _event(mapping(message.get("Message")))
    elif kind == "SubscriptionConfirmation":
        yield _subscription(message)
    else:
        yield Outcome.OTHER


def _subscription(message: Object) -> Told:
    url = text(message.get("SubscribeURL"))
    if not _CONFIRMING.fullmatch(url):
        return Fault("SubscribeURL is none of Amazon SNS")
    return Subscription(text(message.get("TopicArn"))[:256], url)


def _event(event: Object) -> Iterator[Told]:
    # Called `notificationType` where an identity notifies, and no configuration set.
    if event.get("eventType", event.get("notificationType")) != "Delivery":
        yield Outcome.OTHER
        return
    told, attached = mapping(event.get("delivery")), _attached(mapping(event.get("mail")))
    at = moment(told.get("timestamp"))
    several = _listed(told.get("recipients")) or [None]
    # To all of them went the links of the one who is attached.
    for address in several[:1] if RECIPIENT in attached else several:
        yield delivery(attached, address=address, at=at)


def _attached(mail: Object) -> Object:
    """Return tags and headers under the names that all providers have in common; headers go first."""
    tags = mapping(mail.get("tags"))
    found: dict[str, Any] = {name: _first(tags[name]) for name in _NAMES if name in tags}
    given = mail.get("headers")
    headers = [(text(item.get("name")).lower(), item.get("value")) for item in map(mapping, _listed(given))]
    for name, value in headers:
        if name == _METADATA:
            found |= {key: held for key, held in mapping(value).items() if key in _NAMES}
    return found | {_HEADERS[name]: value for name, value in headers if name in _HEADERS}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _first(values: Any) -> Any:
    return values[0] if isinstance(values, list) and values else values


# `timestamp` is when SES "delivered the email to the recipient's mail server".
SES: Final = Provider("ses", DeliverySource.MX, _read)
