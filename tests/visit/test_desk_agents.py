"""Agents of desks that name something else than browsers do, or no browser at all."""

from __future__ import annotations

import pytest
from claims.evidence import reasons, silent, spoke

from linkproxy.model import VerdictKind

FIVE_HOURS = 5 * 3600.0
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


def sent_by(agent: str) -> tuple[tuple[str, str], ...]:
    return (
        ("User-Agent", agent),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Accept-Language", "en-US,en;q=0.9"),
        ("Accept-Encoding", "gzip, deflate, br"),
    )


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (f"{WINDOWS} {BLINK}", "names no browser"),
        (f"{WINDOWS} AppleWebKit/537.36", "names no browser"),
        (f"{WINDOWS} {BLINK} Chrome/ Safari/537.36", "names no browser"),
        (f"{LINUX} AppleWebKit/538.1 (KHTML, like Gecko) Safari/538.1", "names no browser"),
        (f"{LINUX} AppleWebKit/602.1 (KHTML, like Gecko) PageShot Version/10.0 Safari/602.1", "PageShot"),
        ("Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0 Sentinel", "Sentinel"),
    ],
)
async def test_an_agent_of_a_desk_without_a_browsers_name_is_no_click_however_late(world, agent, said):
    judged = await world.judged(at=FIVE_HOURS, headers=sent_by(agent))
    assert spoke(judged, "request.unknown-product").detail == said
    assert silent(judged, "request.coherent")
    assert judged.verdict.kind is not VerdictKind.HUMAN


@pytest.mark.parametrize(
    "agent",
    [
        f"{LINUX} AppleWebKit/534.34 (KHTML, like Gecko) wkhtmltoimage Safari/534.34",
        f"{LINUX} AppleWebKit/602.1 (KHTML, like Gecko) CutyCapt Version/10.0 Safari/602.1",
        "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) Safari/538.1",
        f"{WINDOWS} {BLINK} Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Gmail-content-sampling",
        f"{WINDOWS} {BLINK} Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0",
        "Mozilla/5.0 (iPhone)",
        "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X)",
    ],
)
async def test_programs_that_render_pages_unseen_are_machines(world, agent):
    judged = await world.judged(at=FIVE_HOURS, headers=sent_by(agent))
    assert "request.program" in reasons(judged)
    assert judged.verdict.kind is VerdictKind.MACHINE


@pytest.mark.parametrize(
    "agent",
    [
        f"{MAC} {APPLE} Version/26.1 Safari/605.1.15",
        f"{MAC} {APPLE}",  # an app that shows a page
        "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
        "Mozilla/5.0 (X11; Linux x86_64; rv:60.0) Gecko/20100101 SeaMonkey/2.53.20",
        f"{LINUX} {BLINK} Ubuntu Chromium/65.0.3325.181 Chrome/65.0.3325.181 Safari/537.36",
        f"{LINUX} {BLINK} OculusBrowser/41.1 Chrome/142.0.0.0 VR Safari/537.36",
        f"{LINUX} {BLINK} Chrome/150.0.0.0 Safari/537.36 CrKey/1.0 VIZIO SmartCast(Conjure/MTKF)",
        # Not a desk's: what it says of itself may be its maker's.
        f"Mozilla/5.0 (Linux; Android 10; A8110) {BLINK} Chrome/150.0.0.0 Safari/537.36 Mobile Own",
        "Mozilla/5.0 (PlayStation; PlayStation 5/10.00) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    ],
)
async def test_words_that_browsers_of_people_have_beside_their_names_are_no_evidence(world, agent):
    judged = await world.judged(at=FIVE_HOURS, headers=sent_by(agent))
    assert silent(judged, "request.unknown-product")
    assert silent(judged, "request.program")
