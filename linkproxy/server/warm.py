"""The warm link table: what the server can answer from while the store fails."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

from linkproxy.model import NOBODY, CampaignId, Link, LinkKey, MessageLink, RecipientId
from linkproxy.server.loop import Loop
from linkproxy.store.api import StoreError

if TYPE_CHECKING:
    from linkproxy.model import Visit
    from linkproxy.store.api import Store

MOST_LINKS = 200_000  # about 100 MB with ordinary targets; the store keeps the truth

MOST_NOTED = 4_096
"""Links that stay where they are in the table when they are visited again, as most are: to move one to its
end takes as long as a tenth of reading a request."""

RENEW_SECONDS = 5.0

_READ_SECONDS = 1.0

_Place = tuple[CampaignId, RecipientId, LinkKey]


class WarmLinks:
    """The links of recent campaigns in memory, bounded; the least recently visited go first."""

    def __init__(self, store: Store, most: int = MOST_LINKS) -> None:
        self._store = store
        self._most = most
        self._links: OrderedDict[_Place, Link | MessageLink] = OrderedDict()
        self._noted: dict[int, Link | MessageLink] = {}  # since the table last lost something, by id()
        self._campaigns: set[CampaignId] = set()
        self._loading: set[asyncio.Task[None]] = set()
        self._corrections_seen = 0

    async def load(self) -> None:
        """Fill the table from the store, newest campaigns first, until it is full."""
        self._corrections_seen = (await self._store.list_corrected(0)).last_id
        campaigns = await self._store.list_campaigns()
        for campaign in sorted(campaigns, key=lambda campaign: -campaign.id):
            links = await self._store.list_links(campaign.id)
            if len(self._links) + len(links) > self._most:
                return
            self._campaigns.add(campaign.id)
            self._keep(links)

    def note(self, link: Link | MessageLink) -> None:
        """Take in a link that was just visited; the rest of a new campaign is fetched behind it."""
        if id(link) in self._noted:
            return
        if len(self._noted) >= MOST_NOTED:
            self._noted.clear()
        self._noted[id(link)] = link
        place = _place_of(link)
        if self._links.get(place) is link:
            self._links.move_to_end(place)
        else:
            self._keep((link,))
        if link.campaign_id not in self._campaigns:
            self._campaigns.add(link.campaign_id)
            task = asyncio.create_task(self._fetch(link.campaign_id))
            self._loading.add(task)
            task.add_done_callback(self._loading.discard)

    async def renew(self) -> None:
        """Take in targets that were corrected since the last time, by whichever process; raise StoreError."""
        corrected = await self._store.list_corrected(self._corrections_seen)
        self._corrections_seen = corrected.last_id
        for link in corrected.links:
            place = (link.campaign_id, NOBODY, link.key)
            if place in self._links:
                self._links[place] = link

    async def find(self, visit: Visit) -> Link | MessageLink | None:
        """Return a visit's link, from memory or else by reading; None when there is none.

        Raises StoreError when the link is not in memory and the store cannot be read in a second.
        """
        link = self._recall(visit)
        if link is not None:
            return link
        try:
            async with asyncio.timeout(_READ_SECONDS):
                self._keep(await self._store.list_links(visit.campaign_id))
                if visit.recipient_id != NOBODY:
                    self._keep(await self._store.list_message_links(visit.campaign_id, visit.recipient_id))
        except TimeoutError:
            raise StoreError("the store does not answer") from None
        return self._recall(visit)

    async def close(self) -> None:
        """Stop fetching."""
        for task in self._loading:
            task.cancel()

    def _recall(self, visit: Visit) -> Link | MessageLink | None:
        own = self._links.get((visit.campaign_id, visit.recipient_id, visit.key))
        return own or self._links.get((visit.campaign_id, NOBODY, visit.key))

    def _keep(self, links: list[Link] | list[MessageLink] | tuple[Link | MessageLink, ...]) -> None:
        for link in links:
            place = _place_of(link)
            self._links[place] = link
            self._links.move_to_end(place)
        while len(self._links) > self._most:
            place, _ = self._links.popitem(last=False)
            self._campaigns.discard(place[0])
            self._noted.clear()

    async def _fetch(self, campaign_id: CampaignId) -> None:
        try:
            self._keep(await self._store.list_links(campaign_id))
        except StoreError:
            self._campaigns.discard(campaign_id)
            self._noted.clear()  # the next visit tries again


def _place_of(link: Link | MessageLink) -> _Place:
    return link.campaign_id, link.recipient_id if isinstance(link, MessageLink) else NOBODY, link.key


class WarmRefresher(Loop):
    """Keeps the table true to corrections of targets, which another process may have made."""

    def __init__(self, warm: WarmLinks) -> None:
        super().__init__(RENEW_SECONDS, at_once=False)
        self._warm = warm

    async def once(self) -> None:
        # While the store cannot be read the table stays as it is; the journal, which meets the same
        # store, is the one to complain.
        with suppress(StoreError):
            await self._warm.renew()
