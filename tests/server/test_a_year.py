"""A year of mail in miniature: a mailing, a reader, a scanner and a purge each month."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from store.files import query

from linkproxy.model import Delivery, DeliverySource
from linkproxy.query.reports import report, report_record
from linkproxy.store.api import DeliveryDraft
from tests.server.conftest import furnish

if TYPE_CHECKING:
    from typing import Any

    from tests.server.conftest import Site, Start

DAY = 86_400.0
MONTHS = 12
KEPT_DAYS = {"journal_days": 45, "clicks_days": 75, "domain_profiles_days": 100}

GROWS = {"campaign", "link", "delivery", "rollup", "rollup_possible", "visit_hour", "settle_pass"}
"""Tables that grow with the mail that is sent, as docs/storage.md says; all others have a bound in time."""


async def month(site: Site, number: int) -> dict[str, Any]:
    """Send a mailing, have it visited, let a month go by, and return its report."""
    server, clock, began = site.server, site.clock, site.clock.now
    campaign, reader = await furnish(server, f"month {number}")
    told = Delivery(clock.now - 600, DeliverySource.MX)
    await site.store.add_deliveries([DeliveryDraft(campaign.id, reader.id, told)])
    base = f"{server.addresses.public}/{server.services.keyring.sign(campaign.id, reader.id)}"
    await site.ask(f"{base}/{site.CONTENT}")
    clock.now += 1000
    for key in site.TARGETS:
        await site.ask(f"{base}/{key}", headers={**site.SCANNER, "User-Agent": f"scanner/{number}"})
    await site.ask(f"{base[:-1]}!/{site.CONTENT}")
    clock.now += 1000
    await server.services.settler.once()
    found = report_record(await report(site.store, campaign, server.services.policy))
    while clock.now < began + 30 * DAY:
        clock.now += DAY
        await server.services.purger.once()
    return found


def rows(path: Path) -> dict[str, int]:
    """Return how many rows each table has."""
    names = query(path, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {name: query(path, f"SELECT count(*) FROM {name}")[0][0] for (name,) in names}


async def test_a_year_leaves_reports_as_they_were_and_no_more_than_the_docs_say(start: Start) -> None:
    site = await start(retention=KEPT_DAYS)
    path = Path(site.config.store.url.removeprefix("sqlite:"))
    reports = [await month(site, number) for number in range(MONTHS // 2)]
    half = rows(path)
    reports += [await month(site, number) for number in range(MONTHS // 2, MONTHS)]
    policy, campaigns = site.server.services.policy, await site.store.list_campaigns()
    by_name = {campaign.name: campaign for campaign in campaigns}
    for found in reports:
        again = report_record(await report(site.store, by_name[found["campaign"]], policy))
        assert again == found
    assert {found["human_clicks"] for found in reports} == {1}
    assert all(found["machine_visits_removed"] for found in reports)
    grown = {table for table, count in rows(path).items() if count > half[table]}
    assert grown <= GROWS
    assert half["visit"] > 0
    assert half["click"] > 0
