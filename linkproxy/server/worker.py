"""A worker: a process that the supervisor forks, does one duty, and ends when told or left alone."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final, Literal, Protocol

from linkproxy.logs import configure_logging
from linkproxy.model import LinkproxyError
from linkproxy.server.app import Duty, Patience, Place, loop_factory, serve
from linkproxy.server.listeners import Door

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from linkproxy.config import Config
    from linkproxy.server.board import Seat
    from linkproxy.server.sockets import Sockets

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What the supervisor is told things by."""

_FORK: Final = get_context("fork")


class Closable(Protocol):
    """A file of whatever kind."""

    def close(self) -> None: ...


Word = tuple[Literal["ready", "fault"], str]
"""What a worker says to its supervisor: that it serves, or why it cannot."""

RETIRE = "retire"
"""What the supervisor says to a worker whose successor serves already."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is there for, and how logs call it: a number, or ``private``."""

    name: str
    duty: Duty


def tasks(workers: int) -> list[Task]:
    """Return a server's tasks: as many public ones as are wanted, and the private one."""
    public = [Task(str(number), Duty.PUBLIC) for number in range(1, workers + 1)]
    return [*public, Task("private", Duty.PRIVATE)]


@dataclass(slots=True, eq=False)
class Worker:
    """A worker as its supervisor sees it."""

    task: Task
    process: BaseProcess
    line: Connection
    seat: int
    started_at: float  # monotonic
    end_by: float = float("inf")  # likewise; then it is ended by force
    ready: bool = False
    fault: str = ""
    hung: bool = False  # and told so

    def hear(self) -> None:
        """Take in what it says."""
        try:
            kind, text = self.line.recv()
        except (EOFError, OSError):
            return
        self.ready = self.ready or kind == "ready"
        self.fault = text if kind == "fault" else self.fault

    def hear_out(self) -> None:
        """Take in the last words of one that has ended."""
        with suppress(EOFError, OSError):
            while self.line.poll():
                kind, text = self.line.recv()
                self.fault = text if kind == "fault" else self.fault

    def retire(self, end_by: float) -> None:
        """Ask it to end, with all the time that its visitors need; ``end_by`` is monotonic."""
        self.end_by = end_by
        try:
            self.line.send(RETIRE)
        except OSError:
            self.process.terminate()

    @property
    def status(self) -> str:
        """How it ended, in words."""
        code = self.process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else f"exit {code}"

    def bury(self) -> None:
        """Let go of what the ended process leaves behind."""
        self.line.close()
        self.process.join()
        self.process.close()


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker is started with; ``foreign`` is what of the supervisor's is not for it."""

    task: Task
    config: Config
    sockets: Sockets
    seat: Seat
    foreign: Sequence[Closable]
    patience: Patience


def start(given: Start, now: float) -> Worker:
    """Fork a worker; raise OSError.

    The process that calls must have one thread only, and no connection to a store.
    """
    ours, theirs = _FORK.Pipe()
    process = _FORK.Process(target=_work, args=(given, theirs, ours), name=f"linkproxy-{given.task.name}")
    # A signal for the new process must not be taken by the handlers that it inherits: they would
    # tell the supervisor of it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        process.start()
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return Worker(given.task, process, ours, given.seat.number, now)


# --- in the worker -----------------------------------------------------------------------------


def _work(given: Start, line: Connection, supervisors: Connection) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # A terminal sends these to all; what they mean is the supervisor's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for item in (*given.foreign, supervisors):
        # Else an end of another's line would stay open here, and nobody would notice a death.
        item.close()
    configure_logging(given.config.log.level, given.config.log.format, worker=given.task.name)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(given, line))
    except LinkproxyError as error:
        line.send(("fault", str(error)))
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  (no trace at the user; the supervisor says it)
        line.send(("fault", f"a fault of linkproxy, please report it: {error!r}"))
        sys.exit(1)


async def _serve(given: Start, line: Connection) -> None:
    stop = asyncio.Event()
    door = Door()

    def heard() -> None:
        try:
            retired = line.recv() == RETIRE
        except (EOFError, OSError):
            retired = False  # the supervisor is gone, and with it whoever would start another
        if retired:
            door.grace_seconds = given.config.server.shutdown_seconds / 3
        asyncio.get_running_loop().remove_reader(line.fileno())
        stop.set()

    asyncio.get_running_loop().add_reader(line.fileno(), heard)
    place = Place(given.task.duty, given.sockets, given.seat, door, given.patience)
    await serve(given.config, ready=lambda _: line.send(("ready", "")), place=place, stop=stop)
