"""What is Amazon's own: tags and headers, several recipients, and the subscription of Amazon SNS."""

from __future__ import annotations

import json
from typing import Any

import pytest
from claims.provider_events import notification, ses_event

from linkproxy.inbound.base import Delivered, Fault, Outcome, Subscription, Told, read
from linkproxy.inbound.ses import SES

AT = 1_780_000_000
TAGS = {"linkproxy_campaign": "spring"}
TOPIC = "arn:aws:sns:us-west-2:123456789012:deliveries"
URL = f"https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37f"


def told(message: Any) -> list[Told]:
    return read(SES, json.dumps(message).encode())


def test_headers_say_what_tags_cannot_hold() -> None:
    headers = {"X-LinkProxy-Campaign": "Spring 2026", "x-linkproxy-recipient": "4711.Ab3dEf6hIj9"}
    assert told(ses_event({}, "anna@example.com", AT, headers)) == [
        Delivered("Spring 2026", "4711.Ab3dEf6hIj9", AT)
    ]
    assert told(ses_event(TAGS, "anna@example.com", AT, headers)) == [
        Delivered("Spring 2026", "4711.Ab3dEf6hIj9", AT)
    ]


def test_the_metadata_of_anymail_is_read() -> None:
    headers = {"X-Metadata": '{"shop": 7, "linkproxy_campaign": "spring", "linkproxy_recipient": "4711"}'}
    assert told(ses_event({}, "anna@example.com", AT, headers)) == [Delivered("spring", "4711", AT)]
    headers |= {"X-LinkProxy-Campaign": "summer"}
    assert told(ses_event({}, "anna@example.com", AT, headers)) == [Delivered("summer", "4711", AT)]


def test_an_identity_that_notifies_is_heard_without_tags() -> None:
    event = ses_event({}, "anna@example.com", AT, {"X-LinkProxy-Campaign": "spring"})
    del event["mail"]["tags"]
    event["notificationType"] = event.pop("eventType")
    assert told(notification(event)) == [Delivered("spring", "anna@example.com", AT)]


def test_each_of_several_recipients_has_a_delivery_unless_one_is_attached() -> None:
    event = ses_event(TAGS, "anna@example.com", AT)
    event["delivery"]["recipients"] = ["anna@example.com", "ben@example.com"]
    assert told(event) == [
        Delivered("spring", "anna@example.com", AT),
        Delivered("spring", "ben@example.com", AT),
    ]
    event["mail"]["tags"]["linkproxy_recipient"] = ["4711"]
    assert told(event) == [Delivered("spring", "4711", AT)]


def subscription(url: object) -> dict[str, Any]:
    # https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37f",
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe to the topic",
        "SubscribeURL": url,
        "Timestamp": "2012-04-26T20:45:04.751Z",
    }


@pytest.mark.parametrize(
    "url", [URL, URL.replace(".com/", ".com.cn/"), URL.replace("us-west-2.", "eu-central-1.")]
)
def test_a_subscription_is_somebodys_to_confirm(url: str) -> None:
    assert told(subscription(url)) == [Subscription(TOPIC, url)]


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        7,
        URL.replace("https", "http"),
        URL.replace("amazonaws.com", "amazonaws.com.attacker.example"),
        URL.replace("sns.", "attacker@sns."),
        URL.replace("https://sns.", "https://attacker.example/sns."),
        URL.replace(".com/", ".com:8443/"),
        URL.replace("ConfirmSubscription", "Unsubscribe"),
        URL + "\x1b[2J",
        URL + " and more",
    ],
)
def test_nobody_is_sent_to_another_place_than_amazon_sns(url: object) -> None:
    assert told(subscription(url)) == [Fault("SubscribeURL is none of Amazon SNS")]


def test_what_ses_says_of_the_topic_is_no_delivery() -> None:
    words = "Successfully validated SNS topic for Amazon SES event publishing."
    assert told(notification(words)) == [Outcome.OTHER]
