"""The request by itself: each claim goes the whole way, from the bytes that came to verdict and answer."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME, FIREFOX, OLD_CHROME, agent, replaced
from claims.evidence import silent, spoke

from linkproxy.model import AnswerKind, VerdictKind
from linkproxy.store.api import Filter

MINUTES = 60.0


async def test_head_request_is_never_a_click(world):
    judged = await world.judged(at=30 * MINUTES, method="HEAD")
    assert spoke(judged, "request.head").decisive
    await world.settle()
    assert [row async for row in world.store.clicks(Filter())] == []


async def test_a_method_that_no_browser_clicks_with_is_a_machines(world):
    for method in ("OPTIONS", "PUT", "PROPFIND", "DELETE"):
        judged = await world.judged(at=30 * MINUTES, method=method)
        assert spoke(judged, "request.method").detail == method
        assert judged.verdict.kind is VerdictKind.MACHINE


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("HEAD", "Microsoft Office Existence Discovery"),
        ("OPTIONS", "Microsoft Office Protocol Discovery"),
        ("GET", "Mozilla/4.0 (compatible; ms-office; MSOffice rmj)"),
        ("GET", "Microsoft Office Word/16.78.1008 (Mac OS/14.0; Desktop; en-US; NonAppStore; Apple/Mac14,9)"),
        ("GET", "Microsoft Office Excel/2.98.1012 (iOS/18.6; Tablet; en-US; AppStore; Apple/iPad13,4)"),
        ("GET", "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Word 16.0.17328; Pro)"),
    ],
)
async def test_an_office_precheck_gets_no_redirect_and_the_browser_after_it_is_human(world, method, text):
    first = await world.judged(at=10 * MINUTES, method=method, headers=agent(text))
    person = await world.judged(at=10 * MINUTES + 1)
    assert spoke(first, "request.office-precheck").decisive
    assert first.answer.kind is AnswerKind.PRECHECK
    assert (person.verdict.kind, person.answer.kind) == (VerdictKind.HUMAN, AnswerKind.REDIRECT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
        ("Sec-Purpose", "prefetch;anonymous-client-ip"),
        ("Purpose", "prefetch"),
        ("X-Purpose", "preview"),
        ("X-Moz", "prefetch"),
    ],
)
async def test_a_browser_that_fetches_ahead_is_asked_to_come_again(world, name, value):
    ahead = await world.judged(at=10 * MINUTES, headers=(*CHROME, (name, value)))
    real = await world.judged(at=10 * MINUTES + 2)
    assert spoke(ahead, "request.speculation").decisive
    assert ahead.answer.kind is AnswerKind.RETRY
    assert real.verdict.kind is VerdictKind.HUMAN


@pytest.mark.parametrize(
    "text",
    [
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Twitterbot/1.0",
        "curl/8.5.0",
        "python-requests/2.32.0",
    ],
)
async def test_an_agent_on_the_list_of_crawlers_is_a_machines(world, text):
    judged = await world.judged(at=30 * MINUTES, headers=agent(text))
    assert spoke(judged, "request.previewer").weight > 0
    assert judged.verdict.kind is not VerdictKind.HUMAN


async def test_a_person_in_an_app_that_the_list_errs_about_is_no_crawler(world):
    text = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22F76 MetaIAB Facebook"
    judged = await world.judged(at=30 * MINUTES, headers=replaced(FIREFOX, user_agent=text))
    assert silent(judged, "request.previewer")


@pytest.mark.parametrize(
    "text", ["Java/17.0.2", "okhttp/4.12.0", "SomeLinkVerifier/2.1", "Mozilla/5.0", "facebookexternalua"]
)
async def test_an_agent_that_is_no_browsers_is_a_programs(world, text):
    assert spoke(await world.judged(at=30 * MINUTES, headers=agent(text)), "request.program").weight > 20


async def test_the_new_outlook_that_looks_ahead_is_no_click_and_the_browser_after_it_is(world):
    looking = (*CHROME, ("x-native-host", "OneOutlook/1.2025.1015.100"))
    ahead = await world.judged(at=10 * MINUTES, headers=looking)
    person = await world.judged(at=12 * MINUTES)
    assert spoke(ahead, "request.native-host").weight > 20
    assert ahead.verdict.kind is not VerdictKind.HUMAN
    assert person.verdict.kind is VerdictKind.HUMAN


async def test_no_hand_follows_two_links_within_a_third_of_a_second(world):
    await world.judged("one", at=600)
    assert spoke(await world.judged("two", at=600.1), "message.links-in-seconds").weight > 15


async def test_no_agent_at_all_is_evidence(world):
    judged = await world.judged(at=30 * MINUTES, headers=(("Accept", "*/*"),))
    assert spoke(judged, "request.agent-empty").weight > 20


async def test_nobody_clicks_by_a_dead_browser_half_an_hour_later_though_it_keeps_cookies(world):
    text = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; WOW64; Trident/4.0)"
    asks = (
        ("User-Agent", text),
        ("Accept", "text/html, */*"),
        ("Accept-Language", "en-us"),
        ("Accept-Encoding", "gzip"),
    )
    judged = await world.judged(at=30 * MINUTES, headers=asks)
    assert spoke(judged, "request.platform-dead").counted
    assert judged.verdict.kind is VerdictKind.UNCERTAIN
    again = await world.judged(
        at=30 * MINUTES + 0.1, headers=(*asks, ("Cookie", "hop=1")), target=world.hop_url(at=30 * MINUTES)
    )
    assert again.verdict.kind is VerdictKind.UNCERTAIN


async def test_an_engine_weighs_more_the_older_it_is(world):
    old = await world.judged(at=30 * MINUTES, headers=OLD_CHROME)
    newer = await world.judged(
        "two", at=90 * MINUTES, headers=replaced(OLD_CHROME, user_agent=OLD_CHROME[0][1].replace("79", "125"))
    )
    current = await world.judged("tre", at=150 * MINUTES)
    assert spoke(old, "request.engine-dead").weight > spoke(newer, "request.engine-dead").weight > 0
    assert silent(current, "request.engine-dead")


async def test_the_last_version_for_an_old_system_counts_as_half_as_old(world):
    def chrome(major: int) -> tuple[tuple[str, str], ...]:
        return replaced(OLD_CHROME, user_agent=OLD_CHROME[0][1].replace("79.0.3945.136", f"{major}.0.0.0"))

    windows_7 = await world.judged(at=30 * MINUTES, headers=chrome(109))
    same_age = await world.judged("two", at=90 * MINUTES, headers=chrome(108))
    assert (
        sum(item.weight for item in windows_7.verdict.evidence if item.name == "request.engine-dead")
        < spoke(same_age, "request.engine-dead").weight
    )


async def test_http_1_0_is_evidence(world):
    assert spoke(await world.judged(at=30 * MINUTES, http_version="1.0"), "request.http-1.0").weight > 0


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        (replaced(CHROME, accept_language=None), "no Accept-Language"),
        (replaced(CHROME, accept=None), "no Accept"),
        (replaced(CHROME, sec_ch_ua='"Chromium";v="131"'), "different versions"),
        (replaced(CHROME, sec_ch_ua_platform='"Linux"'), "different systems"),
        (replaced(CHROME, sec_ch_ua=None), "no client hints"),
        (replaced(CHROME, sec_fetch_mode=None), "no Sec-Fetch-Mode"),
        ((*FIREFOX, ("Sec-CH-UA", '"Chromium";v="131"')), "client hints from firefox"),
        (replaced(CHROME, sec_ch_ua='"HeadlessChrome";v="150", "Chromium";v="150"'), "HeadlessChrome"),
    ],
)
async def test_headers_that_contradict_the_claimed_browser_are_evidence(world, headers, detail):
    judged = await world.judged(at=30 * MINUTES, headers=headers)
    assert detail in spoke(judged, "request.contradiction").detail
    assert silent(judged, "request.coherent")


ONE_MISSING = replaced(CHROME, sec_ch_ua=None)


@pytest.mark.parametrize(
    "headers",
    [
        replaced(CHROME, sec_ch_ua_platform='"Linux"'),  # --user-agent, or an extra header
        replaced(CHROME, sec_ch_ua='"Not:A-Brand";v="8", "Chromium";v="156"'),  # Playwright's user_agent
        (*FIREFOX, ("Sec-CH-UA", '"Not:A-Brand";v="8", "Chromium";v="156"')),
        replaced(CHROME, sec_ch_ua_mobile="?1"),
    ],
)
async def test_a_browser_whose_client_hints_tell_of_another_one_is_no_click_however_late(world, headers):
    judged = await world.judged(at=5 * 60 * MINUTES, headers=headers)
    weight = spoke(judged, "request.contradiction").weight
    assert weight > spoke(await world.judged("two", headers=ONE_MISSING), "request.contradiction").weight
    assert judged.verdict.kind is VerdictKind.UNCERTAIN


SAFARI_15 = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6 Safari/605.1.15"


async def test_old_safari_without_fetch_metadata_is_not_blamed(world):
    headers = (
        ("User-Agent", SAFARI_15),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Accept-Language", "en-GB,en;q=0.9"),
        ("Accept-Encoding", "gzip, deflate, br"),
    )
    judged = await world.judged(at=30 * MINUTES, headers=headers)
    assert silent(judged, "request.contradiction")
    assert judged.verdict.kind is VerdictKind.HUMAN


@pytest.mark.parametrize("header", [("DNT", "1"), ("Sec-GPC", "1")])
async def test_a_wish_for_privacy_is_no_evidence(world, header):
    plain = await world.judged(at=30 * MINUTES, headers=CHROME)
    wished = await world.judged("two", at=90 * MINUTES, headers=(*CHROME, header))
    assert wished.verdict.kind is plain.verdict.kind is VerdictKind.HUMAN
