"""How many machines take the bait, from requests over real HTTP to the figures that a program gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from claims.api import assert_fault, call

from linkproxy.model import BaitStyle, Campaign, CampaignId, Link, LinkKey, LinkKind, LinkRole, VerdictKind
from linkproxy.query.interval import wilson
from linkproxy.store.api import RecipientDraft
from linkproxy.store.gateways import DomainGateway, LookupOutcome

if TYPE_CHECKING:
    from linkproxy.model import Recipient
    from tests.server.conftest import Site

EARLY, LATE = "Ba1t", "Ba2t"


@pytest.fixture
async def baited(site: Site) -> Site:
    """The campaign with its second anchor; one recipient's domain is behind a gateway."""
    rows = [Link(site.campaign.id, LinkKey(LATE), "", LinkKind.BAIT, LinkRole.FOOTER, 12, BaitStyle.HIDDEN)]
    await site.store.add_links(rows)
    return site


async def people(site: Site, *addresses: str) -> list[Recipient]:
    return await site.store.register_recipients([RecipientDraft(address=who) for who in addresses])


async def sweep(site: Site, recipient: Recipient, *keys: str) -> None:
    for key in keys:
        await site.ask(site.url(key, recipient), headers=site.SCANNER)
        site.clock.now += 0.2


async def figures(site: Site, key: str, query: str = "") -> dict[str, Any]:
    site.clock.now += 4000
    await site.server.services.settler.once()
    status, answer = await call(site, key, f"/api/v1/bait{query}")
    assert status == 200, answer
    found: dict[str, Any] = answer["bait"]
    return found


async def test_of_the_messages_that_machines_visited_it_is_told_how_many_took_the_bait(
    baited: Site, key: str
) -> None:
    ben, cleo, dora = await people(baited, "ben@other.example", "cleo@other.example", "dora@other.example")
    await baited.ask(baited.url())  # a person, whose message no machine visits
    await sweep(baited, ben, *baited.TARGETS, EARLY, LATE)
    await sweep(baited, cleo, *baited.TARGETS, EARLY)
    await sweep(baited, dora, *baited.TARGETS)
    whole = (await figures(baited, key))["whole"]
    assert (whole["messages"], whole["took_bait"], whole["early"], whole["late"]) == (3, 2, 2, 1)
    expected = wilson(2, 3)
    assert whole["share"] == {
        "value": round(2 / 3, 4),
        "low": round(expected.low, 4),
        "high": round(expected.high, 4),
    }
    assert whole["told_otherwise"]["messages"] == 3


async def test_a_mail_service_that_fetches_the_picture_is_no_machine_that_left_the_bait(
    baited: Site, key: str
) -> None:
    picture = Link(baited.campaign.id, LinkKey("Pic1"), "", LinkKind.OPEN, LinkRole.BODY, 90)
    await baited.store.add_links([picture])
    await baited.ask(baited.url("Pic1"), headers={"User-Agent": "GoogleImageProxy"})
    assert (await figures(baited, key))["whole"]["messages"] == 0
    assert [row.entry.verdict.kind for row in await baited.visits()] == [VerdictKind.MACHINE]


async def test_a_machine_that_the_bait_alone_gave_away_is_counted_by_itself(baited: Site, key: str) -> None:
    (ben,) = await people(baited, "ben@other.example")
    await baited.ask(baited.url(EARLY, ben))  # like a person's browser in everything else
    whole = (await figures(baited, key))["whole"]
    assert (whole["messages"], whole["took_bait"]) == (1, 1)
    assert whole["told_otherwise"] == {
        "messages": 0,
        "took_bait": 0,
        "share": {"value": None, "low": None, "high": None},
    }


async def test_figures_are_told_by_gateway_and_by_style(baited: Site, key: str) -> None:
    ben, cleo = await people(baited, "ben@filtered.example", "cleo@other.example")
    found = DomainGateway("filtered.example", "mimecast", ("mx.example",), LookupOutcome.FOUND, 1.0, 9e9)
    await baited.store.put_gateways([found])
    await sweep(baited, ben, *baited.TARGETS, EARLY)
    await sweep(baited, cleo, *baited.TARGETS)
    told = await figures(baited, key)
    rows = {row["gateway"]: (row["messages"], row["took_bait"]) for row in told["by_gateway"]}
    assert rows == {"mimecast": (1, 1), "": (1, 0)}
    assert [row["style"] for row in told["by_style"]] == ["hidden+none"]
    assert len(told["by_style_and_gateway"]) == 2


async def test_a_campaign_without_bait_is_not_in_it(baited: Site, key: str) -> None:
    bare = await baited.store.add_campaign(Campaign(CampaignId(0), "bare", base_url="http://click.example"))
    rows = [
        Link(bare.id, LinkKey(name), target, LinkKind.CONTENT, LinkRole.BODY, position)
        for position, (name, target) in enumerate(baited.TARGETS.items())
    ]
    await baited.store.add_links(rows)
    (ben,) = await people(baited, "ben@other.example")
    for name in baited.TARGETS:
        token = baited.server.services.keyring.sign(bare.id, ben.id)
        await baited.ask(f"{baited.server.addresses.public}/{token}/{name}", headers=baited.SCANNER)
    assert (await figures(baited, key))["whole"]["messages"] == 0
    assert (await figures(baited, key, "?campaign=spring"))["by_style"] == []
    assert_fault(await call(baited, key, "/api/v1/bait?campaign=nowhere"), 404, "none named 'nowhere'")
