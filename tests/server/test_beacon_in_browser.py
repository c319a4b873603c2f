"""The beacon in a real browser, on a target's page of another origin."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from claims.browsers import CHROME

from tests.server.test_engagement import kept, telling

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

    from tests.server.conftest import Site, Start

CHROMIUM = shutil.which("chromium")

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")]

PAGE = """<!doctype html><title>Shop</title>
<a id="next" href="/next">next</a> <a id="same" href="#part">same page</a>
<script src="{script}" defer></script>"""


@pytest.fixture
async def shop(start: Start) -> AsyncIterator[Site]:
    """A campaign that leads to a page which includes the beacon."""
    site = await start()
    script = f"{site.server.addresses.public}/b.js"

    async def page(_request: web.Request) -> web.StreamResponse:
        policy = f"default-src 'none'; script-src {script}; connect-src {script.removesuffix('.js')}"
        return web.Response(
            text=PAGE.format(script=script),
            content_type="text/html",
            headers={"Content-Security-Policy": policy},
        )

    async def after(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="next")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/next", after)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield await telling(site, f"http://127.0.0.1:{runner.addresses[0][1]}/?size=m#part")
    await runner.cleanup()


async def tab(browser: Browser, hook: str = "") -> Page:
    """Open a tab whose timers and clock are the test's."""
    page = await browser.new_page(user_agent=dict(CHROME)["User-Agent"])  # else it calls itself headless
    await page.clock.install()
    await page.add_init_script(hook)
    return page


async def heard(site: Site, outcome: str = "kept", times: int = 1) -> None:
    """Wait until the server has taken a beacon in: the browser does not wait for the answer."""
    metric = site.server.services.metrics.registry
    labels = {"kind": "beacon", "outcome": outcome}
    async with asyncio.timeout(20):
        while (metric.get_sample_value("linkproxy_engagements_total", labels) or 0) < times:  # noqa: ASYNC110  (a counter rings no bell)
            await asyncio.sleep(0.02)


async def test_the_beacon_tells_after_five_seconds_without_cookie_or_storage(
    shop: Site, browser: Browser
) -> None:
    page = await tab(browser)
    await page.goto(shop.url())
    assert "lpid=" in page.url
    async with page.expect_request(lambda request: urlsplit(request.url).path == "/b") as sent:
        await page.clock.run_for(5_000)
    await heard(shop)
    ((seconds, pages),) = await kept(shop)
    assert 5 <= seconds < 6
    assert pages == 1
    assert "cookie" not in await (await sent.value).all_headers()
    assert {cookie["name"] for cookie in await page.context.cookies()} <= {"hop"}
    assert await page.evaluate("localStorage.length + sessionStorage.length") == 0


async def test_going_on_to_another_page_is_told_when_the_page_is_left(shop: Site, browser: Browser) -> None:
    page = await tab(browser)
    await page.goto(shop.url())
    await page.clock.run_for(40_000)
    await heard(shop)
    await page.click("#same")
    await page.click("#next")
    await heard(shop, times=2)
    ((seconds, pages),) = await kept(shop)
    assert 40 <= seconds < 42
    assert pages == 2


async def test_the_evidence_reaches_the_visit(shop: Site, browser: Browser) -> None:
    page = await tab(browser)
    await page.goto(shop.url())
    shop.clock.now += 45
    await page.clock.run_for(40_000)
    await heard(shop)
    await page.goto("about:blank")
    await heard(shop, times=2)
    shop.clock.now += 3600
    await shop.server.services.settler.once()
    visit = (await shop.visits())[-1]
    (evidence,) = [item for item in visit.entry.settled.evidence if item.name == "afterlife.engaged"]
    assert evidence.weight == -12.0


@pytest.mark.parametrize("signal", ["globalPrivacyControl: true", "doNotTrack: '1'"])
async def test_who_declines_to_be_tracked_sends_nothing(shop: Site, browser: Browser, signal: str) -> None:
    name, value = signal.split(": ")
    page = await tab(browser, f"Object.defineProperty(Navigator.prototype, '{name}', {{get: () => {value}}})")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(urlsplit(request.url).path))
    await page.goto(shop.url())
    await page.clock.run_for(60_000)
    await page.click("#next")
    assert "/b.js" in sent
    assert "/b" not in sent
    assert await kept(shop) == []


async def test_without_a_click_id_nothing_is_sent(shop: Site, browser: Browser) -> None:
    page = await tab(browser)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(urlsplit(request.url).path))
    await page.goto(shop.url())
    await page.goto(page.url.split("?")[0])
    sent.clear()
    await page.reload()
    await page.clock.run_for(60_000)
    await page.click("#next")
    assert sent == ["/", "/b.js", "/next"]
