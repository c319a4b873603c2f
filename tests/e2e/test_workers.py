"""A supervisor and its workers as an operator runs them: load, signals, deaths, systemd."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest
from claims.crewed import BROWSER, PATIENCE_SECONDS, PEOPLE, Crewed, until

from bench.durability.home import furnish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Takes over a listening socket as systemd hands it over (sd_listen_fds(3)), and becomes the server.
AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="public")
os.execv(sys.executable, [sys.executable, "-m", "linkproxy", "serve"])
"""


@pytest.fixture
def crewed(installation, tmp_path: Path) -> Iterator[Crewed]:
    home = furnish(installation.folder, PEOPLE)
    made = Crewed(installation, tmp_path / "log", home)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def test_workers_share_the_load_count_together_and_settle_once(crewed: Crewed) -> None:
    crewed.installation.settings["LINKPROXY__SERVER__REQUEST_LOG"] = "true"
    crewed.start(2)
    asyncio.run(crewed.under_load(lambda: None, lambda: None))
    assert crewed.failures == []
    assert {line["worker"] for line in crewed.logged("server.request", listener="public")} == {"1", "2"}
    assert len(crewed.logged("server.listening", listener="private")) == 1
    redirects = "linkproxy_http_responses_total", '{listener="public",status="3xx"}'
    until(lambda: crewed.metric(*redirects) == len(crewed.answered))
    assert crewed.ready() == {"store": "ok", "journal": "ok", "workers": "ok", "settler": "ok"}
    crewed.installation.until_settled("load")
    clicks = crewed.installation.rows("clicks", "--campaign", "load")
    until(lambda: crewed.metric("linkproxy_clicks_total") == len(clicks))
    assert crewed.missing() == set()
    assert crewed.stop() == 0
    assert len(crewed.logged("server.stopped")) == 4


def test_new_settings_are_taken_over_under_load_and_nobody_is_refused(crewed: Crewed) -> None:
    crewed.start(2)
    config = crewed.installation.folder / "config.toml"
    before = config.read_text()

    def change(workers: int) -> Callable[[], None]:
        def deed() -> None:
            config.write_text(before.replace("\n[brand]\n", f'\n[brand]\nname = "Brand {workers}"\n'))
            crewed.hang_up(workers)

        return deed

    asyncio.run(crewed.under_load(change(1), change(2), lambda: None))
    assert crewed.failures == []
    assert crewed.missing() == set()
    assert len(crewed.logged("server.reloaded")) == 2
    with pytest.raises(urllib.error.HTTPError) as page:
        urllib.request.urlopen(crewed.public + "/nothing")  # noqa: S310  (an address of our own)
    assert "Brand 2" in page.value.read().decode()
    page.value.close()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "config.toml").write_text("[store]\non_failure = 'x'"), "on_failure"),
        (lambda folder: (folder / "signing-keys.txt").write_text("no key"), "signing-keys.txt"),
        (
            lambda folder: (folder / "config.toml").write_text(
                "[store]\nurl = 'postgresql://127.0.0.1:1/no'"
            ),
            "cannot be reached",
        ),
    ],
    ids=["found when it is read", "found by a new worker", "a database that is away"],
)
def test_settings_that_cannot_be_used_keep_the_workers_and_say_why(crewed: Crewed, spoil, told: str) -> None:
    crewed.start(1)
    workers = crewed.pids()
    spoil(crewed.installation.folder)
    crewed.hang_up()
    assert told in str(crewed.logged("server.reload_failed")[0]["error"])
    until(lambda: crewed.pids() == workers)
    asyncio.run(crewed.under_load(lambda: None))
    assert crewed.failures == []
    assert crewed.stop() == 0


def test_another_version_that_was_installed_meanwhile_asks_for_a_restart(crewed: Crewed, tmp_path) -> None:
    """Its templates and rules are on the disk, and the code that would read them is the old one."""
    site = tmp_path / "site"
    site.mkdir()
    own = (
        f"import sys; sys.path.insert(0, {str(site)!r})\nfrom linkproxy.cli.main import main; main(['serve'])"
    )
    crewed.start(1, sys.executable, "-c", own)
    workers = crewed.pids()
    (site / "linkproxy-99.1.dist-info").mkdir()
    (site / "linkproxy-99.1.dist-info" / "METADATA").write_text("Name: linkproxy\nVersion: 99.1\n")
    crewed.hang_up()
    [line] = crewed.logged("server.reload_failed")
    assert line["error"] == "linkproxy 99.1 was installed since this server started: restart it"
    assert crewed.pids() == workers
    assert crewed.stop() == 0


def test_a_worker_that_is_killed_under_load_costs_no_answered_visit_and_is_replaced(crewed: Crewed) -> None:
    crewed.start(2)
    victims = list(crewed.pids())

    def kill(pid: int, deaths: int) -> Callable[[], None]:
        def deed() -> None:
            os.kill(pid, signal.SIGKILL)
            until(lambda: len(crewed.logged("worker.died")) == deaths)

        return deed

    asyncio.run(crewed.under_load(*(kill(pid, at) for at, pid in enumerate(victims, 1)), lambda: None))
    assert crewed.missing() == set()
    # A kill cuts the connections of that worker; nobody else notices.
    assert all("Disconnected" in text or "reset" in text.lower() for text in crewed.failures)
    assert len(crewed.failures) <= 2 * 12
    until(lambda: set(crewed.ready().values()) == {"ok"})
    assert crewed.metric("linkproxy_worker_deaths_total") == 3
    assert {line["status"] for line in crewed.logged("worker.died")} == {
        f"worker {name}: SIGKILL" for name in ("1", "2", "private")
    }


