"""`domains check`: a real server behind a TLS front, a name server that answers from a table."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, web
from claims.nameserver import EMPTY, SILENT, name_server
from claims.postfix import free_port
from claims.tls_front import NGINX, Authority, authority, nginx_front, tls_front

from linkproxy.campaign.tokens import Keyring, new_key
from linkproxy.server.domain_check import DomainCheck, Observation, Outcome, Ports
from linkproxy.server.mx import dns_resolver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOST = "click.brand.example"


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tls"), HOST)


@dataclass
class World:
    """What a test changes about a host that is in order."""

    certified: Authority
    keyring: Keyring
    public_port: int
    stack: AsyncExitStack

    async def check(
        self,
        host: str = HOST,
        records: list[str] | str = "",
        *,
        backend: int | None = None,
        front: int | None = None,
        http: int | None = None,
        trust: Authority | None = None,
        keyring: Keyring | None = None,
        now: float | None = None,
        context: bool = True,
    ) -> dict[str, Observation]:
        """Check a host and return the last answer about each thing."""
        names = await self.stack.enter_async_context(name_server({host: records or ["127.0.0.1"]}))
        tls = self.certified.server if context else None
        front = front or await self.stack.enter_async_context(tls_front(tls, backend or self.public_port))
        run = DomainCheck(
            host,
            keyring or self.keyring,
            dns_resolver([names.address], 2.0),
            trust=(trust or self.certified).trust,
            ports=Ports(front, self.public_port if http is None else http),
            clock=lambda: time.time() if now is None else now,
        )
        return {item.about: item for item in await run.run()}


@pytest.fixture
async def world(site, certified: Authority) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        port = urlsplit(site.server.addresses.public).port
        yield World(certified, site.server.services.keyring, port, stack)


async def other_server(stack: AsyncExitStack, handler) -> int:
    """Run some other web server and return its port."""
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner.addresses[0][1]


async def test_a_host_in_order_is_ok_in_everything_but_plain_http_that_is_answered(world: World) -> None:
    seen = await world.check()
    assert {about: item.outcome for about, item in seen.items()} == {
        "dns": Outcome.OK,
        "tls": Outcome.OK,
        "reach": Outcome.OK,
        "cookies": Outcome.OK,
        "redirect": Outcome.OK,
        "http": Outcome.WARNING,
    }
    assert seen["dns"].seen == "127.0.0.1"
    assert "good for 29 more days" in seen["tls"].seen


async def test_plain_http_that_leads_to_https_is_ok(world: World) -> None:
    async def to_https(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=301, headers={"Location": f"https://{HOST}{request.path}"})

    seen = await world.check(http=await other_server(world.stack, to_https))
    assert seen["http"] == Observation("http", Outcome.OK, "plain http leads to https")


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
async def test_behind_nginx_as_deploy_has_it_everything_is_in_order(world: World, tmp_path: Path) -> None:
    https, http = free_port(), free_port()
    await world.stack.enter_async_context(
        nginx_front(tmp_path, world.certified, world.public_port, https, http)
    )
    seen = await world.check(front=https, http=http)
    assert {about: item.outcome for about, item in seen.items()} == dict.fromkeys(
        ("dns", "tls", "reach", "cookies", "redirect", "http"), Outcome.OK
    )


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
async def test_a_front_that_refuses_people_with_many_cookies_is_told(world: World, tmp_path: Path) -> None:
    https, http = free_port(), free_port()
    front = nginx_front(
        tmp_path, world.certified, world.public_port, https, http, without="large_client_header"
    )
    await world.stack.enter_async_context(front)
    seen = (await world.check(front=https, http=http))["cookies"]
    assert seen.outcome is Outcome.WARNING
    assert "refused (status 400)" in seen.seen
    assert "large_client_header_buffers" in seen.advice


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
async def test_who_has_many_cookies_of_the_brand_gets_through_nginx_as_deploy_has_it(
    world: World, tmp_path: Path
) -> None:
    https, http = free_port(), free_port()
    await world.stack.enter_async_context(
        nginx_front(tmp_path, world.certified, world.public_port, https, http)
    )
    headers = {"Host": HOST, "Cookie": "; ".join(f"c{number}={'x' * 1000}" for number in range(30))}
    web = await world.stack.enter_async_context(ClientSession(headers=headers))
    tls = {"ssl": world.certified.trust, "server_hostname": HOST}
    answers = [
        await web.get(f"https://127.0.0.1:{https}/healthz", **tls),
        await web.get(f"http://127.0.0.1:{http}/healthz", allow_redirects=False),
    ]
    assert [answer.status for answer in answers] == [200, 308]


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
async def test_behind_nginx_as_deploy_has_it_readers_are_told_to_come_back_while_linkproxy_is_away(
    world: World, tmp_path: Path
) -> None:
    https, http = free_port(), free_port()
    await world.stack.enter_async_context(nginx_front(tmp_path, world.certified, free_port(), https, http))
    web = await world.stack.enter_async_context(ClientSession(headers={"Host": HOST}))
    for ask in (web.get, web.post):
        answer = await ask(
            f"https://127.0.0.1:{https}/healthz", ssl=world.certified.trust, server_hostname=HOST
        )
        assert (answer.status, answer.content_type) == (503, "text/html")
        assert (answer.headers["Retry-After"], answer.headers["Cache-Control"]) == ("5", "no-store")
        assert "press it again in a minute" in await answer.text()


async def test_a_host_without_address_ends_the_check_with_what_to_add(world: World) -> None:
    seen = await world.check(records=EMPTY)
    assert list(seen) == ["dns"]
    assert seen["dns"].outcome is Outcome.ERROR
    assert "no A or AAAA record" in seen["dns"].seen
    assert "CNAME" in seen["dns"].advice


async def test_a_host_that_does_not_exist_and_a_silent_name_server_are_told_apart(world: World) -> None:
    silent = await world.check(records=SILENT)
    assert "could not be looked up" in silent["dns"].seen
    names = await world.stack.enter_async_context(name_server({}))
    run = DomainCheck(
        HOST, world.keyring, dns_resolver([names.address], 2.0), trust=world.certified.trust
    ).run()
    assert [item.seen for item in await run] == [f"{HOST} does not exist"]


async def test_a_certificate_for_another_host_is_an_error(world: World) -> None:
    seen = await world.check("other.brand.example")
    assert seen["tls"].outcome is Outcome.ERROR
    assert "Hostname mismatch" in seen["tls"].seen
    assert "reach" not in seen


async def test_a_certificate_nobody_trusts_is_an_error(world: World, tmp_path: Path) -> None:
    seen = await world.check(trust=authority(tmp_path, HOST))
    assert seen["tls"].outcome is Outcome.ERROR
    assert "self-signed certificate" in seen["tls"].seen


async def test_a_certificate_that_ends_soon_is_a_warning(world: World) -> None:
    seen = await world.check(now=time.time() + 20 * 86400)
    assert seen["tls"].outcome is Outcome.WARNING
    assert "good for 9 more days" in seen["tls"].seen
    assert seen["reach"].outcome is Outcome.OK


async def test_a_port_without_tls_is_an_error(world: World) -> None:
    seen = await world.check(context=False)
    assert seen["tls"].outcome is Outcome.ERROR
    assert "reach" not in seen


async def test_another_server_behind_the_host_is_not_taken_for_this_one(world: World) -> None:
    async def anything(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="ok")

    seen = await world.check(backend=await other_server(world.stack, anything))
    assert seen["reach"].outcome is Outcome.ERROR
    assert "answered by something else (status 200)" in seen["reach"].seen
    assert "redirect" not in seen


async def test_an_installation_with_other_keys_is_not_taken_for_this_one(world: World) -> None:
    seen = await world.check(keyring=Keyring([new_key(())]))
    assert seen["reach"].outcome is Outcome.ERROR


async def test_a_front_that_follows_redirects_itself_is_an_error(world: World) -> None:
    keyring = world.keyring

    async def following(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.endswith("/redirect"):
            return web.Response(text="what the redirect leads to")
        return web.Response(text=keyring.prove(request.path.rpartition("/")[2]))

    seen = await world.check(backend=await other_server(world.stack, following))
    assert seen["reach"].outcome is Outcome.OK
    assert seen["redirect"].outcome is Outcome.ERROR
    assert seen["redirect"].seen == "a redirect came back as status 200"


async def test_the_probe_redirects_to_a_name_that_is_nobodys_and_leaves_no_visit(site) -> None:
    challenge = "A" * 22
    response = await site.ask(f"{site.server.addresses.public}/healthz/probe/{challenge}/redirect")
    assert (response.status, response.headers["Location"]) == (302, f"https://probe.invalid/{challenge}")
    assert response.headers["Cache-Control"] == "no-store"
    assert (await site.ask(f"{site.server.addresses.public}/healthz/probe/short")).status == 404
    assert await site.visits() == []
