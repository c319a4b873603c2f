from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from linkproxy.model import VerdictKind
from linkproxy.server.settler import Settler, settle_due, together_next
from linkproxy.store.api import Filter, RecipientDraft

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.server.conftest import Site, Start


async def clicks(site: Site) -> list[str]:
    return [row.key async for row in site.store.clicks(Filter())]


async def test_nothing_is_settled_before_its_hold_window_is_over(site: Site) -> None:
    await site.ask(site.url())
    policy = site.server.services.policy
    assert await settle_due(site.store, policy, site.START + policy.hold_seconds - 1) == 0
    assert await settle_due(site.store, policy, site.START + policy.hold_seconds + 1) == 1
    assert await clicks(site) == [site.CONTENT]


async def test_a_store_that_fails_pass_after_pass_is_told_of_once_and_counted_each_time(
    site: Site, tmp_path: Path
) -> None:
    settler, file = site.server.services.settler, tmp_path / "linkproxy.db"
    await site.ask(site.url())
    site.clock.now += 1000
    file.rename(tmp_path / "away.db")
    with capture_logs() as logs:
        for _ in range(3):
            await settler.once()
    (tmp_path / "away.db").rename(file)
    assert [log["event"] for log in logs if log["event"] == "settle.failed"] == ["settle.failed"]
    assert await site.metric("linkproxy_store_failures_total", operation="settle") >= 3


async def test_settling_twice_changes_nothing(site: Site) -> None:
    await site.ask(site.url())
    policy, later = site.server.services.policy, site.START + 1000
    await settle_due(site.store, policy, later)
    assert await settle_due(site.store, policy, later) == 0
    assert await clicks(site) == [site.CONTENT]


async def test_a_visit_by_a_clock_that_was_years_ahead_is_settled_when_it_is_set_right(site: Site) -> None:
    right = site.clock.now
    site.clock.now = right + 3 * 365 * 86_400
    await site.ask(site.url())
    assert await settle_due(site.store, site.server.services.policy, right) == 1
    assert await clicks(site) == [site.CONTENT]
    assert await settle_due(site.store, site.server.services.policy, right) == 0


async def test_everything_that_became_due_during_a_downtime_is_settled_in_one_pass(site: Site) -> None:
    drafts = [RecipientDraft(address=f"reader{at}@example.com") for at in range(40)]
    people = await site.store.register_recipients(drafts)
    await asyncio.gather(*(site.ask(site.url(recipient=person)) for person in people))
    policy = site.server.services.policy
    assert await settle_due(site.store, policy, site.START + 86400) == 40


async def test_a_message_that_cannot_be_settled_holds_up_no_other_and_is_told_of(site: Site) -> None:
    [other] = await site.store.register_recipients([RecipientDraft(address="reader@example.com")])
    await site.ask(site.url())
    await site.ask(site.url(recipient=other))
    await site.ask(site.url().replace(f"/{site.CONTENT}", f"%27/{site.CONTENT}"))  # its tokens are looked up
    services = site.server.services

    def broken(_campaign: int, recipient: int) -> tuple[str, ...]:
        if recipient != other.id:
            raise KeyError(f"no keys for {recipient}")
        return ()

    settler = Settler(site.store, services.policy, metrics=services.metrics, clock=site.clock, tokens=broken)
    site.clock.now += 1000
    with capture_logs() as logs:
        for _ in range(3):
            await settler.once()
    settled = {row.entry.recipient.address: row.entry.settled for row in await site.visits()}
    assert sorted(address for address, verdict in settled.items() if verdict) == ["reader@example.com"]
    [told] = [log["error"] for log in logs if log["event"] == "settle.failed"]
    assert told.startswith("messages that cannot be settled")
    assert "recipient 1 of campaign 1: KeyError" in told
    assert await site.metric("linkproxy_unsettled_messages_total") == 3
    assert await site.metric("linkproxy_store_failures_total", operation="settle") == 0


async def test_a_changed_link_that_comes_after_the_visit_is_held_against_it(site: Site) -> None:
    await site.ask(site.url())
    site.clock.now += 3
    assert (await site.ask(site.url().replace(f"/{site.CONTENT}", f"%27/{site.CONTENT}"))).status == 404
    site.clock.now += 1000
    await site.server.services.settler.once()
    (row,) = await site.visits()
    assert {item.name: item.weight for item in row.entry.settled.evidence}["mutation.stray"] == 25.0


async def test_the_first_hit_of_a_sweep_becomes_a_machines_when_the_rest_is_known(site: Site) -> None:
    client = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36", "Accept": "*/*"}
    for key in site.TARGETS:
        await site.ask(site.url(key), headers=client)
        site.clock.now += 0.3
    await site.ask(site.url(site.BAIT), headers=client)
    first = (await site.visits())[0].entry
    assert first.verdict.kind is not VerdictKind.MACHINE
    site.clock.now += 1000
    await site.server.services.settler.once()
    settled = (await site.visits())[0].entry.settled
    assert settled is not None
    assert settled.kind is VerdictKind.MACHINE
    assert await clicks(site) == []


async def test_a_pass_that_fails_is_tried_again(
    start: Start, locked: Callable[[], AbstractContextManager[None]]
) -> None:
    site = await start(store={"commit_seconds": 0.5})
    await site.ask(site.url())
    site.clock.now += 1000
    with locked():
        await site.server.services.settler.once()
    assert await clicks(site) == []
    await site.server.services.settler.once()
    assert await clicks(site) == [site.CONTENT]


async def test_a_rebuild_of_rollups_that_was_interrupted_is_finished_by_the_server(site: Site) -> None:
    await site.ask(site.url())
    site.clock.now += 1000
    await site.server.services.settler.once()
    await site.store.begin_rebuild()
    await site.server.services.settler.once()
    left = await site.store.rebuild(lambda _entries: (), limit=1)
    assert (left.messages, left.campaigns_left) == (0, 0)


async def test_the_loop_settles_again_and_again_until_it_is_closed(site: Site) -> None:
    waited: list[float] = []
    turn = asyncio.Event()

    async def wait(seconds: float) -> None:
        waited.append(seconds)
        turn.set()
        await asyncio.Event().wait()

    services = site.server.services
    settler = Settler(
        site.store,
        services.policy,
        metrics=services.metrics,
        clock=site.clock,
        wait=wait,
    )
    await site.ask(site.url())
    site.clock.now += 1000
    settler.start()
    await turn.wait()
    assert await clicks(site) == [site.CONTENT]
    assert settler.alive
    await settler.close()
    assert not settler.alive


def test_slow_settling_takes_fewer_messages_at_once_so_that_visits_wait_less():
    assert [together_next(4, seconds, 0.01) for seconds in (0.0, 0.004, 0.01, 0.02, 1.0)] == [16, 10, 4, 2, 1]
