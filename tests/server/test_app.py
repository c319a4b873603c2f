"""Starting and stopping: the server as one process that gets signals, limits and taken ports."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from claims.postgres_front import front

from linkproxy.model import LinkproxyError
from linkproxy.server.app import running
from linkproxy.store.api import Filter
from tests.server.conftest import write_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from claims.postgres import Server

    from tests.server.conftest import Site, Start

PROGRAM = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from linkproxy import config
from linkproxy.server import app
app.run(config.load(Path(sys.argv[1]), {}), ready=lambda where: print(json.dumps(asdict(where)), flush=True))
"""


@dataclass
class Process:
    """The server as a program of its own."""

    handle: asyncio.subprocess.Process
    public: str

    async def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return exit code and what was logged."""
        self.handle.send_signal(number)
        _, err = await self.handle.communicate()
        assert self.handle.returncode is not None
        return self.handle.returncode, err.decode()


Launch = "Callable[[Path], Awaitable[Process]]"


@pytest.fixture
async def launch() -> AsyncIterator[Callable[[Path], Awaitable[Process]]]:
    """Start the program on a configuration file."""
    started: list[asyncio.subprocess.Process] = []

    async def begin(file: Path) -> Process:
        handle = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, str(file),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        started.append(handle)
        assert handle.stdout is not None
        line = await handle.stdout.readline()
        if not line:
            assert handle.stderr is not None
            pytest.fail((await handle.stderr.read()).decode())
        return Process(handle, json.loads(line)["public"])

    yield begin
    for handle in started:
        if handle.returncode is None:
            handle.kill()
            await handle.communicate()


async def furnished(start: Start) -> Site:
    """Make a campaign through a server of this process, which a program can then serve as well."""
    return await start()


async def answered(site: Site, public: str, paths: list[str]) -> list[int]:
    async with aiohttp.ClientSession() as web:

        async def ask(path: str) -> int:
            async with web.get(public + path, headers=site.BROWSER, allow_redirects=False) as response:
                return response.status

        return await asyncio.gather(*(ask(path) for path in paths))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_signal_ends_the_server_cleanly(
    start: Start, launch: Callable[[Path], Awaitable[Process]], tmp_path: Path, number: int
) -> None:
    site = await furnished(start)
    process = await launch(tmp_path / "config.toml")
    assert await answered(site, process.public, [site.path()]) == [302]
    code, log = await process.stop(number)
    assert code == 0
    assert "server.stopped" in log
    assert "Traceback" not in log
    assert len(await site.visits()) == 1


async def test_a_stop_does_not_wait_for_a_database_that_hangs(
    start: Start,
    launch: Callable[[Path], Awaitable[Process]],
    tmp_path: Path,
    own_postgres: Server,
    own_database: str,
) -> None:
    site = await start(store={"url": own_database})
    path = site.path()
    assert own_postgres.folder is not None
    with tempfile.TemporaryDirectory() as short:  # the path of a socket has 107 bytes
        async with front(Path(short), own_postgres.folder) as between:
            through = own_database.replace(str(own_postgres.folder), short)
            store = {"url": through, "commit_seconds": 0.1}
            write_config(tmp_path, store=store, server={"shutdown_seconds": 0.3})
            process = await launch(tmp_path / "config.toml")
            between.hangs.set()
            assert await answered(site, process.public, [path]) == [302]
            code, log = await process.stop()
            assert code == 0
            assert "incomplete=True" in log
            assert "Traceback" not in log
    assert (tmp_path / "linkproxy.spill.1").stat().st_size  # the other is of this process


async def test_a_hang_up_stops_no_server_that_is_one_process_and_says_what_to_do(
    start: Start, launch: Callable[[Path], Awaitable[Process]], tmp_path: Path
) -> None:
    site = await furnished(start)
    process = await launch(tmp_path / "config.toml")
    process.handle.send_signal(signal.SIGHUP)
    assert await answered(site, process.public, [site.path()]) == [302]
    code, log = await process.stop()
    assert code == 0
    assert "restart to apply new settings" in log


async def test_what_was_answered_is_in_the_journal_when_it_is_stopped_amid_requests(
    start: Start, launch: Callable[[Path], Awaitable[Process]], tmp_path: Path
) -> None:
    site = await furnished(start)
    process = await launch(tmp_path / "config.toml")
    statuses: list[int] = []

    async def keep_asking(web: aiohttp.ClientSession) -> None:
        while True:
            async with web.get(process.public + site.path(), allow_redirects=False) as response:
                statuses.append(response.status)

    async with aiohttp.ClientSession() as web:
        askers = [asyncio.create_task(keep_asking(web)) for _ in range(8)]
        while len(statuses) < 50:  # noqa: ASYNC110  (eight tasks fill it, none knows when it is enough)
            await asyncio.sleep(0.01)
        code, log = await process.stop()
        ends = await asyncio.gather(*askers, return_exceptions=True)
    assert all(isinstance(end, aiohttp.ClientError) for end in ends)
    assert code == 0, log
    assert set(statuses) <= {200, 302}
    assert len(await site.visits()) >= len(statuses)


async def test_on_a_full_disk_people_are_sent_on_and_nothing_is_lost_once_there_is_room(
    start: Start, launch: Callable[[Path], Awaitable[Process]], tmp_path: Path
) -> None:
    site = await furnished(start)
    process = await launch(tmp_path / "config.toml")
    assert await answered(site, process.public, [site.path()]) == [302]
    # The kernel now refuses to let any file grow beyond this, as a full disk does; the small
    # spill file still fits.
    pid = process.handle.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    for _ in range(3):
        assert await answered(site, process.public, [site.path("CtB2")]) == [302]
    assert [row.entry.visit.key for row in await site.visits()] == ["CtA1"]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    async with asyncio.timeout(60):
        while len(await site.visits()) < 4:  # noqa: ASYNC110  (another process writes them)
            await asyncio.sleep(0.05)
    code, log = await process.stop()
    assert code == 0
    assert "store.recovered" in log


async def test_when_store_and_log_both_fail_people_are_sent_on_and_the_server_stops(
    start: Start, tmp_path: Path
) -> None:
    site = await furnished(start)
    reading, writing = os.pipe()
    handle = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(tmp_path / "config.toml"),
        stdout=asyncio.subprocess.PIPE, stderr=writing,
    )  # fmt: skip
    os.close(writing)
    assert handle.stdout is not None
    public = json.loads(await handle.stdout.readline())["public"]
    try:
        assert await answered(site, public, [site.path()]) == [302]
        os.close(reading)  # who reads the log is gone: each write to it fails from now on
        _, hard = resource.prlimit(handle.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(handle.pid, resource.RLIMIT_FSIZE, (4096, hard))
        async with asyncio.timeout(30):
            assert await answered(site, public, [site.path("CtB2")]) == [302]
            handle.send_signal(signal.SIGTERM)
            assert await handle.wait() in {0, 120}  # 120: Python could not write the rest of the log, either
    finally:
        if handle.returncode is None:
            handle.kill()
            await handle.wait()


async def test_a_port_in_use_is_told_in_one_line_and_leaves_nothing_behind(
    start: Start, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LinkproxyError) as caught:
            await start(server={"public_port": port})
    assert str(caught.value) == (
        f"[server] public_host and public_port: 127.0.0.1:{port} is in use by another program. "
        "Stop that one, or set another port."
    )
    site = await start()
    assert (await site.ask(site.url())).status == 302


@pytest.mark.parametrize("listener", ["public", "private"])
@pytest.mark.parametrize(
    "line", [b"GET http://[ HTTP/1.1", b"GET / HTTP/9", b"GET /" + b"a" * 40_000 + b" HTTP/1.1"]
)
async def test_what_is_no_http_is_answered_400_and_writes_no_trace(
    site: Site, caplog: pytest.LogCaptureFixture, listener: str, line: bytes
) -> None:
    address = getattr(site.server.addresses, listener).removeprefix("http://")
    reader, writer = await asyncio.open_connection(*address.rsplit(":", 1))
    writer.write(line + b"\r\nHost: localhost\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.split()[1] == b"400"
    assert caplog.records == []


async def test_an_address_of_another_machine_is_told(start: Start) -> None:
    with pytest.raises(LinkproxyError, match=r"192\.0\.2\.1:0 is no address of this machine"):
        await start(server={"public_host": "192.0.2.1"})


async def test_a_store_that_cannot_be_opened_is_told_before_a_port_is_taken(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "linkproxy.db").write_bytes(b"this is no database, whatever its name" * 100)
    with pytest.raises(LinkproxyError, match=r"linkproxy\.db"):
        await start()


async def test_missing_signing_keys_are_told_with_what_to_do(start: Start, tmp_path: Path) -> None:
    site = await start()
    (tmp_path / "signing-keys.txt").unlink()
    with pytest.raises(LinkproxyError, match="linkproxy init"):
        async with running(site.config):
            pass


async def test_two_servers_share_a_database_and_see_each_others_visits(start: Start) -> None:
    first, second = await start(), await start()
    await asyncio.gather(*(site.ask(site.url(key)) for site in (first, second) for key in site.TARGETS))
    rows = [row async for row in first.store.visits(Filter())]
    assert len(rows) == 8
