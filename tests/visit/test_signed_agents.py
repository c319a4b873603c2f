"""Robots that say whose they are in a header of their own, behind a browser's agent."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME

from linkproxy.model import VerdictKind

HOUR = 3600.0
LYNX = (
    ("User-Agent", "Lynx/2.9.2 libwww-FM/2.14 SSL-MM/1.4.1 GNUTLS/3.8.9"),
    ("Accept", "text/html, text/plain, */*;q=0.01"),
    ("Accept-Encoding", "gzip"),
    ("Accept-Language", "en"),
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Signature-Agent", '"https://chatgpt.com"'),
        ("Signature-Agent", 'sig1="https://signer.example/.well-known/http-message-signatures-directory"'),
        ("From", "googlebot(at)googlebot.com"),
        ("From", "crawler@search.example"),
    ],
)
async def test_a_browser_that_signs_for_its_operator_is_driven_by_a_program(world, name, value):
    judged = await world.judged(at=HOUR, headers=(*CHROME, (name, value)))
    weights = {item.name: item.weight for item in judged.verdict.evidence if item.counted}
    assert weights["request.robot-word"] >= 30
    assert "request.coherent" not in weights
    assert judged.verdict.kind is not VerdictKind.HUMAN


async def test_a_text_browser_that_is_told_to_say_whose_it_is_is_a_persons(world):
    judged = await world.judged(at=HOUR, headers=(*LYNX, ("From", "ann@customer.example")))
    assert judged.verdict.kind is VerdictKind.HUMAN
