from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.server.link_filer import LinkFiler
from linkproxy.store.link_files import read_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.conftest import Start


async def test_campaigns_from_before_link_files_were_asked_for_are_filed_at_the_start(
    start: Start, tmp_path: Path
) -> None:
    site = await start(store={"link_files": "elsewhere"})
    for path in (tmp_path / "elsewhere").glob("*"):
        path.unlink()
    await LinkFiler(site.store).once()
    (filed,) = read_folder(tmp_path / "elsewhere")
    assert filed == await site.store.registered(site.campaign.id)
