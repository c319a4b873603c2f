"""The server as a whole: what is built from the configuration, started in order, and stopped.

One process does everything, or each worker its duty: public workers serve tracked links, the
private one the private listener, the settler and the look-ups (linkproxy/server/supervisor.py).
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from functools import partial
from typing import TYPE_CHECKING, Final

from linkproxy.logs import Event, configure_logging, get_logger
from linkproxy.server import ops
from linkproxy.server.board import Beat, Counts
from linkproxy.server.listeners import Door
from linkproxy.server.notify import notify
from linkproxy.server.ops import Readiness
from linkproxy.server.sides import (
    Ground,
    serve_private,
    serve_public,
    start_filer,
    start_finder,
    start_journal,
    start_purger,
    start_settler,
    start_webhooks,
)
from linkproxy.server.sockets import NO_SOCKETS, Sockets, address_of, bind, inherited, raise_file_limit
from linkproxy.server.waiting import Lobby, StoppedEarlyError, open_patiently
from linkproxy.server.wiring import own_keyring, policy
from linkproxy.store.connect import connect
from linkproxy.telemetry import Metrics
from linkproxy.visit.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from prometheus_client import CollectorRegistry

    from linkproxy.campaign.tokens import Keyring
    from linkproxy.config import Config
    from linkproxy.server.board import Seat
    from linkproxy.server.gateways import GatewayFinder
    from linkproxy.server.journal import Journal
    from linkproxy.server.purger import Purger
    from linkproxy.server.settler import Settler
    from linkproxy.server.webhooks import WebhookSender
    from linkproxy.store.api import Store
    from linkproxy.visit.policy import Policy


_BREAK_SECONDS: Final = 0.5  # for each part that is broken off
COLLECT_AFTER: Final = (300, 3, 20_000)
"""Visits make no cycles, and what is remembered of them is long-lived: to look at all of it seldom keeps
answers quick. Of what is new little is looked at each time, since meanwhile nobody is answered; small
portions take no longer in all."""


class Duty(Flag):
    """What a process of the server does."""

    PUBLIC = 1
    PRIVATE = 2
    BOTH = 3


class Patience(Enum):
    """What a process does that finds the store's server away when it starts."""

    NONE = auto()
    """It ends: those before it serve on."""
    SILENT = auto()
    """It waits, and leaves people to the other workers, who may know the links."""
    ANSWERING = auto()
    """It waits, and tells people to come back."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a process has been given: its duty, bound sockets, a seat on the board, and its door.

    The defaults are those of the one process that does everything; what it lacks it binds itself.
    ``patience`` says what it does while the store's server is away.
    """

    duty: Duty = Duty.BOTH
    sockets: Sockets = NO_SOCKETS
    seat: Seat | None = None
    door: Door = field(default_factory=Door)
    patience: Patience = Patience.ANSWERING


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the listeners can be reached from this machine, as ``http://host:port``."""

    public: str
    private: str

    @classmethod
    def of(cls, sockets: Sockets) -> Addresses:
        return cls(address_of(sockets.public), address_of(sockets.private))


@dataclass(frozen=True, slots=True)
class Services:
    """What a running server is made of; None for what is switched off or another worker's duty."""

    store: Store
    keyring: Keyring
    policy: Policy
    metrics: Metrics
    journal: Journal | None
    settler: Settler | None
    purger: Purger | None
    gateways: GatewayFinder | None
    webhooks: WebhookSender | None


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is up."""

    addresses: Addresses
    services: Services


def run(config: Config, *, ready: Callable[[Addresses], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, in an event loop of its own; raise LinkproxyError."""
    configure_logging(config.log.level, config.log.format)
    raise_file_limit()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(config, ready=ready))


