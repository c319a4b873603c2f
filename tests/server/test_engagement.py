"""What targets tell of visits, over real HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import pytest

from linkproxy.campaign.click_ids import ClickIds
from linkproxy.campaign.tokens import parse_keys
from linkproxy.model import Campaign, CampaignId, Delivery, DeliverySource, Link, LinkKey, LinkKind, LinkRole
from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey, DeliveryDraft, Filter

if TYPE_CHECKING:
    import aiohttp

    from tests.server.conftest import Site, Start

TEXT = {"Content-Type": "application/x-www-form-urlencoded"}


async def telling(site: Site, target: str = "https://shop.example/spring?a=1&b=2#top") -> Site:
    """Make a campaign whose targets are told of visits; its mail was delivered ten minutes ago."""
    store = site.store
    campaign = await store.add_campaign(
        Campaign(CampaignId(0), "telling", base_url="http://click.example", click_id="lpid")
    )
    await store.add_links(
        [Link(campaign.id, LinkKey(site.CONTENT), target, LinkKind.CONTENT, LinkRole.BODY, 0)]
    )
    delivery = Delivery(site.START - 600, DeliverySource.MX)
    await store.add_deliveries([DeliveryDraft(campaign.id, site.recipient.id, delivery)])
    return replace(site, campaign=campaign)


@pytest.fixture
async def shop(start: Start) -> Site:
    return await telling(await start())


async def click_id(site: Site) -> str:
    """Follow the link as a browser does, and return what the target learns."""
    response = await site.ask(site.url())
    query = urlsplit(response.headers["Location"]).query
    return dict(part.split("=") for part in query.split("&"))["lpid"]


async def beacon(
    site: Site, name: str, *, headers: dict[str, str] | None = None, **said: object
) -> aiohttp.ClientResponse:
    form = {"click_id": name, "seconds_on_page": 5.25, "pages": 1, **said}
    url = f"{site.server.addresses.public}/b"
    return await site.ask(url, "POST", {**TEXT, **(headers or {})}, urlencode(form).encode())


async def counted(site: Site, kind: str = "beacon") -> dict[str, float]:
    metric = site.server.services.metrics.registry
    outcomes = ("kept", "unchanged", "no_visit", "late", "forged", "malformed", "declined", "dropped")
    found = {
        outcome: metric.get_sample_value("linkproxy_engagements_total", {"kind": kind, "outcome": outcome})
        for outcome in outcomes
    }
    return {outcome: value for outcome, value in found.items() if value}


async def kept(site: Site) -> list[tuple[float, int]]:
    rows = (await site.store.export_recipient(site.recipient.id))["engagement"]
    return [(row["seconds_on_page"], row["pages"]) for row in rows]


async def call(site: Site, method: str, path: str, body: object = None) -> aiohttp.ClientResponse:
    key = new_key()
    await site.store.add_api_key(ApiKey("test", hash_key(key), site.START))
    headers = {"Authorization": f"Bearer {key}"}
    return await site.web.request(method, site.server.addresses.private + path, json=body, headers=headers)


async def test_the_target_is_told_of_the_visit_before_its_fragment(shop: Site) -> None:
    response = await shop.ask(shop.url())
    assert response.status == 302
    target, _, rest = response.headers["Location"].partition("&lpid=")
    assert target == "https://shop.example/spring?a=1&b=2"
    name, _, fragment = rest.partition("#")
    assert fragment == "top"
    keys = parse_keys(*shop.config.signing.read())
    (visit,) = await shop.visits()
    assert ClickIds(keys).read(name) == visit.entry.visit_id


async def test_the_click_id_shows_neither_the_person_nor_the_campaign(shop: Site) -> None:
    first, second = await click_id(shop), await click_id(shop)
    assert first != second
    token = shop.path().split("/")[1]
    assert token not in first + second


async def test_a_parameter_of_that_name_is_the_senders(start: Start) -> None:
    site = await telling(await start(), "https://shop.example/?LPID=mine")
    response = await site.ask(site.url())
    assert response.headers["Location"] == "https://shop.example/?LPID=mine"


async def test_targets_learn_nothing_unless_the_campaign_wants_it(site: Site) -> None:
    response = await site.ask(site.url())
    assert response.headers["Location"] == site.TARGET


async def test_the_script_is_small_cached_and_sets_no_cookie(shop: Site) -> None:
    response = await shop.ask(f"{shop.server.addresses.public}/b.js")
    assert response.status == 200
    assert response.content_type == "text/javascript"
    assert response.headers["Cache-Control"] == "public, max-age=86400"
    script = await response.text()
    assert len(script.encode()) < 1000
    assert "Set-Cookie" not in response.headers
    assert not [word for word in ("cookie", "localStorage", "sessionStorage", "indexedDB") if word in script]


async def test_a_beacon_is_kept_and_its_sender_told_nothing(shop: Site) -> None:
    response = await beacon(shop, await click_id(shop), pages=2)
    assert (response.status, await response.read()) == (204, b"")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert await kept(shop) == [(5.25, 2)]
    assert await counted(shop) == {"kept": 1}


@pytest.mark.parametrize("name", ["", "x", "A" * 19, "A" * 4000])
async def test_a_forged_click_id_is_answered_alike_and_counted(shop: Site, name: str) -> None:
    await click_id(shop)
    response = await beacon(shop, name)
    assert (response.status, await response.read()) == (204, b"")
    assert await kept(shop) == []
    assert sum((await counted(shop)).values()) == 1
    assert set(await counted(shop)) <= {"forged", "malformed"}


@pytest.mark.parametrize(
    "said",
    [
        {"seconds_on_page": "nan"},
        {"seconds_on_page": "inf"},
        {"seconds_on_page": -1},
        {"seconds_on_page": 1e9},
        {"pages": 0},
        {"pages": "1.5"},
        {"pages": 10**9},
        {"seconds_on_page": "é"},
    ],
)
async def test_what_makes_no_sense_is_not_kept(shop: Site, said: dict[str, object]) -> None:
    response = await beacon(shop, await click_id(shop), **said)
    assert response.status == 204
    assert await kept(shop) == []
    assert await counted(shop) == {"malformed": 1}


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT"])
async def test_who_declines_to_be_tracked_is_not_listened_to(shop: Site, header: str) -> None:
    response = await beacon(shop, await click_id(shop), headers={header: "1"})
    assert response.status == 204
    assert await kept(shop) == []
    assert await counted(shop) == {"declined": 1}


async def test_a_day_later_nobody_listens(shop: Site) -> None:
    name = await click_id(shop)
    shop.clock.now += 86_401
    await beacon(shop, name)
    assert await kept(shop) == []
    assert await counted(shop) == {"late": 1}


async def test_forged_click_ids_do_not_use_the_limit_up(start: Start) -> None:
    site = await telling(await start(limits={"beacons_per_minute": 2}))
    name = await click_id(site)
    for _ in range(3):
        await beacon(site, name.swapcase())
    await beacon(site, name)
    assert await counted(site) == {"forged": 3, "kept": 1}


async def test_more_beacons_than_the_limit_are_dropped(start: Start) -> None:
    site = await telling(await start(limits={"beacons_per_minute": 2}))
    name = await click_id(site)
    for seconds in (3, 4, 5):
        await beacon(site, name, seconds_on_page=seconds)
    assert await counted(site) == {"kept": 2, "dropped": 1}
    assert await kept(site) == [(4.0, 1)]


async def test_a_page_of_another_origin_may_ask_whether_it_may_tell(shop: Site) -> None:
    url = f"{shop.server.addresses.public}/b"
    response = await shop.ask(url, "OPTIONS", {"Origin": "https://shop.example"})
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Methods"] == "POST"
    assert (await shop.ask(url)).status == 405


async def test_a_beacon_is_evidence_when_its_visit_is_settled(shop: Site) -> None:
    name = await click_id(shop)
    shop.clock.now += 40
    await beacon(shop, name, seconds_on_page=35)
    shop.clock.now += 3600
    await shop.server.services.settler.once()
    (visit,) = await shop.visits()
    assert "afterlife.engaged" in {item.name for item in visit.entry.settled.evidence}


async def test_the_targets_server_tells_with_a_key(shop: Site) -> None:
    name = await click_id(shop)
    body = {"click_id": name, "seconds_on_page": 12.5, "pages": 3}
    answer = await call(shop, "POST", "/api/v1/engagement", body)
    assert (answer.status, await answer.json()) == (200, {"ok": True, "recorded": True})
    assert await kept(shop) == [(12.5, 3)]
    assert await counted(shop, "call") == {"kept": 1}


async def test_the_targets_server_learns_whether_the_visit_is_known(shop: Site) -> None:
    answer = await call(shop, "POST", "/api/v1/engagement", {"click_id": "A" * 19})
    assert (answer.status, await answer.json()) == (200, {"ok": True, "recorded": False})
    assert await counted(shop, "call") == {"forged": 1}


async def test_a_wrong_call_names_every_fault(shop: Site) -> None:
    body = {"seconds_on_page": "5", "pages": 0, "page": 1}
    answer = await call(shop, "POST", "/api/v1/engagement", body)
    faults = (await answer.json())["errors"]
    assert answer.status == 400
    assert [fault.split(":")[0] for fault in faults] == ["page", "click_id", "seconds_on_page", "pages"]


async def test_without_a_key_nobody_tells(shop: Site) -> None:
    url = f"{shop.server.addresses.private}/api/v1/engagement"
    assert (await shop.web.post(url, json={"click_id": "x"})).status == 401


async def test_a_campaign_is_made_with_a_click_id_over_the_api(site: Site) -> None:
    made = await call(site, "POST", "/api/v1/campaigns", {"name": "new", "click_id": "ref"})
    assert (await made.json())["campaign"]["click_id"] == "ref"


async def test_a_name_that_can_be_no_parameter_of_ours_is_refused(site: Site) -> None:
    wrong = await call(site, "POST", "/api/v1/campaigns", {"name": "other", "click_id": "utm_source"})
    assert wrong.status == 400
    assert "click_id" in (await wrong.json())["error"]


async def test_a_withdrawn_click_is_listed_by_the_api(shop: Site) -> None:
    await click_id(shop)
    shop.clock.now += 3600
    await shop.server.services.settler.once()
    (click,) = [row async for row in shop.store.clicks(Filter())]
    late = Delivery(shop.START - 30, DeliverySource.MX)
    await shop.store.add_deliveries([DeliveryDraft(shop.campaign.id, shop.recipient.id, late)])
    shop.clock.now += 3600
    await shop.server.services.settler.once()
    answer = await (await call(shop, "GET", "/api/v1/retractions?campaign=telling")).json()
    (row,) = answer["retractions"]
    assert (row["visit_id"], row["recipient"], row["withdrawn_at"]) == (
        click.visit_id, "anna@example.com", "2026-05-28T22:26:40.000Z",
    )  # fmt: skip
    assert row["reasons"]
    assert await shop.metric("linkproxy_retractions_total") == 1
