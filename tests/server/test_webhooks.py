"""Claims about what webhooks are told, with a real server, a real store and real receivers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from claims.api import call
from claims.openapi import SCHEMAS, assert_fits
from claims.told import Told
from structlog.testing import capture_logs

from linkproxy.model import VerdictKind
from linkproxy.outbound.sending import Sending
from linkproxy.outbound.signature import new_secret
from linkproxy.server.webhooks import WebhookSender, changes_body
from linkproxy.store.api import Cutoffs
from linkproxy.store.webhooks import Progress, Webhook

if TYPE_CHECKING:
    from linkproxy.outbound.retry import Answer
    from tests.server.conftest import Site, Start


async def test_a_settled_click_is_told_once_and_signed(told: Told) -> None:
    crm = await told.add()
    visit_id = await told.click()
    await told.send()
    await told.send()
    (message,) = crm.got
    assert crm.is_signed(message)
    assert not crm.is_signed(message, new_secret())
    assert message.timestamp == int(told.site.clock.now)
    assert message.headers["content-type"] == "application/json"
    assert message.headers["user-agent"].startswith("linkproxy/")
    assert message.changes == [("click", visit_id)]
    assert await told.site.metric("linkproxy_webhook_messages_total", outcome="accepted") == 1
    assert await told.site.metric("linkproxy_webhook_changes_total") == 1


async def test_a_message_has_the_rows_of_the_feed_as_the_api_gives_them(told: Told, key: str) -> None:
    crm = await told.add()
    await told.click()
    await told.click("CtB2")
    await told.send()
    assert_fits(crm.got[0].json, SCHEMAS["WebhookMessage"])
    status, answer = await call(told.site, key, "/api/v1/feed")
    assert status == 200
    assert crm.got[0].json == {
        "type": "feed.changes",
        "timestamp": answer["feed"][-1]["changed_at"],
        "data": {"webhook": "crm", "feed": answer["feed"]},
    }


async def test_a_visit_is_told_once_it_has_settled(told: Told) -> None:
    crm = await told.add()
    await told.site.ask(told.site.url())
    await told.send()
    assert not crm.got
    told.site.clock.now += 1000
    await told.site.server.services.settler.once()
    await told.send()
    assert [kind for kind, _ in crm.changes] == ["click"]


async def test_a_machines_visits_are_not_told(told: Told) -> None:
    crm = await told.add()
    for key in told.site.TARGETS:
        await told.site.ask(told.site.url(key), headers=told.site.SCANNER)
    told.site.clock.now += 1000
    await told.site.server.services.settler.once()
    assert {row.entry.verdict.kind for row in await told.site.visits()} == {VerdictKind.MACHINE}
    await told.send()
    assert not crm.got


PLAIN = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0",
    "Accept": "text/html,*/*;q=0.8",
    "Accept-Language": "en",
    "Accept-Encoding": "gzip, deflate",
}
"""A person's, and yet so little that what else is known decides."""


async def test_a_retraction_follows_its_click(told: Told) -> None:
    crm = await told.add()
    visit_id = await told.click(headers=PLAIN)
    await told.send()
    await told.withdraw()
    await told.send()
    assert crm.changes == [("click", visit_id), ("retraction", visit_id)]
    assert crm.got[0].id != crm.got[1].id


async def test_several_processes_tell_each_change_once(told: Told) -> None:
    crm = await told.add(changes=1)
    visits = [await told.click(who=f"reader{number}@example.com") for number in range(6)]
    senders = [told.sender, told.another(), told.another()]
    await asyncio.gather(*(sender.once() for sender in senders))
    await asyncio.gather(*(sender.idle() for sender in senders))
    assert crm.changes == [("click", visit_id) for visit_id in visits]


class Killed(BaseException):
    """What ends a process between its post and its note."""


async def test_a_process_that_is_killed_after_its_post_has_it_sent_once_more_under_the_same_id(
    told: Told,
) -> None:
    crm = await told.add()

    class Dying:
        async def post(
            self, url: str, headers: dict[str, str], body: bytes, *, listen: bool = False
        ) -> Answer:
            await told.sender._poster.post(url, headers, body, listen=listen)
            raise Killed

    class Kept:
        """The store, as one who is dead leaves it: nothing is let go."""

        def __getattr__(self, name: str) -> object:
            return getattr(told.site.store, name)

        async def hold_webhook(self, name: str, holder: str, _seconds: float) -> Webhook | None:
            return await told.site.store.hold_webhook(name, holder, 0.0)

        async def note_progress(
            self, name: str, holder: str, progress: Progress, _seconds: float
        ) -> Webhook | None:
            return await told.site.store.note_progress(name, holder, progress, 0.0)

        async def let_go_webhook(self, name: str, holder: str) -> None:
            pass

    dying = Sending(
        Kept(), Dying(), changes_body,
        holder="dying", metrics=told.site.server.services.metrics, clock=told.site.clock,
    )  # fmt: skip
    first = await told.click()
    with pytest.raises(Killed):
        await dying.send("crm")
    second = await told.click("CtB2", "ben@example.com")  # comes meanwhile, and is no part of that message
    await told.send()
    assert crm.changes == [("click", first), ("click", first), ("click", second)]
    assert crm.ids[0] == crm.ids[1] != crm.ids[2]
    assert crm.got[0].body == crm.got[1].body


