"""Recording when messages were accepted, behind the mailer's back: it must not wait for this."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from linkproxy.logs import Event, get_logger

if TYPE_CHECKING:
    from linkproxy.store.api import DeliveryDraft, Store
    from linkproxy.telemetry import Metrics

MOST: Final = 10_000
"""Deliveries that wait for a store that fails; later ones are lost."""
_BATCH: Final = 500


class Deliveries:
    """Writes deliveries in batches, and again when the store has failed."""

    def __init__(self, store: Store, metrics: Metrics, *, pause_seconds: float = 1.0) -> None:
        self._store = store
        self._metrics = metrics
        self._pause_seconds = pause_seconds
        self._waiting: list[DeliveryDraft] = []
        self._work: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def add(self, delivery: DeliveryDraft) -> None:
        """Have a delivery recorded soon; returns at once."""
        if len(self._waiting) >= MOST:
            self._lose(1, "the store has failed for too long")
            return
        self._waiting.append(delivery)
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._record())

    async def _record(self) -> None:
        while self._waiting:
            batch = self._waiting[:_BATCH]
            try:
                await self._store.add_deliveries(batch)
            except Exception as error:  # noqa: BLE001  (a fault here is no fault of the mail)
                if self._closing.is_set():
                    self._lose(len(self._waiting), str(error))
                    self._waiting.clear()
                    return
                await self._pause(str(error))
            else:
                del self._waiting[: len(batch)]

    async def _pause(self, error: str) -> None:
        get_logger().warning(
            Event.RELAY_DELIVERIES_FAILED, deliveries=len(self._waiting), lost=0, error=error
        )
        try:
            async with asyncio.timeout(self._pause_seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    def _lose(self, count: int, error: str) -> None:
        self._metrics.relay_lost_deliveries.inc(count)
        get_logger().error(Event.RELAY_DELIVERIES_FAILED, deliveries=0, lost=count, error=error)

    async def settled(self) -> None:
        """Return when nothing waits to be recorded."""
        if self._work is not None:
            await self._work

    async def close(self) -> None:
        """Record what is left; what the store does not take now is lost, and said."""
        self._closing.set()
        await self.settled()
