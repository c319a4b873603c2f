"""The extra hop over real HTTP: what is sent, and that every client ends at the target."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin

import aiohttp
import pytest
from claims.browsers import FIREFOX

from linkproxy.model import AnswerKind, Delivery, DeliverySource, VerdictKind
from linkproxy.store.api import DeliveryDraft, Filter, RecipientDraft

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.server.conftest import Site, Start


async def freshly_delivered(site: Site) -> Site:
    """Deliver the message forty seconds ago, in the time of sweeps: good browsers are uncertain."""
    delivery = Delivery(site.START - 40, DeliverySource.MX)
    await site.store.add_deliveries([DeliveryDraft(site.campaign.id, site.recipient.id, delivery)])
    return site


async def follow(site: Site, *, keep_cookies: bool, most: int = 5) -> list[int]:
    """Follow redirects as a client does, up to the target; return the statuses on the way."""
    jar = aiohttp.CookieJar(unsafe=True) if keep_cookies else aiohttp.DummyCookieJar()
    url = site.url()
    statuses: list[int] = []
    async with aiohttp.ClientSession(cookie_jar=jar) as client:
        while url.startswith(site.server.addresses.public) and len(statuses) < most:
            async with client.get(url, headers=site.BROWSER, allow_redirects=False) as response:
                statuses.append(response.status)
                url = urljoin(url, response.headers["Location"])
    assert url == site.TARGET
    return statuses


async def test_an_uncertain_visit_goes_round_to_its_own_link_with_a_cookie_that_names_nobody(
    site: Site,
) -> None:
    await freshly_delivered(site)
    response = await site.ask(site.url())
    target = urljoin(site.path(), response.headers["Location"])
    assert response.status == 302
    assert target.startswith(f"{site.path()}/~")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Set-Cookie"] == f"hop=1; Path={site.path()}; HttpOnly; SameSite=Lax"
    (row,) = await site.visits()
    assert (row.entry.verdict.kind, row.entry.answer) == (VerdictKind.UNCERTAIN, AnswerKind.HOP)


async def test_over_tls_the_cookie_is_secure(start: Start) -> None:
    site = await freshly_delivered(await start(server={"base_url": "https://click.example"}))
    response = await site.ask(site.url(), headers=dict(FIREFOX))
    assert response.headers["Set-Cookie"].endswith("; Secure")


@pytest.mark.parametrize("keep_cookies", [True, False])
async def test_with_and_without_cookies_people_reach_the_target_over_one_hop(
    site: Site, *, keep_cookies: bool
) -> None:
    await freshly_delivered(site)
    assert await follow(site, keep_cookies=keep_cookies) == [302, 302]
    first, second = await site.visits()
    assert (first.entry.answer, second.entry.answer) == (AnswerKind.HOP, AnswerKind.REDIRECT)
    assert second.entry.visit.hop_cookie is keep_cookies
    assert second.entry.visit.hop_at == pytest.approx(first.entry.visit.at)


async def test_both_requests_of_a_hop_are_one_click(site: Site) -> None:
    delivery = Delivery(site.START - 40, DeliverySource.MX)
    await site.store.add_deliveries([DeliveryDraft(site.campaign.id, site.recipient.id, delivery)])
    assert await follow(site, keep_cookies=True) == [302, 302]
    site.clock.now += 120
    await site.server.services.settler.once()
    settled = [row.entry.settled.kind for row in await site.visits() if row.entry.settled]
    assert settled == [VerdictKind.HUMAN] * 2
    assert len([row async for row in site.store.clicks(Filter())]) == 1


async def test_the_hop_is_switched_off_by_a_setting(start: Start) -> None:
    site = await freshly_delivered(await start(judge={"extra_hop": False}))
    assert await follow(site, keep_cookies=True) == [302]


async def test_while_the_store_fails_nobody_is_sent_round(
    start: Start, locked: Callable[[], AbstractContextManager[None]]
) -> None:
    site = await freshly_delivered(await start(store={"commit_seconds": 0.2}))
    with locked():
        assert await follow(site, keep_cookies=True) == [302]
    assert site.server.services.journal.failing


async def test_a_front_that_cuts_off_a_prefix_does_not_break_the_hop(site: Site) -> None:
    await freshly_delivered(site)
    response = await site.ask(site.url())
    outside = f"https://brand.example/click{site.path()}"
    assert urljoin(outside, response.headers["Location"]).startswith(f"{outside}/~")


@pytest.mark.parametrize("reference", ["anna:", "https:", "javascript:", "anna):", "10.0.0.1:"])
async def test_a_colon_that_a_mail_program_takes_into_the_link_does_not_break_the_hop(
    site: Site, reference: str
) -> None:
    (person,) = await site.store.register_recipients([RecipientDraft(reference=reference.rstrip(":)"))])
    delivery = Delivery(site.START - 40, DeliverySource.MX)
    await site.store.add_deliveries([DeliveryDraft(site.campaign.id, person.id, delivery)])
    asked = site.reference_url(site.CONTENT, reference)
    location = (await site.ask(asked)).headers["Location"]
    assert urljoin(asked, location).startswith(f"{asked}/~")
    assert (await site.ask(urljoin(asked, location))).headers["Location"] == site.TARGET
    assert [row.entry.answer for row in await site.visits()] == [AnswerKind.HOP, AnswerKind.REDIRECT]


async def test_a_fingerprint_header_is_read_behind_a_trusted_front(start: Start) -> None:
    site = await start(
        server={
            "base_url": "https://click.example",
            "trusted_proxies": ["127.0.0.1"],
            "fingerprint_header": "X-JA4",
        }
    )
    headers = {
        **site.BROWSER,
        "X-JA4": "t13d190900_9dc949149365_97f8aa674fd9",
        "X-Forwarded-For": "203.0.113.9",
    }
    await site.ask(site.url(), headers=headers)
    (row,) = await site.visits()
    assert "request.tls-fingerprint" in [item.name for item in row.entry.verdict.evidence]
