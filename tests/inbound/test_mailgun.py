"""Mailgun's signature: over a time and a token, with a key that its account has."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest
from claims.provider_events import MAILGUN as SAMPLE
from hypothesis import given
from hypothesis import strategies as st

from linkproxy.inbound.base import Delivered, Fault, Told, read
from linkproxy.inbound.mailgun import signed_mailgun

AT = 1_780_000_000
KEY = "key-0123456789abcdef"
TOKEN = "e0b5477167110d68991efc6b9f89f0a11066af27834600e123"


def signature(key: str = KEY, at: int = AT, token: str = TOKEN) -> dict[str, str]:
    signed = hmac.new(key.encode(), f"{at}{token}".encode(), "sha256").hexdigest()
    return {"timestamp": str(at), "token": token, "signature": signed}


def told(signature: Any, *, now: float = AT) -> list[Told]:
    event = SAMPLE.delivered({"linkproxy_campaign": "spring"}, "anna@example.com", AT)
    return read(signed_mailgun(KEY, lambda: now), json.dumps(event | {"signature": signature}).encode())


def test_an_event_that_is_signed_is_taken() -> None:
    assert told(signature()) == [Delivered("spring", "anna@example.com", AT)]
    assert told(signature(), now=AT + 3599) == [Delivered("spring", "anna@example.com", AT)]


def test_the_main_accounts_signature_stands_for_a_subaccounts() -> None:
    parent = {"parent-signature": signature()["signature"]}
    assert told(signature(key="subaccount") | parent) == [Delivered("spring", "anna@example.com", AT)]


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        signature(key="another"),
        signature() | {"timestamp": str(AT + 1)},
        signature() | {"token": "another"},
        signature() | {"signature": "\xe9"},
        signature(at=AT - 3600),
        signature(at=AT + 3600),
    ],
)
def test_an_event_that_is_not_signed_so_or_was_long_ago_is_a_fault(given: object) -> None:
    assert [type(item) for item in told(given)] == [Fault]


@given(st.dictionaries(st.sampled_from(sorted(signature())), st.none() | st.floats() | st.text()))
def test_no_signature_raises(given: dict[str, Any]) -> None:
    assert [type(item) for item in told(given)] == [Fault]
