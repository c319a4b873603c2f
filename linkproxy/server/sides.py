"""The two sides of a server: tracked links to the world; API, settling and look-ups behind it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from linkproxy.server import ops
from linkproxy.server.answers import brands
from linkproxy.server.api import Api
from linkproxy.server.bucket import Bucket
from linkproxy.server.clerks import Clerks
from linkproxy.server.click import Clicks
from linkproxy.server.dashboard.app import Dashboard
from linkproxy.server.engagement import Engagements
from linkproxy.server.gateways import GatewayFinder
from linkproxy.server.inbound import Inbound
from linkproxy.server.journal import Journal, OnFailure
from linkproxy.server.link_filer import LinkFiler
from linkproxy.server.listeners import Door, open_private, open_public
from linkproxy.server.private import private_app
from linkproxy.server.probe import Probe
from linkproxy.server.public import Public
from linkproxy.server.purger import Purger
from linkproxy.server.settler import Settler
from linkproxy.server.shadow import Shadow
from linkproxy.server.spill import Spill, SpillFile
from linkproxy.server.strays import StrayRate
from linkproxy.server.systems import SystemReloader
from linkproxy.server.warm import WarmLinks, WarmRefresher
from linkproxy.server.webhooks import WebhookSender
from linkproxy.server.wiring import click_ids, gate, mx_resolver, shadow_policy, systems
from linkproxy.server.wiring import rewriter as rewriter_of
from linkproxy.visit.pipeline import take

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from contextlib import AsyncExitStack

    from prometheus_client import CollectorRegistry

    from linkproxy.campaign.tokens import Keyring
    from linkproxy.config import Config
    from linkproxy.server.ops import Readiness
    from linkproxy.store.api import Store
    from linkproxy.telemetry import Metrics
    from linkproxy.visit.policy import Policy

_QUESTIONS, _QUESTIONS_WAITING = 2, 8
_MAILS, _MAILS_WAITING = 2, 100
"""Clerks at work at once, and how many orders may wait for one. A mail's caller is a mailer, which waits."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What both sides stand on."""

    config: Config
    store: Store
    keyring: Keyring
    policy: Policy
    metrics: Metrics
    clock: Callable[[], float]

    @property
    def patience_seconds(self) -> float:
        """How long each listener waits for requests under way; the last third is for the journal."""
        return self.config.server.shutdown_seconds / 3


# --- the public side ---------------------------------------------------------------------------


async def start_journal(ground: Ground, stack: AsyncExitStack) -> Journal:
    """Start what takes visits in; ``stack`` stops it again."""
    config, store = ground.config, ground.store
    databases = systems(config, ground.metrics)
    reloader = SystemReloader(databases)
    stack.push_async_callback(reloader.close)
    reloader.start()
    warm = WarmLinks(store)
    stack.push_async_callback(warm.close)
    journal = Journal(
        store,
        partial(take, policy=ground.policy, systems=databases, extra_hop=config.judge.extra_hop),
        warm=warm,
        spill=Spill(SpillFile(Path(config.store.spill_path), config.store.spill_bytes)),
        metrics=ground.metrics,
        on_failure=OnFailure(config.store.commit_seconds, redirect=config.store.on_failure == "redirect"),
    )
    stack.push_async_callback(journal.close)
    refresher = WarmRefresher(warm)
    stack.push_async_callback(refresher.close)
    await warm.load()
    refresher.start()
    await journal.try_store()
    journal.start()
    return journal


async def serve_public(
    ground: Ground,
    journal: Journal,
    readiness: Readiness,
    *,
    sockets: Sequence[socket.socket],
    door: Door,
    stack: AsyncExitStack,
) -> None:
    """Serve tracked links until ``stack`` closes."""
    config, metrics = ground.config, ground.metrics
    replies = brands(config)
    clicks = Clicks(
        journal, gate(config), replies,
        click_ids=click_ids(config), metrics=metrics, clock=ground.clock,
        strays=StrayRate(_share(config.limits.strays_per_minute, ground), ground.clock),
    )  # fmt: skip
    public = Public(
        clicks, readiness, replies.usual, metrics,
        engagements=_engagements(ground), probe=Probe(ground.keyring),
        log_requests=config.server.request_log, door=door,
    )  # fmt: skip
    await open_public(public, sockets, door, patience_seconds=ground.patience_seconds, stack=stack)


