"""Webhooks as rows of a store; both engines have the same columns."""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any

from linkproxy.model import CampaignId
from linkproxy.store.webhooks import Pause, Progress, Webhook

if TYPE_CHECKING:
    from linkproxy.store.sqlite_rows import Row

SET_UP = ("name", "url", "secret", "old_secret", "old_secret_until", "campaign_id", "changes", "created_at")
"""What is written once, or by an operator."""

PROGRESS = (
    *("after_number", "until_number", "message_id"),
    *("failures", "retry_at", "failing_since", "succeeded_at", "error"),
)
"""What is written by who sends, in the order of the fields of Progress."""

_COLUMNS = (*SET_UP, "pause", "paused_at", *PROGRESS)
COLUMNS = ", ".join((*_COLUMNS, "holder", "held_until"))
SELECTED = ", ".join((*(f"w.{column}" for column in _COLUMNS), "coalesce(c.name, '')"))
FROM = "webhook w LEFT JOIN campaign c ON c.id = w.campaign_id"


def values_of(webhook: Webhook) -> tuple[Any, ...]:
    """Return a new row, which nobody holds, in the order of COLUMNS."""
    set_up = (getattr(webhook, column) for column in SET_UP)
    return (*set_up, webhook.pause.value, webhook.paused_at, *progress_values(webhook.progress), "", 0.0)


def progress_values(progress: Progress) -> tuple[Any, ...]:
    """Return the values of PROGRESS."""
    return astuple(progress)


def webhook_from(row: Row) -> Webhook:
    """Return a row of SELECTED."""
    found = dict(zip(SET_UP, row, strict=False))
    place = len(SET_UP)
    campaign_id = found.pop("campaign_id")
    return Webhook(
        **found,
        campaign_id=None if campaign_id is None else CampaignId(campaign_id),
        campaign=row[-1],
        pause=Pause(row[place]),
        paused_at=row[place + 1],
        progress=Progress(*row[place + 2 : place + 2 + len(fields(Progress))]),
    )


def unpaused(webhook: Webhook) -> Webhook | None:
    """Return a webhook that may be told; None if it is paused."""
    return webhook if webhook.pause is Pause.NONE else None
