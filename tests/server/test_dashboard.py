"""The dashboard over real HTTP: who is let in, and that it shows what the API says and nothing else."""

from __future__ import annotations

import re
import shlex
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from claims.api import call
from claims.openapi import DESCRIPTION
from structlog.testing import capture_logs

from linkproxy.cli.main import linkproxy
from linkproxy.model import Delivery, DeliverySource, Right
from linkproxy.server.dashboard.app import Dashboard
from linkproxy.server.dashboard.reasons import REASONS
from linkproxy.server.dashboard.sessions import SESSION_SECONDS
from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey, Cutoffs, DeliveryDraft, RecipientDraft
from linkproxy.visit.intake import Gate
from linkproxy.visit.signals import SIGNALS

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

    from tests.server.conftest import Site, Start

COOKIE = "linkproxy"


async def sign_in(site: Site, key: str, onward: str = "", **headers: str) -> aiohttp.ClientResponse:
    form = urlencode({"key": key, "next": onward}).encode()
    own = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return await site.ask(site.server.addresses.private + "/sign-in", "POST", own, form)


async def session(site: Site, key: str) -> str:
    response = await sign_in(site, key)
    return response.cookies[COOKIE].value


async def new_key_of(site: Site, may: Right = Right.EVERYTHING) -> str:
    made = new_key()
    await site.store.add_api_key(ApiKey("marketer", hash_key(made), site.START, may))
    return made


async def look(site: Site, cookie: str, path: str) -> tuple[int, str]:
    response = await site.ask(site.server.addresses.private + path, headers={"Cookie": f"{COOKIE}={cookie}"})
    return response.status, await response.text()


def text_of(page: str) -> str:
    """Return what a page says, without its markup, with single blanks."""
    visible = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", visible)).split())


async def something_happens(site: Site) -> None:
    """Anna clicks, a scanner goes over Ben's mail, and all is settled."""
    [ben] = await site.store.register_recipients([RecipientDraft(address="ben@brand.example")])
    delivery = Delivery(site.START - 600, DeliverySource.MX)
    await site.store.add_deliveries([DeliveryDraft(site.campaign.id, ben.id, delivery)])
    await site.ask(site.url())
    for key in (*site.TARGETS, site.BAIT):
        await site.ask(site.url(key, ben), headers=site.SCANNER)
        site.clock.now += 0.2
    site.clock.now += 4000
    await site.server.services.settler.once()


# --- who is let in -----------------------------------------------------------------------------

PATHS = ["/", "/campaigns/spring", "/campaigns/spring/clicks", "/compare?campaign=spring", "/visits/1"]


@pytest.mark.parametrize("path", PATHS)
async def test_nobody_sees_a_page_without_signing_in(site: Site, path: str) -> None:
    await something_happens(site)
    response = await site.ask(site.server.addresses.private + path, headers={})
    assert response.status == 303
    onward = "" if path == "/" else f"?{urlencode({'next': path})}"
    assert response.headers["Location"] == f"/sign-in{onward}"
    assert "anna" not in await response.text()


async def test_who_has_a_key_signs_in_and_goes_on_to_where_they_wanted(site: Site, key: str) -> None:
    response = await sign_in(site, key, "/campaigns/spring?raw=1")
    assert (response.status, response.headers["Location"]) == (303, "/campaigns/spring?raw=1")
    cookie = response.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={SESSION_SECONDS}"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert key not in cookie
    status, page = await look(site, response.cookies[COOKIE].value, "/")
    assert status == 200
    assert "spring" in page


@pytest.mark.parametrize(
    "onward", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/\t/evil.example", "evil", ""]
)
async def test_signing_in_leads_nowhere_else(site: Site, key: str, onward: str) -> None:
    assert (await sign_in(site, key, onward)).headers["Location"] == "/"


async def test_a_wrong_key_is_refused_and_not_shown(site: Site) -> None:
    response = await sign_in(site, "lpk_guess")
    assert response.status == 403
    assert "Set-Cookie" not in response.headers
    page = await response.text()
    assert "No key of this installation" in page
    assert "lpk_guess" not in page


@pytest.mark.parametrize("may", Right)
async def test_who_may_read_is_let_in_and_nobody_else(site: Site, may: Right) -> None:
    response = await sign_in(site, await new_key_of(site, may))
    assert response.status == (303 if may in {Right.READ, Right.EVERYTHING} else 403)
    assert ("Set-Cookie" in response.headers) == (response.status == 303)
    if response.status == 403:
        assert f"may {may} and no more" in await response.text()


