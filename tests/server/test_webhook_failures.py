"""Claims about webhooks whose receivers fail, hang or are gone."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from claims.api import call
from claims.tls_front import authority
from claims.told import Told, no_wait
from structlog.testing import capture_logs

from linkproxy.server.webhooks import WebhookSender
from linkproxy.store.webhooks import Pause

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_receiver_that_was_down_misses_nothing_and_gets_all_in_order(told: Told) -> None:
    crm = await told.add(changes=2)
    crm.status = 500
    visits = [await told.click(who=f"reader{number}@example.com") for number in range(5)]
    for _ in range(3):
        await told.send()
        told.site.clock.now += 7200
    assert len(crm.got) == 3
    assert len(set(crm.ids)) == 1
    failing = await told.webhook()
    assert (failing.progress.failures, failing.progress.error) == (3, "answered 500")
    crm.status = 200
    crm.got.clear()
    await told.send()
    assert crm.changes == [("click", visit_id) for visit_id in visits]
    assert [len(message.changes) for message in crm.got] == [2, 2, 1]
    assert crm.ids == list(dict.fromkeys(crm.ids))
    progress = (await told.webhook()).progress
    assert (progress.failures, progress.failing_since, progress.error) == (0, None, "")
    assert progress.after == (await told.site.store.ends()).feed


async def test_who_cannot_be_reached_is_tried_again_when_the_wait_is_over_and_not_before(told: Told) -> None:
    crm = await told.add()
    url, nobody = crm.url, "http://127.0.0.1:1/hook"
    await told.site.store.change_webhook(replace(await told.webhook(), url=nobody))
    visit_id = await told.click()
    with capture_logs() as logs:
        await told.send()
        await told.send()
    (line,) = [log for log in logs if log["event"] == "webhook.failed"]
    assert (line["webhook"], line["error"], line["failures"]) == ("crm", "it cannot be connected to", 1)
    await told.site.store.change_webhook(replace(await told.webhook(), url=url))
    await told.send()
    assert crm.got == []
    told.site.clock.now += line["retry_seconds"] + 1
    with capture_logs() as logs:
        await told.send()
    assert crm.changes == [("click", visit_id)]
    assert [log["event"] for log in logs] == ["webhook.recovered"]
    assert await told.site.metric("linkproxy_webhook_messages_total", outcome="unanswered") == 1


async def test_a_receiver_that_asks_to_be_left_alone_is(told: Told) -> None:
    crm = await told.add()
    crm.status, crm.headers = 429, {"Retry-After": "600"}
    await told.click()
    for seconds in (0, 599, 1):
        told.site.clock.now += seconds
        await told.send()
    assert len(crm.got) == 2


async def test_a_new_address_holds_from_the_next_message_on_also_in_the_middle_of_many(told: Told) -> None:
    wrong, right = await told.add(changes=1), await told.add("right")
    right.secret = wrong.secret
    await told.site.store.remove_webhook("right")
    visits = [await told.click(who=f"reader{number}@example.com") for number in range(4)]
    wrong.holding.clear()
    await told.sender.once()
    await wrong.came.wait()
    await told.site.store.change_webhook(replace(await told.webhook(), url=right.url))
    wrong.holding.set()
    await told.sender.idle()
    assert wrong.changes == [("click", visits[0])]
    assert right.changes == [("click", visit_id) for visit_id in visits[1:]]


async def test_a_slow_receiver_holds_up_no_other_and_gets_nothing_twice(told: Told) -> None:
    slow, quick = await told.add("slow"), await told.add("quick")
    slow.holding.clear()
    first = await told.click()
    await told.sender.once()
    await slow.came.wait()
    await quick.came.wait()
    second = await told.click("CtB2")
    quick.came.clear()
    while len(quick.changes) < 2:
        await told.sender.once()
        await quick.came.wait()
        quick.came.clear()
    assert quick.changes == [("click", first), ("click", second)]
    assert slow.changes == [("click", first)]
    slow.holding.set()
    await told.sender.idle()
    assert slow.changes == [("click", first), ("click", second)]


async def test_a_receiver_that_is_gone_is_paused_and_goes_on_where_it_was_when_resumed(told: Told) -> None:
    crm = await told.add()
    crm.status = 410
    visit_id = await told.click()
    with capture_logs() as logs:
        await told.send()
    (paused,) = [log for log in logs if log["event"] == "webhook.paused"]
    assert (paused["webhook"], paused["reason"], paused["error"]) == ("crm", "gone", "answered 410")
    assert paused["log_level"] == "error"
    told.site.clock.now += 1e7
    await told.send()
    assert len(crm.got) == 1
    assert (await told.webhook()).pause is Pause.GONE
    assert await told.site.metric("linkproxy_webhook_pauses_total") == 1
    crm.status = 200
    await told.site.store.pause_webhook("crm", Pause.NONE, told.site.clock.now)
    await told.send()
    assert crm.changes == [("click", visit_id)] * 2
    assert crm.ids[0] == crm.ids[1]


async def test_who_fails_for_days_is_paused(told: Told) -> None:
    crm = await told.add()
    crm.status = 503
    await told.click()
    for _ in range(200):
        await told.send()
        told.site.clock.now += 3601
    paused = await told.webhook()
    assert paused.pause is Pause.FAILING
    assert 4.9 * 86_400 < paused.paused_at - paused.progress.failing_since < 5.1 * 86_400
    assert len(crm.got) < 130


async def test_redirects_are_not_followed(told: Told) -> None:
    crm, elsewhere = await told.add(), await told.add("elsewhere", pause=Pause.OPERATOR)
    crm.status, crm.headers = 307, {"Location": elsewhere.url}
    await told.click()
    await told.send()
    assert elsewhere.got == []
    assert (await told.webhook()).progress.error == "answered 307; redirects are not followed"


async def test_an_answer_without_an_end_is_not_waited_for(told: Told) -> None:
    crm = await told.add()
    crm.status, crm.headers, crm.text = 200, {"Content-Encoding": "gzip"}, "x" * 10_000_000
    visit_id = await told.click()
    await told.send()
    assert crm.changes == [("click", visit_id)]
    assert (await told.webhook()).progress.error == ""


async def test_a_login_in_the_address_is_sent_and_shown_nowhere(told: Told, key: str) -> None:
    crm = await told.add()
    url = crm.url.replace("://", "://user:hush@") + "?token=hush"
    secret = (await told.webhook()).secret
    await told.site.store.change_webhook(replace(await told.webhook(), url=url))
    await told.click()
    crm.status = 400
    with capture_logs() as logs:
        await told.send()
    basic = base64.b64encode(b"user:hush").decode()
    assert crm.got[0].headers["authorization"] == f"Basic {basic}"
    status, answer = await call(told.site, key, "/api/v1/webhooks")
    assert status == 200
    assert answer["webhooks"][0]["url"] == f"{crm.url.rpartition('/')[0]}/..."
    for shown in (str(logs), str(answer), repr(await told.webhook())):
        assert "hush" not in shown
        assert basic not in shown
        assert secret not in shown


async def test_a_stop_lets_a_message_under_way_arrive_and_begins_no_other(told: Told) -> None:
    crm = await told.add(changes=1)
    crm.holding.clear()
    for key in ("CtA1", "CtB2"):
        await told.click(key)
    sender = WebhookSender(
        told.site.store, told.site.config.retention, metrics=told.site.server.services.metrics,
        clock=told.site.clock, wait=no_wait, patience_seconds=10.0,
    )  # fmt: skip
    await sender.once()
    await crm.came.wait()
    closing = asyncio.ensure_future(sender.close())
    await asyncio.sleep(0)
    crm.holding.set()
    await closing
    assert len(crm.got) == 1
    progress = (await told.webhook()).progress
    assert progress.succeeded_at is not None
    await told.send()
    assert len(crm.ids) == len(set(crm.ids)) == 2


async def test_a_stop_does_not_wait_for_a_receiver_that_hangs_and_another_goes_on_at_once(told: Told) -> None:
    crm = await told.add()
    crm.holding.clear()
    visit_id = await told.click()
    await told.sender.once()
    await crm.came.wait()
    await told.sender.close()
    crm.holding.set()
    told.sender = told.another()
    await told.send()
    assert crm.changes == [("click", visit_id)] * 2
    assert crm.ids[0] == crm.ids[1]


async def test_a_store_that_fails_is_told_of_once_and_ends_nothing(told: Told, tmp_path) -> None:
    await told.add()
    file = tmp_path / "linkproxy.db"
    await told.click()
    file.rename(tmp_path / "away.db")
    with capture_logs() as logs:
        for _ in range(3):
            await told.send()
    (tmp_path / "away.db").rename(file)
    assert [log["event"] for log in logs if log["event"] != "purge.failed"] == ["webhooks.failed"]


async def test_who_lacks_what_is_soon_purged_is_told_of_once_a_day(told: Told) -> None:
    crm, other = await told.add(pause=Pause.OPERATOR), await told.add("other")
    await told.click()
    days = told.site.config.retention.clicks_days
    warned = []
    for days_passed in (1, days - 9, 3, 0, 1, 20):
        told.site.clock.now += days_passed * 86_400
        with capture_logs() as logs:
            await told.send()
        warned.append(
            [(log["webhook"], log["days_left"]) for log in logs if log["event"] == "webhook.behind"]
        )
    assert warned == [[], [], [("crm", 5)], [], [("crm", 4)], [("crm", 0)]]
    assert crm.got == []
    assert len(other.got) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"\x00\xff nonsense\r\n\r\n", "what it answered is no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"a" * 1_000_000, "what it answered is no HTTP"),
        (b"", "it ended the connection without an answer"),
        (b"HTTP/1.1 500 \xff\r\nRetry-After: \xb2\r\nContent-Length: 9\r\n\r\n\xfe", "answered 500"),
    ],
)
async def test_whatever_a_receiver_answers_is_a_failure_in_words_of_ours(
    told: Told, answer: bytes, error: str
) -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"]}}")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(odd, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await told.add(url=f"http://user:hush@127.0.0.1:{port}/hush")
    await told.click()
    await told.send()
    server.close()
    assert (await told.webhook()).progress.error == error


async def test_a_receiver_whose_certificate_nobody_vouches_for_is_told_nothing(
    told: Told, tmp_path: Path
) -> None:
    got = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read(1))
        writer.close()

    context = authority(tmp_path, "localhost").server
    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=context)
    await told.add(url=f"https://localhost:{server.sockets[0].getsockname()[1]}/")
    await told.click()
    await told.send()
    server.close()
    assert got == []
    assert (await told.webhook()).progress.error == "its certificate is not valid for it, or not trusted here"
