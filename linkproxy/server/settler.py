"""The settle loop: messages whose hold window is over are judged again.

Nothing is lost by a pass that does not come about: what is due stays due, so a server that was
down catches up by itself, and several processes may settle side by side.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from linkproxy.logs import Event, get_logger
from linkproxy.model import LinkproxyError, Settlement
from linkproxy.server.loop import Loop
from linkproxy.server.repeats import Repeats
from linkproxy.store.api import StoreError
from linkproxy.visit.possible import possible_among, with_possible
from linkproxy.visit.settle import revise

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from linkproxy.model import CampaignId, MessageHistory, RecipientId, VerdictKind
    from linkproxy.server.shadow import Shadow
    from linkproxy.store.api import OpenMessage, Store
    from linkproxy.telemetry import Metrics
    from linkproxy.visit.policy import Policy

    TokensOf = Callable[[CampaignId, RecipientId], tuple[str, ...]]

SETTLE_SECONDS = 5.0
_PAGE = 500
_MOST_TOGETHER = 16
_LEAST_TOGETHER = 1
"""Messages that share a commit; between the two as many as take the store's ``turn_seconds``."""

_REBUILT_TOGETHER = 50
_REBUILDS_A_PASS = 100


class UnsettledError(LinkproxyError):
    """Messages that a pass could not settle, by a fault of linkproxy."""

    def __init__(self, failed: Mapping[tuple[CampaignId, RecipientId], Exception]) -> None:
        (campaign_id, recipient_id), fault = next(iter(failed.items()))
        super().__init__(
            f"messages that cannot be settled, their visits keep their first verdicts: {len(failed)}; "
            f"the first is recipient {recipient_id} of campaign {campaign_id}: {fault!r}"
        )
        self.count = len(failed)


async def settle_due(
    store: Store,
    policy: Policy,
    now: float,
    metrics: Metrics | None = None,
    shadow: Shadow | None = None,
    *,
    tokens: TokensOf | None = None,
) -> int:
    """Settle every message whose hold window is over at ``now``; return how many were.

    ``tokens``: those of a message, by which its changed links are known; without it only those whose
    token is whole are.

    A message that cannot be settled is passed over, so that it holds up no other.
    Raises StoreError, and UnsettledError when all others are settled.
    """
    settled, size = 0, _LEAST_TOGETHER
    passed: dict[tuple[CampaignId, RecipientId], Exception | None] = {}
    while True:
        due = await store.list_due(
            last_before=now - policy.hold_seconds,
            first_before=now - policy.max_hold_seconds,
            after=now + policy.max_hold_seconds,
            limit=_PAGE + len(passed),
        )
        fresh = [message for message in due if (message.campaign_id, message.recipient_id) not in passed]
        if not fresh:
            if failed := {which: fault for which, fault in passed.items() if fault is not None}:
                raise UnsettledError(failed)
            return settled
        while fresh:
            together, fresh = fresh[:size], fresh[size:]
            began = time.perf_counter()
            done = await asyncio.gather(
                *(
                    _settle(store, item, policy, now, metrics=metrics, shadow=shadow, tokens=tokens)
                    for item in together
                ),
                return_exceptions=True,
            )
            size = together_next(len(together), time.perf_counter() - began, store.turn_seconds)
            for message, outcome in zip(together, done, strict=True):
                if isinstance(outcome, Settlement):
                    settled += 1
                    continue
                fault = None if outcome is None else _ours(outcome)
                passed[message.campaign_id, message.recipient_id] = fault


def together_next(settled: int, seconds: float, turn_seconds: float) -> int:
    """Return how many messages may share the next commit when so many have taken so long."""
    fitting = int(settled * turn_seconds / max(seconds, 1e-6))
    return max(_LEAST_TOGETHER, min(_MOST_TOGETHER, fitting))


def _ours(error: BaseException) -> Exception:
    """Return what is a fault of one message; raise what is the store's, or no fault at all."""
    if isinstance(error, StoreError) or not isinstance(error, Exception):
        raise error
    return error


async def _settle(
    store: Store,
    message: OpenMessage,
    policy: Policy,
    now: float,
    *,
    metrics: Metrics | None,
    shadow: Shadow | None,
    tokens: TokensOf | None,
) -> Settlement | None:
    first: dict[int, VerdictKind] = {}
    seen: list[MessageHistory] = []

    def revise_noting(history: MessageHistory) -> Settlement:
        first.update((entry.visit_id, entry.verdict.kind) for entry in history.entries)
        if history.strays and tokens is not None:
            history = replace(history, tokens=tokens(message.campaign_id, message.recipient_id))
        seen.append(replace(history, known_at=now))
        return with_possible(history, revise(history, policy=policy, now=now), policy)

    settlement = await store.settle(
        message.campaign_id, message.recipient_id, revise_noting, reach_seconds=policy.reach_seconds
    )
    if settlement is not None and metrics is not None:
        metrics.clicks.inc(len(settlement.clicks))
        metrics.retractions.inc(len(settlement.withdrawn))
        for visit_id, verdict in settlement.revised:
            metrics.settled_visits.labels(first=first[visit_id], settled=verdict.kind).inc()
    if settlement is not None and shadow is not None:
        await shadow.watch(store, seen[-1], settlement)
    return settlement


class Settler(Loop):
    """Settles every few seconds, until it is stopped."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        *,
        metrics: Metrics,
        clock: Callable[[], float],
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        shadow: Shadow | None = None,
        tokens: TokensOf | None = None,
    ) -> None:
        super().__init__(SETTLE_SECONDS, wait)
        self._store = store
        self._policy = policy
        self._metrics = metrics
        self._clock = clock
        self._shadow = shadow
        self._tokens = tokens
        self._repeats = Repeats()

    async def once(self) -> None:
        """Settle what is due; a failure is logged and tried again."""
        now = self._clock()
        try:
            await settle_due(self._store, self._policy, now, self._metrics, self._shadow, tokens=self._tokens)
        except UnsettledError as error:
            self._metrics.unsettled_messages.inc(error.count)
            self._tell(error)
        except Exception as error:  # noqa: BLE001  (the loop outlives whatever happens to a pass)
            self._note_failure(error)
        await self._rebuild()

    async def _rebuild(self) -> None:
        """Go on counting rollups again, if an upgrade or an interrupted command left any."""
        possible = partial(possible_among, policy=self._policy)
        try:
            for _ in range(_REBUILDS_A_PASS):
                step = await self._store.rebuild(possible, limit=_REBUILT_TOGETHER)
                if not step.campaigns_left:
                    return
        except Exception as error:  # noqa: BLE001  (as above)
            self._note_failure(error)

    def _note_failure(self, error: Exception) -> None:
        self._metrics.store_failures.labels(operation="settle").inc()
        self._tell(error)

    def _tell(self, error: Exception) -> None:
        if self._repeats.is_news(str(error)):
            get_logger().error(Event.SETTLE_FAILED, error=str(error))
