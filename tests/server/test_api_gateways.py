"""Who scans for recipients' domains, by the JSON API, with a name server of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.api import assert_fault, call
from claims.nameserver import BROKEN, name_server

from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey, RecipientDraft

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from claims.nameserver import NameServer

    from tests.server.conftest import Site, Start

RECORDS = {"example.com": ["10 eu-smtp-inbound-1.mimecast.com."], "broken.example": BROKEN}


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    async with name_server(dict(RECORDS)) as running:
        yield running


@pytest.fixture
async def asking(start: Start, server: NameServer) -> tuple[Site, str]:
    """A server that asks this name server when it is told to, and a key to its API."""
    site = await start(gateways={"nameservers": [server.address], "timeout_seconds": 30})
    made = new_key()
    await site.store.add_api_key(ApiKey("test", hash_key(made), site.START))
    await site.store.register_recipients([RecipientDraft(address="ben@broken.example")])
    return site, made


async def test_what_is_due_is_looked_up_on_request_and_then_listed(asking: tuple[Site, str]) -> None:
    _, before = await call(*asking, "/api/v1/gateways")
    assert (before["lookup"], before["due"]) == (False, 2)
    assert [row["outcome"] for row in before["gateways"]] == ["due", "due"]
    status, told = await call(*asking, "/api/v1/gateways/refresh", {})
    assert (status, told["looked_up"], told["outcomes"]) == (200, 2, {"failed": 1, "found": 1})
    _, after = await call(*asking, "/api/v1/gateways")
    assert after["due"] == 0
    assert {row["domain"]: row["gateway"] for row in after["gateways"]} == {
        "example.com": "mimecast",
        "broken.example": "",
    }


async def test_one_domain_or_all_can_be_asked_for_again(asking: tuple[Site, str], server: NameServer) -> None:
    await call(*asking, "/api/v1/gateways/refresh", {})
    server.asked.clear()
    _, one = await call(*asking, "/api/v1/gateways/refresh", {"domains": ["@Example.com"]})
    assert (one["looked_up"], server.asked) == (1, ["example.com"])
    _, everything = await call(*asking, "/api/v1/gateways/refresh", {"all": True})
    assert everything["looked_up"] == 2


async def test_a_domain_that_no_recipient_has_is_told(asking: tuple[Site, str]) -> None:
    answer = await call(*asking, "/api/v1/gateways/refresh", {"domains": ["nobody.example"], "all": True})
    assert_fault(answer, 400, "give domains or all", "no recipient has the domain nobody.example")
    assert_fault(
        await call(*asking, "/api/v1/gateways?domain=x"),
        400,
        "domain: there is no such filter; there are none",
    )
