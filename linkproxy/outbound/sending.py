"""Telling one webhook what it has not been told: message by message, until it is up with the feed.

A message is fixed in the store, by the numbers it is from and to and by its id, before it is sent. So
whoever sends it again, after a fault or a crash, sends it under the same id. Rows may have gone from it
meanwhile: they were purged or erased, or have changed once more and stand behind it now. None joins it.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from linkproxy.logs import Event, get_logger
from linkproxy.outbound.retry import Answer, after_failure, after_success, passed_over, pause_after
from linkproxy.outbound.signature import new_message_id, signature_header
from linkproxy.store.api import Filter
from linkproxy.store.webhooks import Pause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from linkproxy.store.afterlife import FeedRow
    from linkproxy.store.api import Store
    from linkproxy.store.webhooks import Progress, Webhook
    from linkproxy.telemetry import Metrics

    Write = Callable[[Webhook, Sequence[FeedRow]], bytes]
    """Makes the body of a message."""

HOLD_SECONDS: Final = 60.0
"""How long a webhook waits for one who has died while sending; longer than an attempt takes."""

_REST_SECONDS: Final = 0.1
"""Between messages to one webhook: each is a commit, and visits wait for the same writer."""


class Post(Protocol):
    """What sends; ``linkproxy.outbound.post.Poster`` does."""

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, listen: bool = False
    ) -> Answer:
        """Return what came of sending a body. Never raises."""


def signed_headers(webhook: Webhook, message_id: str, body: bytes, now: float) -> dict[str, str]:
    """Return the headers of a message, signed by the secrets that hold now."""
    keys = [webhook.secret, *([webhook.old_secret] if now < webhook.old_secret_until else [])]
    timestamp = int(now)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature_header(keys, message_id, timestamp, body),
    }


async def lacking(store: Store, webhook: Webhook, after: int, most: int) -> list[FeedRow]:
    """Return the first changes behind a number of the feed that a webhook is to be told of."""
    # By the campaign's id: by a name that it had until now, it would seem to have no clicks.
    where = Filter(campaign_id=webhook.campaign_id, after_id=after, limit=most)
    return [row async for row in store.feed(where)]


class Sending:
    """Sends for whoever is ``holder``, a name of its own; ``stopping`` set ends it after the message."""

    def __init__(
        self,
        store: Store,
        poster: Post,
        write: Write,
        *,
        holder: str,
        metrics: Metrics,
        clock: Callable[[], float],
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._poster = poster
        self._write = write
        self._holder = holder
        self._metrics = metrics
        self._clock = clock
        self._wait = wait
        self._chance = chance
        self.stopping = False

    async def send(self, name: str) -> None:
        """Tell a webhook all that it lacks, or until it fails; raise StoreError.

        Nothing is done if another does it.
        """
        webhook = await self._store.hold_webhook(name, self._holder, HOLD_SECONDS)
        if webhook is None:
            return
        try:
            await self._send_all(webhook)
        finally:
            await self._store.let_go_webhook(name, self._holder)

    async def _send_all(self, held: Webhook) -> None:
        webhook: Webhook | None = held
        progress = held.progress
        if progress.until:
            rows = await self._rows(held, progress)
        else:
            progress, rows = await self._cut(held, progress)
            if progress != held.progress:
                webhook = await self._note(held, progress)
        while webhook is not None and progress.until and not self.stopping:
            answer = await self._post(webhook, progress, rows) if rows else None
            if answer is not None and not answer.accepted:
                await self._fail(webhook, progress, answer)
                return
            if answer is None:
                progress = passed_over(progress)
            else:
                self._succeed(webhook, progress, len(rows))
                progress = after_success(progress, self._clock())
            progress, rows = await self._cut(webhook, progress)
            # How far it has come and what comes next, in one commit. Address and secrets may have changed.
            webhook = await self._note(webhook, progress)
            await self._wait(_REST_SECONDS)

    async def _cut(self, webhook: Webhook, progress: Progress) -> tuple[Progress, list[FeedRow]]:
        """Begin the next message, if there is anything to tell; else go on to where the feed has come."""
        # Asked before the rows: whatever is not behind it by now is among them.
        end = (await self._store.ends()).feed
        rows = await lacking(self._store, webhook, progress.after, webhook.changes)
        last = rows[-1].number if rows else progress.after
        if not rows:
            return replace(progress, after=max(end, last)), rows
        until = last if len(rows) == webhook.changes else max(end, last)
        return replace(progress, until=until, message_id=new_message_id()), rows

    async def _rows(self, webhook: Webhook, progress: Progress) -> list[FeedRow]:
        """Return what the message under way tells: rows may have gone since it was begun, and none come."""
        rows = await lacking(self._store, webhook, progress.after, webhook.changes)
        return [row for row in rows if row.number <= progress.until]

    async def _post(self, webhook: Webhook, progress: Progress, rows: Sequence[FeedRow]) -> Answer:
        body = self._write(webhook, rows)
        headers = signed_headers(webhook, progress.message_id, body, self._clock())
        return await self._poster.post(webhook.url, headers, body)

    async def _note(self, webhook: Webhook, progress: Progress) -> Webhook | None:
        return await self._store.note_progress(webhook.name, self._holder, progress, HOLD_SECONDS)

    def _succeed(self, webhook: Webhook, progress: Progress, changes: int) -> None:
        self._metrics.webhook_messages.labels(outcome="accepted").inc()
        self._metrics.webhook_changes.inc(changes)
        if progress.failures:
            get_logger().info(Event.WEBHOOK_RECOVERED, webhook=webhook.name, failures=progress.failures)

    async def _fail(self, webhook: Webhook, progress: Progress, answer: Answer) -> None:
        outcome = "unanswered" if answer.status is None else "refused"
        self._metrics.webhook_messages.labels(outcome=outcome).inc()
        now = self._clock()
        failed = after_failure(progress, answer, now, self._chance())
        if not await self._note(webhook, failed):
            return
        pause = pause_after(failed, answer, now)
        if pause is Pause.NONE:
            get_logger().warning(
                Event.WEBHOOK_FAILED,
                webhook=webhook.name, error=failed.error, failures=failed.failures,
                retry_seconds=round(failed.retry_at - now),
            )  # fmt: skip
            return
        await self._store.pause_webhook(webhook.name, pause, now)
        self._metrics.webhook_pauses.inc()
        get_logger().error(Event.WEBHOOK_PAUSED, webhook=webhook.name, reason=pause.value, error=failed.error)
