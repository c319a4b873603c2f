"""What happens while the store fails: nobody is stopped, and no visit is lost or counted twice."""

from __future__ import annotations

import asyncio
import resource
import threading
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from linkproxy.logs import Event
from linkproxy.model import AnswerKind, LinkKey, LinkKind, LinkRole, MessageLink, VerdictKind
from linkproxy.server.app import running
from linkproxy.store.api import Filter, RecipientDraft, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.server.conftest import Site, Start

    Locked = Callable[[], AbstractContextManager[None]]

PROMPT = {"commit_seconds": 0.5}


async def recovered(site: Site) -> None:
    """Wait until the store is in use again and the spill file is empty."""
    async with asyncio.timeout(60):
        await site.server.services.journal.recovered()


async def test_while_the_database_is_locked_people_are_sent_on(start: Start, locked: Locked) -> None:
    site = await start(store=PROMPT)
    with locked():
        responses = await asyncio.gather(*(site.ask(site.url(key)) for key in site.TARGETS))
        assert [response.status for response in responses] == [302] * len(site.TARGETS)
        assert {response.headers["Location"] for response in responses} == set(site.TARGETS.values())
        assert await site.visits() == []


async def test_visits_of_that_time_come_into_the_journal_with_their_own_time_once_it_works(
    start: Start, locked: Locked, tmp_path: Path
) -> None:
    site = await start(store=PROMPT)
    with locked():
        for key in site.TARGETS:
            await site.ask(site.url(key))
            site.clock.now += 60
        assert (tmp_path / "linkproxy.spill").stat().st_size > 0
    await recovered(site)
    rows = await site.visits()
    assert sorted(row.entry.visit.key for row in rows) == sorted(site.TARGETS)
    assert sorted(row.entry.visit.at for row in rows) == [site.START + 60 * at for at in range(4)]
    assert (tmp_path / "linkproxy.spill").stat().st_size == 0
    assert await site.metric("linkproxy_lost_visits_total") == 0


async def test_a_visit_whose_commit_came_too_late_is_journalled_once(start: Start, locked: Locked) -> None:
    site = await start(store=PROMPT)
    for _ in range(5):
        with locked():
            await asyncio.gather(*(site.ask(site.url()) for _ in range(4)))
        await recovered(site)
    assert len(await site.visits()) == 20


async def test_the_journal_says_what_the_visitor_really_got(start: Start, locked: Locked) -> None:
    site = await start(store=PROMPT)
    for key in (*site.TARGETS, site.BAIT):
        await site.ask(site.url(key), headers=site.SCANNER)
    assert (await site.ask(site.url(), headers=site.SCANNER)).status == 200  # the neutral page
    with locked():
        await site.ask(site.url("CtB2"))
        response = await site.ask(site.url(), headers=site.SCANNER)
        assert response.status == 302
    await recovered(site)
    last = (await site.visits())[-1].entry
    assert (last.verdict.kind, last.answer) == (VerdictKind.MACHINE, AnswerKind.REDIRECT)


async def test_spilled_visits_are_read_back_at_the_next_start(
    start: Start, locked: Locked, tmp_path: Path
) -> None:
    site = await start(store=PROMPT)
    with locked():
        await site.ask(site.url())
        left = (tmp_path / "linkproxy.spill").read_bytes()
    await recovered(site)
    (tmp_path / "linkproxy.spill.1").write_bytes(left)  # as a process that was killed leaves it
    before = len(await site.visits())
    second = await start(store=PROMPT)
    await recovered(second)
    assert len(await second.visits()) == before + 1


async def test_bait_and_unsubscribe_links_keep_their_pages(start: Start, locked: Locked) -> None:
    site = await start(store=PROMPT)
    with locked():
        assert "not for readers" in await (await site.ask(site.url(site.BAIT))).text()
        assert (
            "Opening this page has changed nothing"
            in await (await site.ask(site.url(site.UNSUBSCRIBE))).text()
        )


async def test_an_opt_out_is_confirmed_once_it_is_durable_and_reaches_the_store(
    start: Start, locked: Locked
) -> None:
    site = await start(store=PROMPT)
    with locked():
        response = await site.ask(site.url(site.UNSUBSCRIBE), "POST", data=b"List-Unsubscribe=One-Click")
        assert response.status == 200
        assert "You are unsubscribed" in await response.text()
    await recovered(site)
    assert [row.one_click async for row in site.store.unsubscribes(Filter())] == [True]


async def test_an_opt_out_that_can_be_kept_nowhere_is_not_confirmed(
    start: Start, locked: Locked, full_disk: Path
) -> None:
    site = await start(store={**PROMPT, "spill_path": str(full_disk)})
    with locked():
        response = await site.ask(site.url(site.UNSUBSCRIBE), "POST", data=b"")
        assert response.status == 503
        assert response.headers["Retry-After"] == "5"


async def test_when_the_spill_fails_as_well_people_are_sent_on_and_the_loss_is_counted(
    start: Start, locked: Locked, full_disk: Path
) -> None:
    site = await start(store={**PROMPT, "spill_path": str(full_disk)})
    with locked():
        await site.ask(site.url())  # whose commit may still come about
        response = await site.ask(site.url("CtB2"))
        assert response.status == 302
        assert await site.metric("linkproxy_lost_visits_total") >= 1