def test_workers_that_lose_their_supervisor_end_by_themselves(crewed: Crewed) -> None:
    crewed.start(1)
    pids = list(crewed.pids())
    crewed.process.kill()
    crewed.process.wait()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))  # noqa: PTH110  (no file of ours)
    assert len(crewed.logged("server.stopped")) == 2


def test_a_fault_that_keeps_the_first_workers_from_starting_is_told_in_one_line(crewed: Crewed) -> None:
    (crewed.installation.folder / "signing-keys.txt").write_text("no key")
    done = subprocess.run(
        [sys.executable, "-m", "linkproxy", "serve", "--workers", "2"],
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
        env=crewed.installation.environment(),
    )  # fmt: skip
    assert done.returncode == 1
    faults = [line for line in done.stderr.splitlines() if line.startswith("linkproxy:")]
    assert len(faults) == 1
    assert "signing-keys.txt" in faults[0]
    assert "Traceback" not in done.stderr


def test_a_worker_that_hangs_is_killed_and_replaced(crewed: Crewed) -> None:
    impatient = (
        "import linkproxy.server.supervisor as supervisor; supervisor.HUNG_SECONDS = 4.0\n"
        "from linkproxy.cli.main import main; main(['serve'])"
    )
    crewed.start(1, sys.executable, "-c", impatient)
    stopped = next(iter(crewed.pids()))
    os.kill(stopped, signal.SIGSTOP)
    until(lambda: crewed.logged("worker.died", died="1"))
    assert crewed.logged("worker.hung", died="1")
    assert stopped not in crewed.pids()
    asyncio.run(crewed.under_load(lambda: None))
    assert crewed.failures == []


def test_new_settings_wait_while_too_many_who_leave_are_still_there(crewed: Crewed) -> None:
    """Else the board has no seat for the new ones, and the supervisor could start nobody."""
    cramped = (
        "import linkproxy.server.supervisor as it; it.SEATS, it.MOST_WORKERS = 5, 1\n"
        "from linkproxy.cli.main import main; main(['serve'])"
    )
    crewed.installation.settings["LINKPROXY__SERVER__SHUTDOWN_SECONDS"] = "3"
    crewed.start(1, sys.executable, "-c", cramped)
    host, port = crewed.public.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((host, int(port))) as lasting:  # kept for a while by a worker that leaves
        lasting.sendall(b"GET /robots.txt HTTP/1.1\r\nHost: click.example\r\n\r\n")
        assert lasting.recv(4096)
        for times in (1, 2, 3):
            crewed.hang_up(times)
    until(lambda: len(crewed.pids()) == 2)
    assert crewed.stop() == 0


def test_who_comes_while_a_stop_waits_for_others_is_refused_at_once(crewed: Crewed) -> None:
    crewed.start(2)
    host, port = crewed.public.removeprefix("http://").split(":")

    def refused() -> bool:
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            return True
        return False

    with socket.create_connection((host, int(port))) as unfinished:
        unfinished.sendall(b"POST /long HTTP/1.1\r\nHost: click.example\r\nContent-Length: 3\r\n\r\n")
        crewed.process.send_signal(signal.SIGTERM)
        until(refused)
        assert len(crewed.logged("server.stopped")) < 3, "its worker had ended, and the supervisor"
    assert crewed.process.wait(PATIENCE_SECONDS) == 0
    assert len(crewed.logged("server.stopped")) == 4


def test_what_is_handed_over_and_is_no_listening_socket_is_told_in_one_line(crewed: Crewed) -> None:
    with open(os.devnull) as nothing:  # noqa: PTH123  (no file of ours)
        done = subprocess.run(
            [sys.executable, "-c", AS_SYSTEMD, str(nothing.fileno())],
            pass_fds=(nothing.fileno(),), env=crewed.installation.environment(),
            capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("linkproxy: LISTEN_FDS: file 3 is no socket")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_socket_of_systemd_holds_connections_over_a_restart(crewed: Crewed, workers: int) -> None:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(str(crewed.installation.folder / "notify"))
    channel.settimeout(PATIENCE_SECONDS)
    crewed.installation.settings["NOTIFY_SOCKET"] = channel.getsockname()
    with channel, socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-c", AS_SYSTEMD, str(listening.fileno())]
        crewed.start(workers, *command, listening=listening.fileno())
        assert crewed.public == f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert crewed.stop() == 0
        assert [channel.recv(100) for _ in range(2)] == [b"READY=1", b"STOPPING=1"]
        # Nobody accepts now; who comes waits in the socket's queue.
        path = crewed.home.paths.pop()
        with contextlib.closing(socket.create_connection(listening.getsockname())) as early:
            head = "".join(f"{name}: {value}\r\n" for name, value in BROWSER.items())
            early.sendall(f"GET {path} HTTP/1.1\r\nHost: click.example\r\n{head}\r\n".encode())
            crewed.start(workers, *command, listening=listening.fileno())
            early.settimeout(PATIENCE_SECONDS)
            assert early.recv(4096).startswith(b"HTTP/1.1 302")
        assert crewed.stop() == 0
