"""The dashboard in a real browser: looks, keyboard, screen readers, and a policy that nothing breaks."""

from __future__ import annotations

import shutil
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from claims.dashboard import something_happens

from linkproxy.model import Campaign, CampaignId

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.server.conftest import Site

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium"),
]

LONG = "Frühjahr" + "!" * 90
PATHS = (
    "/",
    "/campaigns/spring?raw=1",
    "/campaigns/spring/clicks?provisional=1",
    "/campaigns/spring/visits",
    "/campaigns/spring/bait",
    f"/compare?{urlencode([('campaign', 'spring'), ('campaign', LONG)])}",
    "/visits/2",
    "/visits/999",
)


async def signed_in(site: Site, page: Page, key: str) -> None:
    await page.goto(site.server.addresses.private + "/")
    await page.fill("label:has-text('key') + input", key)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("h1:has-text('Campaigns')")


async def furnished(site: Site) -> None:
    """A campaign of a long name, a person's click, a scanner's visits."""
    await site.store.add_campaign(Campaign(CampaignId(0), LONG, created_at=site.START))
    await something_happens(site, address="a.very.long.name.of.a.mailbox" * 2 + "@brand.example")


@pytest.mark.parametrize("width", [360, 1280])
async def test_every_page_fits_its_screen_and_breaks_no_policy(
    site: Site, key: str, browser: Browser, width: int
) -> None:
    await furnished(site)
    page = await browser.new_page(viewport={"width": width, "height": 800})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    await signed_in(site, page, key)
    for path in PATHS:
        await page.goto(site.server.addresses.private + path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert not [text for text in complaints if "404" not in text]


async def test_charts_are_drawn_in_colours_of_the_reader_s_choice(
    site: Site, key: str, browser: Browser
) -> None:
    await furnished(site)
    seen = {}
    for scheme in ("light", "dark"):
        context = await browser.new_context(color_scheme=scheme)
        page = await context.new_page()
        await signed_in(site, page, key)
        await page.goto(site.server.addresses.private + "/campaigns/spring")
        box = await page.locator("figure svg rect").first.bounding_box()
        assert box
        assert min(box["width"], box["height"]) > 20
        seen[scheme] = await page.evaluate(
            "[getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(document.querySelector('figure svg rect')).fill]"
        )
        await context.close()
    assert not set(seen["light"]) & set(seen["dark"])


async def test_every_page_can_be_found_one_s_way_in_by_ear(site: Site, key: str, browser: Browser) -> None:
    await furnished(site)
    page = await browser.new_page()
    await signed_in(site, page, key)
    for path in PATHS:
        await page.goto(site.server.addresses.private + path)
        assert await page.locator("h1").count() == 1, path
        assert await page.locator("main").count() == 1
        levels = await page.evaluate(
            "[...document.querySelectorAll('h1,h2,h3')].map(item => +item.tagName[1])"
        )
        assert all(after - before <= 1 for before, after in pairwise(levels))
        assert await page.locator("th:not([scope])").count() == 0
        nameless = "input:not([type=hidden]):not([aria-label]), svg:not([role=img]):not([aria-hidden])"
        assert await page.locator(nameless).count() == 0
        assert not await page.evaluate(
            "[...document.querySelectorAll('a, button, summary')]"
            ".filter(item => !item.innerText.trim() && !item.ariaLabel).length"
        )


async def test_a_chart_says_in_words_what_it_shows(site: Site, key: str, browser: Browser) -> None:
    await furnished(site)
    page = await browser.new_page()
    await signed_in(site, page, key)
    await page.goto(site.server.addresses.private + "/campaigns/spring")
    chart = page.get_by_role("img", name="Human clicks by hour: 1 from 2026-05-28 20:00 to 2026-05-28 20:00")
    assert await chart.count() == 1


async def test_the_keyboard_alone_leads_everywhere(site: Site, key: str, browser: Browser) -> None:
    await furnished(site)
    page = await browser.new_page()
    await signed_in(site, page, key)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.innerText") == "Skip to the content"
    await page.keyboard.press("Enter")
    await page.get_by_label("Compare spring").focus()
    await page.keyboard.press("Space")
    await page.get_by_role("button", name="Compare those chosen").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_selector("h1:has-text('Compare campaigns')")
    await page.get_by_role("button", name="Sign out").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_selector("h1:has-text('Sign in')")
    await page.goto(site.server.addresses.private + "/compare")
    assert "/sign-in" in page.url


async def test_who_signed_in_can_follow_a_link_from_another_site(
    site: Site, key: str, browser: Browser
) -> None:
    await furnished(site)
    page = await browser.new_page()
    await signed_in(site, page, key)
    await page.goto("about:blank")
    link = site.server.addresses.private + "/visits/2"
    elsewhere = site.server.addresses.private.replace("127.0.0.1", "localhost") + "/sign-in"
    await page.goto(elsewhere)
    await page.set_content(f'<a href="{link}">look</a>')
    await page.click("text=look")
    await page.wait_for_selector("h1:has-text('Visit 2')")


async def test_who_did_not_sign_in_comes_to_where_they_wanted_from_another_site(
    site: Site, key: str, browser: Browser
) -> None:
    await furnished(site)
    page = await browser.new_page()
    await page.goto(site.server.addresses.private.replace("127.0.0.1", "localhost") + "/sign-in")
    await page.set_content(f'<a href="{site.server.addresses.private}/visits/2">look</a>')
    await page.click("text=look")
    await page.fill("input[type=password]", key)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("h1:has-text('Visit 2')")
