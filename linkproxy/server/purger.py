"""The purge: once a day, what is older than its retention goes, beside everything else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from linkproxy.logs import Event, get_logger
from linkproxy.server.loop import Loop
from linkproxy.store.api import Cutoffs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from linkproxy.config import RetentionSection
    from linkproxy.store.api import Store
    from linkproxy.telemetry import Metrics

PURGE_SECONDS = 86400.0
_LOOK_SECONDS = 60.0
_RESTS = 9.0
"""For each second of purging so many of rest: a writer that purges all day keeps up with visits."""


def cutoffs(retention: RetentionSection, now: float) -> Cutoffs:
    """Return the times before which things are purged; 0 days keep them.

    A click stays while its visit does: judged again, by a replay or late knowledge, the visit would
    bring it back, and reports would count it twice.
    """
    journal, clicks = _before(retention.journal_days, now), _before(retention.clicks_days, now)
    return Cutoffs(
        journal=journal,
        clicks=None if journal is None or clicks is None else min(journal, clicks),
        strays=_before(retention.strays_days, now),
        message_links=_before(retention.message_links_days, now),
        domain_profiles=_before(retention.domain_profiles_days, now),
    )


def _before(days: int, now: float) -> float | None:
    return now - days * 86400.0 if days else None


class Purger(Loop):
    """Purges once a day, until it is stopped; settling does not wait for it."""

    def __init__(
        self,
        store: Store,
        retention: RetentionSection,
        *,
        metrics: Metrics,
        clock: Callable[[], float],
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(_LOOK_SECONDS, wait)
        self._store = store
        self._retention = retention
        self._metrics = metrics
        self._clock = clock
        self._purged_at = float("-inf")

    async def once(self) -> None:
        """Purge if a day has passed; a failure is logged and tried again."""
        now = self._clock()
        # From before the last purge on the clock has been set back, perhaps by years: it purges again.
        if 0 <= now - self._purged_at < PURGE_SECONDS:
            return
        try:
            removed = await self._store.purge(cutoffs(self._retention, now), rest=self._rest)
        except Exception as error:  # noqa: BLE001  (the loop outlives whatever happens to a purge)
            self._metrics.store_failures.labels(operation="purge").inc()
            get_logger().error(Event.PURGE_FAILED, error=str(error))
            return
        self._purged_at = now
        if any(removed.values()):
            get_logger().info(Event.PURGED, **{table: rows for table, rows in removed.items() if rows})

    async def _rest(self, took: float) -> None:
        await self._wait(_RESTS * took)