def _engagements(ground: Ground) -> Engagements:
    return Engagements(
        ground.store,
        click_ids(ground.config),
        gate(ground.config),
        beacons=Bucket(_share(ground.config.limits.beacons_per_minute, ground), ground.clock),
        metrics=ground.metrics,
        clock=ground.clock,
    )


def _share(per_minute: int, ground: Ground) -> int:
    """Return this worker's part of a limit that holds for the whole server."""
    return -(-per_minute // max(1, ground.config.server.workers))


# --- the private side --------------------------------------------------------------------------


def start_settler(ground: Ground, stack: AsyncExitStack) -> Settler:
    """Start the settle loop; ``stack`` stops it again."""
    second = shadow_policy(ground.config)
    shadow = Shadow(second, ground.metrics) if second is not None else None
    settler = Settler(
        ground.store, ground.policy,
        metrics=ground.metrics, clock=ground.clock, shadow=shadow, tokens=ground.keyring.tokens_of,
    )  # fmt: skip
    stack.push_async_callback(settler.close)
    settler.start()
    return settler


def start_webhooks(ground: Ground, stack: AsyncExitStack) -> WebhookSender:
    """Start what tells webhooks of clicks; ``stack`` stops it again."""
    sender = WebhookSender(
        ground.store, ground.config.retention,
        metrics=ground.metrics, clock=ground.clock, patience_seconds=ground.patience_seconds,
    )  # fmt: skip
    stack.push_async_callback(sender.close)
    sender.start()
    return sender


def start_purger(ground: Ground, stack: AsyncExitStack) -> Purger:
    """Start what purges once a day; ``stack`` stops it again."""
    purger = Purger(ground.store, ground.config.retention, metrics=ground.metrics, clock=ground.clock)
    stack.push_async_callback(purger.close)
    purger.start()
    return purger


def start_filer(ground: Ground, stack: AsyncExitStack) -> None:
    """Start what keeps link files, if they are asked for; ``stack`` stops it again."""
    if ground.config.store.link_files:
        filer = LinkFiler(ground.store)
        stack.push_async_callback(filer.close)
        filer.start()


def start_finder(ground: Ground, stack: AsyncExitStack) -> GatewayFinder | None:
    """Start what looks gateways up, unless that is switched off; ``stack`` stops it again."""
    if not ground.config.gateways.lookup:
        return None
    finder = GatewayFinder(
        ground.store, mx_resolver(ground.config), ground.policy.gateways,
        metrics=ground.metrics, clock=ground.clock,
    )  # fmt: skip
    stack.push_async_callback(finder.close)
    finder.start()
    return finder


async def serve_private(
    ground: Ground,
    readiness: Readiness,
    sockets: Sequence[socket.socket],
    counted: Callable[[], CollectorRegistry],
    stack: AsyncExitStack,
) -> None:
    """Serve API and metrics until ``stack`` closes; ``counted`` returns what /metrics exports."""
    config = ground.config
    questions = Clerks(config, ground.policy, most=_QUESTIONS, waiting=_QUESTIONS_WAITING)
    mail = Clerks(config, ground.policy, most=_MAILS, waiting=_MAILS_WAITING)
    stack.push_async_callback(questions.close)
    stack.push_async_callback(mail.close)
    rewriter = await rewriter_of(config, ground.store, ground.clock, mail.do)
    api = Api(
        ground.store, rewriter, ground.policy, config, ground.clock,
        keyring=ground.keyring, questions=questions, mail=mail,
    )  # fmt: skip
    app = private_app(
        config, ground.store, api, readiness, ground.metrics,
        engagements=_engagements(ground),
        inbound=Inbound(
            ground.store, ground.keyring, ground.metrics, ground.clock,
            mailgun_key=config.inbound.read_mailgun_signing_key(),
        ),
        exposition=lambda: ops.exposition(counted()),
        dashboard=_dashboard(ground, api) if config.server.dashboard else None,
        clock=ground.clock,
    )  # fmt: skip
    await open_private(app, sockets, patience_seconds=ground.patience_seconds, stack=stack)


def _dashboard(ground: Ground, api: Api) -> Dashboard:
    calls = {path: handler for method, path, handler in api.routes if method == "GET"}
    return Dashboard(
        ground.store, ground.keyring, calls,
        brand=ground.config.brand.name, gate=gate(ground.config), clock=ground.clock,
    )  # fmt: skip
