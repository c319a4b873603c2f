"""A crew: the workers of one configuration, and how often each task has lost its worker."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from linkproxy.model import LinkproxyError
from linkproxy.server.sockets import NO_SOCKETS, Sockets, bind
from linkproxy.server.worker import tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.config import Config, ServerSection
    from linkproxy.server.worker import Task, Worker

STEADY_SECONDS: Final = 60.0
"""Who lived so long has not died of its start."""

LOOPING_DEATHS: Final = 5
HUNG_SECONDS: Final = 60.0


def pause_seconds(deaths: int) -> float:
    """Return how long to wait before a worker that died so many times in a row is started again."""
    return 0.0 if deaths < 2 else min(30.0, 2.0 ** (deaths - 2))


@dataclass(slots=True)
class Crew:
    """The workers of one configuration."""

    config: Config
    sockets: Sockets
    tasks: Sequence[Task]
    workers: dict[Task, Worker] = field(default_factory=dict)
    deaths: dict[Task, int] = field(default_factory=lambda: defaultdict(int))  # in a row
    due: dict[Task, float] = field(default_factory=dict)  # when to start again, monotonic

    @property
    def ready(self) -> bool:
        """Whether every task is done by somebody."""
        return len(self.workers) == len(self.tasks) and all(item.ready for item in self.workers.values())

    def idle(self, now: float) -> list[Task]:
        """Return the tasks that want a worker now."""
        return [task for task in self.tasks if task not in self.workers and self.due.get(task, 0.0) <= now]

    def lose(self, task: Task, *, lived_seconds: float, now: float) -> float:
        """Note that a task has lost its worker; return after how many seconds it gets another."""
        self.workers.pop(task, None)
        self.deaths[task] = self.deaths[task] + 1 if lived_seconds < STEADY_SECONDS else 1
        pause = pause_seconds(self.deaths[task])
        self.due[task] = now + pause
        return pause

    def close_unused(self, used: Sockets) -> None:
        """Close the sockets that are not among those in use."""
        still = {*used.public, *used.private}
        for item in (*self.sockets.public, *self.sockets.private):
            if item not in still:
                item.close()


def gather(config: Config, before: Crew | None, given: Sockets) -> Crew:
    """Return a crew without workers; raise LinkproxyError when its sockets are not to be had.

    Sockets that were handed over by systemd stay, and so do those whose address is as before:
    nobody who waits in them is lost.
    """
    if not config.server.workers:
        raise LinkproxyError("[server] workers: 0 needs no supervisor. Restart for that, or set 1.")
    section, kept = config.server, before.sockets if before else NO_SOCKETS
    as_before = before.config.server if before else section
    public = given.public or (kept.public if _public(as_before) == _public(section) else ())
    private = given.private or (kept.private if _private(as_before) == _private(section) else ())
    return Crew(config, bind(section, Sockets(public, private)), tasks(section.workers))


def _public(section: ServerSection) -> tuple[str, int]:
    return section.public_host, section.public_port


def _private(section: ServerSection) -> tuple[str, int]:
    return section.private_host, section.private_port
