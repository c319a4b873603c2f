"""What is Brevo's own: two forms of its header, and times of which only two are in UTC."""

from __future__ import annotations

import json
from typing import Any

import pytest
from claims.provider_events import BREVO as SAMPLE

from linkproxy.inbound.base import Delivered, Fault, Outcome, Told, read
from linkproxy.inbound.brevo import BREVO

AT = 1_780_000_000


def told(**changes: Any) -> list[Told]:
    event = SAMPLE.delivered({"linkproxy_campaign": "spring"}, "anna@example.com", AT) | changes
    return read(BREVO, json.dumps(event).encode())


def test_the_header_may_be_pairs_of_name_and_value() -> None:
    header = "shop:7|linkproxy_campaign:spring: part 2| linkproxy_recipient:4711.Ab3dEf6hIj9"
    assert told(**{"X-Mailin-custom": header}) == [Delivered("spring: part 2", "4711.Ab3dEf6hIj9", AT)]


@pytest.mark.parametrize(
    "header", ["", "linkproxy_campaign", "{", "7", 7, None, ["linkproxy_campaign:spring"]]
)
def test_another_header_attaches_nothing(header: object) -> None:
    assert told(**{"X-Mailin-custom": header}) == [Outcome.NO_CAMPAIGN]


def test_milliseconds_go_before_seconds_and_other_times_are_not_looked_at() -> None:
    assert told(ts_epoch=AT * 1000 + 500) == [Delivered("spring", "anna@example.com", AT + 0.5)]
    assert told(ts_epoch=None) == [Delivered("spring", "anna@example.com", AT)]
    assert told(ts_epoch=None, ts_event="soon") == [Fault("there is no time in it that can be read")]
