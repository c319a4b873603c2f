"""Link files for what was registered before they were asked for, or while they could not be written."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from linkproxy.server.loop import Loop
from linkproxy.store.api import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from linkproxy.store.api import Store

_DAY_SECONDS = 86_400.0


class LinkFiler(Loop):
    """Brings the link file of every campaign up to date, at the start and once a day."""

    def __init__(self, store: Store, wait: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        super().__init__(_DAY_SECONDS, wait)
        self._store = store

    async def once(self) -> None:
        # The journal meets the same store, and is the one to complain of it.
        with suppress(StoreError):
            for campaign in await self._store.list_campaigns():
                await self._store.file_links(campaign.id)
