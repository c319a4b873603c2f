"""What a store's process remembers between transactions: bounded copies of rows.

All of it can be dropped at any time between batches; the truth is in the store. ``Bounds`` is the
configuration's table [memory], and docs/storage.md says what each row of it costs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from linkproxy.store.domains import Neighbours
from linkproxy.visit.facts import CampaignTable

if TYPE_CHECKING:
    from collections import deque

    from linkproxy.model import CampaignId, DomainProfile, Profile, Sibling, StrayTrace
    from linkproxy.visit.facts import KnownMessage

__all__ = ["Bounds", "CampaignTable", "HeldProfile", "KnownProfile", "Memory", "Message", "Recent", "day_end"]

_DAY_SECONDS = 86_400.0

K = TypeVar("K")
V = TypeVar("V")

Message = tuple[int, int]
"""Campaign id and recipient id."""

_SHARE_FREED = 64
"""What part of the bound is freed at once."""


class Recent(dict[K, V]):
    """A bounded table that forgets what was put in first; looked up as fast as any dict."""

    def __init__(self, bound: int) -> None:
        super().__init__()
        self._bound = bound

    def put(self, key: K, row: V) -> None:
        self[key] = row

    def drop(self, key: K) -> None:
        self.pop(key, None)

    def trim(self) -> None:
        """Shrink below the bound; only between batches, since a batch relies on what it put in.

        A little beyond it, since the first key of a dict is slow to find after deletions; but only a
        little: whoever waits for the batch waits until all of it is freed.
        """
        if len(self) > self._bound:
            for key in list(islice(self, len(self) - self._bound + self._bound // _SHARE_FREED)):
                del self[key]


def day_end(at: float) -> float:
    """Return when the day of a moment ends, in UTC."""
    return (at // _DAY_SECONDS + 1) * _DAY_SECONDS


@dataclass(frozen=True, slots=True)
class KnownProfile:
    """A header profile's id, and the end of the day on which its row was last marked as used."""

    id: int
    until: float


@dataclass(frozen=True, slots=True)
class HeldProfile:
    """A profile that is known by its id(), and so is held."""

    profile: Profile
    known: KnownProfile


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept and remembered."""

    strays_kept: int = 100_000
    campaigns: int = 10_000
    messages: int = 200_000
    profiles: int = 5_000
    clients: int = 10_000
    domains: int = 10_000
    neighbours: int = 2_000  # campaigns and domains whose last visited recipients are remembered
    news: int = 10_000  # others' rows read one by one; after more of them messages are forgotten


@dataclass(slots=True)
class Memory:
    """Copies of rows."""

    campaigns: Recent[CampaignId, CampaignTable]
    messages: Recent[Message, KnownMessage]
    siblings: Recent[Message, list[Sibling]]
    profiles: Recent[Profile, KnownProfile]
    held: Recent[int, HeldProfile]  # by the id() of the profile, since hashing one costs 3 us
    strays: Recent[str, deque[StrayTrace]]
    pseudonyms: Recent[tuple[str, str], tuple[str, str]]
    gateways: Recent[str, str]
    learned: Recent[tuple[str, str], DomainProfile]
    settled: Recent[CampaignId, bool]  # whether a visit of it was settled that could still matter
    neighbours: Neighbours
    policies: dict[str, int] = field(default_factory=dict)

    @classmethod
    def bounded(cls, bounds: Bounds) -> Memory:
        return cls(
            campaigns=Recent(bounds.campaigns),
            messages=Recent(bounds.messages),
            siblings=Recent(bounds.messages),
            profiles=Recent(bounds.profiles),
            held=Recent(bounds.profiles),
            strays=Recent(bounds.clients),
            pseudonyms=Recent(bounds.clients),
            gateways=Recent(bounds.domains),
            learned=Recent(bounds.domains),
            settled=Recent(bounds.campaigns),
            neighbours=Neighbours(bounds.neighbours),
        )

    def forget_lookups(self) -> None:
        """Drop what other commands change: campaigns, links, recipients, deliveries, gateways, profiles."""
        self.campaigns.clear()
        self.gateways.clear()
        self.messages.clear()
        self.learned.clear()
        self.settled.clear()

    def forget(self) -> None:
        """Drop all."""
        self.forget_lookups()
        self.siblings.clear()
        self.profiles.clear()
        self.held.clear()
        self.strays.clear()
        self.policies.clear()
        self.neighbours.clear()

    def trim(self) -> None:
        """Shrink everything to its bound; only between batches."""
        self.campaigns.trim()
        self.messages.trim()
        self.siblings.trim()
        self.profiles.trim()
        self.held.trim()
        self.strays.trim()
        self.pseudonyms.trim()
        self.gateways.trim()
        self.learned.trim()
        self.settled.trim()
        self.neighbours.trim()
