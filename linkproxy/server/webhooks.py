"""The webhook loop: who is to be told of clicks is told, beside everything else.

Every process with this duty may do it: each webhook is held by whoever sends to it. Without webhooks
a pass is one look at an empty table.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, Final

from linkproxy.logs import Event, get_logger
from linkproxy.outbound.behind import Warner
from linkproxy.outbound.post import Poster
from linkproxy.outbound.retry import is_due
from linkproxy.outbound.sending import Sending
from linkproxy.query.export import FEED_COLUMNS, record, to_json
from linkproxy.query.filters import format_time
from linkproxy.server.loop import Loop
from linkproxy.server.purger import cutoffs
from linkproxy.server.repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.config import RetentionSection
    from linkproxy.store.afterlife import FeedRow
    from linkproxy.store.api import Store
    from linkproxy.store.webhooks import Webhook
    from linkproxy.telemetry import Metrics

LOOK_SECONDS: Final = 5.0


def changes_body(webhook: Webhook, rows: Sequence[FeedRow]) -> bytes:
    """Return the message that tells some changes, in their order, as GET /api/v1/feed gives them."""
    told = [record(row, FEED_COLUMNS) for row in rows]
    return _body("feed.changes", webhook, rows[-1].changed_at, told)


def trial_body(webhook: Webhook, now: float) -> bytes:
    """Return a message that tells of nothing."""
    return _body("webhook.test", webhook, now, [])


def _body(kind: str, webhook: Webhook, at: float, feed: list[Any]) -> bytes:
    """Return a message as Standard Webhooks has them: type, timestamp, data."""
    data = {"webhook": webhook.name, "feed": feed}
    return to_json({"type": kind, "timestamp": format_time(at), "data": data}).encode()


class WebhookSender(Loop):
    """Looks every few seconds who has not been told all, and tells them, each by a task of its own."""

    def __init__(
        self,
        store: Store,
        retention: RetentionSection,
        *,
        metrics: Metrics,
        clock: Callable[[], float],
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        patience_seconds: float = 0.0,
    ) -> None:
        super().__init__(LOOK_SECONDS, wait)
        self._store = store
        self._retention = retention
        self._clock = clock
        self._warner = Warner(store)
        self._patience_seconds = patience_seconds
        self._poster = Poster(clock)
        self._sending = Sending(
            store, self._poster, changes_body,
            holder=uuid.uuid4().hex, metrics=metrics, clock=clock, wait=wait,
        )  # fmt: skip
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._repeats = Repeats()

    async def once(self) -> None:
        """Begin to send to whoever is due; a failure is logged and tried again."""
        try:
            webhooks = await self._store.list_webhooks()
            if not webhooks:
                return
            end, now = (await self._store.ends()).feed, self._clock()
            for webhook in webhooks:
                if webhook.name not in self._under_way and is_due(webhook, end, now):
                    self._begin(webhook.name)
            await self._warner.warn(webhooks, now, cutoffs(self._retention, now).clicks)
        except Exception as error:  # noqa: BLE001  (the loop outlives whatever happens to a pass)
            self._tell(error)

    async def idle(self) -> None:
        """Return when all that was begun is done."""
        while self._under_way:
            await asyncio.wait(self._under_way.values())

    async def close(self) -> None:
        """Stop, after the messages under way if those are soon done; else they are sent once more later."""
        await super().close()
        self._sending.stopping = True
        if self._under_way:
            _, late = await asyncio.wait(self._under_way.values(), timeout=self._patience_seconds)
            for task in late:
                task.cancel()
            await self.idle()
        await self._poster.close()

    def _begin(self, name: str) -> None:
        task = asyncio.create_task(self._send(name))
        self._under_way[name] = task
        task.add_done_callback(lambda _: self._under_way.pop(name))

    async def _send(self, name: str) -> None:
        try:
            await self._sending.send(name)
        except Exception as error:  # noqa: BLE001  (one webhook's fault is not another's)
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if self._repeats.is_news(str(error)):
            get_logger().error(Event.WEBHOOKS_FAILED, error=str(error) or repr(error))
