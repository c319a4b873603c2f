"""The supervisor: keeps workers running, and replaces them without a visitor noticing.

It is one thread without an event loop, since it forks. It opens the listening sockets and the
board, and does nothing else: no request and no store can bring it down. Workers accept on the same
sockets, so that whoever is alive serves (docs/adr/0006).
"""

from __future__ import annotations

import gc
import signal
import socket
import time
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Final

from linkproxy.config_types import MOST_WORKERS
from linkproxy.logs import Event, configure_logging, get_logger
from linkproxy.model import LinkproxyError
from linkproxy.server.app import Addresses, Patience
from linkproxy.server.board import SEATS, Board, Counts, Seat, State
from linkproxy.server.crew import HUNG_SECONDS, LOOPING_DEATHS, gather
from linkproxy.server.notify import notify
from linkproxy.server.sockets import NO_SOCKETS, inherited, raise_file_limit
from linkproxy.server.worker import SIGNALS, Start, start
from linkproxy.telemetry import Metrics
from linkproxy.visit import signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from linkproxy.config import Config
    from linkproxy.server.crew import Crew
    from linkproxy.server.worker import Closable, Task, Worker

_TURN_SECONDS: Final = 0.5
_KILL_AFTER_SECONDS: Final = 5.0  # beyond [server] shutdown_seconds
_STILL_SECONDS: Final = 10.0
"""Who has not looked for so long stood still, and the workers with it: the machine was paused."""

_SUPERVISOR_SEAT: Final = 0


def _installed() -> str:
    """Return the version that is installed now, which may not be the one that runs; "" for none."""
    try:
        return version("linkproxy")
    except PackageNotFoundError:
        return ""


