"""Claims about webhooks: whom to tell of clicks, how far each has come, and who tells it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from store.contract_feed import feed
from store.world import NOW, send

from linkproxy.store.api import DuplicateError, Filter
from linkproxy.store.webhooks import Pause, Progress, Webhook

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
LONG = 60.0


def webhook(name="crm", **more):
    return Webhook(
        **{
            "name": name,
            "url": "https://user:hush@crm.example/clicks?key=hush",
            "secret": SECRET,
            "created_at": NOW,
            "progress": Progress(0),
            **more,
        }
    )


class WebhookContract:
    async def test_webhooks_are_added_listed_by_name_changed_and_removed(self, store, mail):
        later = Progress(4, 9, "msg_1", 2, NOW + 5, NOW + 1, NOW, "answered 500")
        given = [webhook("b"), webhook("a", campaign_id=mail.campaign.id, changes=7, progress=later)]
        for one in given:
            await store.add_webhook(one)
        with pytest.raises(DuplicateError, match="webhook 'a' is there already"):
            await store.add_webhook(webhook("a"))
        given[1] = replace(given[1], campaign=mail.campaign.name)
        assert await store.list_webhooks() == given[::-1]
        changed = replace(
            given[0], url="https://x.example/", secret="s", old_secret="o", old_secret_until=NOW
        )
        assert await store.change_webhook(replace(changed, created_at=0.0, progress=Progress(99)))
        assert await store.list_webhooks() == [given[1], changed]
        assert await store.remove_webhook("a")
        assert not await store.remove_webhook("a")
        assert not await store.change_webhook(given[1])
        assert await store.list_webhooks() == [changed]

    async def test_a_webhook_is_shown_without_what_may_be_a_secret(self):
        assert webhook().shown_url == "https://crm.example/..."
        assert "hush" not in repr(webhook())
        assert SECRET not in repr(webhook(old_secret=SECRET))

    async def test_one_sends_at_a_time_and_another_takes_over_when_the_time_is_over(self, store, open_store):
        other = await open_store()
        await store.add_webhook(webhook())
        got = await asyncio.gather(*(one.hold_webhook("crm", str(one), LONG) for one in (store, other)))
        assert sorted(one is not None for one in got) == [False, True]
        await store.let_go_webhook("crm", str(store))
        await other.let_go_webhook("crm", str(other))
        assert await store.hold_webhook("crm", "first", 0.0) == webhook()
        assert await other.hold_webhook("crm", "second", LONG) == webhook()
        assert not await store.note_progress("crm", "first", Progress(5), LONG)
        await store.let_go_webhook("crm", "first")
        assert await store.hold_webhook("crm", "first", LONG) is None
        assert await other.hold_webhook("crm", "second", LONG) == webhook()
        noted = await other.note_progress("crm", "second", Progress(5, 8, "msg_2"), LONG)
        assert noted == webhook(progress=Progress(5, 8, "msg_2"))
        await other.let_go_webhook("crm", "second")
        held = await store.hold_webhook("crm", "first", LONG)
        assert held.progress == Progress(5, 8, "msg_2")
        assert await store.hold_webhook("nobody", "first", LONG) is None

    async def test_whom_a_clock_that_was_ahead_has_held_is_free(self, store):
        await store.add_webhook(webhook())
        assert await store.hold_webhook("crm", "ahead", 1e9)
        assert await store.hold_webhook("crm", "right", LONG)

    async def test_who_is_paused_is_not_held_and_keeps_what_it_was_told_meanwhile(self, store):
        await store.add_webhook(
            webhook(progress=Progress(1, 5, "msg_3", 4, NOW + 9, NOW, None, "answered 500"))
        )
        assert await store.hold_webhook("crm", "me", LONG)
        assert await store.pause_webhook("crm", Pause.OPERATOR, NOW + 1)
        told = Progress(5, 0, "", 4, NOW + 9, NOW, NOW, "answered 500")
        assert not await store.note_progress("crm", "me", told, LONG)
        await store.let_go_webhook("crm", "me")
        assert await store.hold_webhook("crm", "me", LONG) is None
        (paused,) = await store.list_webhooks()
        assert (paused.pause, paused.paused_at, paused.progress) == (Pause.OPERATOR, NOW + 1, told)
        assert await store.pause_webhook("crm", Pause.NONE, NOW + 2)
        resumed = await store.hold_webhook("crm", "me", LONG)
        assert (resumed.pause, resumed.paused_at) == (Pause.NONE, None)
        assert resumed.progress == Progress(5, succeeded_at=NOW, error="answered 500")
        assert not await store.pause_webhook("nobody", Pause.OPERATOR, NOW)

    async def test_the_feed_of_a_campaign_is_found_by_its_id_whatever_its_name_is(self, store, mail):
        other = await send(store, "offer")
        for sent in (mail, other):
            await sent.visited(sent.visit())
            await sent.settle()
        where = Filter(campaign_id=other.campaign.id)
        before = await feed(store, where)
        assert [row.campaign for row in before] == ["offer"]
        await store.change_campaign(other.campaign, replace(other.campaign, name="renamed"))
        assert await feed(store, where) == [replace(before[0], campaign="renamed")]
