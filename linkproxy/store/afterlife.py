"""The part of the store's contract about what comes after: engagement, and clicks that were none.

``Store`` in ``api.py`` includes it, so every engine does all of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from linkproxy.model import Engagement, LinkKey
    from linkproxy.store.api import Filter

LATE_SECONDS = 86_400.0
"""How long after a visit engagement is heard; by then its click stands."""

EARLY_SECONDS = 60.0
"""How far the clocks of two processes may differ."""


class EngagementOutcome(StrEnum):
    """What became of a word of engagement."""

    KEPT = "kept"
    UNCHANGED = "unchanged"  # it says no more than what is known
    NO_VISIT = "no_visit"  # there is none, any more, or of nobody who is tracked
    LATE = "late"


@dataclass(frozen=True, slots=True)
class RetractionRow:
    """A click that was withdrawn, with the names a reader wants."""

    visit_id: int
    at: float  # of the visit
    withdrawn_at: float
    campaign: str
    key: LinkKey
    target: str
    role: str
    recipient: str
    domain: str
    score: float  # decibans; of the verdict that withdrew it, as the reasons are
    reasons: tuple[str, ...]
    verified: bool


class FeedKind(StrEnum):
    """How the click log changed."""

    CLICK = "click"
    RETRACTION = "retraction"


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A change of the click log, with the names a reader wants; ``number`` is its place in the feed."""

    number: int
    kind: FeedKind
    changed_at: float  # when the click was first settled, or withdrawn
    visit_id: int
    at: float  # of the visit
    campaign: str
    key: LinkKey
    target: str
    role: str
    recipient: str
    domain: str
    score: float  # decibans; of the verdict that made it a click, or withdrew it, as the reasons are
    reasons: tuple[str, ...]
    verified: bool


@dataclass(frozen=True, slots=True)
class Ends:
    """How far listings have come: whatever is there later and was not yet has a greater number."""

    visit: int
    feed: int
    unsubscribe: int


class AfterlifeStore(Protocol):
    """What every engine does about what comes after a visit."""

    async def add_engagement(self, engagement: Engagement, *, client: str = "") -> EngagementOutcome:
        """Keep what was told of a visit, and open the visit for settling if it says anything new.

        One row for each kind and visit, with the most that was told. ``client`` is whose beacon it
        was; it and the network are disguised as the privacy setting asks.
        """

    def retractions(self, where: Filter) -> AsyncIterator[RetractionRow]:
        """Yield withdrawn clicks by visit id; one that became a click again is not among them."""

    def feed(self, where: Filter) -> AsyncIterator[FeedRow]:
        """Yield clicks and retractions in the order in which they became so.

        ``after_id`` is a number of the feed. Numbers are committed in order, and none is given twice: a
        reader who goes on behind the last one misses nothing. A visit is in the feed once, as the last
        change left it.
        """

    async def ends(self) -> Ends:
        """Return how far visits, feed and opt-outs have come, also where the newest rows are gone by now."""
