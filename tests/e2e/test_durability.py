"""What was answered is in the journal, whatever happens to process, disk, database or clock.

bench/durability does the same at length; docs/durability.md has its figures.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
from typing import TYPE_CHECKING

import aiohttp
import pytest

from bench.durability.faults import FAULTS, torment
from bench.durability.home import furnish
from bench.durability.power import cut_often, read

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 10
LINKS = 12
PEOPLE = 400
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0",
    "Accept": "text/html,*/*;q=0.8",
    "Accept-Language": "en",
    "Accept-Encoding": "gzip, deflate",
}


def prepare(installation, folder: Path) -> list[str]:
    """Return the path of every link of every recipient's mail, each to be followed once."""
    mail = "".join(f'<a href="https://shop.example/{n}">{n}</a>\n' for n in range(LINKS))
    (folder / "mail.html").write_text(f"<body>{mail}</body>")
    (folder / "who.csv").write_text("reference\n" + "".join(f"r{n}\n" for n in range(PEOPLE)))
    installation.run("campaign", "add", "load", "--base-url", "http://click.example", "--bait", "none")
    installation.run(
        "rewrite", str(folder / "mail.html"), "--campaign", "load",
        "--recipients", str(folder / "who.csv"), "--out", str(folder / "out"), "--quiet",
    )  # fmt: skip
    return [
        part.split('"')[0].removeprefix("http://click.example")
        for path in sorted((folder / "out").rglob("*.html"))
        for part in path.read_text().split('href="')[1:]
    ]


async def load(base: str, paths: list[str], answered: set[str], enough: asyncio.Event) -> None:
    """Follow links until the server is gone; ``answered`` gets those that were redirected."""

    async def client(session: aiohttp.ClientSession) -> None:
        while paths:
            path = paths.pop()
            try:
                async with session.get(base + path, allow_redirects=False, headers=BROWSER) as response:
                    if response.status == 302:
                        answered.add(path)
                        enough.set()
            except (aiohttp.ClientError, ConnectionError):
                return

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(client(session) for _ in range(24)))


async def one_round(installation, paths: list[str], answered: set[str], seed: int) -> None:
    enough = asyncio.Event()
    running = asyncio.create_task(load(installation.public, paths, answered, enough))
    await enough.wait()
    await asyncio.sleep(random.Random(seed).uniform(0.01, 0.25))  # noqa: S311  (a moment for the kill, no secret)
    assert installation.server is not None
    installation.server.kill()
    await running


@pytest.mark.slow
def test_every_answered_visit_is_in_the_journal_after_ten_kills_under_load(installation, tmp_path):
    paths = prepare(installation, tmp_path)
    answered: set[str] = set()
    total = len(paths)
    for seed in range(ROUNDS):
        installation.start()
        before = len(answered)
        asyncio.run(one_round(installation, paths, answered, seed))
        installation.stop(signal.SIGKILL)
        assert len(answered) > before, "no visit was answered in this round"
    assert len(answered) < total, "the load ended before the last kill"
    journal = installation.rows("visits", "--campaign", "load")
    tokens = {(row["recipient"], row["key"]) for row in journal}
    by_token = dict(named(tmp_path))
    missing = [path for path in answered if by_token[path] not in tokens]
    assert missing == []


def named(folder: Path) -> list[tuple[str, tuple[str, str]]]:
    """Return (path of a link, (reference, key)) for every link that was sent."""
    return [
        (link, (path.stem, link.rpartition("/")[2]))
        for path in (folder / "out").rglob("*.html")
        for link in (
            part.split('"')[0].removeprefix("http://click.example")
            for part in path.read_text().split('href="')[1:]
        )
    ]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_journal_is_synced_to_disk_before_the_answer_is_written(installation, tmp_path):
    (path, *_) = prepare(installation, tmp_path)
    trace = tmp_path / "trace"
    installation.prefix = (
        "strace", "-f", "-y", "-s", "48", "-e", "trace=fdatasync,fsync,write,sendto,sendmsg,writev,recvfrom,read",
        "-o", str(trace),
    )  # fmt: skip
    installation.start()

    async def follow() -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.get(installation.public + path, allow_redirects=False, headers=BROWSER) as response,
        ):
            return response.status

    assert asyncio.run(follow()) == 302
    installation.stop()
    lines = trace.read_text(errors="replace").splitlines()
    asked = next(place for place, line in enumerate(lines) if f"GET {path[:20]}" in line)
    answer = next(place for place, line in enumerate(lines) if "HTTP/1.1 302" in line)
    between = [line for line in lines[asked:answer] if "sync(" in line or "sync resumed" in line]
    assert any("linkproxy.db-wal" in line for line in between), "\n".join(lines[asked : answer + 1])


needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@needs_strace
@pytest.mark.slow
def test_a_power_cut_loses_no_answered_visit_under_full_and_some_under_normal(tmp_path):
    """The loss under normal shows that this test can fail."""
    found = {}
    for synchronous in ("full", "normal"):
        settings = {
            "LINKPROXY__STORE__SYNCHRONOUS": synchronous,
            "LINKPROXY__STORE__COMMIT_SECONDS": "60",
        }
        home = furnish(tmp_path / synchronous, 100, settings)
        found[synchronous] = cut_often(home, 15, seed=1, seconds=0.3)
    full, normal = found["full"], found["normal"]
    assert (full.cuts_with_loss, full.unsound, normal.unsound) == (0, 0, 0)
    assert full.answered > 0
    assert normal.cuts_with_loss > 0


def test_a_trace_tells_writes_and_syncs_also_where_threads_interrupt_each_other():
    path = "".join(f"\\x{byte:02x}" for byte in b"/x-wal")
    lines = [
        f'7 10.5 pwrite64(3<{path}>, "\\x41\\x42", 2, 4096) = 2 <0.25>',
        f"8 11.0 fdatasync(3<{path}> <unfinished ...>",
        f'7 11.2 pwrite64(3<{path}>, "\\x43", 1, 0) = 1 <0.25>',
        "8 11.5 <... fdatasync resumed>) = 0 <0.5>",
        f"7 12.0 ftruncate(3<{path}>, 100) = 0 <0.25>",
        f"7 13.0 fsync(3<{path}>) = -1 EIO (Input/output error) <0.01>",
        "7 14.0 +++ exited with 0 +++",
    ]
    deeds = [(deed.kind, deed.path, deed.began, deed.ended, deed.offset, deed.data) for deed in read(lines)]
    assert deeds == [
        ("write", "/x-wal", 10.5, 10.75, 4096, b"AB"),
        ("write", "/x-wal", 11.2, 11.45, 0, b"C"),
        ("sync", "/x-wal", 11.0, 11.5, 0, b""),
        ("cut", "/x-wal", 12.0, 12.25, 100, b""),
    ]


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if fault.quick and not fault.workers], ids=lambda fault: fault.name
)
def test_under_every_fault_people_are_sent_on_and_their_visits_are_journalled_later(
    tmp_path, monkeypatch, fault
):
    monkeypatch.setattr("bench.durability.faults.FAULT_SECONDS", 0.8)
    monkeypatch.setattr("bench.durability.faults.PEOPLE", 150)
    torn = torment(fault, tmp_path / "home")
    if torn is None:
        pytest.skip("this machine permits no mount or no tracing, or has no PostgreSQL")
    assert torn.answered > 0
    assert (torn.missing, torn.lost, torn.not_redirected) == (0, 0, 0)
    assert torn.back
    assert torn.cut == 0
    assert torn.spilled > 0 or fault.stepping
