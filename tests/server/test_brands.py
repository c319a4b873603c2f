"""Own tracking hosts: whose name a page shows, by the campaign's host or the request's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from linkproxy.model import CampaignId, LinkproxyError
from tests.server.conftest import Start, links_of

OWN = 'domains."click.own.example"'
SECTIONS = {
    "brand": {"name": "Usual", "colour": "#123456", "home_url": "https://usual.example/"},
    OWN: {"name": "Own Brand", "colour": "#abcdef"},
}


async def own_bait(site) -> str:
    """Make a campaign on the other host and return the path of its bait."""
    store = site.store
    campaign = await store.add_campaign(
        replace(site.campaign, id=CampaignId(0), name="own", base_url="https://click.own.example:8443")
    )
    await store.add_links(links_of(campaign.id))
    return f"{site.server.addresses.public}/{site.server.services.keyring.sign(campaign.id, site.recipient.id)}/Ba1t"


async def page(site, url: str, host: str) -> str:
    response = await site.ask(url, headers={**site.BROWSER, "Host": host})
    return await response.text()


async def test_a_page_shows_the_brand_of_the_campaigns_host_whatever_host_was_asked(start: Start) -> None:
    site = await start(**SECTIONS)
    text = await page(site, await own_bait(site), "front.internal")
    assert "Own Brand" in text
    assert "Usual" not in text


async def test_what_a_host_does_not_set_is_as_in_brand(start: Start) -> None:
    site = await start(**SECTIONS)
    text = await page(site, await own_bait(site), "click.own.example")
    assert "https://usual.example/" in text
    assert "#abcdef" in text
    assert "#123456" not in text


async def test_a_campaign_on_a_host_without_a_brand_of_its_own_has_the_usual_one(start: Start) -> None:
    site = await start(**SECTIONS)
    text = await page(site, site.url("Ba1t"), "click.example")
    assert "Usual" in text
    assert "Own Brand" not in text


async def test_who_asks_another_host_for_a_link_gets_the_brand_of_the_links_campaign(start: Start) -> None:
    site = await start(**SECTIONS)
    text = await page(site, site.url("Ba1t"), "click.own.example")
    assert "Usual" in text
    assert "Own Brand" not in text


@pytest.mark.parametrize("host", ["click.own.example", "CLICK.own.example:8443"])
async def test_not_found_shows_the_brand_of_the_host_that_was_asked(start: Start, host: str) -> None:
    site = await start(**SECTIONS)
    public = site.server.addresses.public
    assert "Own Brand" in await page(site, f"{public}/nothing", host)
    assert "Own Brand" in await page(site, f"{public}/{'A' * 24}/Ba1t", host)
    assert "Usual" in await page(site, f"{public}/nothing", "elsewhere.example")


async def test_a_host_can_have_templates_of_its_own(start: Start, tmp_path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "not_found.html").write_text("<!doctype html><title>Own page</title>")
    site = await start(**{OWN: {"templates_dir": "own"}})
    public = site.server.addresses.public
    assert "Own page" in await page(site, f"{public}/nothing", "click.own.example")
    assert "Own page" not in await page(site, f"{public}/nothing", "click.example")


async def test_a_template_folder_that_is_missing_stops_the_start_and_names_its_host(start: Start) -> None:
    with pytest.raises(LinkproxyError, match=r'\[domains."click.own.example"\] templates_dir: .*none'):
        await start(**{OWN: {"templates_dir": "none"}})
