"""From a whole request on a real socket to the answer, and to what the journal says about it."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from linkproxy.model import AnswerKind, CampaignId, TokenForm, VerdictKind
from linkproxy.store.api import Filter

if TYPE_CHECKING:
    from tests.server.conftest import Site, Start

GUARDS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}


async def raw_exchange(site: Site, request: bytes) -> bytes:
    """Send bytes as they are and return all that comes back until the server closes."""
    host, port = site.server.addresses.public.removeprefix("http://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


# --- people ------------------------------------------------------------------------------------


async def test_a_person_is_sent_on_at_once_and_stands_in_the_journal_as_human(site: Site) -> None:
    response = await site.ask(site.url())
    assert response.status == 302
    assert response.headers["Location"] == site.TARGET
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert response.headers["X-Robots-Tag"] == "noindex, nofollow"
    (row,) = await site.visits()
    assert row.entry.verdict.kind is VerdictKind.HUMAN
    assert row.entry.answer is AnswerKind.REDIRECT
    assert row.entry.visit.at == site.START
    assert row.entry.visit.client == "127.0.0.1"


async def test_the_redirect_carries_no_cookie_and_no_version(site: Site) -> None:
    response = await site.ask(site.url())
    assert "Set-Cookie" not in response.headers
    assert "/" not in response.headers.get("Server", "")


async def test_a_query_that_somebody_appended_does_not_keep_a_person_out(site: Site) -> None:
    response = await site.ask(site.url() + "?utm_source=webmail&%00=%zz")
    assert response.status == 302


async def test_the_absolute_form_is_understood(site: Site) -> None:
    request = (
        f"GET http://click.example{site.path()} HTTP/1.1\r\nHost: click.example\r\nConnection: close\r\n\r\n"
    )
    answer = await raw_exchange(site, request.encode())
    assert answer.startswith(b"HTTP/1.1 302 ")


async def test_a_settled_visit_of_a_person_becomes_the_one_click(site: Site) -> None:
    await site.ask(site.url())
    await site.ask(site.url(), headers=site.SCANNER, method="HEAD")
    site.clock.now += 120
    await site.server.services.settler.once()
    (click,) = [row async for row in site.store.clicks(Filter())]
    assert (click.key, click.settled) == (site.CONTENT, True)
    assert await site.metric("linkproxy_clicks_total") == 1


# --- machines ----------------------------------------------------------------------------------


async def test_head_gets_the_headers_of_get_without_a_body_and_is_no_human_visit(site: Site) -> None:
    request = f"HEAD {site.path()} HTTP/1.1\r\nHost: click.example\r\nConnection: close\r\n\r\n"
    answer = await raw_exchange(site, request.encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b""
    assert b"405" not in head.splitlines()[0]
    (row,) = await site.visits()
    assert row.entry.verdict.kind is VerdictKind.MACHINE


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
async def test_no_method_is_refused_on_a_tracked_url(site: Site, method: str) -> None:
    response = await site.ask(site.url(), method)
    assert response.status in {200, 302, 303}
    (row,) = await site.visits()
    assert row.entry.visit.method == method


async def neutral_page(site: Site) -> str:
    """Bring the server to answer with the neutral page, and return it."""
    for key in site.TARGETS:
        await site.ask(site.url(key), headers=site.SCANNER)
    await site.ask(site.url(site.BAIT), headers=site.SCANNER)
    response = await site.ask(site.url(), headers=site.SCANNER)
    assert response.status == 200
    assert {name: response.headers[name] for name in GUARDS} == GUARDS
    return await response.text()


async def test_a_sure_machine_gets_the_neutral_page_with_the_true_target_in_plain_sight(site: Site) -> None:
    page = await neutral_page(site)
    assert "https://shop.example/spring?a=1&amp;b=2#top" in page
    assert (await site.visits())[-1].entry.answer is AnswerKind.NEUTRAL


async def test_continue_leads_from_the_neutral_page_to_the_target(site: Site) -> None:
    await neutral_page(site)
    response = await site.ask(site.url(), "POST", headers=site.SCANNER, data=b"")
    assert response.status == 303
    assert response.headers["Location"] == site.TARGET
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert (await site.visits())[-1].entry.answer is AnswerKind.CONTINUED


async def test_a_browser_that_speculates_is_told_to_ask_again(site: Site) -> None:
    response = await site.ask(site.url(), headers={**site.BROWSER, "Sec-Purpose": "prefetch;prerender"})
    assert response.status == 503
    assert response.headers["Cache-Control"] == "no-store"
    assert (await site.visits())[-1].entry.answer is AnswerKind.RETRY
    assert (await site.ask(site.url())).status == 302


@pytest.mark.parametrize(
    ("method", "agent"),
    [
        ("OPTIONS", "Microsoft Office Protocol Discovery"),
        ("HEAD", "Microsoft Office Existence Discovery"),
        ("GET", "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"),
    ],
)
async def test_an_office_program_gets_no_redirect_so_that_the_browser_comes_itself(
    site: Site, method: str, agent: str
) -> None:
    response = await site.ask(site.url(), method, headers={"User-Agent": agent})
    assert response.status == 200
    assert "Location" not in response.headers
    assert (await site.visits())[-1].entry.answer is AnswerKind.PRECHECK
    assert (await site.ask(site.url())).headers["Location"] == site.TARGET


# --- bait --------------------------------------------------------------------------------------


async def test_whoever_follows_the_bait_reads_what_it_is_and_can_say_that_they_are_a_person(
    start: Start,
) -> None:
    site = await start(brand={"name": "Northwind", "home_url": "https://northwind.example/"})
    response = await site.ask(site.url(site.BAIT))
    page = await response.text()
    assert response.status == 200
    assert "This link is not for readers" in page
    assert 'href="https://northwind.example/"' in page
    pressed = await site.ask(site.url(site.BAIT), "POST", data=b"")
    assert pressed.status == 200
    assert "Thank you" in await pressed.text()


async def test_the_bait_can_lead_to_a_page_of_the_operators_own(start: Start) -> None:
    own = "https://northwind.example/bait?utm_source=bait"
    site = await start(bait={"landing": "redirect", "redirect_url": own})
    response = await site.ask(site.url(site.BAIT))
    assert (response.status, response.headers["Location"]) == (302, own)


async def test_the_bait_can_be_a_form(start: Start) -> None:
    site = await start(bait={"landing": "form"})
    assert "Are you a person?" in await (await site.ask(site.url(site.BAIT))).text()


# --- unsubscribing -----------------------------------------------------------------------------


async def opt_outs(site: Site) -> list[bool]:
    return [row.one_click async for row in site.store.unsubscribes(Filter())]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
async def test_only_a_post_unsubscribes(site: Site, method: str) -> None:
    response = await site.ask(site.url(site.UNSUBSCRIBE), method)
    assert response.status == 200
    assert await opt_outs(site) == []


async def test_the_unsubscribe_page_asks_and_its_button_acts(site: Site) -> None:
    page = await (await site.ask(site.url(site.UNSUBSCRIBE))).text()
    assert "Opening this page has changed nothing" in page
    assert '<form method="post">' in page
    response = await site.ask(site.url(site.UNSUBSCRIBE), "POST", data=b"")
    assert response.status == 200
    assert "You are unsubscribed" in await response.text()
    assert await opt_outs(site) == [False]


async def test_the_unsubscribe_page_says_nothing_that_is_false_for_who_has_unsubscribed(site: Site) -> None:
    """Their mail program may have done it, by the one-click header."""
    await site.ask(site.url(site.UNSUBSCRIBE), "POST", data=b"List-Unsubscribe=One-Click")
    page = await (await site.ask(site.url(site.UNSUBSCRIBE))).text()
    assert "changed yet" not in page
    assert "stay subscribed" not in page


async def test_one_click_acts_whoever_sends_it_and_without_a_redirect(site: Site) -> None:
    headers = {"User-Agent": "", "Content-Type": "application/x-www-form-urlencoded"}
    response = await site.ask(
        site.url(site.UNSUBSCRIBE), "POST", headers=headers, data=b"List-Unsubscribe=One-Click"
    )
    assert response.status == 200
    assert await opt_outs(site) == [True]
    assert await site.metric("linkproxy_unsubscribes_total", way="one_click") == 1


async def test_a_reference_that_nobody_signed_does_not_unsubscribe(site: Site) -> None:
    url = site.reference_url(site.UNSUBSCRIBE, "customer-17")
    response = await site.ask(url, "POST", data=b"List-Unsubscribe=One-Click")
    assert response.status == 404
    assert await opt_outs(site) == []


async def test_who_has_nothing_in_the_field_that_a_merge_tag_stands_for_goes_on_all_the_same(
    site: Site,
) -> None:
    response = await site.ask(site.reference_url(site.CONTENT, ""))
    assert (response.status, response.headers["Location"]) == (302, site.TARGET)
    assert await site.visits() == []


async def test_a_merge_tag_that_nobody_fills_in_is_counted_and_logged_as_it_goes_on(site: Site) -> None:
    """Of such a mailing no click is ever listed; without a word of it nobody would know why."""
    with capture_logs() as lines:
        for _ in range(5):
            await site.ask(site.reference_url(site.CONTENT, "*%7CUNIQID%7C*"))
        await site.ask(site.reference_url(site.CONTENT, "customer-17"))
    assert await site.metric("linkproxy_strays_total", reason="bad_reference") == 5
    told = [line for line in lines if line["event"] == "reference.unfilled"]
    assert [line["visits"] for line in told] == [1, 2, 4]
    assert {line["campaign_id"] for line in told} == {site.campaign.id}


async def test_true_links_of_a_campaign_that_is_lost_are_told_in_the_log_as_they_go_on(site: Site) -> None:
    """After an old backup was restored nothing else would say that readers get nowhere."""
    keys = site.server.services.keyring
    lost = CampaignId(site.campaign.id + 1)
    token = keys.sign(lost, site.recipient.id, TokenForm.MESSAGE)
    with capture_logs() as lines:
        for _ in range(5):
            response = await site.ask(f"{site.server.addresses.public}/{token}/{site.CONTENT}")
            assert response.status == 404
    assert await site.metric("linkproxy_strays_total", reason="unknown_campaign") == 5
    told = [line for line in lines if line["event"] == "campaign.unknown"]
    assert [(line["campaign_id"], line["visits"]) for line in told] == [(lost, 1), (lost, 2), (lost, 4)]


# --- what is no link of ours -------------------------------------------------------------------


async def test_a_forged_token_gets_the_404_page_and_is_kept_as_a_stray(site: Site) -> None:
    path = site.path()
    forged = path[:5] + ("A" if path[5] != "A" else "B") + path[6:]
    response = await site.ask(site.server.addresses.public + forged)
    assert response.status == 404
    assert "This link is not known" in await response.text()
    assert {name: response.headers[name] for name in GUARDS} == GUARDS
    assert await site.visits() == []
    assert await site.store.count_strays(since=0) == {"bad_mac": 1}


async def test_a_true_token_with_an_unknown_key_gets_the_404_page(site: Site) -> None:
    response = await site.ask(site.url("Zzzz"))
    assert response.status == 404
    assert await site.store.count_strays(since=0) == {"unknown_key": 1}


@pytest.mark.parametrize(
    "path", ["/", "/favicon.ico", "/wp-login.php", "/../../etc/passwd", "/%00", "/a?b=c"]
)
async def test_paths_of_nobody_get_the_404_page_and_leave_no_trace(site: Site, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: click.example\r\nConnection: close\r\n\r\n"
    answer = await raw_exchange(site, request.encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert await site.store.count_strays(since=0) == {}


async def test_strays_above_the_limit_are_counted_and_not_kept(start: Start) -> None:
    site = await start(limits={"strays_per_minute": 3})
    for at in range(8):
        response = await site.ask(f"{site.server.addresses.public}/{'x' * 20}{at:04d}/abcd")
        assert response.status == 404
    assert await site.store.count_strays(since=0) == {"bad_mac": 3}
    assert await site.metric("linkproxy_strays_dropped_total") == 5


async def test_crawlers_are_asked_to_stay_out(site: Site) -> None:
    response = await site.ask(site.server.addresses.public + "/robots.txt")
    assert (response.status, await response.text()) == (200, "User-agent: *\nDisallow: /\n")


# --- what may not happen -----------------------------------------------------------------------


async def test_a_target_cannot_smuggle_a_header_into_the_answer(site: Site) -> None:
    evil = "https://shop.example/\r\nSet-Cookie: stolen=1"
    await site.store.set_target(site.campaign.id, site.CONTENT, evil, who="test", at=site.START)
    answer = await raw_exchange(
        site, f"GET {site.path()}/~ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    head = answer.partition(b"\r\n\r\n")[0]
    assert b"\r\nSet-Cookie" not in head
    assert b"%0D%0ASet-Cookie:%20stolen=1" in head


async def test_only_the_first_bytes_of_a_body_are_read(site: Site) -> None:
    body = b"x=" + b"y" * 1_000_000
    response = await site.ask(site.url(), "POST", data=body)
    assert response.status == 303


async def test_a_body_is_read_as_it_was_sent_and_never_unpacked(site: Site) -> None:
    body = b"List-Unsubscribe=One-Click"
    for sent in (gzip.compress(body), body):
        head = (
            f"POST {site.path(site.UNSUBSCRIBE)} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
            f"Content-Length: {len(sent)}\r\nConnection: close\r\n\r\n"
        )
        assert (await raw_exchange(site, head.encode() + sent)).startswith(b"HTTP/1.1 200 ")
    assert [row.entry.visit.one_click for row in await site.visits()] == [False, True]


async def test_a_client_that_announces_its_body_is_told_to_send_it(site: Site) -> None:
    body = b"List-Unsubscribe=One-Click"
    request = (
        f"POST {site.path(site.UNSUBSCRIBE)} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body
    answer = await raw_exchange(site, request)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
    assert await opt_outs(site) == [True]


async def test_headers_reach_the_journal_in_order_whatever_bytes_they_hold(site: Site) -> None:
    request = (
        f"GET {site.path()} HTTP/1.1\r\nHost: x\r\nACCEPT: */*\r\n"
    ).encode() + b"user-agent: caf\xe9\r\nConnection: close\r\n\r\n"
    assert (await raw_exchange(site, request)).startswith(b"HTTP/1.1 ")
    (row,) = await site.visits()
    assert [name for name, _ in row.entry.visit.profile.headers] == ["accept", "user-agent"]


async def test_only_a_trusted_proxy_says_who_the_client_is(start: Start) -> None:
    spoofed = {"X-Forwarded-For": "203.0.113.9"}
    site = await start()
    await site.ask(site.url(), headers={**site.BROWSER, **spoofed})
    assert (await site.visits())[-1].entry.visit.client == "127.0.0.1"


@pytest.mark.parametrize("proxies", ["127.0.0.0/8", "::ffff:127.0.0.1"])
async def test_behind_a_trusted_proxy_the_client_is_whom_it_names(start: Start, proxies: str) -> None:
    site = await start(server={"trusted_proxies": [proxies]})
    await site.ask(site.url(), headers={**site.BROWSER, "X-Forwarded-For": "203.0.113.9"})
    assert (await site.visits())[-1].entry.visit.client == "203.0.113.9"


async def test_an_erased_recipients_link_still_redirects_and_leaves_no_trace(site: Site) -> None:
    url = site.url()
    await site.store.erase_recipient(site.recipient.id)
    response = await site.ask(url)
    assert (response.status, response.headers["Location"]) == (302, site.TARGET)
    assert await site.visits() == []


async def test_an_unknown_key_of_who_is_not_tracked_or_erased_leaves_no_trace(site: Site) -> None:
    """As a link of one message has it, which is erased with its recipient."""
    url = site.url("Zzzz")
    await site.store.set_track(site.recipient.address, track=False)
    not_tracked = await site.ask(url)
    await site.store.erase_recipient(site.recipient.id)
    erased = await site.ask(url)
    assert (not_tracked.status, erased.status) == (404, 404)
    assert await site.store.count_strays(since=0) == {}