async def test_a_campaign_can_be_told_of_alone_whatever_its_name_becomes(told: Told) -> None:
    store = told.site.store
    other = await store.add_campaign(replace(told.site.campaign, name="other"))
    of_all = await told.add("all")
    of_other = await told.add("of other", campaign_id=other.id)
    of_spring = await told.add("of spring", campaign_id=told.site.campaign.id)
    await store.change_campaign(told.site.campaign, replace(told.site.campaign, name="autumn"))
    visit_id = await told.click()
    await told.send()
    assert of_all.changes == of_spring.changes == [("click", visit_id)]
    assert of_spring.got[0].json["data"]["feed"][0]["campaign"] == "autumn"
    assert of_other.got == []
    end = (await store.ends()).feed
    assert {one.progress.after for one in await store.list_webhooks()} == {end}


async def test_who_begins_now_is_not_told_of_before_and_who_begins_at_the_beginning_is(told: Told) -> None:
    before = await told.click()
    now, beginning = await told.add("now"), await told.add("beginning", progress=Progress(0))
    after = await told.click("CtB2")
    await told.send()
    assert now.changes == [("click", after)]
    assert beginning.changes == [("click", before), ("click", after)]


async def test_what_is_purged_or_erased_is_not_told_and_breaks_no_cursor(told: Told) -> None:
    crm = await told.add()
    crm.status = 500
    await told.click()
    await told.send()
    await told.site.store.erase_recipient(told.site.recipient.id)
    told.site.clock.now += 60
    await told.send()
    assert len(crm.got) == 1
    await told.click("CtB2", "ben@example.com")
    await told.send()
    await told.site.store.purge(Cutoffs(clicks=told.site.clock.now))
    crm.status = 200
    crm.got.clear()
    last = await told.click("CtC3", "cleo@example.com")
    await told.send()
    assert crm.changes == [("click", last)]
    assert (await told.webhook()).progress.until == 0


async def test_the_api_tells_how_webhooks_are_doing(told: Told, key: str) -> None:
    await told.add("new")
    crm = await told.add(campaign_id=told.site.campaign.id)
    crm.status = 500
    await told.click()
    await told.click("CtB2")
    await told.send()
    _, answer = await call(told.site, key, "/api/v1/webhooks")
    failing, new = answer["webhooks"]
    assert (new["name"], new["state"], new["behind"], new["campaign"]) == ("new", "ok", 0, None)
    assert (failing["state"], failing["behind"], failing["failures"]) == ("failing", 2, 1)
    assert (failing["error"], failing["campaign"]) == ("answered 500", "spring")
    assert failing["behind_since"] < failing["failing_since"] < failing["retry_at"]
    assert failing["succeeded_at"] is None


async def test_a_secret_that_was_replaced_signs_too_until_its_time_is_over(told: Told) -> None:
    crm = await told.add()
    before = await told.webhook()
    later = replace(
        before, secret=new_secret(), old_secret=before.secret, old_secret_until=told.site.clock.now + 2000
    )
    await told.site.store.change_webhook(later)
    await told.click()
    await told.send()
    assert crm.is_signed(crm.got[0], before.secret)
    assert crm.is_signed(crm.got[0], later.secret)
    crm.secret = later.secret
    await told.click("CtB2")
    await told.send()
    assert crm.is_signed(crm.got[1], later.secret)
    assert not crm.is_signed(crm.got[1], before.secret)


async def test_the_servers_own_loop_tells_webhooks(site: Site) -> None:
    async with AsyncExitStack() as stack:
        told = Told(site, stack)
        crm = await told.add()
        visit_id = await told.click()
        await site.server.services.webhooks.once()
        await crm.came.wait()
        assert crm.changes == [("click", visit_id)]


async def test_without_webhooks_the_feed_is_not_looked_at(told: Told) -> None:
    class Bare:
        async def list_webhooks(self) -> list[Webhook]:
            return []

    metrics, retention = told.site.server.services.metrics, told.site.config.retention
    sender = WebhookSender(Bare(), retention, metrics=metrics, clock=told.site.clock)
    with capture_logs() as logs:
        await sender.once()
    assert logs == []
    await sender.close()


async def test_nodes_on_one_database_tell_each_change_once(own_database: str, start: Start) -> None:
    first, second = [await start(store={"url": own_database}) for _ in range(2)]
    for site in (first, second):
        await site.server.services.webhooks.close()
    async with AsyncExitStack() as stack:
        told = Told(first, stack)
        crm = await told.add(changes=1)
        visits = [await told.click(who=f"reader{number}@example.com") for number in range(4)]
        senders = [told.sender, told.another(second), told.another(second)]
        await asyncio.gather(*(sender.once() for sender in senders))
        await asyncio.gather(*(sender.idle() for sender in senders))
        assert crm.changes == [("click", visit_id) for visit_id in visits]
        assert (await told.webhook()).progress.failures == 0