async def test_wrong_keys_are_bounded_and_a_right_one_still_opens(site: Site, key: str) -> None:
    statuses = [(await sign_in(site, "lpk_guess")).status for _ in range(40)]
    assert statuses == [403] * 30 + [429] * 10
    assert (await sign_in(site, key)).status == 303
    site.clock.now += 60
    assert (await sign_in(site, "lpk_guess")).status == 403


async def test_a_key_that_is_removed_ends_its_sessions_at_once(site: Site, key: str) -> None:
    cookie = await session(site, key)
    [known] = await site.store.list_api_keys()
    await site.store.remove_api_key(known.name)
    assert (await look(site, cookie, "/"))[0] == 303


async def test_another_key_of_the_same_name_does_not_open_sessions_of_the_one_before(
    site: Site, key: str
) -> None:
    cookie = await session(site, key)
    [known] = await site.store.list_api_keys()
    await site.store.remove_api_key(known.name)
    await site.store.add_api_key(ApiKey(known.name, hash_key(new_key()), site.START))
    assert (await look(site, cookie, "/"))[0] == 303


async def test_a_session_ends_after_half_a_day(site: Site, key: str) -> None:
    cookie = await session(site, key)
    site.clock.now += SESSION_SECONDS - 1
    assert (await look(site, cookie, "/"))[0] == 200
    site.clock.now += 1
    assert (await look(site, cookie, "/"))[0] == 303


async def test_a_session_is_known_to_every_server_of_the_installation(start: Start) -> None:
    one, other = await start(), await start()
    cookie = await session(one, await new_key_of(one))
    assert (await look(other, cookie, "/"))[0] == 200