async def test_what_a_slow_disk_takes_in_after_its_visitor_was_answered_is_spilled_and_not_lost(
    start: Start, locked: Locked
) -> None:
    site = await start(store=PROMPT)
    disk = threading.Event()
    site.server.services.journal._spill._thread.submit(disk.wait)
    with locked():
        assert (await site.ask(site.url())).status == 302
        disk.set()
    await recovered(site)
    assert len(await site.visits()) == 1
    assert await site.metric("linkproxy_lost_visits_total") == 0


async def test_a_fault_of_ours_while_the_store_fails_is_answered_and_nobody_hangs(
    start: Start, locked: Locked, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await start(store=PROMPT)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with locked():
        monkeypatch.setattr("linkproxy.visit.respond.by_kind", broken)
        assert (await site.ask(site.url())).status == 503


async def test_the_spill_file_does_not_grow_beyond_its_bound(
    start: Start, locked: Locked, tmp_path: Path
) -> None:
    site = await start(store={**PROMPT, "spill_bytes": 2048})
    with locked(), capture_logs() as logs:
        for _ in range(10):
            assert (await site.ask(site.url())).status == 302
        assert (tmp_path / "linkproxy.spill").stat().st_size <= 2048
        assert await site.metric("linkproxy_lost_visits_total") > 1
        assert [line["event"] for line in logs].count(Event.SPILL_FULL) == 1, "not once for each visit"
    await recovered(site)


async def test_a_message_link_is_found_by_reading_while_only_writing_fails(
    start: Start, locked: Locked
) -> None:
    site = await start(store=PROMPT)
    target = "https://shop.example/order/8347"
    link = MessageLink(
        site.campaign.id,
        site.recipient.id,
        LinkKey("Me55"),
        target,
        LinkKind.CONTENT,
        LinkRole.BODY,
        20,
        target,
    )
    await site.store.add_message_links([link])
    with locked():
        response = await site.ask(site.url("Me55"))
        assert (response.status, response.headers["Location"]) == (302, target)
        assert (await site.ask(site.url("Zzzz"))).status == 404


async def test_a_corrected_target_counts_while_the_store_fails(start: Start, locked: Locked) -> None:
    site = await start(store=PROMPT)
    await site.ask(site.url())
    better = "https://shop.example/corrected"
    await site.store.set_target(site.campaign.id, LinkKey(site.CONTENT), better, who="test", at=site.START)
    await site.ask(site.url())
    with locked():
        assert (await site.ask(site.url())).headers["Location"] == better


async def test_refusing_by_choice_answers_503_and_keeps_nothing(
    start: Start, locked: Locked, tmp_path: Path
) -> None:
    site = await start(store={**PROMPT, "on_failure": "refuse"})
    with locked():
        await site.ask(site.url())
        response = await site.ask(site.url("CtB2"))
        assert response.status == 503
        assert response.headers["Retry-After"] == "5"
        assert "Please try again" in await response.text()
        ready = await site.ask(site.server.addresses.private + "/readyz")
        assert "spill" not in (await ready.json())["parts"]["journal"]
        assert (tmp_path / "linkproxy.spill").stat().st_size == 0
    await recovered(site)
    assert "CtB2" not in {row.entry.visit.key for row in await site.visits()}


async def test_a_store_that_cannot_be_written_is_told_at_the_start_and_people_are_sent_on(
    start: Start, locked: Locked
) -> None:
    site = await start(store=PROMPT)
    async with AsyncExitStack() as stack:
        with capture_logs() as lines, locked():
            server = await stack.enter_async_context(running(site.config, clock=site.clock))
            told = [line for line in lines if line["event"] == Event.STORE_FAILED]
            assert "linkproxy.db" in told[0]["error"]
            later = replace(site, server=server)
            assert (await later.ask(later.url())).headers["Location"] == site.TARGET
        await recovered(later)
    assert len(await site.visits()) == 1


async def test_who_chose_to_refuse_gets_no_server_on_a_store_that_cannot_be_written(start: Start) -> None:
    site = await start(store={**PROMPT, "on_failure": "refuse"})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # as on a full disk
    try:
        with pytest.raises(StoreError, match=r"linkproxy\.db"):
            async with running(site.config):
                pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    async with running(site.config) as server:
        assert (await site.ask(replace(site, server=server).url())).status == 302


async def test_a_fault_in_judging_one_visit_does_not_stop_its_person(site: Site) -> None:
    damaged = (await site.store.register_recipients([RecipientDraft(address="ben@example.com")]))[0]
    site.server.services.policy.rules.clear()  # type: ignore[attr-defined]  (a judge without rules raises)
    response = await site.ask(site.url(recipient=damaged))
    assert response.status == 302
    assert response.headers["Location"] == site.TARGET
    assert await site.metric("linkproxy_failed_visits_total") == 1


@pytest.mark.parametrize(
    "spill", [b"", b"\n\n", b"not json\n", b'{"id": 1}\n', b'{"done": ["x"]}\n', b"\xff\xfe"]
)
async def test_a_damaged_spill_file_does_not_keep_the_server_from_starting(
    start: Start, tmp_path: Path, spill: bytes
) -> None:
    (tmp_path / "linkproxy.spill").write_bytes(spill)
    site = await start()
    assert (await site.ask(site.url())).status == 302
    await recovered(site)
