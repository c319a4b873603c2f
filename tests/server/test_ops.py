from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.server.conftest import Site, Start


async def test_both_listeners_say_that_they_are_alive(site: Site) -> None:
    for address in (site.server.addresses.public, site.server.addresses.private):
        response = await site.ask(address + "/healthz")
        assert (response.status, await response.text()) == (200, "ok\n")


async def test_ready_names_every_part(site: Site) -> None:
    response = await site.ask(site.server.addresses.public + "/readyz")
    assert response.status == 200
    assert await response.json() == {
        "ready": True,
        "parts": {"store": "ok", "journal": "ok", "settler": "ok"},
    }


async def test_a_failing_store_is_not_ready_and_only_the_private_listener_says_why(
    start: Start, locked: Callable[[], AbstractContextManager[None]]
) -> None:
    site = await start(store={"commit_seconds": 0.5})
    with locked():
        public = await site.ask(site.server.addresses.public + "/readyz")
        assert public.status == 503
        assert (await public.json())["parts"]["store"] == "failing"
        private = await site.ask(site.server.addresses.private + "/readyz")
        assert private.status == 503
        assert "linkproxy.db" in (await private.json())["parts"]["store"]
        assert (await site.ask(site.server.addresses.public + "/healthz")).status == 200
    site.clock.now += 2
    async with asyncio.timeout(60):
        while (await site.ask(site.server.addresses.public + "/readyz")).status != 200:
            site.clock.now += 2


async def test_metrics_are_on_the_private_listener_alone(site: Site) -> None:
    await site.ask(site.url())
    response = await site.ask(site.server.addresses.private + "/metrics")
    assert 'linkproxy_visits_total{answer="redirect",verdict="human"} 1.0' in await response.text()
    assert (await site.ask(site.server.addresses.public + "/metrics")).status == 404


async def test_the_api_is_not_on_the_public_listener(site: Site) -> None:
    assert (await site.ask(site.server.addresses.public + "/api/v1/clicks")).status == 404


async def test_responses_are_counted_by_listener_and_class(site: Site) -> None:
    await site.ask(site.url())
    await site.ask(site.server.addresses.private + "/nothing")
    assert await site.metric("linkproxy_http_responses_total", listener="public", status="3xx") == 1
    assert await site.metric("linkproxy_http_responses_total", listener="private", status="4xx") == 1
