"""The part of the store's contract about rollups: what reports count, kept up by whatever changes it.

``Store`` in ``api.py`` includes ``RollupStore``, so every engine does all of this. What one visit and
one message add to the sums is said here once, for every engine.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from linkproxy.campaign.links import shape
from linkproxy.model import LinkKind, MessageLink, VerdictKind
from linkproxy.visit.possible import removed_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from linkproxy.model import CampaignId, JournalEntry, PossibleClicks, Verdict, Visit

DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600

MILLION = 1_000_000
"""``likely_human`` is in millionths, so that sums are exact in whatever order they are made."""


class Part(StrEnum):
    """By what a campaign is told: each part's rows add up to the campaign's, but for clickers."""

    CAMPAIGN = "campaign"
    LINK = "link"  # a link's key; for links of one message alone the shape they share
    DAY = "day"  # 2026-05-01, UTC
    DOMAIN = "domain"
    REASON = "reason"  # machine visits alone, by their main reason


class State(StrEnum):
    """What a row of a rollup stands for; a report adds the first two."""

    LIVE = "live"  # can be counted again from the journal and the click log
    KEPT = "kept"  # of what was purged
    FRESH = "fresh"  # is being counted again, and becomes live


class Figure(StrEnum):
    """What is counted. Visits are settled visits of content links."""

    DELIVERED = "delivered"  # messages with a delivery of their own; of campaign and domain
    CLICKS = "clicks"
    CLICKERS = "clickers"  # messages with a click
    COUNTED = "counted"  # clicks that are among the possible clicks; of the campaign
    HUMAN = "human"  # visits, as the next two
    MACHINE = "machine"
    UNCERTAIN = "uncertain"
    LIKELY_HUMAN = "likely_human"  # uncertain visits by their probability, in millionths
    RAW = "raw"  # visits that a plain counter of redirects counts
    MESSAGES = "messages"  # with such a visit; of the campaign


Place = tuple[Part, str]
Domain = str


@dataclass(slots=True)
class Change:
    """What is to be added to the sums of a campaign; counts may be negative."""

    sums: Counter[tuple[Part, str, Figure]] = field(default_factory=Counter)
    possible: Counter[tuple[Domain, int, int]] = field(default_factory=Counter)  # domain, score, clicks

    def add(self, places: Iterable[Place], figure: Figure, count: int) -> None:
        """Add to one figure of several rows."""
        for part, name in places:
            self.sums[part, name, figure] += count

    def add_all(self, other: Change, times: int = 1) -> None:
        """Add another change, or with -1 take it back."""
        for key, count in other.sums.items():
            self.sums[key] += times * count
        for unit, count in other.possible.items():
            self.possible[unit] += times * count

    def by_place(self) -> dict[Place, dict[Figure, int]]:
        """Return what is not zero by row, sorted, so that all writers go the same way."""
        found: dict[Place, dict[Figure, int]] = {}
        for part, name, figure in sorted(self.sums):
            if count := self.sums[part, name, figure]:
                found.setdefault((part, name), {})[figure] = count
        return found


@dataclass(frozen=True, slots=True)
class CountedVisit:
    """A visit of a content link as the sums see it."""

    link: str  # the name in part LINK
    at: float
    is_raw: bool


@dataclass(frozen=True, slots=True)
class MessageSums:
    """What of a message is no sum over its visits; one row a message, none without anything in it.

    ``clicks`` counts clicks by link name and day (days since 1970). ``shapes`` are the names of links
    of this message alone, by key: the target itself may be purged.
    """

    raw: int = 0  # settled raw visits
    counted: int = 0
    clicks: Counter[tuple[str, int]] = field(default_factory=Counter)
    possible: PossibleClicks = ()
    shapes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to keep a row for."""
        return not (self.raw or self.counted or self.clicks or self.possible or self.shapes)

    def values(self) -> tuple[int, int, str, str, str]:
        """Return the columns raw, counted, clicks, possible and shapes; the last three as JSON."""
        clicks = sorted([name, day, count] for (name, day), count in self.clicks.items() if count)
        return self.raw, self.counted, _json(clicks), _json(self.possible), _json(self.shapes)

    @classmethod
    def from_values(cls, raw: int, counted: int, clicks: str, possible: str, shapes: str) -> MessageSums:
        """Return what ``values`` made columns of."""
        return cls(
            raw,
            counted,
            Counter({(name, day): count for name, day, count in json.loads(clicks)}),
            tuple((score, count) for score, count in json.loads(possible)),
            json.loads(shapes),
        )


_json = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


# --- what is added ----------------------------------------------------------------------------


def is_content(entry: JournalEntry) -> bool:
    """Tell whether a visit is of a content link: bait and unsubscribe links are no part of the sums."""
    return entry.facts.link is None or entry.facts.link.kind is LinkKind.CONTENT


def is_raw(visit: Visit) -> bool:
    """Tell whether a plain counter would count a visit; it would have made no extra hop."""
    return visit.method == "GET" and visit.hop_at is None


def link_name(key: str, *, is_known: bool, target: str, shapes: Mapping[str, str]) -> str:
    """Return a link's key, or for a link of one message alone the shape that it shares with others."""
    return key if is_known else shapes.get(key) or shape(target)


