from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from linkproxy.store.link_files import read_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.conftest import Start


async def test_campaigns_from_before_link_files_were_asked_for_are_filed_at_the_start(
    start: Start, tmp_path: Path
) -> None:
    before = await start()
    folder = tmp_path / "elsewhere"
    site = await start(store={"link_files": "elsewhere"})
    async with asyncio.timeout(20):
        while not list(folder.glob("campaign-*.json")):  # noqa: ASYNC110  (the server does it in its own time)
            await asyncio.sleep(0.01)
    assert read_folder(folder) == [await site.store.registered(before.campaign.id)]
