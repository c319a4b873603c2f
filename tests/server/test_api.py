"""The JSON API over real sockets: who may ask, what is answered, and how faults look."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey

if TYPE_CHECKING:
    from tests.server.conftest import Site, Start

HTML = '<p><a href="https://shop.example/spring?a=1&amp;b=2#top">Spring</a> <a href="https://new.example/">New</a></p>'


@pytest.fixture
async def key(site: Site) -> str:
    made = new_key()
    await site.store.add_api_key(ApiKey("test", hash_key(made), site.START))
    return made


async def call(
    site: Site,
    key: str,
    path: str,
    body: object = None,
    *,
    method: str = "",
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    """Call the API and return status and body."""
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    response = await site.ask(
        site.server.addresses.private + path,
        method or ("GET" if body is None else "POST"),
        headers={"Authorization": f"Bearer {key}", **(headers or {})},
        data=None if data is None else io.BytesIO(data),
    )
    assert response.content_type == "application/json"
    return response.status, await response.json()


def assert_fault(answer: tuple[int, dict[str, Any]], status: int, *errors: str) -> None:
    """Check the one shape of error, and that each of these texts is in one of the errors."""
    got, body = answer
    assert got == status
    assert set(body) == {"ok", "error", "errors", "status"}
    assert body["ok"] is False
    assert body["status"] == status
    assert body["error"] == "; ".join(body["errors"])
    assert len(body["errors"]) == len(errors)
    for text, error in zip(errors, body["errors"], strict=True):
        assert text in error


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
    assert_fault(await call(site, key, "/api/v1/nothing"), 404, "Not Found")


async def test_a_wrong_method_is_a_405_that_names_the_right_one(site: Site, key: str) -> None:
    response = await site.ask(
        site.server.addresses.private + "/api/v1/rewrite", headers={"Authorization": f"Bearer {key}"}
    )
    assert response.headers["Allow"] == "POST"
    assert_fault((response.status, await response.json()), 405, "Method Not Allowed")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
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
        "name: is not a string",
        'kind: "spam" is not one of marketing, transactional',
        "utm.sauce: there is no such field; did you mean source?",
        "utm.source: is not a string",
        "rewrite_unsubscribe: is neither true nor false",
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
    body = {"name": "summer", "utm": {"source": "news", "medium": "email"}}
    status, made = await call(site, key, "/api/v1/campaigns", body)
    assert status == 200
    assert made["campaign"]["kind"] == "marketing"
    assert made["campaign"]["base_url"] == "http://click.example"
    stored = await site.store.find_campaign("summer")
    assert stored is not None
    assert (stored.utm.source, stored.utm.medium) == ("news", "email")


async def test_a_name_that_is_taken_is_a_409(site: Site, key: str) -> None:
    status, _ = await call(site, key, "/api/v1/campaigns", {"name": "spring"})
    assert status == 409


async def test_a_base_url_with_a_path_is_refused(site: Site, key: str) -> None:
    body = {"name": "x", "base_url": "https://click.example/path"}
    assert_fault(await call(site, key, "/api/v1/campaigns", body), 400, "base_url")


async def test_a_campaign_shows_its_link_table(site: Site, key: str) -> None:
    _, body = await call(site, key, "/api/v1/campaigns/spring")
    assert {
        link["key"]: link["target"] for link in body["links"] if link["kind"] == "content"
    } == site.TARGETS


async def test_an_unknown_campaign_is_a_404(site: Site, key: str) -> None:
    assert_fault(await call(site, key, "/api/v1/campaigns/none"), 404, "campaign")


# --- rewriting ---------------------------------------------------------------------------------


@pytest.fixture
async def summer(site: Site, key: str) -> None:
    """A campaign that has no links yet."""
    await call(site, key, "/api/v1/campaigns", {"name": "summer"})


async def test_mail_for_one_recipient_comes_back_with_links_that_lead_to_their_targets(
    site: Site, key: str, summer: None
) -> None:
    body = {"campaign": "summer", "html": HTML, "recipient": "cleo@example.com"}
    status, answer = await call(site, key, "/api/v1/rewrite", body)
    assert status == 200, answer
    assert "https://shop.example" not in answer["html"]
    spring = re.search(r'href="http://click\.example(/[^"]+)">Spring', answer["html"])
    assert spring
    response = await site.ask(site.server.addresses.public + spring[1])
    assert response.headers["Location"] == site.TARGET
    (row,) = await site.visits()
    assert row.entry.recipient.address == "cleo@example.com"


async def test_a_template_that_has_changed_keeps_its_links_and_gets_new_ones(
    site: Site, key: str, summer: None
) -> None:
    body = {"campaign": "summer", "html": HTML, "merge_tag": "{{id}}"}
    _, first = await call(site, key, "/api/v1/rewrite", body)
    changed = HTML.replace("<p>", '<p><a href="https://third.example/">Third</a> ')
    _, second = await call(site, key, "/api/v1/rewrite", {**body, "html": changed})
    spring = re.compile(r'href="([^"]+)">Spring')
    assert spring.findall(first["html"]) == spring.findall(second["html"]) != []
    _, shown = await call(site, key, "/api/v1/campaigns/summer")
    targets = sorted(link["target"] for link in shown["links"] if link["kind"] == "content")
    assert targets == ["https://new.example/", site.TARGET, "https://third.example/"]


async def test_mail_for_many_comes_back_once_for_each(site: Site, key: str, summer: None) -> None:
    body = {"campaign": "summer", "html": HTML, "recipients": ["cleo@example.com", "customer-17"]}
    status, answer = await call(site, key, "/api/v1/rewrite", body)
    assert status == 200
    assert [message["recipient"] for message in answer["messages"]] == body["recipients"]
    assert answer["messages"][0]["html"] != answer["messages"][1]["html"]


MESSAGE = (
    "From: us@shop.example\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"
    f"Content-Transfer-Encoding: 8bit\r\n\r\n{HTML}"
)


async def test_a_message_comes_back_as_it_was_given_and_its_links_lead_to_their_targets(
    site: Site, key: str, summer: None
) -> None:
    plain = {"campaign": "summer", "message": MESSAGE, "recipient": "cleo@example.com"}
    coded = {**plain, "message": base64.encodebytes(MESSAGE.encode()).decode()}
    status, answer = await call(site, key, "/api/v1/rewrite", plain)
    assert status == 200, answer
    head, _, html = answer["message"].partition("\r\n\r\n")
    assert head == MESSAGE.partition("\r\n\r\n")[0]
    spring = re.search(r'href="http://click\.example(/[^"]+)">Spring', html)
    assert spring
    response = await site.ask(site.server.addresses.public + spring[1])
    assert response.headers["Location"] == site.TARGET
    _, again = await call(site, key, "/api/v1/rewrite", coded)
    assert base64.b64decode(again["message"]).decode() == answer["message"]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"message": MESSAGE, "html": HTML}, "html: give either html or message"),
        ({"message": "neither"}, "message: is neither a message, which has a header, nor base64"),
        ({"html": HTML, "list_unsubscribe": True}, "list_unsubscribe: is of messages"),
        ({"message": MESSAGE, "list_unsubscribe": 1}, "list_unsubscribe: is neither true nor false"),
    ],
)
async def test_what_is_wrong_with_a_message_is_said(
    site: Site, key: str, summer: None, fields: dict[str, object], fault: str
) -> None:
    body = {"campaign": "summer", "recipient": "cleo@example.com", **fields}
    assert_fault(await call(site, key, "/api/v1/rewrite", body), 400, fault)


async def test_a_message_for_many_and_one_with_a_merge_tag(site: Site, key: str, summer: None) -> None:
    body = {"campaign": "summer", "message": MESSAGE}
    _, many = await call(site, key, "/api/v1/rewrite", {**body, "recipients": ["cleo@example.com", "c-17"]})
    one, other = (message["message"] for message in many["messages"])
    assert one != other
    assert len(one) == len(other)
    _, tagged = await call(site, key, "/api/v1/rewrite", {**body, "merge_tag": "{{ id }}"})
    assert tagged["message"].count("/{{ id }}") > 1


async def test_a_template_for_the_senders_own_mailer_carries_its_tag(
    site: Site, key: str, summer: None
) -> None:
    body = {"campaign": "summer", "html": HTML, "merge_tag": "{{ .Subscriber.UUID }}"}
    status, answer = await call(site, key, "/api/v1/rewrite", body)
    assert status == 200
    assert "/{{ .Subscriber.UUID }}" in answer["html"]


@pytest.mark.parametrize("whom", [{}, {"recipient": "a@example.com", "merge_tag": "x"}])
async def test_it_must_be_clear_whom_the_mail_is_for(
    site: Site, key: str, summer: None, whom: dict[str, str]
) -> None:
    body = {"campaign": "summer", "html": HTML, **whom}
    assert_fault(await call(site, key, "/api/v1/rewrite", body), 400, "give one of")


async def test_an_unknown_campaign_or_recipient_that_is_none_is_told(
    site: Site, key: str, summer: None
) -> None:
    body = {"campaign": "none", "html": HTML, "recipient": "a@example.com"}
    assert_fault(await call(site, key, "/api/v1/rewrite", body), 400, "campaign: there is none named 'none'")
    body = {"campaign": "summer", "html": HTML, "recipient": "not an address@"}
    assert_fault(await call(site, key, "/api/v1/rewrite", body), 400, "recipient")


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


async def test_a_whole_campaign_can_be_delivered(site: Site, key: str) -> None:
    status, answer = await call(
        site, key, "/api/v1/deliveries", {"campaign": "spring", "delivered_at": "-5m"}
    )
    assert (status, answer["recorded"]) == (200, 1)


async def test_each_faulty_delivery_is_named_and_none_is_recorded(site: Site, key: str) -> None:
    body = {
        "campaign": "spring",
        "deliveries": [
            {"recipient": "eve@example.com"},
            {"recipient": "", "source": "hearsay"},
            {"recipient": "fay@example.com", "delivered_at": site.START * 1000},
            "gil@example.com",
        ],
    }
    answer = await call(site, key, "/api/v1/deliveries", body)
    assert answer[0] == 400
    errors = " ".join(answer[1]["errors"])
    for place in (
        "deliveries[1].recipient",
        "deliveries[1].source",
        "deliveries[2].delivered_at",
        "deliveries[3]",
    ):
        assert place in errors
    assert await site.store.find_recipient("eve@example.com") is None


# --- listings ----------------------------------------------------------------------------------


async def test_clicks_are_settled_ones_unless_asked_otherwise(site: Site, key: str) -> None:
    await site.ask(site.url())
    assert (await call(site, key, "/api/v1/clicks"))[1]["clicks"] == []
    (row,) = (await call(site, key, "/api/v1/clicks?provisional=true"))[1]["clicks"]
    assert (row["key"], row["settled"]) == (site.CONTENT, False)
    site.clock.now += 1000
    await site.server.services.settler.once()
    (row,) = (await call(site, key, "/api/v1/clicks?campaign=spring&domain=example.com&since=-1h"))[1][
        "clicks"
    ]
    assert (row["target"], row["recipient"], row["settled"]) == (site.TARGET, "anna@example.com", True)


async def test_pages_follow_each_other_by_an_opaque_token(site: Site, key: str) -> None:
    for _ in range(5):
        await site.ask(site.url())
    seen: list[int] = []
    path = "/api/v1/visits?limit=2"
    following = ""
    while following is not None:
        _, body = await call(site, key, path + (f"&next={following}" if following else ""))
        seen += [row["visit_id"] for row in body["visits"]]
        following = body["next"]
    assert seen == sorted(set(seen))
    assert len(seen) == 5


async def test_visits_can_be_filtered_by_verdict(site: Site, key: str) -> None:
    await site.ask(site.url())
    await site.ask(site.url(), "HEAD", headers=site.SCANNER)
    _, body = await call(site, key, "/api/v1/visits?verdict=machine")
    assert [row["method"] for row in body["visits"]] == ["HEAD"]


async def test_all_faults_of_a_query_are_told_at_once(site: Site, key: str) -> None:
    answer = await call(site, key, "/api/v1/clicks?sinse=1&since=yesteryear&limit=0&next=!!")
    assert_fault(answer, 400, "sinse: there is no such filter", "limit", "next", "since")
    assert_fault(await call(site, key, "/api/v1/clicks?link=abcd&link=efgh"), 400, "link: is given twice")
