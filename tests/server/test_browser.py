"""The pages in a real browser: the policy lets them look as they should, and their buttons work."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from linkproxy.model import AnswerKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

    from tests.server.conftest import Site, Start

CHROMIUM = shutil.which("chromium")

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")]


@pytest.fixture
async def shop() -> AsyncIterator[str]:
    """A target that redirects to another origin before it answers, as shops do."""

    async def front(request: web.Request) -> web.StreamResponse:
        port = request.url.port
        raise web.HTTPFound(f"http://localhost:{port}/landed?{request.query_string}")

    async def landed(request: web.Request) -> web.StreamResponse:
        return web.Response(text=f"referer={request.headers.get('Referer')}")

    app = web.Application()
    app.router.add_get("/offer", front)
    app.router.add_get("/landed", landed)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/offer"
    await runner.cleanup()


async def at_neutral_page(site: Site, page: Page, target: str) -> None:
    """Lead the browser to the neutral page of a link to ``target``."""
    await site.store.set_target(site.campaign.id, site.CONTENT, target, who="test", at=site.START)
    await page.set_extra_http_headers(site.SCANNER)
    for key in (*site.TARGETS, site.BAIT):
        await site.ask(site.url(key), headers=site.SCANNER)
    await page.goto(site.url())


async def test_continue_leads_a_browser_to_the_target_and_tells_it_nothing_of_the_link(
    site: Site, browser: Browser, shop: str
) -> None:
    page = await browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    await at_neutral_page(site, page, shop + "?a=1&b=2")
    assert shop + "?a=1&b=2" in await page.inner_text(".target")
    await page.click("text=Continue")
    assert page.url == f"{shop.replace('127.0.0.1', 'localhost').replace('offer', 'landed')}?a=1&b=2"
    assert await page.inner_text("body") == "referer=None"
    assert not [text for text in complaints if "Content Security Policy" in text]


async def test_the_style_is_applied_under_the_policy(start: Start, browser: Browser) -> None:
    site = await start(brand={"name": "Northwind", "colour": "#ffd400"})
    page = await browser.new_page()
    await page.goto(site.url(site.UNSUBSCRIBE))
    shown = await page.evaluate(
        "(style => [style.backgroundColor, style.color])(getComputedStyle(document.querySelector('button')))"
    )
    assert shown == ["rgb(255, 212, 0)", "rgb(17, 17, 17)"]


@pytest.mark.parametrize("width", [320, 1200])
async def test_no_page_is_wider_than_its_screen(site: Site, browser: Browser, width: int) -> None:
    page = await browser.new_page(viewport={"width": width, "height": 700})
    long = "https://shop.example/" + "a" * 900 + "?" + "b" * 900
    await at_neutral_page(site, page, long)
    assert long in (await page.inner_text(".target")).replace("\n", "")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("colour", ["#ffffff", "#000000"])
async def test_a_brand_of_one_long_word_in_any_colour_fits_and_its_buttons_have_an_edge(
    start: Start, browser: Browser, colour: str
) -> None:
    brand = {"name": "Donaudampfschifffahrts" * 3, "colour": colour, "home_url": "https://brand.example/"}
    site = await start(brand=brand)
    page = await browser.new_page(viewport={"width": 320, "height": 700})
    await page.goto(site.url(site.BAIT))
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    edge = "getComputedStyle(document.querySelector('button')).boxShadow"
    assert "rgb(217, 221, 227) 0px 0px 0px 1px" in await page.evaluate(edge)


async def test_who_is_to_go_on_sees_how_at_once_however_long_the_target(site: Site, browser: Browser) -> None:
    page = await browser.new_page(viewport={"width": 320, "height": 568})
    await at_neutral_page(site, page, "https://shop.example/" + "a" * 3000)
    box = await page.locator("button").bounding_box()
    assert box
    assert box["y"] + box["height"] < 568


async def test_the_bait_page_can_be_used_by_keyboard_alone(site: Site, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(site.url(site.BAIT))
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("text=Thank you")


async def test_the_unsubscribe_button_unsubscribes(site: Site, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(site.url(site.UNSUBSCRIBE))
    await page.click("button")
    await page.wait_for_selector("text=You are unsubscribed")


async def test_a_browser_comes_back_over_the_extra_hop_with_its_cookie_and_lands_at_the_target(
    site: Site, browser: Browser, shop: str
) -> None:
    await site.store.set_target(site.campaign.id, site.CONTENT, shop, who="test", at=site.START)
    # Chromium that says it is Firefox, though it comes when people do: that makes it uncertain.
    context = await browser.new_context(user_agent=site.BROWSER["User-Agent"])
    page = await context.new_page()
    await page.goto(site.url())
    assert page.url.endswith("/landed")
    first, second = [row.entry for row in await site.visits()][:2]
    assert (first.answer, second.answer) == (AnswerKind.HOP, AnswerKind.REDIRECT)
    assert second.visit.hop_cookie
    assert second.visit.hop_at == pytest.approx(first.visit.at)
