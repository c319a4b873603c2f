"""Warning of what a webhook will never be told: clicks that are purged before it takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from linkproxy.logs import Event, get_logger
from linkproxy.outbound.sending import lacking
from linkproxy.store.webhooks import Pause

if TYPE_CHECKING:
    from collections.abc import Iterable

    from linkproxy.store.api import Store
    from linkproxy.store.webhooks import Webhook

_DAY_SECONDS: Final = 86_400.0
_AHEAD_SECONDS: Final = 7 * _DAY_SECONDS


class Warner:
    """Looks once a day at webhooks that are paused or fail."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._looked_at = float("-inf")

    async def warn(self, webhooks: Iterable[Webhook], now: float, purged_before: float | None) -> None:
        """Log which lack clicks that are soon purged, those before a time as yet; None: none ever is."""
        if purged_before is None or 0 <= now - self._looked_at < _DAY_SECONDS:
            return
        self._looked_at = now
        # Where clicks are kept for days only, not from the first failure on.
        ahead_seconds = min(_AHEAD_SECONDS, (now - purged_before) / 2)
        for webhook in webhooks:
            if webhook.pause is Pause.NONE and not webhook.progress.failures:
                continue
            for row in await lacking(self._store, webhook, webhook.progress.after, 1):
                left_seconds = row.at - purged_before
                if left_seconds < ahead_seconds:
                    get_logger().warning(
                        Event.WEBHOOK_BEHIND,
                        webhook=webhook.name, days_left=max(0, round(left_seconds / _DAY_SECONDS)),
                    )  # fmt: skip
