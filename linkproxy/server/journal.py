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
from typing import TYPE_CHECKING

from linkproxy.model import Answer, AnswerKind, Judged
from linkproxy.server.batches import GroupCommit
from linkproxy.server.recovery import Recovery
from linkproxy.server.spill import SpilledVisit
from linkproxy.server.tally import tally
from linkproxy.store.api import Failed, StoreError
from linkproxy.telemetry import Event, get_logger
from linkproxy.visit import respond

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.model import Stray, Visit
    from linkproxy.server.batches import Slot
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
        self._commits: GroupCommit[Pending, Outcome] = GroupCommit(self._commit, MOST_AT_ONCE)
        self._recovery = Recovery(store, take, spill, metrics, wait)

    @property
    def failing(self) -> bool:
        """Whether visits are going to the spill file just now."""
        return self._recovery.failing

    async def recovered(self) -> None:
        """Return when the store is in use and nothing waits in the spill file."""
        await self._recovery.done()

    def start(self) -> None:
        """Begin to read back what an earlier run has left in the spill file."""
        if self._spill.may_hold_visits:
            self._recovery.begin()

    async def submit(self, visit: Visit) -> Outcome | Answered:
        """Return what became of a visit; by then it is durable, or as durable as can be."""
        if self.failing:
            return await self._without_store(visit)
        slot = self._commits.submit(visit)
        try:
            async with asyncio.timeout(self._on_failure.commit_seconds):
                outcome = await asyncio.shield(slot.future)
        except TimeoutError:
            self._fail("no commit in time")
            return await self._without_store(visit, None if self._commits.withdraw(slot) else slot)
        except Exception as error:  # noqa: BLE001  (whatever ails the store, people are sent on)
            self._fail(str(error))
            return await self._without_store(visit)
        return await self._committed(visit, outcome)

    async def note(self, stray: Stray) -> None:
        """Journal a stray. While the store fails it is dropped: it is evidence, not a visit."""
        if self.failing:
            return
        slot = self._commits.submit(stray)
        try:
            async with asyncio.timeout(self._on_failure.commit_seconds):
                tally(self._metrics, await asyncio.shield(slot.future))
        except TimeoutError:
            if not self._commits.withdraw(slot):
                slot.future.add_done_callback(_ignore)
            self._fail("no commit in time")
        except Exception as error:  # noqa: BLE001  (as above)
            self._fail(str(error))

    async def close(self) -> None:
        """Return when everything submitted is in the journal or in the spill file."""
        await self._commits.drain()
        await self._recovery.close()
        await self._spill.close()

    async def _commit(self, pending: Sequence[Pending]) -> Sequence[Outcome]:
        with self._metrics.commit_seconds.time():
            outcomes = await self._store.append(pending, self._take)
        self._metrics.commit_visits.observe(len(pending))
        return outcomes

    async def _committed(self, visit: Visit, outcome: Outcome) -> Outcome | Answered:
        tally(self._metrics, outcome)
        if isinstance(outcome, Failed):
            # A fault of ours in judging this one visit; it would fail again, so it is not spilled.
            self._metrics.failed_visits.inc()
            get_logger().error(Event.VISIT_FAILED, error=repr(outcome.error))
            answer = await self._unjudged(visit)
            return Refused() if answer is None or _acts(answer) else Spilled(answer)
        if isinstance(outcome, Judged) and outcome.facts.link is not None:
            self._warm.note(outcome.facts.link)
        return outcome

    # --- while the store fails -----------------------------------------------------------------

    def _fail(self, why: str) -> None:
        if not self.failing:
            self._metrics.store_failures.labels(operation="append").inc()
            get_logger().error(Event.STORE_FAILED, operation="append", error=why)
        self._recovery.failing = True
        self._recovery.begin()

    async def _without_store(self, visit: Visit, late: Slot[Pending, Outcome] | None = None) -> Answered:
        answer = await self._unjudged(visit) if self._on_failure.redirect else None
        if answer is None:
            if late is not None:
                late.future.add_done_callback(_ignore)
            self._metrics.refused_visits.inc()
            return Refused()
        if answer.kind is AnswerKind.NOT_FOUND:
            return Spilled(answer)
        spilled = SpilledVisit(visit, answer.kind)
        durable = await self._spill.put(spilled, seconds=self._on_failure.commit_seconds)
        if late is not None:
            self._recovery.strike_when_committed(late.future, spilled, durable=durable)
        elif durable:
            self._metrics.spilled_visits.inc()
        else:
            self._recovery.lost(1)
        self._recovery.begin()
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


def _ignore(future: asyncio.Future[Outcome]) -> None:
    """Look at a result that nobody waits for any more, so that asyncio does not complain."""
    if not future.cancelled():
        future.exception()