def counted_visit(entry: JournalEntry, shapes: Mapping[str, str]) -> CountedVisit:
    """Return a journal entry as the sums see it."""
    link = entry.facts.link
    target = link.target if link else ""
    is_known = not isinstance(link, MessageLink) and bool(target)
    name = link_name(entry.visit.key, is_known=is_known, target=target, shapes=shapes)
    return CountedVisit(name, entry.visit.at, is_raw(entry.visit))


def places(link: str, day: int, domain: str) -> tuple[Place, ...]:
    """Return the rows that a visit or a click of a link, day and domain belongs to."""
    return (Part.CAMPAIGN, ""), (Part.LINK, link), (Part.DAY, day_name(day)), (Part.DOMAIN, domain)


def day_of(at: float) -> int:
    """Return the day of a time, in days since 1970."""
    return int(at // DAY_SECONDS)


@lru_cache(maxsize=4096)
def day_name(day: int) -> str:
    """Return a day since 1970 as 2026-05-01."""
    return datetime.fromtimestamp(day * DAY_SECONDS, UTC).date().isoformat()


_FIGURES = {
    VerdictKind.HUMAN: Figure.HUMAN,
    VerdictKind.MACHINE: Figure.MACHINE,
    VerdictKind.UNCERTAIN: Figure.UNCERTAIN,
}


def add_visit(change: Change, visit: CountedVisit, domain: str, verdict: Verdict, times: int = 1) -> None:
    """Add a settled visit, or with -1 take it away."""
    rows = places(visit.link, day_of(visit.at), domain)
    change.add(rows, _FIGURES[verdict.kind], times)
    if visit.is_raw:
        change.add(rows, Figure.RAW, times)
    if verdict.kind is VerdictKind.MACHINE:
        change.sums[Part.REASON, removed_by(verdict), Figure.MACHINE] += times
    if verdict.kind is VerdictKind.UNCERTAIN:
        likely = round((1 - verdict.probability) * MILLION)
        change.add(rows, Figure.LIKELY_HUMAN, times * likely)


def add_message(change: Change, sums: MessageSums, domain: str, times: int = 1) -> None:
    """Add what a message is beyond its visits, or with -1 take it away."""
    whole = ((Part.CAMPAIGN, ""),)
    change.add(whole, Figure.MESSAGES, times * (sums.raw > 0))
    change.add(whole, Figure.COUNTED, times * sums.counted)
    for score, clicks in sums.possible:
        change.possible[domain, score, clicks] += times
    for (name, day), count in sums.clicks.items():
        change.add(places(name, day, domain), Figure.CLICKS, times * count)
    clicked = [place for place, count in sums.clicks.items() if count > 0]
    if clicked:
        change.add((*whole, (Part.DOMAIN, domain)), Figure.CLICKERS, times)
        change.add({(Part.LINK, name) for name, _ in clicked}, Figure.CLICKERS, times)
        change.add({(Part.DAY, day_name(day)) for _, day in clicked}, Figure.CLICKERS, times)


def with_clicks(sums: MessageSums, clicks: Iterable[tuple[str, float]], times: int = 1) -> MessageSums:
    """Return the sums with clicks added, or with -1 taken away: link name and time of each."""
    counts = Counter(sums.clicks)
    for name, at in clicks:
        counts[name, day_of(at)] += times
    return replace(sums, clicks=Counter({place: count for place, count in counts.items() if count}))


# --- the contract -----------------------------------------------------------------------------

Sums = dict[Figure, int]


@dataclass(frozen=True, slots=True)
class OpenVisit:
    """A content visit that is not settled, which no rollup holds yet."""

    link: str
    at: float
    domain: str
    is_raw: bool


@dataclass(frozen=True, slots=True)
class CampaignSums:
    """What a campaign has come to, as of one moment."""

    sums: Mapping[Part, Mapping[str, Sums]]
    possible: Mapping[tuple[Domain, int, int], int]  # units by domain, score and clicks
    open: Sequence[OpenVisit] = ()
    open_messages: int = 0  # with an open raw visit and no settled one
    blank: bool = False  # not counted yet, since an earlier version stored it


@dataclass(frozen=True, slots=True)
class RebuildStep:
    """How far a rebuild is: messages done in this step, and campaigns left of those asked for."""

    messages: int
    campaigns_left: int


class RollupStore(Protocol):
    """What every engine does about rollups.

    They are changed in the transaction that settles, replays, erases, purges or records deliveries.
    """

    async def campaign_sums(self, campaign_id: CampaignId) -> CampaignSums:
        """Return what a campaign has come to; a few reads, however many visits it had."""

    async def count_messages(self, campaign_id: CampaignId | None = None) -> int:
        """Return how many messages a rebuild goes through, of one campaign or of all."""

    async def begin_rebuild(self, campaign_id: CampaignId | None = None) -> None:
        """Note that a campaign, or all, are to be counted again; one that is under way goes on."""

    async def rebuild(
        self,
        possible: Callable[[Sequence[JournalEntry]], PossibleClicks],
        *,
        limit: int,
        campaign_id: CampaignId | None = None,
    ) -> RebuildStep:
        """Count up to ``limit`` messages again in one transaction, and go on there next time.

        Of the campaigns that are due, or of one of them. ``possible`` says what among the settled
        visits of a message may have been a click. A campaign's figures are replaced at once when its
        last message is counted.
        """
