"""What a node keeps in memory between batches; all of it bounded, and read anew when it may be stale."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from linkproxy.store.domains import Neighbours
from linkproxy.store.memory import Bounds, CampaignTable, HeldProfile, KnownProfile, Recent

if TYPE_CHECKING:
    from linkproxy.model import CampaignId, Profile


@dataclass(slots=True)
class Memory:
    """Copies of rows.

    ``seen``: visits up to this id are in ``neighbours``; ``own`` are ids beyond it that this node
    was given. ``blank``: nothing was read yet, or what was noted may have been undone or erased.
    """

    campaigns: Recent[CampaignId, CampaignTable]
    profiles: Recent[Profile, KnownProfile]
    held: Recent[int, HeldProfile]  # by the id() of the profile, since hashing one costs 3 us
    pseudonyms: Recent[tuple[str, str], tuple[str, str]]
    neighbours: Neighbours
    policies: dict[str, int] = field(default_factory=dict)
    epoch: int = -1
    erasures: int = 0
    seen: int = 0
    own: set[int] = field(default_factory=set)
    blank: bool = True

    @classmethod
    def bounded(cls, bounds: Bounds) -> Memory:
        """Return an empty memory."""
        return cls(
            campaigns=Recent(bounds.campaigns),
            profiles=Recent(bounds.profiles),
            held=Recent(bounds.profiles),
            pseudonyms=Recent(bounds.clients),
            neighbours=Neighbours(bounds.neighbours),
        )

    def heed(self, erasures: int) -> None:
        """Begin anew if somebody was erased meanwhile, by whichever node."""
        if erasures != self.erasures:
            self.erasures = erasures
            self.blank = True

    def forget_profiles(self) -> None:
        """Drop the ids of header profiles, some of which may be gone."""
        self.profiles.clear()
        self.held.clear()

    def trim(self) -> None:
        """Shrink to the bounds; only between batches."""
        self.campaigns.trim()
        self.profiles.trim()
        self.held.trim()
        self.pseudonyms.trim()
        self.neighbours.trim()
