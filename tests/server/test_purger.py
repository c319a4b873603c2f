from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from linkproxy.config import RetentionSection
from linkproxy.model import Delivery, DeliverySource
from linkproxy.server.purger import Purger, cutoffs
from linkproxy.store.api import Cutoffs, DeliveryDraft, Filter
from linkproxy.store.rollups import Figure, Part

if TYPE_CHECKING:
    from tests.server.conftest import Site


async def test_old_visits_are_purged_once_a_day(site: Site) -> None:
    await site.ask(site.url())
    services = site.server.services
    site.clock.now += 1000
    await services.settler.once()
    site.clock.now += 91 * 86400
    await services.purger.once()
    assert await site.visits() == []
    assert [row.key async for row in site.store.clicks(Filter())] == [site.CONTENT]


async def test_a_clock_that_was_years_ahead_for_a_moment_holds_no_later_purge_up(site: Site) -> None:
    services, right = site.server.services, site.clock.now
    site.clock.now = right + 3 * 365 * 86400
    await services.purger.once()
    site.clock.now = right
    await site.ask(site.url())
    site.clock.now += 1000
    await services.settler.once()
    await services.purger.once()
    site.clock.now += 91 * 86400
    await services.purger.once()
    assert await site.visits() == []


async def test_a_click_whose_visit_was_purged_is_certain_once_its_message_is_judged_again(site: Site) -> None:
    services, key, day = site.server.services, next(iter(site.TARGETS.keys() - {site.CONTENT})), 86_400
    (campaign,) = await site.store.list_campaigns()
    for path, days in ((site.CONTENT, 60), (key, 31)):
        await site.ask(site.url(path))
        site.clock.now += 1000
        await services.settler.once()
        site.clock.now += days * day
    await services.purger.once()
    told = []
    for again in (True, False):
        sums = (await site.store.campaign_sums(campaign.id)).sums[Part.CAMPAIGN][""]
        told.append((sums[Figure.CLICKS], sums[Figure.COUNTED]))
        if again:
            await site.ask(site.url(key))
            site.clock.now += 1000
            await services.settler.once()
    assert told == [(2, 2), (3, 2)]


async def test_a_purge_rests_most_of_the_time_and_settling_goes_on_meanwhile(site: Site) -> None:
    await site.ask(site.url())
    services, rests = site.server.services, []
    resting, go_on = asyncio.Event(), asyncio.Event()
    await services.purger.close()

    async def wait(seconds: float) -> None:
        rests.append(seconds)
        resting.set()
        await go_on.wait()

    purger = Purger(site.store, site.config.retention, metrics=services.metrics, clock=site.clock, wait=wait)
    site.clock.now += 1000
    purge = asyncio.create_task(purger.once())
    await resting.wait()
    await services.settler.once()
    assert [row.key async for row in site.store.clicks(Filter())] == [site.CONTENT]
    assert not purge.done()
    go_on.set()
    await purge
    assert len(rests) > 1
    assert all(seconds > 0 for seconds in rests)


def test_zero_days_keep_things_for_good() -> None:
    kept = RetentionSection(
        journal_days=1, clicks_days=0, strays_days=0, message_links_days=2, domain_profiles_days=0
    )
    assert cutoffs(kept, 1_000_000.0) == Cutoffs(journal=913_600.0, message_links=827_200.0)


async def test_a_click_stays_while_its_visit_does_so_that_it_is_counted_once(site: Site) -> None:
    """What is told late has the visit judged again, which would write the click anew."""
    await site.ask(site.url())
    services = site.server.services
    site.clock.now += 1000
    await services.settler.once()
    for journal_days in (90, 0):
        kept = RetentionSection(journal_days=journal_days, clicks_days=1)
        await site.store.purge(cutoffs(kept, site.clock.now + 30 * 86400))
    told = Delivery(site.START - 700, DeliverySource.MX)
    await site.store.add_deliveries([DeliveryDraft(site.campaign.id, site.recipient.id, told)])
    await services.settler.once()
    found = await site.store.campaign_sums(site.campaign.id)
    assert found.sums[Part.CAMPAIGN][""][Figure.CLICKS] == 1
    assert [row.key async for row in site.store.clicks(Filter())] == [site.CONTENT]