class Supervisor:
    """Runs workers until SIGTERM or SIGINT; SIGHUP reads the settings again.

    ``load`` returns the settings, raising LinkproxyError; ``ready`` is told the addresses once.
    """

    def __init__(self, load: Callable[[], Config], *, ready: Callable[[Addresses], None]) -> None:
        self._load = load
        self._ready = ready
        self._metrics = Metrics(signals=[known.name for known in signals.SIGNALS])
        self._board = Board(self._metrics)
        self._counts = Counts(Seat(self._board, _SUPERVISOR_SEAT), self._metrics)
        self._given = NO_SOCKETS
        self._crew: Crew | None = None
        self._next: Crew | None = None
        self._leaving: list[Worker] = []
        self._again = False
        self._stopping = False
        self._looked_at = self._awake_at = 0.0  # monotonic
        self._wakeup = socket.socketpair()
        self._installed = _installed()

    def run(self) -> None:
        """Serve until told to stop; raise LinkproxyError when the first workers cannot start."""
        config = self._load()
        configure_logging(config.log.level, config.log.format, worker="supervisor")
        raise_file_limit()
        self._given = inherited()
        # What is there now is shared with every worker; a collection would copy it page by page.
        gc.collect()
        gc.freeze()
        with self._signals():
            try:
                self._next = gather(config, None, self._given)
                while not self._stopping:
                    self._turn()
            finally:
                self._end()

    # --- one turn ------------------------------------------------------------------------------

    def _turn(self) -> None:
        workers = self._all()
        lines = [worker.line for worker in workers]
        ends = [worker.process.sentinel for worker in workers]
        told = set(wait([self._wakeup[0], *lines, *ends], _TURN_SECONDS))
        if self._wakeup[0] in told:
            self._obey(self._wakeup[0].recv(64))
        for worker in workers:
            if worker.line in told:
                worker.hear()
            if worker.process.exitcode is not None:
                self._ended(worker)
        now = time.monotonic()
        self._look_after(now)
        self._start_idle(now)
        self._change_over(now)

    def _obey(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGHUP:
                self._again = True
            else:
                get_logger().info(Event.STOPPING, signal=signal.Signals(number).name)
                self._stopping = True

    def _look_after(self, now: float) -> None:
        """End whoever gives no sign of life, or does not go when told."""
        if now - self._looked_at > _STILL_SECONDS:
            self._awake_at = now
        self._looked_at = now
        for worker in self._all():
            heard_at = max(worker.started_at, self._board.read(worker.seat).beat_at, self._awake_at)
            last = heard_at + HUNG_SECONDS
            if now > min(last, worker.end_by):
                if not worker.hung:  # one that waits for a dead disk outlives the kill for a while
                    worker.hung = True
                    get_logger().error(Event.WORKER_HUNG, died=worker.task.name)
                worker.fault = worker.fault or f"worker {worker.task.name} gives no sign of life"
                worker.process.kill()

    def _start_idle(self, now: float) -> None:
        for crew in self._crews():
            for task in crew.idle(now):
                try:
                    self._start(task, crew, now)
                except OSError as error:
                    self._bereaved(crew, task, lived_seconds=0.0, status=str(error.strerror))

    def _start(self, task: Task, crew: Crew, now: float) -> None:
        taken = {worker.seat for worker in self._all()}
        seat = next(number for number in range(_SUPERVISOR_SEAT + 1, SEATS) if number not in taken)
        foreign: list[Closable] = [*self._wakeup, *(worker.line for worker in self._all())]
        # An address that is given up must not stay open in those who never accept on it.
        used = {*crew.sockets.public, *crew.sockets.private}
        others = [item for other in self._crews() for item in (*other.sockets.public, *other.sockets.private)]
        foreign += [item for item in dict.fromkeys(others) if item not in used]
        given = Start(task, crew.config, crew.sockets, Seat(self._board, seat), foreign, self._patience(crew))
        crew.workers[task] = start(given, now)

    def _patience(self, crew: Crew) -> Patience:
        """Return whether a new worker of a crew waits for a store that is away."""
        if self._crew is None:
            return Patience.ANSWERING
        return Patience.SILENT if crew is self._crew else Patience.NONE

    # --- deaths --------------------------------------------------------------------------------

    def _ended(self, worker: Worker) -> None:
        worker.hear_out()
        self._board.write(worker.seat, State())
        status = worker.fault or f"worker {worker.task.name}: {worker.status}"
        if worker in self._leaving:
            self._leaving.remove(worker)
        elif self._next is not None and self._next.workers.get(worker.task) is worker:
            del self._next.workers[worker.task]
            self._take_back(self._next, status)
        elif self._crew is not None:
            lived = time.monotonic() - worker.started_at
            self._bereaved(self._crew, worker.task, lived_seconds=lived, status=status)
        worker.bury()

    def _bereaved(self, crew: Crew, task: Task, *, lived_seconds: float, status: str) -> None:
        """Note a death that nobody asked for, and when to start again."""
        pause = crew.lose(task, lived_seconds=lived_seconds, now=time.monotonic())
        self._metrics.worker_deaths.inc()
        self._counts.push()
        get_logger().error(Event.WORKER_DIED, died=task.name, status=status, seconds=pause)
        if crew.deaths[task] >= LOOPING_DEATHS:
            get_logger().error(Event.WORKER_LOOPING, died=task.name, deaths=crew.deaths[task])

    # --- from one crew to the next -------------------------------------------------------------

    def _change_over(self, now: float) -> None:
        if self._next is not None and self._next.ready:
            before, self._crew, self._next = self._crew, self._next, None
            notify("READY=1")
            if before is None:
                self._ready(Addresses.of(self._crew.sockets))
                return
            for worker in before.workers.values():
                worker.retire(now + before.config.server.shutdown_seconds + _KILL_AFTER_SECONDS)
            self._leaving += before.workers.values()
            before.close_unused(self._crew.sockets)
            get_logger().info(Event.RELOADED, workers=self._crew.config.server.workers)
        elif self._again and self._next is None and self._has_room():
            self._again = False
            self._reload()

    def _has_room(self) -> bool:
        """Tell whether the largest crew finds seats; else new settings wait until some who leave are gone."""
        return len(self._all()) + MOST_WORKERS + 1 < SEATS

    def _reload(self) -> None:
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        if (now := _installed()) != self._installed:
            # Templates and rules would be read anew, which the code that runs does not fit.
            self._keep_on(f"linkproxy {now} was installed since this server started: restart it")
            return
        try:
            config = self._load()
            self._next = gather(config, self._crew, self._given)
        except LinkproxyError as error:
            self._keep_on(str(error))
        else:
            configure_logging(config.log.level, config.log.format, worker="supervisor")

    def _take_back(self, failed: Crew, reason: str) -> None:
        """Give the next crew up, since one of it cannot start. Before the first one: raise."""
        self._next = None
        self._leaving += failed.workers.values()
        for worker in failed.workers.values():
            worker.process.terminate()
        if self._crew is None:
            raise LinkproxyError(reason)
        failed.close_unused(self._crew.sockets)
        self._keep_on(reason)

    def _keep_on(self, reason: str) -> None:
        for line in reason.splitlines():
            get_logger().error(Event.RELOAD_FAILED, error=line)
        notify("READY=1")

    # --- the end -------------------------------------------------------------------------------

    def _end(self) -> None:
        """Stop all workers, those that take too long by force."""
        notify("STOPPING=1")
        workers = self._all()
        crew = self._crew or self._next
        patience = crew.config.server.shutdown_seconds if crew else 0.0
        for worker in workers:
            worker.process.terminate()
        # Else who comes from now on would wait here for nobody. systemd keeps its sockets open itself.
        for item in self._crews():
            item.sockets.close()
        until = time.monotonic() + patience + _KILL_AFTER_SECONDS
        for worker in workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.exitcode is None:
                get_logger().error(Event.STOPPED, incomplete=True, died=worker.task.name)
                worker.process.kill()
            worker.bury()
        if self._stopping:
            get_logger().info(Event.STOPPED)

    def _crews(self) -> list[Crew]:
        return [crew for crew in (self._crew, self._next) if crew is not None]

    def _all(self) -> list[Worker]:
        working = [worker for crew in self._crews() for worker in crew.workers.values()]
        return working + self._leaving

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn signals into bytes to read, so that they can be waited for with all else."""
        for end in self._wakeup:
            end.setblocking(False)
        signal.set_wakeup_fd(self._wakeup[1].fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            for end in self._wakeup:
                end.close()
