"""What links of sent mail need of the store, as a whole: to be kept beside it, and to be brought back.

A backup knows nothing of what was registered after it, while the mail is in its readers' inboxes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from linkproxy.model import Campaign, CampaignId, Link

_MOST_OF_NAME = 80  # a name has 100 characters at most, and an id comes behind


@dataclass(frozen=True, slots=True)
class Registered:
    """A campaign with its links by position, and the signing keys (id, fingerprint) that its mail carries."""

    campaign: Campaign
    links: tuple[Link, ...] = ()
    signing_keys: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """What a store has taken over of a campaign. ``faults``: what it has otherwise, and keeps so."""

    is_new: bool = False
    links: int = 0
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """What a store is to add; ``campaign`` None: it has that."""

    campaign: Campaign | None
    links: tuple[Link, ...]
    signing_keys: tuple[tuple[int, bytes], ...] = ()
    faults: tuple[str, ...] = ()

    def done(self, other_keys: Iterable[int]) -> BroughtBack:
        """Return what was done when all is added but keys of which other mail carries others by that id."""
        others = tuple(
            f"its mail has a signing key {key_id} that is another installation's: its links lead nowhere"
            for key_id in other_keys
        )
        return BroughtBack(self.campaign is not None, len(self.links), self.faults + others)


class RegisteredStore(Protocol):
    """What every engine does about it. Part of ``Store``."""

    async def registered(self, campaign_id: CampaignId) -> Registered | None:
        """Return what is registered of a campaign."""

    async def bring_back(self, lost: Registered) -> BroughtBack:
        """Add what the store lacks of a campaign, under the ids and keys that links have; change nothing."""

    async def file_links(self, campaign_id: CampaignId) -> None:
        """Bring the campaign's link file up to date, if ``[store] link_files`` asks for one; never raises."""


def is_same(one: Campaign, other: Campaign) -> bool:
    """Tell whether two records are of one campaign: an id may have been given out again after a restore."""
    return (one.id, one.created_at) == (other.id, other.created_at)


def left(lost: Registered, ours: Mapping[int, bytes]) -> tuple[str, ...]:
    """Say why a campaign is not to be brought back: its mail carries a key of ours by id alone, so not ours.

    With that key among its own a store would refuse ours. ``ours``: fingerprints of signing keys, by id.
    """
    return tuple(
        f"its mail has a signing key {key_id} that is another installation's, so it is not brought back; "
        "if that is the right one, name it in [signing] keys_file first"
        for key_id, found in lost.signing_keys
        if ours.get(key_id, found) != found
    )


def missing(lost: Registered, there: Registered | None, *, name_is_taken: bool) -> Missing:
    """Return what a store that has ``there`` lacks; where it has something else, that stays and is told."""
    campaign = lost.campaign
    if there is None:
        named = f"{campaign.name[:_MOST_OF_NAME].rstrip()} ({campaign.id})"
        whole = replace(campaign, name=named) if name_is_taken else campaign
        return Missing(whole, _placed(lost.links, ()), lost.signing_keys)
    if not is_same(campaign, there.campaign):
        fault = f"cannot be brought back: its id was given out again, to {there.campaign.name!r}"
        return Missing(None, (), faults=(fault,))
    known = {link.key: link for link in there.links}
    faults = tuple(
        f"link {link.key} leads to {known[link.key].target or 'nowhere'} and stays so; the file has "
        f"{link.target or 'nowhere'} (linkproxy link set-target changes it)"
        for link in lost.links
        if link.key in known and known[link.key].target != link.target
    )
    new = [link for link in lost.links if link.key not in known]
    placed = _placed(new, (link.position for link in there.links))
    return Missing(None, placed, lost.signing_keys, faults)


def _placed(new: Sequence[Link], taken: Iterable[int]) -> tuple[Link, ...]:
    """Give links whose positions others have those behind all: a campaign may have been rewritten anew."""
    held, placed = set(taken), []
    for link in new:
        free = max(held) + 1 if link.position in held else link.position
        held.add(free)
        placed.append(replace(link, position=free))
    return tuple(placed)


def together(kept: Registered, found: Registered) -> Registered:
    """Return what is registered with what only ``kept`` still knows: no link is ever taken away."""
    keys = {link.key for link in found.links}
    links = found.links + tuple(link for link in kept.links if link.key not in keys)
    return replace(found, links=links, signing_keys=tuple(sorted({*found.signing_keys, *kept.signing_keys})))