async def test_a_session_of_another_installation_is_none(start: Start, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, other = await start(), await start(tmp_path / "other")
    key = ApiKey("marketer", hash_key("lpk_same"), one.START)
    for site in (one, other):
        await site.store.add_api_key(key)
    assert (await look(other, await session(one, "lpk_same"), "/"))[0] == 303


async def test_a_session_that_was_changed_in_any_place_is_none(site: Site, key: str) -> None:
    cookie = await session(site, key)
    end, name, mac = cookie.split(".")
    longer = f"{int(end) + 1}.{name}.{mac}"
    other = f"{end}.{name}x.{mac}"
    for forged in (longer, other, f"{end}.{name}.", f"{end}.{name}.{mac[:-2]}AA", "x.y.z", "..", "." * 2000):
        assert (await look(site, forged, "/"))[0] == 303, forged


async def test_a_session_opens_no_door_of_the_api(site: Site, key: str) -> None:
    cookie = await session(site, key)
    url = site.server.addresses.private + "/api/v1/campaigns"
    assert (await site.ask(url, headers={"Cookie": f"{COOKIE}={cookie}"})).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_another_site_can_sign_nobody_in_or_out(site: Site, key: str, headers: dict[str, str]) -> None:
    response = await sign_in(site, key, **headers)
    assert response.status == 403
    assert "Set-Cookie" not in response.headers
    out = await site.ask(site.server.addresses.private + "/sign-out", "POST", headers)
    assert (out.status, "Set-Cookie" in out.headers) == (403, False)


async def test_the_own_site_is_known_by_its_origin(site: Site, key: str) -> None:
    assert (await sign_in(site, key, Origin=site.server.addresses.private)).status == 303


async def test_signing_out_takes_the_cookie_away(site: Site, key: str) -> None:
    cookie = await session(site, key)
    url = site.server.addresses.private + "/sign-out"
    response = await site.ask(url, "POST", {"Cookie": f"{COOKIE}={cookie}"})
    assert (response.status, response.headers["Location"]) == (303, "/sign-in")
    assert response.headers["Set-Cookie"].startswith(f"{COOKIE}=; Max-Age=0;")


async def test_behind_a_trusted_front_with_tls_the_cookie_is_for_tls_alone(start: Start) -> None:
    site = await start(server={"trusted_proxies": ["127.0.0.1"]})
    key = await new_key_of(site)
    response = await sign_in(site, key, **{"X-Forwarded-Proto": "https"})
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-linkproxy=")
    assert cookie.endswith("; Secure")
    value = cookie.partition("=")[2].partition(";")[0]
    headers = {"Cookie": f"__Host-linkproxy={value}", "X-Forwarded-Proto": "https"}
    assert (await site.ask(site.server.addresses.private + "/", headers=headers)).status == 200


async def test_nobody_else_can_say_that_it_is_tls(site: Site, key: str) -> None:
    response = await sign_in(site, key, **{"X-Forwarded-Proto": "https"})
    assert "Secure" not in response.headers["Set-Cookie"]


async def test_a_name_that_is_not_the_listeners_own_sees_no_page(site: Site) -> None:
    response = await site.ask(site.server.addresses.private + "/sign-in", headers={"Host": "evil.example"})
    assert response.status == 421


async def test_it_can_be_switched_off(start: Start) -> None:
    site = await start(server={"dashboard": False})
    for path in ("/", "/sign-in", "/campaigns/spring"):
        assert (await site.ask(site.server.addresses.private + path, headers={})).status == 404


async def test_every_page_is_guarded_by_its_headers(site: Site, key: str) -> None:
    cookie = {"Cookie": f"{COOKIE}={await session(site, key)}"}
    for path in ("/", "/sign-in", "/campaigns/none", "/campaigns/spring"):
        headers = (await site.ask(site.server.addresses.private + path, headers=cookie)).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "same-origin"


async def test_signing_in_reads_no_more_than_a_form_needs(site: Site, key: str) -> None:
    url = site.server.addresses.private + "/sign-in"
    response = await site.ask(url, "POST", {}, b"next=" + b"x" * 1_000_000 + f"&key={key}".encode())
    assert response.status == 403


async def test_who_signs_in_is_logged_by_the_name_of_the_key_and_no_secret_is(site: Site, key: str) -> None:
    with capture_logs() as logs:
        await sign_in(site, "lpk_guess")
        cookie = await session(site, key)
        await look(site, cookie, "/")
        await look(site, cookie[:-1], "/")
    assert [(line["event"], line.get("reason"), line.get("key"), line["client"]) for line in logs] == [
        ("api.refused", "key", None, "127.0.0.1"),
        ("dashboard.signed_in", None, "test", "127.0.0.1"),
    ]
    assert not [secret for secret in ("lpk_", key, cookie) if secret in str(logs)]


async def test_all_pages_are_beside_the_api_and_not_of_it(site: Site) -> None:
    gate = Gate(site.server.services.keyring)
    made = Dashboard(site.store, gate.tokens, {}, brand="", gate=gate, clock=site.clock)
    paths = {path for _, path, _ in made.routes}
    assert len(paths) == 9
    assert not {path for path in paths if path.startswith("/api/")}
    assert not paths & set(DESCRIPTION["paths"])


# --- what it shows -----------------------------------------------------------------------------


async def test_the_report_shows_the_figures_of_the_api(site: Site, key: str) -> None:
    await something_happens(site)
    found = (await call(site, key, "/api/v1/campaigns/spring/report"))[1]["report"]
    status, page = await look(site, await session(site, key), "/campaigns/spring?raw=1")
    shown = text_of(page)
    assert status == 200
    assert f"{found['human_clicks']} human clicks" in shown
    assert f"Between {found['interval']['low']} and {found['interval']['high']} with 95 %" in shown
    assert f"Unique human clickers {found['human_clickers']} " in shown
    assert f"Delivered messages {found['delivered']} " in shown
    assert f"Click rate {found['click_rate']:.2%} " in shown
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


async def test_hours_that_would_not_add_up_are_not_shown(site: Site, key: str) -> None:
    await something_happens(site)
    await site.store.purge(Cutoffs(clicks=site.clock.now, journal=site.clock.now))
    shown = text_of((await look(site, await session(site, key), "/campaigns/spring"))[1])
    assert "1 human clicks" in shown
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
    figures = (
        f"{row['human_clicks']} {row['interval_low']} to {row['interval_high']} {row['human_clickers']} "
        f"{row['click_rate']:.2%} {row['delivered']} {row['machine_visits_removed']} "
        f"{row['uncertain_visits']} "
    )
    cookie = await session(site, key)
    assert figures in text_of((await look(site, cookie, "/"))[1])
    assert f"{figures}{row['not_settled_yet']} {row['raw_click_rate']:.2%}" in text_of(
        (await look(site, cookie, "/compare?campaign=spring"))[1]
    )


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
    assert "No campaign is chosen" in (await look(site, cookie, "/compare"))[1]


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
        f"/compare?{urlencode({'campaign': name})}": (["compare", *ends, name], "/compare"),
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
