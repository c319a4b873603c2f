"""The warm link table keeps what was visited lately, whatever it had to let go meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import NOBODY, Campaign, CampaignId, Link, LinkKey, LinkKind, LinkRole, Profile, Visit
from linkproxy.server.warm import WarmLinks
from linkproxy.store.privacy import Privacy
from linkproxy.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path


async def links_of(store: SqliteStore, name: str, count: int) -> list[Link]:
    """Register a campaign with so many links."""
    campaign = await store.add_campaign(Campaign(CampaignId(0), name))
    body = (LinkKind.CONTENT, LinkRole.BODY)
    links = [
        Link(campaign.id, LinkKey(f"{place:04d}"), f"https://shop.example/{place}", *body, place)
        for place in range(count)
    ]
    await store.add_links(links)
    return links


def visit_of(link: Link) -> Visit:
    return Visit(0.0, "GET", link.campaign_id, NOBODY, link.key, "", "", Profile())


async def test_a_link_that_made_room_is_taken_in_again_when_it_is_visited(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "links.db", privacy=Privacy("full", "full", b"k" * 32))
    await store.open()
    (first, second), (other,) = await links_of(store, "news", 2), await links_of(store, "offer", 1)
    warm = WarmLinks(store, most=2)
    await warm.load()
    for link in (first, second, other, first):
        warm.note(link)
    await warm.close()
    await store.close()
    assert [await warm.find(visit_of(link)) for link in (other, first)] == [other, first]


async def test_a_link_that_is_visited_all_the_time_outlasts_the_others(tmp_path: Path) -> None:
    """Though it is not moved each time: what makes room begins anew."""
    store = SqliteStore(tmp_path / "links.db", privacy=Privacy("full", "full", b"k" * 32))
    await store.open()
    links = await links_of(store, "news", 4)
    warm = WarmLinks(store, most=2)
    for link in (links[0], links[1], links[0], links[2], links[0], links[3], links[0]):
        warm.note(link)
    await warm.close()
    await store.close()
    assert await warm.find(visit_of(links[0])) is links[0]
