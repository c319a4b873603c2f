"""What each provider sends, in the shapes that it documents, with what a sender attached to its mail."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Attached = Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """A provider's events. ``delivered`` makes one of what is attached, the address, and whole seconds."""

    name: str
    delivered: Callable[[Attached, str, int], dict[str, Any]]
    others: Sequence[dict[str, Any]]
    fields: Sequence[str] = ()  # which a delivery needs, as paths with dots


def iso(at: int) -> str:
    """Return a time as most of them write it, with a Z."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


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


def _postmark(attached: Attached, address: str, at: int) -> dict[str, Any]:
    # https://postmarkapp.com/developer/webhooks/delivery-webhook
    return {
        "RecordType": "Delivery",
        "ServerID": 23,
        "MessageStream": "outbound",
        "MessageID": "00000000-0000-0000-0000-000000000000",
        "Recipient": address,
        "Tag": "welcome-email",
        "DeliveredAt": iso(at).replace("Z", ".0000000Z"),
        "Details": "Test delivery webhook details",
        "Metadata": {"shop": "7", **attached},
    }


POSTMARK = Sample(
    "postmark",
    _postmark,
    [
        {"RecordType": kind, "Metadata": {"linkproxy_campaign": "spring"}}
        for kind in ("Bounce", "Open", "Click", "SpamComplaint", "SubscriptionChange")
    ],
    ("Recipient", "DeliveredAt"),
)


def _mailgun(attached: Attached, address: str, at: int) -> dict[str, Any]:
    # https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads
    return {
        "signature": {"token": "5" * 50, "timestamp": str(at), "signature": "0" * 64},
        "event-data": {
            "id": "CPgfbmQMTCKtHW6uIWtuVe",
            "timestamp": float(at),
            "log-level": "info",
            "event": "delivered",
            "delivery-status": {"code": 250, "message": "OK", "mx-host": "mx.example.com", "attempt-no": 1},
            "flags": {"is-routed": False, "is-test-mode": False},
            "message": {"headers": {"to": address, "message-id": "1@brand.example"}, "size": 111},
            "recipient": address,
            "recipient-domain": "example.com",
            "tags": [],
            "user-variables": dict(attached),
        },
    }


MAILGUN = Sample(
    "mailgun",
    _mailgun,
    [
        {"event-data": {"event": event, "user-variables": {"linkproxy_campaign": "spring"}}}
        for event in ("accepted", "opened", "clicked", "failed", "complained", "unsubscribed")
    ],
    ("event-data.recipient", "event-data.timestamp"),
)


def _mailjet(attached: Attached, address: str, at: int) -> dict[str, Any]:
    # https://github.com/mailjet/api-documentation/blob/master/guides/_event-api.md
    return {
        "event": "sent",
        "time": at,
        "MessageID": 19421777835146490,
        "Message_GUID": "1ab23cd4-e567-8901-2345-6789f0gh1i2j",
        "email": address,
        "mj_campaign_id": 7257,
        "mj_contact_id": 4,
        "customcampaign": "",
        "mj_message_id": "19421777835146490",
        "smtp_reply": "sent (250 2.0.0 OK)",
        "CustomID": "helloworld",
        "Payload": json.dumps(attached) if attached else "",
    }


MAILJET = Sample(
    "mailjet",
    _mailjet,
    [
        {
            "event": event,
            "time": 1,
            "email": "anna@example.com",
            "Payload": '{"linkproxy_campaign": "spring"}',
        }
        for event in ("open", "click", "bounce", "blocked", "spam", "unsub")
    ],
    ("email", "time"),
)


def _brevo(attached: Attached, address: str, at: int) -> dict[str, Any]:
    # https://developers.brevo.com/docs/transactional-webhooks
    return {
        "event": "delivered",
        "email": address,
        "id": 26224,
        "date": "2020-10-09 00:00:00",
        "ts": at - 600,
        "message-id": "<1@brand.example>",
        "ts_event": at,
        "subject": "Subject Line",
        "X-Mailin-custom": json.dumps(attached) if attached else "some_custom_header",
        "sending_ip": "192.0.2.1",
        "ts_epoch": at * 1000,
        "tags": ["newsletter"],
    }


BREVO = Sample(
    "brevo",
    _brevo,
    [
        {"event": event, "email": "anna@example.com", "X-Mailin-custom": "linkproxy_campaign:spring"}
        for event in ("request", "deferred", "hard_bounce", "soft_bounce", "opened", "click", "spam")
    ],
    ("email",),
)


def ses_event(tags: Attached, address: str, at: int, headers: Attached | None = None) -> dict[str, Any]:
    """Return a delivery as raw message delivery has it.

    https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html
    """
    return {
        "eventType": "Delivery",
        "mail": {
            "timestamp": iso(at - 5),
            "source": "news@brand.example",
            "messageId": "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
            "destination": [address],
            "headersTruncated": False,
            "headers": [
                {"name": "To", "value": address},
                *({"name": name, "value": value} for name, value in (headers or {}).items()),
            ],
            "commonHeaders": {"to": [address], "subject": "Spring"},
            "tags": {"ses:configuration-set": ["news"], **{name: [value] for name, value in tags.items()}},
        },
        "delivery": {
            "timestamp": iso(at),
            "processingTimeMillis": 3384,
            "recipients": [address],
            "smtpResponse": "250 2.6.0 Message received",
            "reportingMTA": "mta.example.com",
        },
    }


def notification(message: object) -> dict[str, Any]:
    """Return what Amazon SNS makes of an event without raw message delivery."""
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:us-west-2:123456789012:deliveries",
        "Subject": "Amazon SES Email Event Notification",
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2012-05-02T00:54:06.655Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLEw6JRN==",
        "SigningCertURL": "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3.pem",
    }


SES = Sample(
    "ses",
    ses_event,
    [
        *(
            {"eventType": event, "mail": {"tags": {"linkproxy_campaign": ["spring"]}}}
            for event in ("Send", "Open")
        ),
        notification({"eventType": "Bounce", "mail": {"tags": {"linkproxy_campaign": ["spring"]}}}),
        notification("Successfully validated SNS topic for Amazon SES event publishing."),
        {"Type": "UnsubscribeConfirmation", "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?x"},
    ],
    ("delivery.recipients", "delivery.timestamp"),
)

# What Amazon SNS makes of the same events unless raw message delivery is on.
SES_WRAPPED = Sample("ses", lambda *told: notification(ses_event(*told)), SES.others)

SAMPLES = {sample.name: sample for sample in (BREVO, MAILGUN, MAILJET, POSTMARK, SENDGRID, SES)}
EVERY = {**SAMPLES, "ses by sns": SES_WRAPPED}