async def serve(
    config: Config,
    *,
    ready: Callable[[Addresses], None] | None = None,
    clock: Callable[[], float] = time.time,
    place: Place | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT or ``stop``; call ``ready`` once the listeners are up.

    A stop takes no new connection, finishes requests under way, brings what they left into the
    journal, and closes the store, all within ``[server] shutdown_seconds``. SIGHUP does nothing
    here: there is no second process that could serve meanwhile.
    """
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, partial(_stop, stop, signal.SIGTERM))
    if place is None:
        loop.add_signal_handler(signal.SIGINT, partial(_stop, stop, signal.SIGINT))
        loop.add_signal_handler(signal.SIGHUP, _not_reloaded)
        place = Place(sockets=inherited())
    stack = AsyncExitStack()
    try:
        server = await stack.enter_async_context(running(config, clock=clock, place=place, stop=stop))
    except StoppedEarlyError:
        get_logger().info(Event.STOPPED)
        return
    # What lives as long as the process need not be looked at by every garbage collection.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        if ready is not None:
            ready(server.addresses)
        if place.seat is None:
            notify("READY=1")
        await stop.wait()
    finally:
        if place.seat is None:
            notify("STOPPING=1")
        await _close(stack, config.server.shutdown_seconds)


async def _close(stack: AsyncExitStack, seconds: float) -> None:
    """Close everything; what is not closed in time is broken off, one part after the other."""
    closing = asyncio.ensure_future(stack.aclose())
    await asyncio.wait({closing}, timeout=seconds)
    if closing.done():
        closing.result()
        get_logger().info(Event.STOPPED)
        return
    while not closing.done():
        closing.cancel()
        await asyncio.wait({closing}, timeout=_BREAK_SECONDS)
    if not closing.cancelled():
        closing.exception()  # looked at: it comes of the breaking off
    get_logger().error(Event.STOPPED, incomplete=True)


@asynccontextmanager
async def running(
    config: Config,
    *,
    clock: Callable[[], float] = time.time,
    place: Place | None = None,
    stop: asyncio.Event | None = None,
) -> AsyncIterator[Server]:
    """Run a server inside the context; port 0 takes any free one. Raises LinkproxyError.

    A store whose server is away is waited for; ``stop`` ends that, with StoppedEarlyError.
    """
    place = place or Place()
    async with AsyncExitStack() as stack:
        metrics = Metrics(signals=[known.name for known in SIGNALS])
        beat = _sit_down(place, metrics, stack)
        store = connect(config)
        given = await _open_store(store, config, place, metrics=metrics, beat=beat, stop=stop)
        stack.push_async_callback(store.close)
        ground = Ground(config, store, await own_keyring(config, store), policy(config), metrics, clock)
        services = await _start(ground, place, stack)
        if beat is not None:
            beat.journal = services.journal
        sockets = bind(config.server, given)
        server = Server(Addresses.of(sockets), services)
        for duty, unused in ((Duty.PUBLIC, sockets.public), (Duty.PRIVATE, sockets.private)):
            if duty not in place.duty:
                # Else it would go on listening here when those who accept on it have stopped.
                Sockets(unused, ()).close()
        await _open(ground, services, place, sockets=sockets, beat=beat, stack=stack)
        yield server


async def _open_store(
    store: Store,
    config: Config,
    place: Place,
    *,
    metrics: Metrics,
    beat: Beat | None,
    stop: asyncio.Event | None,
) -> Sockets:
    """Open the store, waiting as the place has it; return the sockets that are bound by then."""
    if place.patience is Patience.NONE:
        await store.open()
        return place.sockets
    lobby = Lobby(config, place.sockets, metrics, lambda: ops.exposition(_registry(metrics, beat)))
    room = partial(
        lobby.open,
        public=Duty.PUBLIC in place.duty and place.patience is Patience.ANSWERING,
        private=Duty.PRIVATE in place.duty,
    )
    await open_patiently(store, stop or asyncio.Event(), metrics, room)
    return lobby.sockets


def _registry(metrics: Metrics, beat: Beat | None) -> CollectorRegistry:
    """Return what /metrics exports: what all workers count, if there are others."""
    return metrics.registry if beat is None else beat.counts.summed()


async def _start(ground: Ground, place: Place, stack: AsyncExitStack) -> Services:
    """Start what works behind the listeners; ``stack`` stops it again, last started first."""
    settler, purger, finder, journal, webhooks = None, None, None, None, None
    if Duty.PRIVATE in place.duty:
        finder = start_finder(ground, stack)
        settler = start_settler(ground, stack)
        purger = start_purger(ground, stack)
        start_filer(ground, stack)
        webhooks = start_webhooks(ground, stack)
    if Duty.PUBLIC in place.duty:
        journal = await start_journal(ground, stack)
    return Services(
        ground.store, ground.keyring, ground.policy, ground.metrics,
        journal=journal, settler=settler, purger=purger, gateways=finder, webhooks=webhooks,
    )  # fmt: skip


def _sit_down(place: Place, metrics: Metrics, stack: AsyncExitStack) -> Beat | None:
    """Begin to tell the others of this server how this process is, if there are others."""
    if place.seat is None:
        return None
    beat = Beat(place.seat, Counts(place.seat, metrics))
    stack.push_async_callback(beat.close)
    beat.start()
    return beat


async def _open(
    ground: Ground,
    services: Services,
    place: Place,
    *,
    sockets: Sockets,
    beat: Beat | None,
    stack: AsyncExitStack,
) -> None:
    """Open the listeners; the public one last, so that it is the first to close."""
    checks = {"store": ops.store_check(ground.store)}
    if services.journal is not None:
        checks["journal"] = ops.journal_check(services.journal)
    elif place.seat is not None:
        checks |= ops.worker_checks(place.seat.board, ground.config.server.workers)
    if services.settler is not None:
        checks["settler"] = ops.settler_check(services.settler)
    readiness = Readiness(checks, ground.clock)
    if Duty.PRIVATE in place.duty:
        registry = partial(_registry, ground.metrics, beat)
        await serve_private(ground, readiness, sockets.private, registry, stack)
    if services.journal is not None:
        await serve_public(
            ground, services.journal, readiness, sockets=sockets.public, door=place.door, stack=stack
        )


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop of a server."""
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


def _stop(stop: asyncio.Event, number: int) -> None:
    get_logger().info(Event.STOPPING, signal=signal.Signals(number).name)
    stop.set()


def _not_reloaded() -> None:
    get_logger().warning(Event.RELOAD_FAILED, error="[server] workers is 0: restart to apply new settings")
