"""Waiting for a failing store to come back, and reading the spill file into it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from linkproxy.logs import Event, get_logger
from linkproxy.model import Answer, Judged
from linkproxy.server.loop import Loop
from linkproxy.server.repeats import Repeats
from linkproxy.store.api import Failed, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.model import AnswerKind, Visit
    from linkproxy.server.spill import Spill, SpilledVisit
    from linkproxy.store.api import Outcome, Store, Take, Taken
    from linkproxy.telemetry import Metrics
    from linkproxy.visit.facts import FactSource

_PROBE_SECONDS = 1.0
_AT_ONCE = 256
_CORRECTIONS = 3  # tries, while the store may not be well yet
ADOPT_SECONDS = 30.0


class Recovery:
    """Probes a failing store every second, and empties the spill file once it works."""

    def __init__(
        self,
        store: Store,
        take: Take,
        spill: Spill,
        metrics: Metrics,
        wait: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store = store
        self._take = take
        self._spill = spill
        self._metrics = metrics
        self._wait = wait
        self._late: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._entering: asyncio.Task[None] | None = None
        self._adopter = Adopter(self)
        self._repeats = Repeats()
        self._losing = False  # told in the log once, not with every visit
        self._closed = False
        self.failing = False

    def start(self) -> None:
        """Begin to look for spilled visits, those of dead processes too."""
        self._adopter.start()
        if self._spill.may_hold_visits:
            self.begin()

    def begin(self) -> None:
        """See to it that somebody is at work."""
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._run())

    async def adopt(self) -> None:
        """Take over what dead processes have spilled, and see to it that it is read back."""
        try:
            adopted = await self._spill.adopt()
        except OSError as error:
            get_logger().warning(Event.STORE_FAILED, operation="spill", error=str(error))
            return
        if adopted:
            get_logger().info(Event.SPILL_ADOPTED, path=str(self._spill.path))
            self.begin()

    async def done(self) -> None:
        """Return when there is nothing to recover from."""
        while self._task is not None:
            await asyncio.wait({self._task})

    def strike_when_committed(
        self, late: asyncio.Future[Outcome], spilled: SpilledVisit, put: asyncio.Task[asyncio.Future[bool]]
    ) -> None:
        """Strike a visit that is being ``put`` into the spill file when its late commit turns out well."""
        task = asyncio.create_task(self._strike_when_committed(late, spilled, put))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def count(self, kept: asyncio.Future[bool]) -> None:
        """Count a visit as spilled, or as lost, once it is known whether the spill file has it."""
        if not kept.done():
            kept.add_done_callback(self.count)
        elif kept.result():
            self._metrics.spilled_visits.inc()
            self.begin()
        else:
            self._lose()

    async def close(self) -> None:
        """Wait for late commits, then stop looking and probing, and finish what is being read back."""
        await self._adopter.close()
        if self._late:
            await asyncio.wait(self._late)
        self._closed = True  # what the disk is still writing is for the next start to read back
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._entering is not None:
            await asyncio.gather(self._entering, return_exceptions=True)

    def _lose(self) -> None:
        """Count a visit that found room neither in the store nor in the spill file."""
        self._metrics.lost_visits.inc()
        if not self._losing:
            self._losing = True
            get_logger().error(Event.SPILL_FULL, path=str(self._spill.path), bytes=self._spill.size())

    async def _run(self) -> None:
        try:
            while self.failing or self._spill.may_hold_visits:
                try:
                    await self._store.ping()
                    self._note_recovered()
                    await self._read_back()
                except Exception as error:  # noqa: BLE001  (whatever it was, it is tried again)
                    if self._repeats.is_news(str(error)):
                        get_logger().warning(Event.STORE_FAILED, operation="ping", error=str(error))
                    await self._wait(_PROBE_SECONDS)
        finally:
            self._task = None

    def _note_recovered(self) -> None:
        self._losing = False
        self._repeats.is_over()
        if self.failing:
            self.failing = False
            get_logger().info(Event.STORE_RECOVERED, operation="append")

    async def _read_back(self) -> None:
        """Append what waits in the spill file now, striking each batch once it is in the journal.

        Only what waits now: while visits go on coming into the file, nobody else would say that the
        store works again, and visits that a commit has yet will not have been struck.
        """
        while self._late:
            await asyncio.wait(self._late)
        waiting = await self._spill.waiting()
        for start in range(0, len(waiting), _AT_ONCE):
            # Shielded: a stop between commit and strike would let the batch be read back again.
            self._entering = asyncio.create_task(self._enter(waiting[start : start + _AT_ONCE]))
            await asyncio.shield(self._entering)
        if waiting:
            get_logger().info(Event.SPILL_READ_BACK, visits=len(waiting))

    async def _enter(self, batch: Sequence[SpilledVisit]) -> None:
        outcomes = await self._store.append(
            [spilled.visit for spilled in batch], _as_answered(self._take, batch)
        )
        await self._spill.strike([spilled.id for spilled in batch])
        failed = sum(isinstance(outcome, Failed) for outcome in outcomes)
        self._metrics.failed_visits.inc(failed)
        self._metrics.read_back_visits.inc(len(batch) - failed)

    async def _strike_when_committed(
        self, late: asyncio.Future[Outcome], spilled: SpilledVisit, put: asyncio.Task[asyncio.Future[bool]]
    ) -> None:
        kept = await put
        try:
            outcome = await late
        except Exception:  # noqa: BLE001  (the commit failed, whatever the reason; the spill file has the visit)
            self.count(kept)
            return
        try:
            await self._spill.strike([spilled.id])
        except OSError as error:
            get_logger().warning(Event.STORE_FAILED, operation="spill", error=str(error))
        if isinstance(outcome, Judged) and outcome.answer.kind is not spilled.answered:
            await self._say_what_was_answered(outcome.visit_id, spilled.answered)

    async def _say_what_was_answered(self, visit_id: int, answered: AnswerKind) -> None:
        """Correct the journal: an extra hop that nobody was sent on would speak against a person."""
        for _ in range(_CORRECTIONS):
            try:
                await self._store.correct_answer(visit_id, answered)
            except StoreError as error:
                get_logger().warning(Event.STORE_FAILED, operation="correct", error=str(error))
                await self._wait(_PROBE_SECONDS)
            else:
                return


class Adopter(Loop):
    """Looks now and then for what dead processes have spilled, so that it need not wait for a start."""

    def __init__(self, recovery: Recovery) -> None:
        super().__init__(ADOPT_SECONDS, at_once=False)
        self._recovery = recovery

    async def once(self) -> None:
        await self._recovery.adopt()


def _as_answered(take: Take, batch: Sequence[SpilledVisit]) -> Take:
    """Return ``take`` with the answers that the visitors really got in the place of the judge's."""
    answered = {spilled.visit: spilled.answered for spilled in batch}

    def take_as_answered(visit: Visit, source: FactSource) -> Taken:
        outcome = take(visit, source)
        if not isinstance(outcome, Judged):
            return outcome
        kind = answered.get(visit, outcome.answer.kind)
        return replace(outcome, answer=Answer(kind, outcome.answer.target))

    return take_as_answered
