"""Waiting for a failing store to come back, and reading the spill file into it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from linkproxy.model import Answer, Judged
from linkproxy.store.api import Failed
from linkproxy.telemetry import Event, get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.model import Visit
    from linkproxy.server.spill import Spill, SpilledVisit
    from linkproxy.store.api import Outcome, Store, Take, Taken
    from linkproxy.telemetry import Metrics
    from linkproxy.visit.facts import FactSource

_PROBE_SECONDS = 1.0
_AT_ONCE = 256


class Recovery:
    """Probes a failing store every second, and empties the spill file once it works."""

    def __init__(
        self,
        store: Store,
        take: Take,
        spill: Spill,
        metrics: Metrics,
        wait: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store = store
        self._take = take
        self._spill = spill
        self._metrics = metrics
        self._wait = wait
        self._late: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self.failing = False

    def begin(self) -> None:
        """See to it that somebody is at work."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def done(self) -> None:
        """Return when there is nothing to recover from."""
        while self._task is not None:
            await asyncio.wait({self._task})

    def strike_when_committed(
        self, future: asyncio.Future[Outcome], spilled: SpilledVisit, *, durable: bool
    ) -> None:
        """Strike a spilled visit when the commit that came too late turns out well."""
        task = asyncio.create_task(self._strike_when_committed(future, spilled, durable=durable))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def lost(self, visits: int) -> None:
        """Count visits that found room neither in the store nor in the spill file."""
        self._metrics.lost_visits.inc(visits)
        get_logger().error(Event.SPILL_FULL, path=str(self._spill.path), bytes=self._spill.size())

    async def close(self) -> None:
        """Wait for late commits, then stop probing."""
        if self._late:
            await asyncio.wait(self._late)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            while self.failing or self._spill.may_hold_visits:
                try:
                    await self._store.ping()
                    self._note_recovered()
                    await self._read_back()
                except Exception as error:  # noqa: BLE001  (whatever it was, it is tried again)
                    get_logger().warning(Event.STORE_FAILED, operation="ping", error=str(error))
                    await self._wait(_PROBE_SECONDS)
        finally:
            self._task = None

    def _note_recovered(self) -> None:
        if self.failing:
            self.failing = False
            get_logger().info(Event.STORE_RECOVERED, operation="append")

    async def _read_back(self) -> None:
        """Append what waits in the spill file, striking each batch once it is in the journal."""
        if self._late:
            await asyncio.wait(self._late)
        while waiting := await self._spill.waiting():
            for start in range(0, len(waiting), _AT_ONCE):
                batch = waiting[start : start + _AT_ONCE]
                outcomes = await self._store.append(
                    [spilled.visit for spilled in batch], _as_answered(self._take, batch)
                )
                await self._spill.strike([spilled.id for spilled in batch])
                failed = sum(isinstance(outcome, Failed) for outcome in outcomes)
                self._metrics.failed_visits.inc(failed)
                self._metrics.read_back_visits.inc(len(batch) - failed)
            get_logger().info(Event.SPILL_READ_BACK, visits=len(waiting))

    async def _strike_when_committed(
        self, future: asyncio.Future[Outcome], spilled: SpilledVisit, *, durable: bool
    ) -> None:
        try:
            await future
        except Exception:  # noqa: BLE001  (the commit failed, whatever the reason; the spill file has the visit)
            if durable:
                self._metrics.spilled_visits.inc()
            else:
                self.lost(1)
            return
        try:
            await self._spill.strike([spilled.id])
        except OSError as error:
            get_logger().warning(Event.STORE_FAILED, operation="spill", error=str(error))


def _as_answered(take: Take, batch: Sequence[SpilledVisit]) -> Take:
    """Return ``take`` with the answers that the visitors really got in the place of the judge's."""
    answered = {spilled.visit: spilled.answered for spilled in batch}

    def take_as_answered(visit: Visit, source: FactSource) -> Taken:
        outcome = take(visit, source)
        if not isinstance(outcome, Judged):
            return outcome
        kind = answered.get(visit, outcome.answer.kind)
        return replace(outcome, answer=Answer(kind, outcome.answer.target))

    return take_as_answered
