"""Who scans for the recipients' domains: looked up behind the scenes, never while somebody waits.

Domains come in with recipients and are due until they have been looked up; the answers live in the
store, so that nothing is asked twice by several processes or after a restart.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from linkproxy.logs import Event, get_logger
from linkproxy.server.loop import Loop
from linkproxy.store.gateways import MOST_SECONDS, DomainGateway, LookupOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from linkproxy.server.mx import MxAnswer
    from linkproxy.store.gateways import GatewayStore
    from linkproxy.telemetry import Metrics
    from linkproxy.visit.gateways import Gateways

LOOK_SECONDS = 5.0
AT_ONCE = 8
PAGE = 100

DAY_SECONDS = 86_400.0
LEAST_SECONDS = 7 * DAY_SECONDS
"""An answer is kept for as long as it says, from this to ``MOST_SECONDS``: gateways change once in years."""

NONE_SECONDS = DAY_SECONDS
FAILED_SECONDS = 3_600.0


class Resolver(Protocol):
    """What answers for the DNS; ``linkproxy.server.mx.MxResolver`` does."""

    async def ask(self, domain: str) -> MxAnswer:
        """Return a domain's mail servers. Never raises."""


async def look_up(
    known: Sequence[DomainGateway], resolver: Resolver, gateways: Gateways, now: float
) -> list[DomainGateway]:
    """Return what the DNS says of some domains now, a few of them asked at a time."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(before: DomainGateway) -> DomainGateway:
        async with turns:
            return _learnt(before, await resolver.ask(before.domain), gateways, now)

    return list(await asyncio.gather(*(one(before) for before in known)))


def _learnt(before: DomainGateway, answer: MxAnswer, gateways: Gateways, now: float) -> DomainGateway:
    match answer.outcome:
        case LookupOutcome.FOUND:
            keep_seconds = min(max(answer.ttl_seconds, LEAST_SECONDS), MOST_SECONDS)
            fresh = DomainGateway(before.domain, _name(gateways, answer.mx), answer.mx)
        case LookupOutcome.NONE:
            keep_seconds, fresh = NONE_SECONDS, DomainGateway(before.domain)
        case _:
            keep_seconds, fresh = FAILED_SECONDS, before
    return replace(fresh, outcome=answer.outcome, looked_up_at=now, expires_at=now + keep_seconds)


def _name(gateways: Gateways, mx: Sequence[str]) -> str:
    found = gateways.find(mx)
    return found.name if found else ""


async def look_up_due(
    store: GatewayStore, resolver: Resolver, gateways: Gateways, now: float, metrics: Metrics | None = None
) -> Counter[LookupOutcome]:
    """Look up every domain that is due, and return how many there were by outcome. Raises StoreError."""
    outcomes: Counter[LookupOutcome] = Counter()
    while due := await store.list_gateways_due(now=now, limit=PAGE):
        found = await look_up_each(store, due, resolver, gateways, now)
        outcomes += found
        if metrics is not None:
            for outcome, count in found.items():
                metrics.gateway_lookups.labels(outcome=outcome).inc(count)
    return outcomes


async def look_up_each(
    store: GatewayStore,
    known: Sequence[DomainGateway],
    resolver: Resolver,
    gateways: Gateways,
    now: float,
) -> Counter[LookupOutcome]:
    """Look up these domains, due or not, and return how many there were by outcome. Raises StoreError."""
    outcomes: Counter[LookupOutcome] = Counter()
    for start in range(0, len(known), PAGE):
        learnt = await look_up(known[start : start + PAGE], resolver, gateways, now)
        await store.put_gateways(learnt)
        outcomes.update(row.outcome for row in learnt)
    return outcomes


async def name_again(store: GatewayStore, gateways: Gateways) -> int:
    """Give known mail servers the names of the present policy; return how many domains that changed."""
    changed = [
        replace(row, name=name)
        for row in await store.list_gateways()
        if (name := _name(gateways, row.mx)) != row.name
    ]
    await store.put_gateways(changed)
    return len(changed)


class GatewayFinder(Loop):
    """Looks up what is due every few seconds, until it is stopped."""

    def __init__(
        self,
        store: GatewayStore,
        resolver: Resolver,
        gateways: Gateways,
        *,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(LOOK_SECONDS)
        self._store = store
        self._resolver = resolver
        self._gateways = gateways
        self._metrics = metrics
        self._clock = clock
        self._named = False

    async def once(self) -> None:
        """Look up what is due; a failure is logged and tried again."""
        try:
            if not self._named:
                await name_again(self._store, self._gateways)
                self._named = True
            await look_up_due(self._store, self._resolver, self._gateways, self._clock(), self._metrics)
        except Exception as error:  # noqa: BLE001  (the loop outlives whatever happens to a pass)
            get_logger().error(Event.GATEWAYS_FAILED, error=str(error))
