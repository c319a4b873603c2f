"""The journal's door: a visit is durable before its answer goes out.

While the store works, visits wait for a group commit. When it fails, or keeps a visitor waiting
too long, people are answered from the warm link table and their visits go to the spill file,
which is read back, with the visits' own times, as soon as the store works again.

A visit whose commit comes too late for its visitor is spilled as well, and struck out of the spill
file when that commit turns out well after all. Only a crash between the two lets it enter the
journal twice: at least once, never lost. The click log merges such doubles.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from linkproxy.logs import Event, get_logger
from linkproxy.model import Answer, AnswerKind, Judged, Stray
from linkproxy.server.batches import GroupCommit
from linkproxy.server.recovery import Recovery
from linkproxy.server.spill import SpilledVisit
from linkproxy.server.tally import Tally
from linkproxy.store.api import Failed, StoreError
from linkproxy.visit import respond

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from linkproxy.model import Visit
    from linkproxy.server.spill import Spill
    from linkproxy.server.warm import WarmLinks
    from linkproxy.store.api import Outcome, Pending, Store, Take
    from linkproxy.telemetry import Metrics

MOST_AT_ONCE = 256
"""Visits of one commit; the gain of larger batches ends well below."""


@dataclass(frozen=True, slots=True)
class Spilled:
    """An answer from the warm link table; its visit is in the spill file, if it found room."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Refused:
    """No answer but "try again": so configured, or the link is neither in memory nor readable."""


Answered = Spilled | Refused


_Waiter = tuple["Pending", "Callable[[Outcome | Answered], None]", float]
"""A visit or a stray on its way into the journal, who is told, and since when, by the monotonic clock.

A plain tuple, since one is made for every click.
"""


@dataclass(frozen=True, slots=True)
class OnFailure:
    """What the configuration says about a failing store."""

    commit_seconds: float = 2.0
    redirect: bool = True


