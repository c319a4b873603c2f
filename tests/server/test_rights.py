"""What keys of the API may do: each call opens to the rights that the one table names, and to no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from claims.api import assert_fault, call
from claims.openapi import DESCRIPTION, operations
from structlog.testing import capture_logs

from linkproxy.logs import Event
from linkproxy.model import Right
from linkproxy.server.keys import hash_key, new_key
from linkproxy.server.rights import RIGHTS
from linkproxy.store.api import ApiKey

if TYPE_CHECKING:
    from tests.server.conftest import Site, Start

PAGE = (Path(__file__).parents[2] / "docs/api.md").read_text("utf-8")
CALLS = {
    (method, path): described
    for method, path, described in operations()
    if path.startswith(("/api/", "/inbound/"))
}
NARROW = [right for right in Right if right is not Right.EVERYTHING]
FILLED = {"name": "spring", "visit_id": "1", "provider": "sendgrid"}
ANNA = "anna@example.com"


@pytest.fixture
async def site(start: Start) -> Site:
    """A server whose configuration lets keys of the API erase people."""
    return await start(privacy={"erase_by_api": True})


async def key_that_may(site: Site, may: Right, name: str = "") -> str:
    key = new_key()
    await site.store.add_api_key(ApiKey(name or f"who may {may}", hash_key(key), site.START, may))
    return key


async def make(site: Site, key: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Make a call that can do no harm: unless a body is given, what it takes is half an object."""
    sent = b"{" if body is None and method != "GET" else body
    return await call(site, key, path.format_map(FILLED), sent, method=method)


# --- one table ---------------------------------------------------------------------------------


def test_every_call_has_its_rights_in_the_table_and_no_other_has() -> None:
    assert set(RIGHTS) == set(CALLS)


def test_who_may_read_sees_all_that_can_be_got() -> None:
    assert [
        path for (method, path), rights in RIGHTS.items() if method == "GET" and Right.READ not in rights
    ] == []


@pytest.mark.parametrize("may", Right)
async def test_a_key_opens_the_calls_of_its_right_and_no_other(may: Right, site: Site) -> None:
    key = await key_that_may(site, may)
    opened = {(method, path) for method, path in CALLS if (await make(site, key, method, path))[0] != 403}
    assert opened == {name for name, rights in RIGHTS.items() if may in {*rights, Right.EVERYTHING}}


def test_the_description_names_the_rights_of_each_call() -> None:
    for name, described in CALLS.items():
        wanted = [{"key": [right]} for right in (*RIGHTS[name], Right.EVERYTHING)]
        every_key = {*RIGHTS[name], Right.EVERYTHING} == set(Right)
        told = described.get("security", DESCRIPTION["security"])
        assert [item for item in told if "key" in item] == ([{"key": []}] if every_key else wanted), name
        passwords = [item["password"] for item in told if "password" in item]
        assert passwords == ([item["key"] for item in wanted] if name[1].startswith("/inbound/") else []), (
            name
        )


@pytest.mark.parametrize("may", Right)
def test_the_page_names_the_calls_that_each_right_opens(may: Right) -> None:
    (row,) = re.findall(rf"^\| `{may}` \|.*$", PAGE, re.MULTILINE)
    named = {
        (method, path.replace("NAME", "{name}").replace("PROVIDER", "{provider}"))
        for method, path in re.findall(r"`([A-Z]+) (/[^`]+)`", row)
    }
    opened = {name for name, rights in RIGHTS.items() if may in rights and not set(NARROW) <= set(rights)}
    if may is Right.READ:
        assert "every GET" in row
        opened = {(method, path) for method, path in opened if method != "GET"}
    assert named == opened


# --- refusals ----------------------------------------------------------------------------------


async def test_a_refusal_says_what_the_key_may_and_what_it_would_need(site: Site) -> None:
    key = await key_that_may(site, Right.DELIVER, "provider")
    with capture_logs() as lines:
        answer = await make(site, key, "POST", "/api/v1/lint")
    assert_fault(
        answer,
        403,
        "the key 'provider' may deliver and no more; this takes one that may read or send or everything: "
        "`linkproxy keys add NAME --may read`",
    )
    (line,) = [line for line in lines if line["event"] == Event.API_REFUSED]
    assert (line["reason"], line["key"]) == ("right", "provider")
    assert key not in str(lines)


