"""The JSON API over real sockets: who may ask, how faults look, campaigns, deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from claims.api import assert_fault, call

from linkproxy.model import Delivery, DeliverySource
from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey

if TYPE_CHECKING:
    from tests.server.conftest import Site, Start

# --- who may ask -------------------------------------------------------------------------------


async def test_a_key_opens_the_api(site: Site, key: str) -> None:
    status, body = await call(site, key, "/api/v1/campaigns")
    assert (status, body["ok"]) == (200, True)
    assert [campaign["name"] for campaign in body["campaigns"]] == ["spring"]


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer lpk_wrong", "Basic KEY", "KEY", "Bearer \xe9"]
)
async def test_nothing_but_a_key_opens_the_api(site: Site, key: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.replace("KEY", key)}
    response = await site.ask(site.server.addresses.private + "/api/v1/campaigns", headers=headers)
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert_fault((response.status, await response.json()), 401, "Authorization")


async def test_a_compressed_body_is_refused_and_never_unpacked(site: Site, key: str) -> None:
    headers = {"Content-Encoding": "gzip", "Authorization": f"Bearer {key}"}
    url = site.server.addresses.private + "/api/v1/campaigns"
    response = await site.ask(url, "POST", headers=headers, data=b"no gzip at all")
    assert_fault((response.status, await response.json()), 415, "Content-Encoding")


async def test_a_removed_key_is_refused_at_once(site: Site, key: str) -> None:
    await site.store.remove_api_key("test")
    assert_fault(await call(site, key, "/api/v1/campaigns"), 401, "Authorization")


async def test_the_store_keeps_a_hash_and_not_the_key(site: Site, key: str) -> None:
    (kept,) = await site.store.list_api_keys()
    assert len(kept.hash) == 32
    assert key.encode() not in kept.hash


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8081", "localhost.evil.example", ""])
async def test_other_host_names_are_refused(site: Site, key: str, host: str) -> None:
    answer = await call(site, key, "/api/v1/campaigns", headers={"Host": host})
    assert_fault(answer, 421, "private_hosts")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8081", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8081"]
)
async def test_the_listed_host_names_are_answered_with_any_port(site: Site, key: str, host: str) -> None:
    status, _ = await call(site, key, "/api/v1/campaigns", headers={"Host": host})
    assert status == 200


async def test_metrics_are_behind_the_host_check_too(site: Site) -> None:
    response = await site.ask(site.server.addresses.private + "/metrics", headers={"Host": "evil.example"})
    assert response.status == 421


# --- how faults look ---------------------------------------------------------------------------


async def test_an_unknown_path_is_a_404_of_the_one_shape(site: Site, key: str) -> None:
    assert_fault(await call(site, key, "/api/v1/nothing"), 404, "there is no such path")


async def test_a_wrong_method_is_a_405_that_names_the_right_one(site: Site, key: str) -> None:
    response = await site.ask(
        site.server.addresses.private + "/api/v1/rewrite", headers={"Authorization": f"Bearer {key}"}
    )
    assert response.headers["Allow"] == "POST"
    assert_fault((response.status, await response.json()), 405, "not by GET; this path takes POST")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b'{"campaign', "Unterminated string starting at line 1, column 2"),
        (b"[]", "not a JSON object"),
        (b'"x"', "not a JSON object"),
        (b'{"campaign": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "the body is not JSON"),
    ],
)
async def test_what_is_no_json_object_is_told(site: Site, key: str, body: bytes, fault: str) -> None:
    assert_fault(await call(site, key, "/api/v1/rewrite", body), 400, fault)


async def test_all_faults_of_a_body_are_told_at_once(site: Site, key: str) -> None:
    body = {
        "name": 5,
        "kind": "spam",
        "utm": {"source": 1, "sauce": "x"},
        "rewrite_unsubscribe": "yes",
        "nmae": "x",
    }
    answer = await call(site, key, "/api/v1/campaigns", body)
    assert_fault(
        answer,
        400,
        "nmae: there is no such field; did you mean name?",
        "name: 5 is not a string",
        'kind: "spam" is not one of marketing, transactional',
        "utm.sauce: there is no such field; did you mean source?",
        "utm.source: 1 is not a string",
        "rewrite_unsubscribe: is neither true nor false",
    )


async def test_half_a_character_is_a_fault_of_the_body_and_none_of_ours(site: Site, key: str) -> None:
    body = {
        "campaign": "\ud800",
        "html": "<p>\udfff",
        "recipients": ["anna@example.com", "b\ud83d@example.com"],
    }
    assert_fault(
        await call(site, key, "/api/v1/rewrite", body),
        400,
        *(f"{name}: holds half a surrogate pair" for name in ("campaign", "html", "recipients")),
    )


async def test_a_body_beyond_the_limit_is_refused(start: Start) -> None:
    site = await start(limits={"mail_bytes": 1024})
    made = new_key()
    await site.store.add_api_key(ApiKey("test", hash_key(made), site.START))
    large = {"campaign": "spring", "merge_tag": "{{id}}", "html": "x" * 2000}
    assert_fault(
        await call(site, made, "/api/v1/rewrite", large), 400, "larger than [limits] mail_bytes, 1024"
    )
    huge = b'"' + b"x" * 3_000_000 + b'"'
    assert_fault(await call(site, made, "/api/v1/rewrite", huge), 413, "larger than [limits] mail_bytes")


# --- campaigns ---------------------------------------------------------------------------------


async def test_a_campaign_is_made_with_the_configured_defaults(site: Site, key: str) -> None:
    body = {"name": "summer", "bait_places": "late", "utm": {"source": "news", "medium": "email"}}
    status, made = await call(site, key, "/api/v1/campaigns", body)
    assert status == 200
    assert made["campaign"]["kind"] == "marketing"
    assert made["campaign"]["base_url"] == "http://click.example"
    stored = await site.store.find_campaign("summer")
    assert stored is not None
    assert (stored.utm.source, stored.utm.medium) == ("news", "email")
    assert stored.bait_places == "late"


async def test_a_name_that_is_taken_is_a_409(site: Site, key: str) -> None:
    status, _ = await call(site, key, "/api/v1/campaigns", {"name": "spring"})
    assert status == 409


async def test_a_name_of_blanks_is_no_name(site: Site, key: str) -> None:
    assert_fault(await call(site, key, "/api/v1/campaigns", {"name": "  "}), 400, "name")
    assert [campaign.name for campaign in await site.store.list_campaigns()] == ["spring"]


async def test_a_campaign_is_renamed_and_archived_and_its_links_lead_on(site: Site, key: str) -> None:
    path = "/api/v1/campaigns/spring"
    status, changed = await call(site, key, path, {"name": " spring 2026 ", "archived": True}, method="PATCH")
    assert (status, changed["campaign"]["name"]) == (200, "spring 2026")
    assert (await call(site, key, path))[0] == 404
    assert (await call(site, key, "/api/v1/campaigns"))[1]["campaigns"] == []
    _, every = await call(site, key, "/api/v1/campaigns?archived=true")
    assert every["campaigns"] == [changed["campaign"]]
    assert (await site.ask(site.url())).status == 302
    assert [row.campaign for row in await site.visits()] == ["spring 2026"]


async def test_what_a_change_does_not_name_stays(site: Site, key: str) -> None:
    path = "/api/v1/campaigns/spring"
    _, archived = await call(site, key, path, {"archived": True}, method="PATCH")
    _, same = await call(site, key, path, {"name": None, "archived": None}, method="PATCH")
    assert same == archived
    assert archived["campaign"]["archived_at"] is not None
    _, again = await call(site, key, path, {"archived": False}, method="PATCH")
    assert again["campaign"] == archived["campaign"] | {"archived_at": None}


async def test_a_change_that_cannot_be_changes_nothing(site: Site, key: str) -> None:
    await call(site, key, "/api/v1/campaigns", {"name": "summer"})
    path = "/api/v1/campaigns/spring"
    _, before = await call(site, key, path)
    assert_fault(
        await call(site, key, path, {"name": "summer", "archived": True}, method="PATCH"),
        409,
        "campaign 'summer' is there already",
    )
    wrong = {"name": "two\nlines", "archived": "yes", "kind": "marketing"}
    assert_fault(
        await call(site, key, path, wrong, method="PATCH"),
        400,
        "kind: there is no such field",
        "archived: is neither true nor false",
        "name:",
    )
    assert_fault(
        await call(site, key, "/api/v1/campaigns/autumn", {"archived": True}, method="PATCH"),
        404,
        "there is none named",
    )
    assert (await call(site, key, path))[1] == before


async def test_a_base_url_with_a_path_is_refused(site: Site, key: str) -> None:
    body = {"name": "x", "base_url": "https://click.example/path"}
    assert_fault(await call(site, key, "/api/v1/campaigns", body), 400, "base_url")


async def test_a_utm_value_is_one_line_of_text(site: Site, key: str) -> None:
    body = {"name": "x", "utm": {"source": "a\x00b", "medium": "mail\n", "term": "shoes, red"}}
    told = await call(site, key, "/api/v1/campaigns", body)
    assert_fault(told, 400, "utm.source: has control characters", "utm.medium: has control characters")


async def test_a_utm_value_leaves_room_for_the_target(site: Site, key: str) -> None:
    long = await call(site, key, "/api/v1/campaigns", {"name": "x", "utm": {"source": "a" * 501}})
    assert_fault(long, 400, "utm.source: is longer than 500 characters")
    body = {"name": "x", "utm": {"source": "a" * 500}}
    assert (await call(site, key, "/api/v1/campaigns", body))[0] == 200


async def test_a_campaign_shows_its_link_table(site: Site, key: str) -> None:
    _, body = await call(site, key, "/api/v1/campaigns/spring")
    assert {
        link["key"]: link["target"] for link in body["links"] if link["kind"] == "content"
    } == site.TARGETS


@pytest.mark.parametrize(
    "name", ["2026/05 spring", "{month} news", "50%", "a%2Fb", "who? #1 + me", "Frühling"]
)
async def test_a_campaign_of_any_name_can_be_asked_for(site: Site, key: str, name: str) -> None:
    await call(site, key, "/api/v1/campaigns", {"name": name})
    path = f"/api/v1/campaigns/{quote(name, safe='')}"
    status, shown = await call(site, key, path)
    assert (status, shown["campaign"]["name"]) == (200, name)
    assert (await call(site, key, path + "/report"))[1]["report"]["campaign"] == name


async def test_an_unknown_campaign_is_a_404(site: Site, key: str) -> None:
    assert_fault(await call(site, key, "/api/v1/campaigns/none"), 404, "campaign")


# --- deliveries --------------------------------------------------------------------------------


async def test_deliveries_are_recorded_for_messages_and_a_better_source_wins(site: Site, key: str) -> None:
    body = {
        "campaign": "spring",
        "deliveries": [
            {"recipient": "cleo@example.com", "delivered_at": site.START - 30, "source": "provider"},
            {"recipient": "dora@example.com", "delivered_at": "2026-05-01T09:30:00Z", "source": "mx"},
        ],
    }
    status, answer = await call(site, key, "/api/v1/deliveries", body)
    assert (status, answer) == (200, {"ok": True, "given": 2, "recorded": 2})
    cleo = await site.store.find_recipient("cleo@example.com")
    assert cleo is not None
    await site.ask(site.url(recipient=cleo))
    (row,) = await site.visits()
    assert row.entry.facts.delivery.delivered_at == site.START - 30


async def test_deliveries_that_are_written_in_several_steps_are_all_recorded_in_order(
    site: Site, key: str
) -> None:
    who = [f"p{number}@example.com" for number in range(1100)]
    body = {
        "campaign": "spring",
        "deliveries": [{"recipient": name, "delivered_at": "-5m", "source": "provider"} for name in who]
        + [{"recipient": who[0], "delivered_at": "-7m", "source": "mx"}],
    }
    status, answer = await call(site, key, "/api/v1/deliveries", body)
    assert (status, answer) == (200, {"ok": True, "given": 1101, "recorded": 1101})
    first = await site.store.find_recipient(who[0])
    await site.ask(site.url(recipient=first))
    (row,) = await site.visits()
    assert row.entry.facts.delivery == Delivery(site.START - 420, DeliverySource.MX)


async def test_a_whole_campaign_can_be_delivered(site: Site, key: str) -> None:
    status, answer = await call(
        site, key, "/api/v1/deliveries", {"campaign": "spring", "delivered_at": "-5m"}
    )
    assert (status, answer["recorded"]) == (200, 1)


async def test_mail_that_is_accepted_hours_from_now_is_a_time_without_its_offset(
    site: Site, key: str
) -> None:
    """However source and time reach an item; only the begin of a mailing may be told in advance."""
    ahead = {"campaign": "spring", "delivered_at": "+2h"}
    body = ahead | {
        "deliveries": [
            {"recipient": "eve@example.com"},
            {"recipient": "fay@example.com", "source": "campaign"},
            {"recipient": "gil@example.com", "delivered_at": "+2m"},
            {"recipient": "hal@example.com", "delivered_at": "+1h", "source": "mx"},
        ]
    }
    status, answer = await call(site, key, "/api/v1/deliveries", body)
    assert (status, [told.split(":")[0] for told in answer["errors"]]) == (
        400,
        ["deliveries[0].delivered_at", "deliveries[3].delivered_at"],
    )
    assert "120 minutes ahead" in answer["errors"][0]
    assert (await call(site, key, "/api/v1/deliveries", ahead | {"source": "smarthost"}))[0] == 400
    assert (await call(site, key, "/api/v1/deliveries", ahead))[0] == 200


async def test_each_faulty_delivery_is_named_and_none_is_recorded(site: Site, key: str) -> None:
    body = {
        "campaign": "spring",
        "deliveries": [
            {"recipient": "eve@example.com"},
            {"recipient": "", "source": "hearsay"},
            {"recipient": "fay@example.com", "delivered_at": site.START * 1000},
            "gil@example.com",
            {"recipient": "hal@example.com", "delivered_at": True},
            {"recipient": "ida@example.com", "delivered_at": [site.START]},
        ],
    }
    answer = await call(site, key, "/api/v1/deliveries", body)
    assert answer[0] == 400
    assert [told for told in answer[1]["errors"] if "[1].recipient" in told] == [
        "deliveries[1].recipient: is missing"
    ]
    errors = " ".join(answer[1]["errors"])
    for place in (
        "deliveries[1].source",
        "deliveries[2].delivered_at",
        "deliveries[3]",
        "deliveries[4].delivered_at: is neither ISO 8601 text nor seconds",
        "deliveries[5].delivered_at: is neither ISO 8601 text nor seconds",
    ):
        assert place in errors
    assert await site.store.find_recipient("eve@example.com") is None
