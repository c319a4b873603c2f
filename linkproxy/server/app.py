"""The server as a whole: what is built from the configuration, started in order, and stopped."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from linkproxy.model import LinkproxyError
from linkproxy.server.answers import brands
from linkproxy.server.api import Api
from linkproxy.server.bucket import Bucket
from linkproxy.server.click import Clicks
from linkproxy.server.engagement import Engagements
from linkproxy.server.gateways import GatewayFinder
from linkproxy.server.journal import Journal, OnFailure
from linkproxy.server.ops import Readiness
from linkproxy.server.private import private_app
from linkproxy.server.probe import Probe
from linkproxy.server.public import Public
from linkproxy.server.rewriter import Rewriter
from linkproxy.server.settler import Settler
from linkproxy.server.shadow import Shadow
from linkproxy.server.spill import Spill, SpillFile
from linkproxy.server.systems import SystemReloader
from linkproxy.server.warm import WarmLinks
from linkproxy.server.wiring import click_ids, gate, keyring, mx_resolver, policy, shadow_policy, systems
from linkproxy.store.connect import connect
from linkproxy.telemetry import Event, Metrics, configure_logging, get_logger
from linkproxy.visit.pipeline import take
from linkproxy.visit.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from linkproxy.campaign.tokens import Keyring
    from linkproxy.config import Config
    from linkproxy.server.systems import SystemFiles
    from linkproxy.store.api import Store
    from linkproxy.visit.policy import Policy


# What a client may send before the blank line; more is answered 400 by aiohttp.
_LINE_BYTES = 8190
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (names to show, not to bind)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the listeners can be reached from this machine, as ``http://host:port``."""

    public: str
    private: str


@dataclass(frozen=True, slots=True)
class Services:
    """What a running server is made of."""

    store: Store
    keyring: Keyring
    policy: Policy
    metrics: Metrics
    warm: WarmLinks
    journal: Journal
    settler: Settler
    gateways: GatewayFinder | None = None  # None: switched off


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is up."""

    addresses: Addresses
    services: Services


def run(config: Config, *, ready: Callable[[Addresses], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, in an event loop of its own; raise LinkproxyError."""
    configure_logging(config.log.level, config.log.format)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(config, ready=ready))


async def serve(
    config: Config,
    *,
    ready: Callable[[Addresses], None] | None = None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Serve until SIGTERM or SIGINT; call ``ready`` once both listeners are up.

    A stop takes no new connection, finishes requests under way, brings what they left into the
    journal, and closes the store, all within ``[server] shutdown_seconds``.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, partial(_stop, stop, number))
    stack = AsyncExitStack()
    server = await stack.enter_async_context(running(config, clock=clock))
    # What lives as long as the process need not be looked at by every garbage collection.
    gc.collect()
    gc.freeze()
    try:
        if ready is not None:
            ready(server.addresses)
        await stop.wait()
    finally:
        try:
            async with asyncio.timeout(config.server.shutdown_seconds):
                await stack.aclose()
        except TimeoutError:
            get_logger().error(Event.STOPPED, incomplete=True)
        else:
            get_logger().info(Event.STOPPED)


@asynccontextmanager
async def running(config: Config, *, clock: Callable[[], float] = time.time) -> AsyncIterator[Server]:
    """Run a server inside the context; port 0 takes any free one. Raises LinkproxyError."""
    async with AsyncExitStack() as stack:
        store = connect(config)
        await store.open()
        stack.push_async_callback(store.close)
        services = await _start(config, store, clock, stack)
        addresses = await _listen(config, services, clock, stack)
        yield Server(addresses, services)


async def _start(config: Config, store: Store, clock: Callable[[], float], stack: AsyncExitStack) -> Services:
    """Start what works behind the listeners; ``stack`` stops it again, last started first."""
    keys, rules = keyring(config), policy(config)
    metrics = Metrics(signals=[known.name for known in SIGNALS])
    databases = _watched(systems(config, metrics), stack)
    finder = _finder(config, store, rules, metrics, clock)
    if finder is not None:
        stack.push_async_callback(finder.close)
        finder.start()
    warm = WarmLinks(store)
    stack.push_async_callback(warm.close)
    second = shadow_policy(config)
    shadow = Shadow(second, metrics) if second is not None else None
    settler = Settler(store, rules, config.retention, metrics=metrics, clock=clock, shadow=shadow)
    stack.push_async_callback(settler.close)
    journal = Journal(
        store,
        partial(take, policy=rules, systems=databases, extra_hop=config.judge.extra_hop),
        warm=warm,
        spill=Spill(SpillFile(Path(config.store.spill_path), config.store.spill_bytes)),
        metrics=metrics,
        on_failure=OnFailure(config.store.commit_seconds, redirect=config.store.on_failure == "redirect"),
    )
    stack.push_async_callback(journal.close)
    await warm.load()
    journal.start()
    settler.start()
    return Services(store, keys, rules, metrics, warm, journal, settler, finder)


