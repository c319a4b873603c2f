"""How webhooks are doing, for lists and the API."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from linkproxy.query.export import Column
from linkproxy.query.filters import format_time, short_time
from linkproxy.store.api import Filter
from linkproxy.store.webhooks import Pause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.store.api import Store
    from linkproxy.store.webhooks import Webhook

COUNTED: Final = 1_000
"""How far it is counted what a webhook has not been told."""


class WebhookHealth(StrEnum):
    """How it goes with a webhook."""

    NEW = "new"  # it was told nothing yet, since there was nothing
    OK = "ok"
    FAILING = "failing"  # what was sent last did not arrive; it is sent again
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class WebhookState:
    """A webhook, and what it has not been told of: how many changes (up to COUNTED), the oldest of when."""

    webhook: Webhook
    behind: int
    behind_since: float | None

    @property
    def health(self) -> WebhookHealth:
        """How it goes with it."""
        progress = self.webhook.progress
        if self.webhook.pause is not Pause.NONE:
            return WebhookHealth.PAUSED
        if progress.failures:
            return WebhookHealth.FAILING
        return WebhookHealth.NEW if progress.succeeded_at is None else WebhookHealth.OK


async def webhook_states(store: Store) -> list[WebhookState]:
    """Return how all webhooks are doing, by name."""
    return [await _state(store, webhook) for webhook in await store.list_webhooks()]


async def _state(store: Store, webhook: Webhook) -> WebhookState:
    where = Filter(campaign_id=webhook.campaign_id, after_id=webhook.progress.after, limit=COUNTED)
    behind, since = 0, None
    async for row in store.feed(where):
        behind += 1
        since = row.changed_at if since is None else since
    return WebhookState(webhook, behind, since)


def _optional(at: float | None) -> str | None:
    return None if at is None else format_time(at)


def _brief(at: float | None) -> str:
    return "" if at is None else short_time(at)


def _counted(state: WebhookState) -> str:
    return f"{state.behind:,}" + "+" * (state.behind >= COUNTED)


def _retry_at(state: WebhookState) -> float | None:
    return state.webhook.progress.retry_at if state.health is WebhookHealth.FAILING else None


WEBHOOK_COLUMNS: Sequence[Column[WebhookState]] = (
    Column("name", "Name", lambda row: row.webhook.name, folds=True),
    Column("url", "URL", lambda row: row.webhook.shown_url, folds=True, spare=2),
    Column("campaign", "Campaign", lambda row: row.webhook.campaign or None, folds=True, spare=3),
    Column("changes", "", lambda row: row.webhook.changes),
    Column("created_at", "", lambda row: format_time(row.webhook.created_at)),
    Column("state", "State", lambda row: row.health),
    Column("behind", "Behind", lambda row: row.behind, _counted),
    Column(
        "behind_since", "Since (UTC)", lambda row: _optional(row.behind_since),
        lambda row: _brief(row.behind_since), spare=4,
    ),
    Column(
        "succeeded_at", "Last success", lambda row: _optional(row.webhook.progress.succeeded_at),
        lambda row: _brief(row.webhook.progress.succeeded_at), spare=5,
    ),
    Column(
        "failing_since", "Failing since", lambda row: _optional(row.webhook.progress.failing_since),
        lambda row: _brief(row.webhook.progress.failing_since), spare=6,
    ),
    Column("failures", "", lambda row: row.webhook.progress.failures),
    Column(
        "retry_at", "Next attempt", lambda row: _optional(_retry_at(row)),
        lambda row: _brief(_retry_at(row)), spare=7,
    ),
    Column("error", "Last error", lambda row: row.webhook.progress.error or None, folds=True, spare=1),
    Column("pause", "", lambda row: row.webhook.pause.value or None),
    Column("paused_at", "", lambda row: _optional(row.webhook.paused_at)),
)  # fmt: skip
