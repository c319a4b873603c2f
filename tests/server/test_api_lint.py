"""POST /api/v1/lint, and what the API takes for merge tags with signed references."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey

HTML = '<a href="/spring">x</a> <a href="https://www.brand.example/leave">Unsubscribe</a>'

Post = Callable[[str, dict[str, Any]], Awaitable[tuple[int, dict[str, Any]]]]


@pytest.fixture
async def post(site) -> Post:
    key = new_key()
    await site.store.add_api_key(ApiKey("test", hash_key(key), site.START))

    async def call(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        response = await site.ask(
            site.server.addresses.private + path,
            "POST",
            headers={"Authorization": f"Bearer {key}"},
            data=io.BytesIO(json.dumps(body).encode()),
        )
        return response.status, await response.json()

    return call


async def test_html_and_messages_are_looked_at(post: Post) -> None:
    status, answer = await post("/api/v1/lint", {"html": HTML, "base_url": "https://click.brand.example"})
    assert status == 200
    [finding] = answer["findings"]
    assert (finding["check"], finding["severity"], finding["position"]) == ("relative_target", "error", 0)
    status, answer = await post("/api/v1/lint", {"message": "From: a@brand.example\n\nSpring is here.\n"})
    assert {item["check"] for item in answer["findings"]} == {"no_unsubscribe_link", "no_unsubscribe_header"}


async def test_a_campaign_and_a_sender_tell_more(post: Post) -> None:
    body = {"html": HTML, "campaign": "spring", "from": "news@brand.example"}
    _, answer = await post("/api/v1/lint", body)
    assert {"tracking_not_aligned", "tracking_plain_http"} <= {item["check"] for item in answer["findings"]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "html: is missing"),
        ({"html": HTML, "campaign": "none"}, "campaign: there is none named 'none'"),
        ({"html": HTML, "campaign": "spring", "base_url": "https://a.example"}, "not both"),
        ({"html": HTML, "base_url": "a.example"}, "base_url: 'a.example'"),
        ({"html": HTML, "from": "foo bar"}, "from: 'foo bar' is not a mail domain"),
    ],
)
async def test_what_is_wrong_with_a_question_is_told(post: Post, body: dict[str, Any], words: str) -> None:
    status, answer = await post("/api/v1/lint", body)
    assert status == 400
    assert words in answer["error"]


async def test_signed_lets_a_merge_tag_mail_have_linkproxys_unsubscribe_link(post: Post) -> None:
    body = {
        "campaign": "spring",
        "html": '<p><a data-linkproxy="unsubscribe" href="">Unsubscribe</a></p>',
        "merge_tag": "{{lp}}",
    }
    _, plain = await post("/api/v1/rewrite", body)
    _, signed = await post("/api/v1/rewrite", {**body, "signed": True})
    assert 'href=""' in plain["html"]
    assert "/{{lp}}" in signed["html"]
    status, answer = await post(
        "/api/v1/rewrite", {**body, "signed": True, "merge_tag": None, "recipient": "K-1"}
    )
    assert status == 400
    assert "signed: is about the references of a merge_tag" in answer["errors"]


@pytest.mark.parametrize("whom", [{"merge_tag": "{{lp}}"}, {"recipient": "K-1"}, {"recipients": ["K-1"]}])
async def test_a_rewritten_mail_can_bring_its_findings(post: Post, whom: dict[str, Any]) -> None:
    _, plain = await post("/api/v1/rewrite", {"campaign": "spring", "html": HTML, **whom})
    _, told = await post("/api/v1/rewrite", {"campaign": "spring", "html": HTML, "lint": True, **whom})
    assert "findings" not in plain
    assert "relative_target" in {item["check"] for item in told["findings"]}


async def test_a_text_by_itself_is_looked_at_too(post: Post) -> None:
    text = {"campaign": "spring", "text": "Leave: https://x.example/unsubscribe\nSpring: http://192.0.2.1/"}
    for path, body in (("rewrite", text | {"recipient": "K-1", "lint": True}), ("lint", text)):
        status, answer = await post(f"/api/v1/{path}", body)
        assert status == 200
        assert {item["check"] for item in answer["findings"]} >= {"ip_host", "plain_http"}
