"""How well the bait works: of the messages that machines visited, how many had theirs followed.

A message whose machine was found out by the bait alone is in the count because the bait was taken,
which flatters the bait. Messages whose machines other evidence tells too are therefore counted by
themselves: of these, the share is one of all such machines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from linkproxy.campaign.bait import anchors
from linkproxy.model import BaitPlaces, Family, LinkKind, VerdictKind
from linkproxy.query.interval import share_record
from linkproxy.query.labels import without
from linkproxy.visit.opens import is_open

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from linkproxy.model import CampaignId, JournalEntry, LinkKey, RecipientId
    from linkproxy.store.api import Filter, Store
    from linkproxy.store.review import FrozenMessage
    from linkproxy.visit.policy import Policy

_BAIT = frozenset({Family.BAIT})

WARNING = (
    "Messages whose machine nothing but the bait gave away are in the first count because it was taken; "
    "the second count leaves them out."
)


@dataclass(slots=True)
class Catch:
    """Messages that machines visited: ``messages`` all, ``told`` those that other evidence tells too."""

    messages: int = 0
    took: int = 0
    early: int = 0  # of those that took it: the early anchor, and below the late one
    late: int = 0
    told: int = 0
    told_took: int = 0

    def add(self, other: Catch) -> None:
        """Take the messages of another count in."""
        self.messages += other.messages
        self.took += other.took
        self.early += other.early
        self.late += other.late
        self.told += other.told
        self.told_took += other.told_took


@dataclass(frozen=True, slots=True)
class Caught:
    """The counts by style of the bait and gateway ("": not known)."""

    cells: Mapping[tuple[str, str], Catch]

    def by(self, name: Callable[[tuple[str, str]], str]) -> dict[str, Catch]:
        """Return the counts under other names, those of most messages first."""
        found: dict[str, Catch] = {}
        for cell, catch in self.cells.items():
            found.setdefault(name(cell), Catch()).add(catch)
        return dict(sorted(found.items(), key=lambda item: (-item[1].messages, item[0])))


@dataclass(slots=True)
class _Message:
    """What one message shows, put together from its parts."""

    machine: bool = False
    told: bool = False
    gateway: str = ""
    followed: set[LinkKey] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Bait:
    """A campaign's bait: its style, and its anchors by where they stand in the mail."""

    style: str
    early: frozenset[LinkKey]
    late: frozenset[LinkKey]


async def measure(
    store: Store, where: Filter, policy: Policy, advance: Callable[[int], object] = lambda _done: None
) -> Caught:
    """Go through the settled visits that ``where`` names (campaign, since, until).

    ``advance`` hears how many visits were gone through since.
    """
    cells: dict[tuple[str, str], Catch] = {}
    baits: dict[CampaignId, _Bait] = {}
    last: tuple[CampaignId, RecipientId] | None = None
    found = _Message()
    async for message in store.messages(where, reach_seconds=policy.reach_seconds):
        advance(len(message.own))
        if (message.campaign_id, message.recipient_id) != last:
            if last is not None:
                _count(cells, found, baits[last[0]])
            last, found = (message.campaign_id, message.recipient_id), _Message()
        if message.campaign_id not in baits:
            baits[message.campaign_id] = await _bait_of(store, message.campaign_id)
        _look(found, message, where, policy)
    if last is not None:
        _count(cells, found, baits[last[0]])
    return Caught(cells)


async def _bait_of(store: Store, campaign_id: CampaignId) -> _Bait:
    rows = [link for link in await store.list_links(campaign_id) if link.kind is LinkKind.BAIT]
    styles = sorted({str(link.style) for link in rows})
    campaign = await store.get_campaign(campaign_id)
    places = campaign.bait_places if campaign else BaitPlaces.BOTH
    middle = anchors(places, 1, 0).count(1)
    keys = [link.key for link in rows]
    return _Bait("+".join(styles), frozenset(keys[:middle]), frozenset(keys[middle:]))


def _look(found: _Message, message: FrozenMessage, where: Filter, policy: Policy) -> None:
    for item in message.own:
        entry, settled = item.entry, item.entry.settled
        if settled is None or settled.kind is not VerdictKind.MACHINE or not where.spans(entry.visit.at):
            continue
        if is_open(entry.facts):  # whoever fetches pictures follows no links
            continue
        found.machine = True
        found.gateway = found.gateway or entry.facts.gateway
        if _is_bait(entry):
            found.followed.add(entry.visit.key)
        else:
            rest = without(settled, _BAIT, policy)
            found.told = found.told or rest.kind is VerdictKind.MACHINE


def _is_bait(entry: JournalEntry) -> bool:
    return entry.facts.link is not None and entry.facts.link.kind is LinkKind.BAIT


def _count(cells: dict[tuple[str, str], Catch], found: _Message, bait: _Bait) -> None:
    """Count a message that a machine visited, if there was bait in it."""
    if not found.machine or not bait.style:
        return
    took = bool(found.followed)
    cell = cells.setdefault((bait.style, found.gateway), Catch())
    cell.add(
        Catch(
            messages=1,
            took=took,
            early=not bait.early.isdisjoint(found.followed),
            late=not bait.late.isdisjoint(found.followed),
            told=found.told,
            told_took=found.told and took,
        )
    )


# --- as JSON -----------------------------------------------------------------------------------


def bait_record(caught: Caught) -> dict[str, Any]:
    """Return the figures as a JSON-able object; shares with Wilson's 95 % interval."""
    whole = Catch()
    for catch in caught.cells.values():
        whole.add(catch)
    return {
        "warning": WARNING,
        "whole": _record(whole),
        "by_style": [{"style": name, **_record(catch)} for name, catch in caught.by(_style).items()],
        "by_gateway": [{"gateway": name, **_record(catch)} for name, catch in caught.by(_gateway).items()],
        "by_style_and_gateway": [
            {"style": style, "gateway": gateway, **_record(catch)}
            for (style, gateway), catch in sorted(
                caught.cells.items(), key=lambda item: (-item[1].messages, item[0])
            )
        ],
    }


def _style(cell: tuple[str, str]) -> str:
    return cell[0]


def _gateway(cell: tuple[str, str]) -> str:
    return cell[1]


def _record(catch: Catch) -> dict[str, Any]:
    return {
        "messages": catch.messages,
        "took_bait": catch.took,
        "share": share_record(catch.took, catch.messages),
        "early": catch.early,
        "late": catch.late,
        "told_otherwise": {
            "messages": catch.told,
            "took_bait": catch.told_took,
            "share": share_record(catch.told_took, catch.told),
        },
    }