def _watched(databases: SystemFiles, stack: AsyncExitStack) -> SystemFiles:
    """Return network databases that are read again when they change."""
    reloader = SystemReloader(databases)
    stack.push_async_callback(reloader.close)
    reloader.start()
    return databases


def _finder(
    config: Config, store: Store, rules: Policy, metrics: Metrics, clock: Callable[[], float]
) -> GatewayFinder | None:
    """Return what looks gateways up, unless that is switched off."""
    if not config.gateways.lookup:
        return None
    return GatewayFinder(store, mx_resolver(config), rules.gateways, metrics=metrics, clock=clock)


async def _listen(
    config: Config, services: Services, clock: Callable[[], float], stack: AsyncExitStack
) -> Addresses:
    """Open both listeners; the public one last, so that it is the first to close."""
    section = config.server
    replies = brands(config)
    readiness = Readiness(services.store, services.journal, services.settler, clock)
    rewriter = Rewriter(services.store, services.keyring, clock)
    api = Api(services.store, rewriter, config, clock)
    strays = Bucket(config.limits.strays_per_minute, clock)
    engagements = _engagements(config, services, clock)
    clicks = Clicks(
        services.journal, gate(config), replies,
        click_ids=click_ids(config), strays=strays, metrics=services.metrics, clock=clock,
    )  # fmt: skip
    public = Public(
        clicks, readiness, replies.usual, services.metrics,
        engagements=engagements, probe=Probe(services.keyring), log_requests=section.request_log,
    )  # fmt: skip
    private = private_app(config, services.store, api, readiness, services.metrics, engagements=engagements)
    patience = section.shutdown_seconds / 3  # for each listener; the last third is for the journal
    private_address = await _bind(
        web.AppRunner(private, access_log=None, shutdown_timeout=patience),
        section.private_host, section.private_port, "private", stack,
    )  # fmt: skip
    public_address = await _bind(
        web.ServerRunner(
            web.Server(public, access_log=None, max_line_size=_LINE_BYTES, max_field_size=_LINE_BYTES),
            shutdown_timeout=patience,
        ),
        section.public_host, section.public_port, "public", stack,
    )  # fmt: skip
    return Addresses(public=public_address, private=private_address)


def _engagements(config: Config, services: Services, clock: Callable[[], float]) -> Engagements:
    return Engagements(
        services.store,
        click_ids(config),
        gate(config),
        beacons=Bucket(config.limits.beacons_per_minute, clock),
        metrics=services.metrics,
        clock=clock,
    )


async def _bind(runner: web.BaseRunner, host: str, port: int, listener: str, stack: AsyncExitStack) -> str:
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise LinkproxyError(_bind_fault(error, host, port, listener)) from None
    bound = runner.addresses[0]
    name = _WILDCARDS.get(bound[0], bound[0])
    address = f"http://[{name}]:{bound[1]}" if ":" in name else f"http://{name}:{bound[1]}"
    get_logger().info(Event.LISTENING, listener=listener, address=address)
    return address


def _bind_fault(error: OSError, host: str, port: int, listener: str) -> str:
    where = f"[server] {listener}_host and {listener}_port: {host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program. Stop that one, or set another port."
    if error.errno == errno.EACCES:
        return f"{where} needs rights that this user does not have. Set a port from 1024 up."
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{where} is no address of this machine. Set one that is, or 127.0.0.1."
    return f"{where} cannot be listened on: {error.strerror or error}"


def _stop(stop: asyncio.Event, number: int) -> None:
    get_logger().info(Event.STOPPING, signal=signal.Signals(number).name)
    stop.set()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop
