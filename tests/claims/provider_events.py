"""What each provider sends, in the shapes that it documents, with what a sender attached to its mail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Attached = Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """A provider's events. ``delivered`` makes one of what is attached, the address, and whole seconds."""

    name: str
    delivered: Callable[[Attached, str, int], dict[str, Any]]
    others: Sequence[dict[str, Any]]
    fields: Sequence[str] = ()  # which a delivery needs, as paths with dots


def _sendgrid(attached: Attached, address: str, at: int) -> dict[str, Any]:
    # https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
    return {
        "email": address,
        "timestamp": at,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": "delivered",
        "category": ["newsletter"],
        "sg_event_id": "ZGVsaXZlcmVkLTA",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "response": "250 OK",
        **attached,
    }


SENDGRID = Sample(
    "sendgrid",
    _sendgrid,
    [
        {"email": "anna@example.com", "timestamp": 1, "event": event, "linkproxy_campaign": "spring"}
        for event in ("processed", "deferred", "bounce", "dropped", "open", "click", "spamreport")
    ],
    ("email", "timestamp"),
)

SAMPLES = {sample.name: sample for sample in (SENDGRID,)}
