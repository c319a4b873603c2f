"""The relay as a process: its listeners, its health, its signals."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import time
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from linkproxy.logs import Event, configure_logging, get_logger
from linkproxy.model import LinkproxyError
from linkproxy.server import ops, wiring
from linkproxy.server.click import respond
from linkproxy.server.notify import notify
from linkproxy.server.relay.service import Relay
from linkproxy.server.sockets import bind_fault
from linkproxy.server.waiting import StoppedEarlyError, open_patiently
from linkproxy.store.connect import connect
from linkproxy.telemetry import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from linkproxy.config import Config
    from linkproxy.store.api import Store


@dataclass(frozen=True, slots=True)
class Running:
    """A relay that is up: where mailers reach it as (host, port), where its health is told, itself."""

    address: tuple[str, int]
    private: str
    relay: Relay
    store: Store


def run(config: Config, *, ready: Callable[[Running], None] | None = None) -> None:
    """Relay until SIGTERM or SIGINT, in an event loop of its own; raise LinkproxyError.

    SIGHUP reads the certificate again, and no other setting.
    """
    configure_logging(config.log.level, config.log.format)
    # The library's own records name addresses, and warn of what is none of an operator's business.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    asyncio.run(_until_stopped(config, ready))


async def _until_stopped(config: Config, ready: Callable[[Running], None] | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, partial(_stop, stop, number))
    loop.add_signal_handler(signal.SIGHUP, _not_yet)
    with suppress(StoppedEarlyError):
        async with running(config, stop=stop) as found:
            loop.add_signal_handler(signal.SIGHUP, found.relay.certificate.renew)
            if ready is not None:
                ready(found)
            notify("READY=1")
            await stop.wait()
            notify("STOPPING=1")
    get_logger().info(Event.STOPPED)


def _stop(stop: asyncio.Event, number: int) -> None:
    get_logger().info(Event.STOPPING, signal=signal.Signals(number).name)
    stop.set()


def _not_yet() -> None:
    """Take SIGHUP before there is anything to read again: it would end the process."""


@asynccontextmanager
async def running(
    config: Config, *, clock: Callable[[], float] = time.time, stop: asyncio.Event | None = None
) -> AsyncIterator[Running]:
    """Run a relay inside the context; port 0 takes any free one. Raises LinkproxyError.

    A store that cannot be opened stops the start, as a wrong setting does; one whose server is away is
    waited for, while mailers find nobody and try later; ``stop`` ends that, with StoppedEarlyError. One
    that fails later is what ``[relay] on_failure`` is about.
    """
    async with AsyncExitStack() as stack:
        store = connect(config)
        metrics = Metrics()
        await open_patiently(store, stop or asyncio.Event(), metrics, lambda _: nullcontext())
        stack.push_async_callback(store.close)
        rewriter = await wiring.rewriter(config, store, clock)
        relay = Relay(config, store, rewriter, metrics, clock)
        private = await _serve_health(config, relay, store, stack)
        # Last started, first stopped: messages under way still find everything there.
        stack.push_async_callback(relay.stop)
        address = await _listen(config, relay, stack)
        yield Running(address, private, relay, store)


async def _listen(config: Config, relay: Relay, stack: AsyncExitStack) -> tuple[str, int]:
    host, port = config.relay.host, config.relay.port
    try:
        server = await asyncio.get_running_loop().create_server(relay.conversation, host, port)
    except OSError as error:
        raise LinkproxyError(bind_fault(error, f"[relay] host and port: {host}:{port}")) from None
    stack.callback(server.close)
    bound = server.sockets[0].getsockname()
    get_logger().info(Event.LISTENING, listener="relay", address=f"{bound[0]}:{bound[1]}")
    return bound[0], bound[1]


# --- health ------------------------------------------------------------------------------------


async def _serve_health(config: Config, relay: Relay, store: Store, stack: AsyncExitStack) -> str:
    host, port = config.server.private_host, config.relay.private_port
    runner = web.AppRunner(_health_app(config, relay, store), access_log=None, auto_decompress=False)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        where = f"[server] private_host and [relay] private_port: {host}:{port}"
        raise LinkproxyError(bind_fault(error, where)) from None
    bound = runner.addresses[0]
    return f"http://[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"http://{bound[0]}:{bound[1]}"


def _health_app(config: Config, relay: Relay, store: Store) -> web.Application:
    hosts = frozenset(config.server.private_hosts)
    store_fault = ops.store_check(store)

    async def healthz(_request: web.Request) -> web.StreamResponse:
        return respond(ops.ALIVE)

    async def readyz(request: web.Request) -> web.StreamResponse:
        _check_host(request, hosts)
        parts = {"store": await store_fault(), "upstream": relay.pool.fault}
        ready = not any(parts.values()) and not relay.stopping
        shown = {"ready": ready, "parts": {name: fault or "ok" for name, fault in parts.items()}}
        return web.Response(
            status=200 if ready else 503, text=json.dumps(shown) + "\n", content_type="application/json"
        )

    async def exposition(request: web.Request) -> web.StreamResponse:
        _check_host(request, hosts)
        return respond(ops.exposition(relay.metrics.registry))

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", exposition)
    return app


def _check_host(request: web.Request, hosts: frozenset[str]) -> None:
    """Refuse other names for this machine than the configured ones (DNS rebinding)."""
    if ops.host_asked(request.headers.get("Host", "")) not in hosts:
        raise web.HTTPMisdirectedRequest(text="not a name of this listener; see [server] private_hosts\n")