class Journal:
    """Takes visits in and says what became of them, whatever the store does."""

    def __init__(
        self,
        store: Store,
        take: Take,
        *,
        warm: WarmLinks,
        spill: Spill,
        metrics: Metrics,
        on_failure: OnFailure,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._take = take
        self._warm = warm
        self._spill = spill
        self._metrics = metrics
        self._on_failure = on_failure
        self._tally = Tally(metrics)
        self._commits: GroupCommit[_Waiter] = GroupCommit(self._commit, MOST_AT_ONCE)
        self._recovery = Recovery(store, take, spill, metrics, wait)
        self._late: dict[int, asyncio.Future[Outcome]] = {}  # waits given up amid their commit, by id()
        self._watch: asyncio.TimerHandle | None = None
        self._aside: set[asyncio.Task[None]] = set()

    @property
    def failing(self) -> bool:
        """Whether visits are going to the spill file just now."""
        return self._recovery.failing

    async def recovered(self) -> None:
        """Return when the store is in use and nothing waits in the spill file."""
        await self._recovery.done()

    async def try_store(self) -> None:
        """Learn before anybody waits whether the store can be written; raise StoreError to ``refuse``."""
        try:
            await self._store.ping()
        except StoreError as error:
            if not self._on_failure.redirect:
                raise
            self._fail(str(error))

    def start(self) -> None:
        """Begin to read back what an earlier run, or another process that died, has spilled."""
        self._recovery.start()

    def enter(self, visit: Visit, told: Callable[[Outcome | Answered], None]) -> None:
        """Take a visit in; ``told`` is called later, when it is durable, or as durable as can be."""
        if self._recovery.failing:
            self._set_aside(self._without_store(visit, None), told)
        else:
            self._submit(visit, told)

    async def submit(self, visit: Visit) -> Outcome | Answered:
        """Return what became of a visit; by then it is durable, or as durable as can be."""
        answered: asyncio.Future[Outcome | Answered] = asyncio.get_running_loop().create_future()
        self.enter(visit, partial(_fulfil, answered))
        return await answered

    async def note(self, stray: Stray) -> None:
        """Journal a stray. While the store fails it is dropped: it is evidence, not a visit."""
        if self.failing:
            return
        noted: asyncio.Future[Outcome | Answered] = asyncio.get_running_loop().create_future()
        self._submit(stray, partial(_fulfil, noted))
        await noted

    async def close(self) -> None:
        """Return when everything submitted is in the journal or in the spill file."""
        await self._commits.drain()
        if self._watch is not None:
            self._watch.cancel()
        if self._aside:
            await asyncio.wait(self._aside)
        await self._recovery.close()
        await self._spill.close()

    def _submit(self, pending: Pending, told: Callable[[Outcome | Answered], None]) -> None:
        self._commits.submit((pending, told, monotonic()))
        if self._watch is None:
            # Asked for here alone: before Python 3.12 each time asks the system for the process's id.
            loop = asyncio.get_running_loop()
            self._watch = loop.call_later(self._on_failure.commit_seconds, self._look)

    async def _commit(self, waiters: Sequence[_Waiter]) -> None:
        try:
            with self._metrics.commit_seconds.time():
                # The store asks for more once it has its turn, and ``waiters`` grows by those.
                pending = [pending for pending, _, _ in waiters]
                outcomes = await self._store.append(pending, self._take, self._more)
        except Exception as error:  # noqa: BLE001  (whatever ails the store, people are sent on)
            self._fail(str(error))
            for waiter in waiters:
                self._fall_through(waiter, error)
            return
        for waiter, outcome in zip(waiters, outcomes, strict=True):
            # One whose connection breaks just now must not leave the others of its batch waiting.
            try:
                self._committed(waiter, outcome)
            except Exception as error:  # noqa: BLE001  (as said)
                get_logger().error(Event.REQUEST_FAILED, listener="public", error=repr(error))
        self._metrics.commit_visits.observe(len(waiters))
        self._tally.count(outcomes)

    def _more(self) -> list[Pending]:
        return [pending for pending, _, _ in self._commits.more()]

    def _committed(self, waiter: _Waiter, outcome: Outcome) -> None:
        pending, told, _ = waiter
        late = self._late.pop(id(waiter), None) if self._late else None
        if isinstance(outcome, Failed):
            # A fault of ours in judging this one visit; it would fail again, so it is not spilled.
            self._metrics.failed_visits.inc()
            get_logger().error(Event.VISIT_FAILED, error=repr(outcome.error))
        if late is not None:
            late.set_result(outcome)
        elif isinstance(outcome, Failed):
            self._set_aside(self._after_fault(pending), told)
        else:
            if isinstance(outcome, Judged) and outcome.facts.link is not None:
                self._warm.note(outcome.facts.link)
            told(outcome)

    async def _after_fault(self, pending: Pending) -> Answered:
        answer = None if isinstance(pending, Stray) else await self._unjudged(pending)
        return Refused() if answer is None or _acts(answer) else Spilled(answer)

    def _set_aside(
        self, answering: Coroutine[None, None, Answered], told: Callable[[Outcome | Answered], None]
    ) -> None:
        """Answer in a task of its own, which the ordinary way of a visit does without."""
        task = asyncio.create_task(_tell(answering, told))
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    # --- while the store fails -----------------------------------------------------------------

    def _fail(self, why: str) -> None:
        if not self.failing:
            self._metrics.store_failures.labels(operation="append").inc()
            get_logger().error(Event.STORE_FAILED, operation="append", error=why)
        self._recovery.failing = True
        self._recovery.begin()

    def _look(self) -> None:
        """Let nobody wait beyond ``commit_seconds``: one timer for all who wait."""
        patience = self._on_failure.commit_seconds
        self._watch = None
        waiting = [waiter for waiter in self._commits.unfinished() if id(waiter) not in self._late]
        for waiter in waiting:
            _, _, since = waiter
            left = since + patience - monotonic()
            if left <= 0:
                self._give_up(waiter)
            else:
                self._watch = asyncio.get_running_loop().call_later(left, self._look)
                return

    def _give_up(self, waiter: _Waiter) -> None:
        self._fail("no commit in time")
        late = None
        if not self._commits.withdraw(waiter):
            late = self._late[id(waiter)] = asyncio.get_running_loop().create_future()
        self._leave_to_spill(waiter, late)

    def _fall_through(self, waiter: _Waiter, error: Exception) -> None:
        late = self._late.pop(id(waiter), None)
        if late is not None:
            late.set_exception(error)
        else:
            self._leave_to_spill(waiter, None)

    def _leave_to_spill(self, waiter: _Waiter, late: asyncio.Future[Outcome] | None) -> None:
        pending, told, _ = waiter
        if isinstance(pending, Stray):
            if late is not None:
                late.add_done_callback(_ignore)
            told(Refused())
        else:
            self._set_aside(self._without_store(pending, late), told)

    async def _without_store(self, visit: Visit, late: asyncio.Future[Outcome] | None) -> Answered:
        if late is not None:
            late.add_done_callback(_ignore)
        answer = await self._unjudged(visit) if self._on_failure.redirect else None
        if answer is None:
            self._metrics.refused_visits.inc()
            return Refused()
        if answer.kind is AnswerKind.NOT_FOUND:
            return Spilled(answer)
        spilled = SpilledVisit(visit, answer.kind)
        put = asyncio.create_task(self._spill.put(spilled, seconds=self._on_failure.commit_seconds))
        if late is not None:
            # Before it is written: a reading back that begins meanwhile must know what will be struck.
            self._recovery.strike_when_committed(late, spilled, put)
        kept = await put
        if late is None:
            self._recovery.count(kept)
        self._recovery.begin()
        durable = kept.done() and kept.result()
        return Refused() if _acts(answer) and not durable else Spilled(answer)

    async def _unjudged(self, visit: Visit) -> Answer | None:
        """Return a person's answer from the warm table; None when the link cannot be known now."""
        try:
            link = await self._warm.find(visit)
        except StoreError:
            return None
        return Answer(AnswerKind.NOT_FOUND) if link is None else respond.by_kind(visit, link)


def _acts(answer: Answer) -> bool:
    """Tell whether an answer claims that something was done, which then must be true."""
    return answer.kind is AnswerKind.UNSUBSCRIBED


async def _tell(
    answering: Coroutine[None, None, Answered], told: Callable[[Outcome | Answered], None]
) -> None:
    """Tell what comes of answering; a fault of ours is an answer too, so that nobody hangs."""
    try:
        answered = await answering
    except Exception as error:  # noqa: BLE001  (as said)
        get_logger().error(Event.REQUEST_FAILED, listener="public", error=repr(error))
        answered = Refused()
    told(answered)


def _fulfil(future: asyncio.Future[Outcome | Answered], outcome: Outcome | Answered) -> None:
    if not future.done():
        future.set_result(outcome)


def _ignore(future: asyncio.Future[Outcome]) -> None:
    """Look at a result that nobody waits for any more, so that asyncio does not complain."""
    if not future.cancelled():
        future.exception()
