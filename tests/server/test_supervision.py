"""What the supervisor keeps: sockets, back-off, the sums of what its workers count."""

from __future__ import annotations

import socket
from multiprocessing import Pipe
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from linkproxy.config import Config, ServerSection
from linkproxy.model import LinkproxyError
from linkproxy.server.board import Board, Counts, Seat, State
from linkproxy.server.crew import Crew, gather, pause_seconds
from linkproxy.server.notify import notify
from linkproxy.server.ops import worker_checks
from linkproxy.server.sockets import NO_SOCKETS, Sockets, address_of, bind, inherited
from linkproxy.server.supervisor import Supervisor
from linkproxy.server.worker import Worker, tasks
from linkproxy.telemetry import Metrics

if TYPE_CHECKING:
    from pathlib import Path


LOOPBACK = ServerSection(public_host="127.0.0.1", public_port=0, private_port=0)
SIGNALS = ("request.program", "message.alone")


def test_a_worker_that_dies_again_and_again_is_started_ever_more_rarely() -> None:
    assert [pause_seconds(deaths) for deaths in range(1, 9)] == [0, 1, 2, 4, 8, 16, 30, 30]


def test_a_worker_that_lived_for_a_minute_begins_anew() -> None:
    crew = Crew(None, NO_SOCKETS, tasks(2))
    task = crew.tasks[0]
    pauses = [crew.lose(task, lived_seconds=1, now=now) for now in (10.0, 11.0, 20.0)]
    assert pauses == [0, 1, 2]
    assert task not in crew.idle(21.0)
    assert task in crew.idle(22.0)
    assert crew.lose(task, lived_seconds=61, now=90.0) == 0


def test_a_worker_that_outlives_its_kill_is_logged_as_hung_once() -> None:
    """SIGKILL waits for a process that waits for a disk."""
    supervisor, process = _silent_worker()
    with capture_logs() as logs:
        for now in range(63):
            supervisor._look_after(now)
    assert [line["event"] for line in logs] == ["worker.hung"]
    assert process.kills == 2


def test_a_worker_is_given_time_after_the_supervisor_itself_stood_still() -> None:
    """A machine that is paused (docker pause, a snapshot) wakes up all at once, the supervisor perhaps first."""
    supervisor, process = _silent_worker()
    for now in (*range(30), *range(90, 150)):
        supervisor._look_after(now)
    assert process.kills == 0
    supervisor._look_after(151)
    assert process.kills == 1


def test_when_one_of_the_new_workers_cannot_start_the_others_end_and_their_sockets_are_closed() -> None:
    supervisor, process = _silent_worker()
    serving = supervisor._crew
    assert serving is not None
    failed = Crew(Config(), bind(LOOPBACK, NO_SOCKETS), tasks(1))
    failed.workers, serving.workers = serving.workers, {}
    supervisor._next = failed
    with capture_logs() as logs:
        supervisor._take_back(failed, "another cannot start")
    assert [(line["event"], line["error"]) for line in logs] == [
        ("server.reload_failed", "another cannot start")
    ]
    assert (process.ends, supervisor._leaving) == (1, list(failed.workers.values()))
    assert (supervisor._crew, supervisor._next) == (serving, None)
    assert [item.fileno() for item in (*failed.sockets.public, *failed.sockets.private)] == [-1, -1]


def _silent_worker() -> tuple[Supervisor, _Uninterruptible]:
    """Return a supervisor and its only worker, which gives no sign of life."""
    supervisor = Supervisor(Config, ready=lambda _: None)
    process = _Uninterruptible()
    line, _ = Pipe()
    crew = Crew(Config(), NO_SOCKETS, tasks(1))
    crew.workers[crew.tasks[0]] = Worker(crew.tasks[0], process, line, seat=1, started_at=0.0)
    supervisor._crew = crew
    return supervisor, process


class _Uninterruptible(BaseProcess):
    """A process that does not go."""

    kills = 0
    ends = 0

    def kill(self) -> None:
        self.kills += 1

    def terminate(self) -> None:
        self.ends += 1


