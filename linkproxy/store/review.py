"""The part of the store's contract that goes over the journal again: replay, shadow, reports.

``Store`` in ``api.py`` includes it, so every engine does all of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from linkproxy.model import (
    NO_DELIVERY,
    CampaignId,
    Delivery,
    JournalEntry,
    MessageHistory,
    RecipientId,
    VerdictKind,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from linkproxy.model import Evidence, Settlement
    from linkproxy.store.api import Filter

MOST_VISITS = 2_000
"""Visits of one message that are looked at together; a flood comes in several parts."""

CARRIED = 512
"""Visits of the part before that each further part begins with, to be looked at only."""


@dataclass(frozen=True, slots=True)
class FrozenVisit:
    """A journal entry with what was known when it was settled.

    ``seen_id`` is the newest visit of the message that the settle pass knew, 0 if it did not
    write that down. ``beside_driven``: it knew another visit that was as likely a driven browser's.
    ``clicked``: the click log holds this visit.
    """

    entry: JournalEntry
    seen_id: int = 0
    delivery: Delivery = NO_DELIVERY
    beside_driven: bool = False
    clicked: bool = False


@dataclass(frozen=True, slots=True)
class FrozenMessage:
    """The journal of one message in order of arrival, or a part of it.

    The first ``carried`` visits belong to the part before and are here to be looked at only.
    ``beyond`` are further ones, for ``rejudge`` alone: part of what the message comes to.
    """

    campaign_id: CampaignId
    recipient_id: RecipientId
    visits: tuple[FrozenVisit, ...]
    carried: int = 0
    beyond: tuple[FrozenVisit, ...] = ()

    @property
    def own(self) -> tuple[FrozenVisit, ...]:
        """Return the visits of this part alone."""
        return self.visits[self.carried :]


@dataclass(frozen=True, slots=True)
class AppliedReplay:
    """An audit entry: a replay that was applied, and what it has changed so far."""

    at: float
    who: str
    policy: str  # hash of the rule set
    campaign: str = ""  # "" for all
    since: float | None = None
    until: float | None = None
    messages: int = 0
    visits: int = 0  # settled verdicts of another kind
    gained: int = 0  # clicks
    lost: int = 0


@dataclass(frozen=True, slots=True)
class ShadowVerdict:
    """What a shadow policy says of a visit beside the settled verdict of the live one."""

    visit_id: int
    at: float  # of the visit
    campaign_id: CampaignId
    recipient_id: RecipientId
    live: VerdictKind
    live_score: float  # decibans, as the next one
    shadow: VerdictKind
    shadow_score: float
    evidence: tuple[Evidence, ...]  # the shadow's
    policy: str  # hash of the shadow's rule set


@dataclass(frozen=True, slots=True)
class ShadowRow:
    """A difference with the names a reader wants."""

    campaign: str
    recipient: str
    verdict: ShadowVerdict


@dataclass(frozen=True, slots=True)
class ShadowCount:
    """How many visits of a campaign a shadow policy judged, by both verdicts."""

    policy: str
    campaign: str
    live: VerdictKind
    shadow: VerdictKind
    visits: int


class ReviewStore(Protocol):
    """What every engine does besides taking visits in."""

    def messages(self, where: Filter, *, reach_seconds: float) -> AsyncIterator[FrozenMessage]:
        """Yield the journal message by message, in order of campaign and recipient.

        Of ``where`` only campaign, since and until count. Visits up to ``reach_seconds`` outside
        the times come along, since they are siblings of those inside.
        """

    async def count_visits(self, where: Filter) -> int:
        """Return how many visits the journal holds; campaign, since and until count."""

    async def count_delivered(self, campaign_id: CampaignId) -> dict[str, int]:
        """Return how many messages of a campaign have a delivery of their own, by mail domain."""

    async def begin_replay(self, replay: AppliedReplay) -> int:
        """Write the audit entry of a replay that is about to be applied; return its id."""

    async def rejudge(
        self,
        replay_id: int,
        message: FrozenMessage,
        revise: Callable[[FrozenMessage], Settlement],
    ) -> Settlement:
        """Write other settled verdicts and clicks of one message in one transaction.

        ``revise`` gets the same visits as they are by then. The audit entry counts what changed.
        Visits whose hold window is open are left to the settle pass.
        """

    async def list_replays(self) -> list[AppliedReplay]:
        """Return the audit entries of applied replays, oldest first."""

    async def add_shadow_verdicts(self, verdicts: Sequence[ShadowVerdict]) -> None:
        """Count what a shadow policy said, and keep what differs in kind."""

    def shadow_verdicts(self, where: Filter) -> AsyncIterator[ShadowRow]:
        """Yield the differences kept, by visit id; campaign, since, until and limit count."""

    async def count_shadow_verdicts(self) -> list[ShadowCount]:
        """Return how many visits were judged by shadow policies, by both verdicts."""


def history_of(known: FrozenMessage, entries: Iterable[JournalEntry]) -> MessageHistory:
    """Return a frozen message as settling knows one; ``entries`` are its visits as they are now."""
    return MessageHistory(
        tuple(entries),
        frozenset(),
        frozenset(item.entry.visit_id for item in known.visits if item.clicked),
        beyond=tuple(item.entry for item in known.beyond),
        clicked_beyond=frozenset(item.entry.visit_id for item in known.beyond if item.clicked),
    )


def tallied(history: MessageHistory, settlement: Settlement) -> tuple[int, int, int, int]:
    """Return what a settlement does: messages (0 or 1), verdicts changed, clicks gained and withdrawn."""
    before = {entry.visit_id: entry.settled for entry in history.entries}
    changed = sum(
        (settled := before[visit_id]) is None or settled.kind is not verdict.kind
        for visit_id, verdict in settlement.revised
    )
    gained = sum(click.visit_id not in history.clicked for click in settlement.clicks)
    withdrawn = len(settlement.withdrawn)
    return int(bool(settlement.revised or gained or withdrawn)), changed, gained, withdrawn
