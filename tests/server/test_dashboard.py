"""Who is let into the dashboard, over real HTTP."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from claims.dashboard import COOKIE, look, new_key_of, session, sign_in, something_happens
from claims.openapi import DESCRIPTION
from structlog.testing import capture_logs

from linkproxy.model import Right
from linkproxy.server.dashboard.app import Dashboard
from linkproxy.server.dashboard.sessions import SESSION_SECONDS
from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey
from linkproxy.visit.intake import Gate

if TYPE_CHECKING:
    from tests.server.conftest import Site, Start

DOCS = Path(__file__).parents[2] / "docs" / "dashboard.md"
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


async def test_the_head_of_a_page_is_that_of_the_page(site: Site, key: str) -> None:
    headers = {"Cookie": f"{COOKIE}={await session(site, key)}"}
    for path in ("/", "/sign-in", "/campaigns/spring", "/visits/999"):
        address = site.server.addresses.private + path
        page = await site.ask(address, headers=headers)
        head = await site.ask(address, "HEAD", headers)
        assert (head.status, head.headers.get("Content-Length")) == (
            page.status,
            page.headers.get("Content-Length"),
        )
        assert not await head.read()


@pytest.mark.parametrize(
    "path", ["/campaigns", "/campaigns/spring/", "/visits/", "/sign-out", "/favicon.ico"]
)
async def test_an_address_that_is_no_page_is_told_to_a_browser_by_a_page(site: Site, path: str) -> None:
    url = site.server.addresses.private + path
    response = await site.ask(url, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (response.status, response.content_type) == (404, "text/html")
    assert "There is no such page" in await response.text()
    program = await site.ask(url, headers={"Accept": "*/*"})
    assert program.status == (405 if path == "/sign-out" else 404)
    assert program.content_type == "application/json"


@pytest.mark.parametrize("path", ["/api/v1/none", "/inbound/none/such"])
async def test_no_page_stands_where_programs_ask(site: Site, key: str, path: str) -> None:
    headers = {"Accept": "text/html", "Authorization": f"Bearer {key}"}
    response = await site.ask(site.server.addresses.private + path, headers=headers)
    assert (response.status, response.content_type) == (404, "application/json")


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


async def test_the_front_that_the_docs_show_publishes_the_pages_and_nothing_else(site: Site) -> None:
    [kept_back] = re.findall(r"location ~ (\S+) \{ return 404; \}", DOCS.read_text("utf-8"))
    gate = Gate(site.server.services.keyring)
    made = Dashboard(site.store, gate.tokens, {}, brand="", gate=gate, clock=site.clock)
    assert not [path for path in DESCRIPTION["paths"] if not re.match(kept_back, path)]
    assert not [path for _, path, _ in made.routes if re.match(kept_back, path)]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_who_has_not_signed_in_is_not_told_where_the_store_is(
    site: Site, tmp_path: Path, method: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "linkproxy.db")) as db:
        db.execute("ALTER TABLE api_key RENAME TO gone")
    response = await site.ask(
        site.server.addresses.private + "/sign-in", method, {"Cookie": f"{COOKIE}=x"}, b"key=lpk_x"
    )
    page = await response.text()
    assert response.status == 503
    assert "The store fails" in page
    assert not [word for word in (str(tmp_path), "SQLite", "api_key") if word in page]
