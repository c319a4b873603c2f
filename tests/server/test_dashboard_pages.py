"""The dashboard over real HTTP shows what the API says, and nothing else."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from claims.api import call
from claims.dashboard import look, session, something_happens, text_of

from linkproxy.cli.main import linkproxy
from linkproxy.model import Delivery, DeliverySource
from linkproxy.server.dashboard.reasons import REASONS
from linkproxy.store.api import Cutoffs, DeliveryDraft, RecipientDraft
from linkproxy.visit.signals import SIGNALS

if TYPE_CHECKING:
    from tests.server.conftest import Site


async def test_the_report_shows_the_figures_of_the_api(site: Site, key: str) -> None:
    await something_happens(site)
    found = (await call(site, key, "/api/v1/campaigns/spring/report"))[1]["report"]
    status, page = await look(site, await session(site, key), "/campaigns/spring?raw=1")
    shown = text_of(page)
    assert status == 200
    assert f"{found['human_clicks']} human click" in shown
    assert f"Between {found['interval']['low']} and {found['interval']['high']} with 95 %" in shown
    assert f"Unique human clickers {found['human_clickers']} " in shown
    assert f"Delivered messages {found['delivered']} " in shown
    between = found["click_rate_interval"]
    assert (
        f"Click rate {found['click_rate']:.2%} {between['low']:.2%} to {between['high']:.2%} with 95 % "
        in shown
    )
    assert f"Machine visits removed {found['machine_visits_removed']} " in shown
    raw = found["raw"]
    assert f"Raw: {raw['requests']} GET requests for content links, from {raw['messages']} messages" in shown
    for reason, visits in found["removed_by_reason"].items():
        assert f"{reason} {visits}" in shown
    for row in (*found["by_day"], *found["by_link"], *found["by_domain"]):
        assert " ".join(map(str, figures(row))) in shown


def figures(row: dict[str, Any]) -> list[int]:
    names = ("human_clicks", "human_clickers", "machine_visits", "uncertain_visits", "raw_requests")
    return [row[name] for name in names]


async def test_a_young_campaign_is_shown_by_hour_and_the_hours_add_up(site: Site, key: str) -> None:
    await something_happens(site)
    site.clock.now += 30 * 3600
    [cleo] = await site.store.register_recipients([RecipientDraft(address="cleo@cedar.example")])
    await site.ask(site.url(recipient=cleo))
    site.clock.now += 4000
    await site.server.services.settler.once()
    clicks = (await call(site, key, "/api/v1/clicks?campaign=spring"))[1]["clicks"]
    assert len(clicks) == 2
    shown = text_of((await look(site, await session(site, key), "/campaigns/spring"))[1])
    table = " ".join(f"{row['at'][:13].replace('T', ' ')}:00 1" for row in clicks)
    assert f"Hour Clicks {table} " in shown
    site.clock.now += 3 * 86400
    await site.ask(site.url("CtB2"))
    site.clock.now += 4000
    await site.server.services.settler.once()
    assert "By hour" not in text_of((await look(site, await session(site, key), "/campaigns/spring"))[1])


async def test_no_chart_of_clicks_is_drawn_where_there_are_none(site: Site, key: str) -> None:
    await site.ask(site.url(), headers=site.SCANNER)
    site.clock.now += 4000
    await site.server.services.settler.once()
    page = (await look(site, await session(site, key), "/campaigns/spring"))[1]
    assert "Between 0 and 0 with 95 %" in text_of(page)
    assert re.findall(r"<figcaption>([^<]+)", page) == ["Machine visits removed"]
    assert '<svg class="between"' not in page


async def test_hours_that_would_not_add_up_are_not_shown(site: Site, key: str) -> None:
    await something_happens(site)
    await site.store.purge(Cutoffs(clicks=site.clock.now, journal=site.clock.now))
    shown = text_of((await look(site, await session(site, key), "/campaigns/spring"))[1])
    assert "1 human click " in shown
    assert "By hour" not in shown
    assert "By day" in shown


def test_every_reason_has_words() -> None:
    assert set(REASONS) == {signal.name for signal in SIGNALS} | {"prior"}


async def test_raw_numbers_are_one_link_away_and_not_there_before(site: Site, key: str) -> None:
    await something_happens(site)
    _, page = await look(site, await session(site, key), "/campaigns/spring")
    assert "Raw:" not in page
    assert 'href="/campaigns/spring?raw=1"' in page


async def test_lists_and_comparisons_show_the_figures_of_the_api(site: Site, key: str) -> None:
    await something_happens(site)
    [row] = (await call(site, key, "/api/v1/compare"))[1]["campaigns"]
    rate = (await call(site, key, "/api/v1/campaigns/spring/report"))[1]["report"]["click_rate_interval"]
    figures = (
        f"{row['human_clicks']} {row['interval_low']} to {row['interval_high']} {row['human_clickers']} "
        f"{row['click_rate']:.2%} {rate['low']:.2%} to {rate['high']:.2%} "
        f"{row['delivered']} {row['machine_visits_removed']} "
        f"{row['uncertain_visits']} "
    )
    cookie = await session(site, key)
    assert figures in text_of((await look(site, cookie, "/"))[1])
    shown = text_of((await look(site, cookie, "/compare?campaign=spring"))[1])
    assert (
        f"{row['click_rate']:.2%} {row['click_rate_low']:.2%} to {row['click_rate_high']:.2%} "
        f"{row['human_clickers']} {row['delivered']} "
        f"{row['human_clicks']} {row['interval_low']} to {row['interval_high']} "
        f"{row['machine_visits_removed']} {row['uncertain_visits']} {row['not_settled_yet']} "
        f"{row['raw_click_rate']:.2%}"
    ) in shown
    assert "Points to the first" not in shown


async def test_rates_of_several_campaigns_are_drawn_and_held_against_the_first(site: Site, key: str) -> None:
    await something_happens(site)
    made = await site.store.add_campaign(replace(site.campaign, name="<autumn>"))
    delivery = Delivery(site.START - 600, DeliverySource.MX)
    await site.store.add_deliveries([DeliveryDraft(made.id, site.recipient.id, delivery)])
    await site.store.add_campaign(replace(site.campaign, name="winter"))
    query = urlencode([("campaign", name) for name in ("spring", "<autumn>", "winter")])
    found = (await call(site, key, f"/api/v1/compare?{query}"))[1]
    _, page = await look(site, await session(site, key), f"/compare?{query}")
    shown = text_of(page)
    for sentence in found["sentences"]:
        assert sentence in shown
    row = found["campaigns"][1]
    points = [row[f"difference_{name}"] for name in ("points", "low", "high")]
    told = "{:+.2f} {:+.2f} to {:+.2f} make it the first".format(*points)
    assert told.replace("-", "\N{MINUS SIGN}") in shown
    assert 'href="/compare?campaign=%3Cautumn%3E&amp;campaign=spring&amp;campaign=winter"' in page
    assert page.count('class="between"') == 2


async def test_clicks_visits_and_reasons_are_those_of_the_api(site: Site, key: str) -> None:
    await something_happens(site)
    cookie = await session(site, key)
    [click] = (await call(site, key, "/api/v1/clicks?campaign=spring"))[1]["clicks"]
    shown = text_of((await look(site, cookie, "/campaigns/spring/clicks"))[1])
    assert "anna@example.com" in shown
    assert ", ".join(click["reasons"]) in shown
    visits = (await call(site, key, "/api/v1/visits?campaign=spring&verdict=machine"))[1]["visits"]
    shown = text_of((await look(site, cookie, "/campaigns/spring/visits?verdict=machine"))[1])
    assert "anna@example.com" not in shown
    assert shown.count("ben@brand.example") == len(visits)
    for visit_id in (click["visit_id"], visits[0]["visit_id"]):
        told = (await call(site, key, f"/api/v1/visits/{visit_id}"))[1]["visit"]
        shown = text_of((await look(site, cookie, f"/visits/{visit_id}"))[1])
        for signal in told["settled"]["signals"]:
            weight = f"{signal['weight']:+.1f}".replace("-", "\N{MINUS SIGN}")
            assert f"{signal['name']} {signal['detail']} {weight} " in re.sub(" +", " ", shown)


async def test_the_bait_page_shows_the_figures_of_the_api(site: Site, key: str) -> None:
    await something_happens(site)
    whole = (await call(site, key, "/api/v1/bait?campaign=spring"))[1]["bait"]["whole"]
    shown = text_of((await look(site, await session(site, key), "/campaigns/spring/bait"))[1])
    assert f"{whole['took_bait']} of {whole['messages']} messages" in shown


async def test_what_is_not_there_is_a_page_that_says_so(site: Site, key: str) -> None:
    cookie = await session(site, key)
    for path in (
        "/campaigns/none",
        "/campaigns/none/clicks",
        "/visits/99",
        "/visits/x",
        "/compare?campaign=none",
    ):
        status, page = await look(site, cookie, path)
        assert status == 404, path
        assert "there is n" in page


async def test_empty_places_say_what_to_do(site: Site, key: str) -> None:
    cookie = await session(site, key)
    assert "Nothing has come yet" in (await look(site, cookie, "/campaigns/spring"))[1]
    assert "No clicks here yet" in (await look(site, cookie, "/campaigns/spring/clicks"))[1]
    nothing = (await look(site, cookie, "/compare"))[1]
    assert "No campaign is chosen" in nothing
    assert "The same" not in nothing


async def test_twenty_campaigns_of_long_names_can_be_compared_after_signing_in_anew(
    site: Site, key: str
) -> None:
    names = [f"{number:02} " + "春" * 60 for number in range(20)]
    for name in names:
        await call(site, key, "/api/v1/campaigns", {"name": name})
    wanted = "/compare?" + urlencode([("campaign", name) for name in names])
    status, page = await look(site, await session(site, key), wanted)
    assert status == 200
    assert [name for name in names if name in page] == names
    _, page = await look(site, "", f"/sign-in?{urlencode({'next': wanted})}")
    assert wanted in unescape(page)


HOSTILE = [
    '<script>alert("1")</script>',
    "a/b?c=d#e%2F&f",
    "{{ 7 * 7 }} {name}",
    "שלום \u202e campaign",
    "Sommer-Rabatt 50 % für Ümläute 🙂",
    "x" * 100,
    "'; drop table click; --",
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_campaigns_of_any_name_are_shown_as_text_and_can_be_reached(
    site: Site, key: str, name: str
) -> None:
    assert (await call(site, key, "/api/v1/campaigns", {"name": name}))[0] == 200
    cookie = await session(site, key)
    _, page = await look(site, cookie, "/")
    assert name in text_of(page) or name in unescape(page)
    assert "<script" not in page
    links = [unescape(link) for link in re.findall(r'href="(/campaigns/[^"]+)"', page)]
    assert f"/campaigns/{quote(name, safe='')}" in links
    for link in links:
        for rest in ("", "/clicks", "/visits", "/bait"):
            status, page = await look(site, cookie, link + rest)
            assert status == 200, link
            assert "<script" not in page
    status, page = await look(site, cookie, f"/compare?{urlencode({'campaign': name})}")
    assert status == 200
    assert f"<bdi>{name[:3]}" in unescape(page)


async def test_pages_of_clicks_follow_each_other(site: Site, key: str) -> None:
    drafts = [RecipientDraft(address=f"reader{number}@example.com") for number in range(60)]
    for person in await site.store.register_recipients(drafts):
        await site.ask(site.url(recipient=person))
        site.clock.now += 60
    site.clock.now += 4000
    await site.server.services.settler.once()
    cookie = await session(site, key)
    _, first = await look(site, cookie, "/campaigns/spring/clicks")
    [onward] = re.findall(r'href="([^"]+)" rel="next"', first)
    _, second = await look(site, cookie, unescape(onward))
    rows = [re.findall(r"reader\d+", page) for page in (first, second)]
    assert [len(found) for found in rows] == [50, 10]
    assert len(set(rows[0] + rows[1])) == 60
    assert 'rel="next"' not in second


@pytest.mark.parametrize("name", ["it's 50 % off", "-30%"])
async def test_each_page_says_which_command_and_which_call_give_the_same(
    site: Site, key: str, name: str
) -> None:
    await call(site, key, "/api/v1/campaigns", {"name": name})
    cookie = await session(site, key)
    path, ends = quote(name, safe=""), ["--"] if name.startswith("-") else []
    human = {"campaign": name, "domain": "brand.example", "verdict": "human", "limit": "50"}
    clicks = {"campaign": name, "provisional": "true", "limit": "50"}
    said = {
        "/": (["compare"], "/compare"),
        "/?archived=1": (["compare", "--archived"], "/compare?archived=true"),
        f"/campaigns/{path}?raw=1": (["report", "--raw", *ends, name], f"/campaigns/{path}/report"),
        f"/campaigns/{path}/bait": (["bait", "--campaign", name], f"/bait?{urlencode({'campaign': name})}"),
        f"/campaigns/{path}/visits?verdict=human&domain=brand.example": (
            ["visits", "--campaign", name, "--domain", "brand.example", "--verdict", "human"],
            f"/visits?{urlencode(human)}",
        ),
        f"/campaigns/{path}/clicks?provisional=1": (
            ["clicks", "--campaign", name, "--provisional"],
            f"/clicks?{urlencode(clicks)}",
        ),
        f"/compare?{urlencode({'campaign': name})}": (
            ["compare", *ends, name],
            f"/compare?{urlencode({'campaign': name})}",
        ),
    }
    for page_path, (words, api_path) in said.items():
        _, page = await look(site, cookie, page_path)
        foot = unescape(re.sub(r"<[^>]+>", "", page[page.index("<footer>") :]))
        assert f": {shlex.join(['linkproxy', *words])} · GET /api/v1{api_path}\n" in foot
        assert (await call(site, key, f"/api/v1{api_path}"))[0] == 200
        context = linkproxy.make_context("linkproxy", [*words])
        known, command, given = linkproxy.resolve_command(context, [*words])
        assert command is not None
        assert name in str(command.make_context(known, given).params) or name not in words
