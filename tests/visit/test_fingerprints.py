"""What a trusted front says of a client's TLS, against what its browser shows."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME
from claims.evidence import reasons

from linkproxy.model import VerdictKind
from linkproxy.visit import policy

MINUTES = 60.0
HOME = "203.0.113.9"
Headers = tuple[tuple[str, str], ...]


CHROMES, APPLES, NO_ALPN = "t13d1516h2_8daaf6152771_b1ff8ab2d16f", "t13d2014h2_a09f3c656075_e42f34c56612", "t13d190900_9dc949149365_97f8aa674fd9"  # fmt: skip


def fronted(world) -> None:
    world.fronts, world.fingerprint_header = ("127.0.0.1/32",), "x-ja4"


def told(fingerprint: str, client: str = HOME) -> Headers:
    return (*CHROME, ("X-JA4", fingerprint), ("X-Forwarded-For", client), ("X-Forwarded-Proto", "https"))


@pytest.mark.parametrize("fingerprint", [APPLES, NO_ALPN])
async def test_a_fingerprint_that_the_browser_never_shows_is_evidence(world, fingerprint):
    fronted(world)
    judged = await world.judged(at=20 * MINUTES, headers=told(fingerprint), client="127.0.0.1")
    assert reasons(judged)["request.tls-fingerprint"] == f"chromium with {fingerprint}"


@pytest.mark.parametrize("fingerprint", [CHROMES, "t13d9999h2_ffffffffffff_000000000000", "", "nonsense"])
async def test_a_fitting_an_unknown_and_no_fingerprint_are_no_evidence(world, fingerprint):
    fronted(world)
    judged = await world.judged(at=20 * MINUTES, headers=told(fingerprint), client="127.0.0.1")
    assert "request.tls-fingerprint" not in reasons(judged)
    assert judged.verdict.kind is VerdictKind.HUMAN


async def test_a_fingerprint_is_believed_from_a_trusted_front_alone(world):
    fronted(world)
    judged = await world.judged(at=20 * MINUTES, headers=told(NO_ALPN), client=HOME)
    named = await world.judged(
        "two", at=60 * MINUTES, headers=(*CHROME, (":tls-fingerprint", NO_ALPN)), client=HOME
    )
    assert "request.tls-fingerprint" not in reasons(judged)
    assert judged.verdict.kind is named.verdict.kind is VerdictKind.HUMAN


async def test_a_web_gateway_that_speaks_tls_itself_is_not_blamed(world):
    world.policy = policy.load(
        '[networks.gateway]\nrole = "people"\ncertainty = "certain"\ncidrs = ["203.0.113.0/24"]'
    )
    fronted(world)
    judged = await world.judged(at=20 * MINUTES, headers=told(NO_ALPN), client="127.0.0.1")
    assert "request.tls-fingerprint" not in reasons(judged)
