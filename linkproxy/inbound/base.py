"""What all providers have in common: the words, and how an event that one of them sent is read.

Whatever a provider sends is read as far as it can be: an event that makes no sense becomes a fault
that is counted, since to refuse it would only bring it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from linkproxy.model import DeliverySource, LinkproxyError
from linkproxy.model.words import Word

CAMPAIGN: Final = "linkproxy_campaign"
RECIPIENT: Final = "linkproxy_recipient"
"""Under what the sender attaches to a message whose it is, as the provider gives it back.

Postmark takes names of at most 20 characters: https://postmarkapp.com/support/article/1125-custom-metadata-faq
"""

Object = Mapping[str, Any]


class Outcome(Word):
    """What became of an event."""

    RECORDED = "recorded"
    UNCHANGED = "unchanged"
    """Known before, or from a better source."""
    OTHER = "other"
    """No delivery, but an open, a bounce or the like."""
    NO_CAMPAIGN = "no_campaign"
    """Nothing is attached to it: other mail of the same account."""
    UNKNOWN_CAMPAIGN = "unknown_campaign"
    UNKNOWN_RECIPIENT = "unknown_recipient"
    """To an address that no link was made for, as of somebody who was erased: nothing is kept."""
    ERASED = "erased"
    """To a reference that was erased: nothing is kept."""
    MALFORMED = "malformed"
    FAILED = "failed"
    """The store failed; the provider is asked to come again."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that the recipient's server took, ``at`` seconds since 1970.

    ``who``: the address or reference that was attached, else the address that the provider sent to.
    """

    campaign: str
    who: str
    at: float


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an event, as a phrase that says nothing of people."""

    text: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """Somebody must open ``url`` before anything is sent."""

    topic: str
    url: str


Told = Delivered | Outcome | Fault | Subscription
"""What an event says; an Outcome where there is nothing to record."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider: its name in the path, and how one of its events is read.

    ``source`` is as exact as its documentation lets one believe its times. ``again`` is the status after
    which it sends the same events once more.
    """

    name: str
    source: DeliverySource
    read: Callable[[Object], Iterable[Told]]
    again: int = 503


def read(provider: Provider, body: bytes) -> list[Told]:
    """Return what a request of a provider tells; raise LinkproxyError where it is no JSON at all.

    The body is one event or a list of them, as one sets it at the provider.
    """
    value = _load(body)
    found: list[Told] = []
    for event in value if isinstance(value, list) else [value]:
        found += provider.read(event) if isinstance(event, dict) else [Fault("an event is no JSON object")]
    return found


def delivery(attached: Object, *, address: object, at: float | None) -> Told:
    """Return a delivery; ``attached`` is what the sender attached to the message.

    A recipient that was attached and cannot be read is a fault: the delivery of another would be recorded.
    """
    campaign = text(attached.get(CAMPAIGN))
    if not campaign:
        return Outcome.NO_CAMPAIGN
    who = text(attached.get(RECIPIENT, address))
    if not who:
        return Fault(f"{RECIPIENT} is empty" if RECIPIENT in attached else "no recipient is named")
    return Fault("there is no time in it that can be read") if at is None else Delivered(campaign, who, at)


# --- fields that may hold anything -------------------------------------------------------------


def text(value: object) -> str:
    """Return a text or a whole number as text; "" for anything else, and for what is no Unicode."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    try:
        found = str(value)
        found.encode()
    except ValueError:  # half a surrogate pair, or a number of thousands of digits
        return ""
    return found.strip()


def mapping(value: object) -> Object:
    """Return a JSON object, also one that was put into a text; empty for anything else."""
    if isinstance(value, str):
        try:
            value = _load(value)
        except LinkproxyError:
            return {}
    return value if isinstance(value, dict) else {}


def seconds(value: object) -> float | None:
    """Return seconds since 1970, given as a number or as its digits."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def moment(value: object) -> float | None:
    """Return the seconds since 1970 of a time in ISO 8601; without an offset it is UTC."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _load(data: bytes | str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise LinkproxyError("the body is not JSON, as all of these providers send it") from None
