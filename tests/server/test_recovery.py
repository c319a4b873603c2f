"""A visit is journalled once, however late its commit comes, and wherever a stop meets its reading back."""

from __future__ import annotations

import asyncio
import fcntl
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linkproxy.model import AnswerKind, Delivery, DeliverySource, VerdictKind
from linkproxy.server.journal import Journal, OnFailure
from linkproxy.server.spill import Spill, SpilledVisit, SpillFile
from linkproxy.server.warm import WarmLinks
from linkproxy.store.api import DeliveryDraft
from linkproxy.visit.pipeline import take

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from linkproxy.model import Visit
    from linkproxy.store.api import Taken
    from linkproxy.visit.facts import FactSource
    from tests.server.conftest import Site, Start

LARGE = 1 << 20


class SlowJudge:
    """Judges as always, but not before it is told to: a commit that takes its time."""

    def __init__(self, site: Site) -> None:
        self._policy = site.server.services.policy
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self, visit: Visit, source: FactSource) -> Taken:
        self.begun.set()
        assert self.go.wait(30)
        return take(visit, source, policy=self._policy)


async def visit_of(site: Site) -> Visit:
    """Return what the server makes of a browser's request."""
    await site.ask(site.url("CtB2"))
    (row,) = await site.visits()
    return row.entry.visit


def journal_of(
    site: Site,
    path: Path | SpillFile,
    judge: Any,
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> tuple[Journal, Spill]:
    spill = Spill(path if isinstance(path, SpillFile) else SpillFile(path, LARGE))
    journal = Journal(
        site.store,
        judge,
        warm=WarmLinks(site.store),
        spill=spill,
        metrics=site.server.services.metrics,
        on_failure=OnFailure(0.5),
        wait=wait,
    )
    return journal, spill


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  (a thread or a timer of the server brings it about)
            await asyncio.sleep(0.001)


def is_waited_for(lock: Path) -> bool:
    """Tell whether somebody waits for a lock on a file (proc_locks(5))."""
    named = f":{lock.stat().st_ino} "
    return any("->" in line and named in line for line in Path("/proc/locks").read_text().splitlines())


async def test_a_late_commit_and_a_slow_spill_file_make_one_visit(site: Site, tmp_path: Path) -> None:
    visit, judge = await visit_of(site), SlowJudge(site)
    journal, spill = journal_of(site, tmp_path / "own.spill", judge)
    disk = threading.Event()
    spill._thread.submit(disk.wait, 30)
    answers: list[Any] = []
    journal.enter(visit, answers.append)
    await until(lambda: journal.failing)  # nobody waits any longer; the visit is on its way to the file
    judge.go.set()
    await until(lambda: not journal.failing)
    disk.set()
    await until(lambda: bool(answers))
    await journal.recovered()
    await journal.close()
    assert len(await site.visits()) == 2
    assert SpillFile(tmp_path / "own.spill", LARGE).waiting(frozenset()) == []


class Trickle(SpillFile):
    """Finds another visit in the file whenever it is looked into, a hundred times."""

    def __init__(self, path: Path, visit: Visit) -> None:
        super().__init__(path, LARGE)
        self._visit = visit
        self.left = 100

    def waiting(self, done: frozenset[str]) -> list[SpilledVisit]:
        if self.left:
            self.left -= 1
            self.append([SpilledVisit(self._visit, AnswerKind.REDIRECT)])
        return super().waiting(done)


async def test_who_keeps_spilling_does_not_keep_visits_from_the_store_that_works(
    site: Site, tmp_path: Path
) -> None:
    visit = await visit_of(site)
    policy = site.server.services.policy
    file = Trickle(tmp_path / "own.spill", visit)
    journal, spill = journal_of(site, file, partial(take, policy=policy))
    spill.may_hold_visits = True
    journal.start()
    await until(lambda: file.left < 99)
    journal._fail("a commit that came late")
    await until(lambda: not journal.failing)
    assert file.left > 0
    await journal.recovered()
    await journal.close()


async def test_a_stop_amid_reading_back_leaves_nothing_to_be_read_twice(site: Site, tmp_path: Path) -> None:
    visit, judge = await visit_of(site), SlowJudge(site)
    left = SpillFile(tmp_path / "own.spill", LARGE)
    left.append([SpilledVisit(visit, AnswerKind.REDIRECT)])
    left.close()
    journal, _ = journal_of(site, tmp_path / "own.spill", judge)
    journal.start()
    await until(judge.begun.is_set)
    closing = asyncio.create_task(journal.close())
    for _ in range(20):
        await asyncio.sleep(0)
    judge.go.set()
    await closing
    assert len(await site.visits()) == 2
    assert SpillFile(tmp_path / "own.spill", LARGE).waiting(frozenset()) == []


async def test_a_late_visit_whose_answer_is_corrected_with_delay_is_not_entered_again(
    start: Start, tmp_path: Path
) -> None:
    site = await start(store={"commit_seconds": 0.5})
    visit, judge = await visit_of(site), SlowJudge(site)
    fresh = Delivery(site.START - 40, DeliverySource.MX)
    await site.store.add_deliveries([DeliveryDraft(site.campaign.id, site.recipient.id, fresh)])
    waits: list[float] = []
    free = asyncio.Event()

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        await free.wait()

    journal, spill = journal_of(site, tmp_path / "own.spill", judge, wait)
    answers: list[Any] = []
    journal.enter(visit, answers.append)
    await until(lambda: bool(answers))  # from the warm table: a redirect, and no extra hop
    lock = tmp_path / "linkproxy.db.lock"
    with lock.open("a") as other:
        turn = asyncio.create_task(asyncio.to_thread(fcntl.flock, other, fcntl.LOCK_EX))
        await until(lambda: is_waited_for(lock))  # right behind the commit
        judge.go.set()
        await turn
        # Until the correction has failed, and the probe too unless it was quicker than the other's turn.
        late = journal._recovery._late
        await until(lambda: len(waits) == 2 or (waits and not journal.failing) or not late)
    free.set()
    await journal.recovered()
    await journal.close()
    rows = [row.entry for row in await site.visits()][1:]
    assert [(row.verdict.kind, row.answer) for row in rows] == [(VerdictKind.UNCERTAIN, AnswerKind.REDIRECT)]
    assert not spill.may_hold_visits


async def test_a_late_fault_of_ours_is_counted_and_not_tried_again(site: Site, tmp_path: Path) -> None:
    visit, begun, go = await visit_of(site), threading.Event(), threading.Event()

    def broken(_visit: Visit, _source: FactSource) -> Taken:
        begun.set()
        assert go.wait(30)
        raise ZeroDivisionError

    journal, _ = journal_of(site, tmp_path / "own.spill", broken)
    answers: list[Any] = []
    journal.enter(visit, answers.append)
    await until(lambda: bool(answers))
    go.set()
    await journal.recovered()
    await journal.close()
    assert len(await site.visits()) == 1
    assert await site.metric("linkproxy_failed_visits_total") == 1
