"""The part of the store's contract about webhooks: whom to tell of clicks, and what they were told.

``Store`` in ``api.py`` includes it, so every engine does all of this. A webhook is a cursor in the feed:
what it has not been told yet is nowhere but there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from linkproxy.model import CampaignId

MOST_CHANGES = 100
"""How many changes of the click log a message tells, unless the webhook says otherwise."""


class Pause(StrEnum):
    """Why a webhook is told nothing for the time being."""

    NONE = ""  # it is told
    OPERATOR = "operator"
    GONE = "gone"  # it answered 410
    FAILING = "failing"  # it failed for days


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a webhook has come, and how it goes with it. Numbers are those of the feed."""

    after: int  # told up to this one
    until: int = 0  # the last one of the message under way; 0: none is
    message_id: str = ""  # of that message, the same however often it is sent
    failures: int = 0  # in a row
    retry_at: float = 0.0
    failing_since: float | None = None
    succeeded_at: float | None = None
    error: str = ""  # of the last failure; "" since the last success


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody to tell. ``url`` may hold a login, and is a secret as the secrets are."""

    name: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    created_at: float
    progress: Progress
    campaign_id: CampaignId | None = None  # None: told of all campaigns
    campaign: str = ""  # its name as it is now; not stored
    changes: int = MOST_CHANGES  # in one message
    old_secret: str = field(default="", repr=False)  # signs too until then
    old_secret_until: float = 0.0
    pause: Pause = Pause.NONE
    paused_at: float | None = None

    @property
    def shown_url(self) -> str:
        """Where it is, without what may be a secret: automation services put one into the path."""
        parts = urlsplit(self.url)
        rest = "/..." if parts.path.strip("/") or parts.query else parts.path
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{rest}"


class WebhookStore(Protocol):
    """What every engine does about webhooks."""

    async def add_webhook(self, webhook: Webhook) -> None:
        """Store a webhook; raise DuplicateError if there is one of that name."""

    async def list_webhooks(self) -> list[Webhook]:
        """Return all webhooks by name."""

    async def change_webhook(self, webhook: Webhook) -> bool:
        """Store address and secrets; all else stays. False if there is none of that name."""

    async def pause_webhook(self, name: str, pause: Pause, at: float) -> bool:
        """Tell it nothing, or by NONE go on, at once and as if it had never failed.

        False if there is none of that name.
        """

    async def remove_webhook(self, name: str) -> bool: ...

    async def hold_webhook(self, name: str, holder: str, seconds: float) -> Webhook | None:
        """Keep all others from sending to it for a time, and return it.

        None if another holds it, or if it is paused or gone. The time is by the clock of the store's
        machine, so that holders whose clocks differ agree.
        """

    async def note_progress(
        self, name: str, holder: str, progress: Progress, seconds: float
    ) -> Webhook | None:
        """Store how far a webhook has come, and hold it on; return it as it is by now, to go on with.

        None if it is paused now. Nothing is stored if it is gone, or if another holds it.
        """

    async def let_go_webhook(self, name: str, holder: str) -> None:
        """Let others send to it, if this is who holds it."""