def test_what_workers_count_is_summed_and_never_goes_down_when_one_dies() -> None:
    metrics = [Metrics(signals=SIGNALS) for _ in range(3)]
    board = Board(metrics[0])
    counts = [Counts(Seat(board, number), item) for number, item in enumerate(metrics)]
    for item in metrics:
        item.visits.labels(verdict="human", answer="redirect").inc(2)
        item.commit_seconds.observe(0.3)
    for item in counts:
        item.push()
    line = b'linkproxy_visits_total{answer="redirect",verdict="human"} '
    assert line + b"6.0" in generate_latest(counts[0].summed())
    assert b"linkproxy_commit_seconds_count 3.0" in generate_latest(counts[0].summed())
    successor = Metrics(signals=SIGNALS)
    successor.visits.labels(verdict="human", answer="redirect").inc()
    Counts(Seat(board, 2), successor).push()
    assert line + b"7.0" in generate_latest(counts[0].summed())


def test_one_process_exports_alone_what_it_would_export_summed() -> None:
    metrics = Metrics(signals=SIGNALS)
    metrics.signals.labels(signal="message.alone").inc(3)
    metrics.broken_signals.labels(signal="never.heard.of").inc()
    counts = Counts(Seat(Board(metrics), 0), metrics)
    assert sorted(generate_latest(counts.summed()).splitlines()) == sorted(
        generate_latest(metrics.registry).splitlines()
    )


def test_a_label_that_only_another_worker_has_met_is_exported_too() -> None:
    mine, other = Metrics(signals=SIGNALS), Metrics(signals=SIGNALS)
    board = Board(mine)
    other.broken_signals.labels(signal="never.heard.of").inc(4)
    Counts(Seat(board, 1), other).push()
    text = generate_latest(Counts(Seat(board, 0), mine).summed())
    assert b'linkproxy_broken_signals_total{signal="unknown"} 4.0' in text


async def test_the_private_listener_says_which_workers_are_missing_or_spill(monkeypatch) -> None:
    board = Board(Metrics(signals=SIGNALS))
    checks = worker_checks(board, 2)
    monkeypatch.setattr("linkproxy.server.ops.time.monotonic", lambda: 100.0)
    board.write(1, State(99.5, public=True))
    assert "1 of 2 public workers" in await checks["workers"]()
    board.write(2, State(99.0, public=True, spilling=True))
    board.write(3, State(99.0))  # the private one
    assert await checks["workers"]() == ""
    assert "1 worker(s)" in await checks["journal"]()
    monkeypatch.setattr("linkproxy.server.ops.time.monotonic", lambda: 109.2)
    assert "1 of 2 public workers" in await checks["workers"]()


# --- sockets -----------------------------------------------------------------------------------


def test_a_crew_keeps_the_sockets_whose_address_is_as_before() -> None:
    first = gather(_Config(LOOPBACK.model_copy(update={"workers": 1})), None, NO_SOCKETS)
    second = gather(_Config(LOOPBACK.model_copy(update={"workers": 3})), first, NO_SOCKETS)
    elsewhere = LOOPBACK.model_copy(update={"workers": 1, "public_host": "127.0.0.2"})
    third = gather(_Config(elsewhere), second, NO_SOCKETS)
    assert second.sockets == first.sockets
    assert third.sockets.private == first.sockets.private
    assert third.sockets.public != first.sockets.public
    first.close_unused(third.sockets)
    assert first.sockets.public[0].fileno() == -1
    assert third.sockets.private[0].fileno() >= 0
    with pytest.raises(LinkproxyError, match="workers"):
        gather(_Config(LOOPBACK), first, NO_SOCKETS)
    third.sockets.close()


class _Config:
    """As much of a configuration as sockets need."""

    def __init__(self, server: ServerSection) -> None:
        self.server = server


def test_every_address_of_a_name_is_listened_on_at_one_port() -> None:
    section = LOOPBACK.model_copy(update={"public_host": "localhost"})
    sockets = bind(section, NO_SOCKETS)
    ports = {item.getsockname()[1] for item in sockets.public}
    assert len(ports) == 1
    sockets.close()


def test_without_systemd_nothing_is_handed_over() -> None:
    assert inherited({}) == NO_SOCKETS
    assert inherited({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == NO_SOCKETS


def test_what_was_handed_over_is_not_bound_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        sockets = bind(LOOPBACK, Sockets((given,), ()))
        assert sockets.public == (given,)
        assert address_of(sockets.public) == f"http://127.0.0.1:{given.getsockname()[1]}"
        sockets.close()


def test_systemd_is_told_where_it_asks_for_it(tmp_path: Path, monkeypatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        notify("READY=1")  # nobody asks
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("STOPPING=1")
        assert channel.recv(100) == b"STOPPING=1"