async def test_what_is_refused_is_not_done(site: Site) -> None:
    key = await key_that_may(site, Right.READ)
    for path, body in (
        ("/api/v1/campaigns", {"name": "summer"}),
        ("/api/v1/rewrite", {"campaign": "spring", "recipient": "new@example.com", "html": "<p>Hello"}),
        ("/api/v1/deliveries", {"campaign": "spring", "deliveries": [{"recipient": "new@example.com"}]}),
        ("/api/v1/recipients/track", {"recipient": ANNA, "track": False}),
        ("/api/v1/recipients/erase", {"recipient": ANNA, "yes": True}),
    ):
        assert (await call(site, key, path, body))[0] == 403, path
    renamed = await call(site, key, "/api/v1/campaigns/spring", {"name": "autumn"}, method="PATCH")
    assert renamed[0] == 403
    assert [campaign.name for campaign in await site.store.list_campaigns()] == ["spring"]
    assert await site.store.find_recipient("new@example.com") is None
    anna = await site.store.find_recipient(ANNA)
    assert anna is not None
    assert anna.track


async def test_a_stream_of_mails_is_refused_as_one_mail_is(site: Site) -> None:
    key = await key_that_may(site, Right.READ)
    headers = {"Content-Type": "application/jsonl"}
    answer = await call(site, key, "/api/v1/rewrite", b'{"campaign": "spring"}\n', headers=headers)
    assert_fault(answer, 403, "may send or everything")


@pytest.mark.parametrize("may", Right)
async def test_every_key_is_told_which_paths_and_methods_there_are_not(may: Right, site: Site) -> None:
    key = await key_that_may(site, may)
    assert_fault(await call(site, key, "/api/v1/nothing"), 404, "there is no such path")
    answer = await call(site, key, "/api/v1/deliveries", method="DELETE")
    assert_fault(answer, 405, "this path takes POST")


async def test_erasing_wants_the_right_and_the_configuration(start: Start) -> None:
    careful = await start()
    may_all, may_send = [await key_that_may(careful, may) for may in (Right.EVERYTHING, Right.SEND)]
    erasure = {"recipient": ANNA, "yes": True}
    assert_fault(await call(careful, may_all, "/api/v1/recipients/erase", erasure), 403, "erase_by_api")
    assert_fault(await call(careful, may_send, "/api/v1/recipients/erase", erasure), 403, "may everything")


# --- what each right is for --------------------------------------------------------------------


async def test_a_mailer_sends_with_a_key_that_may_send(site: Site) -> None:
    key = await key_that_may(site, Right.SEND)
    mail = {
        "campaign": "summer",
        "recipient": ANNA,
        "html": '<a href="https://www.brand.example/">Summer</a>',
    }
    told = {"campaign": "summer", "deliveries": [{"recipient": ANNA}]}
    for path, body in (
        ("/api/v1/campaigns", {"name": "summer"}),
        ("/api/v1/lint", {"html": mail["html"]}),
        ("/api/v1/rewrite", mail),
        ("/api/v1/deliveries", told),
        ("/api/v1/unsubscribes", None),
    ):
        assert (await call(site, key, path, body))[0] == 200, path
    assert_fault(await call(site, key, "/api/v1/visits"), 403, "may read or everything")


async def test_who_reports_deliveries_does_that_alone(site: Site) -> None:
    key = await key_that_may(site, Right.DELIVER)
    told = {"campaign": "spring", "deliveries": [{"recipient": "new@example.com"}]}
    status, answer = await call(site, key, "/api/v1/deliveries", told)
    assert (status, answer["recorded"]) == (200, 1)
    assert_fault(await call(site, key, "/api/v1/campaigns"), 403, "may read or send or everything")


async def test_another_right_takes_hold_at_once(site: Site) -> None:
    key = await key_that_may(site, Right.EVERYTHING, "shop")
    assert (await call(site, key, "/api/v1/visits"))[0] == 200
    await site.store.remove_api_key("shop")
    await site.store.add_api_key(ApiKey("shop", hash_key(key), site.START, Right.SEND))
    assert_fault(await call(site, key, "/api/v1/visits"), 403, "may send")
