"""The part of the store's contract about domain profiles, and the memory of who came beside whom.

``Store`` in ``api.py`` includes the first, so every engine does all of this; any engine can use
the second.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from linkproxy.model import (
    OF_MESSAGE,
    CampaignId,
    Delivery,
    LinkKind,
    Neighbour,
    RecipientId,
    Visit,
)
from linkproxy.visit.learn import FEWEST_RECIPIENTS
from linkproxy.visit.mailed import MOST_BEFORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from linkproxy.model import DomainProfile

HOUR_SECONDS = 3600.0
EPISODE_SECONDS = 600.0
"""Visits to one message within this are one arrival of its recipient."""

MOST_NEIGHBOURS = MOST_BEFORE + 1  # and the one who is asked about
"""Recipients of one domain that are remembered of one campaign."""

MOST_PROFILES = 50_000
"""Domain profiles that a purge leaves, those taught last."""

PURGED_TOGETHER = 25
"""Domain profiles that one transaction of a purge deletes: each may have ``MOST_TEACHERS`` rows."""

# To read a member off its class costs 0.08 us before Python 3.12.
_OPEN, _UNSUBSCRIBE = LinkKind.OPEN, LinkKind.UNSUBSCRIBE


class DomainStore(Protocol):
    """What every engine does about domain profiles."""

    async def list_domain_profiles(
        self, *, min_recipients: int, min_domains: int = FEWEST_RECIPIENTS, name: str = "", limit: int = 1_000
    ) -> list[DomainProfile]:
        """Return profiles that enough have taught, those with most lessons first.

        ``min_domains`` counts for wide networks, which are taught by domains and by freemail's
        recipients one by one. ``name`` asks for one domain, gateway or network.
        """


class Neighbours:
    """Who was visited lately, by campaign and recipient domain: bounded copies of journal rows.

    The same visits in the same order give the same answers, whichever process made them.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._windows: OrderedDict[tuple[int, str], dict[RecipientId, Neighbour]] = OrderedDict()

    def remember(
        self, visit: Visit, domain: str, profile_id: int, delivery: Delivery, kind: LinkKind
    ) -> None:
        """Note a visit that was kept; ``visit.recipient_id`` is known. A domain of "" is nobody's.

        Opens are not noted: a mail service fetches the pictures of many mails together.
        """
        self.remember_row(
            (
                *(visit.campaign_id, domain, visit.recipient_id, visit.at, visit.key, profile_id, kind),
                *(visit.one_click, delivery.delivered_at, delivery.source),
            )
        )

    def remember_row(self, row: Sequence[Any]) -> None:
        """Note a visit by the columns that both engines read of others'."""
        campaign_id, domain, recipient_id, at, key, profile_id, kind, one_click, told_at, source = row
        if not domain or kind == _OPEN:
            return
        place = (campaign_id, domain)
        window = self._windows.get(place)
        if window is None:
            window = self._windows[place] = {}
        else:
            self._windows.move_to_end(place)
        known = window.get(recipient_id)
        if known is None or abs(at - known.at) > EPISODE_SECONDS:
            window.pop(recipient_id, None)
            known = Neighbour(
                *(recipient_id, at, key, profile_id, told_at if source in OF_MESSAGE else None),
                first_at=known.first_at if known else at,
            )
        if kind == _UNSUBSCRIBE and not one_click:
            known = replace(known, unsubscribe_at=at)
        window[recipient_id] = known
        if len(window) > MOST_NEIGHBOURS:
            del window[next(iter(window))]

    def others(
        self, campaign_id: CampaignId, domain: str, but: RecipientId, *, since: float = 0.0
    ) -> Iterator[Neighbour]:
        """Yield the other recipients of a campaign and domain, those that came last first."""
        window = self._windows.get((campaign_id, domain))
        for other in reversed(window.values()) if window else ():
            if other.recipient_id != but and other.at >= since:
                yield other

    def clear(self) -> None:
        self._windows.clear()

    def trim(self) -> None:
        """Shrink to the bound; only between batches."""
        while len(self._windows) > self._bound:
            self._windows.popitem(last=False)
