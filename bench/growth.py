"""What a large journal costs: the rate of visits, listings, reports, memory and disk.

One store is as good as empty, the others hold a million and ten million visits of 10,000 campaigns;
their servers are loaded in one interleaved series of rounds, pinned to one core, with wrk on the other.
The ratio to the empty store is the result. Then first pages of listings and reports are timed, in a
process of their own. ``--quick`` compares 0 and 100,000 visits; ``python -m bench.growth --help``.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import fill, report, servers, wrk
from linkproxy.cli.init import installation
from linkproxy.config import load
from linkproxy.model import RecipientId
from linkproxy.query.reports import report as make_report
from linkproxy.server.wiring import keyring, policy
from linkproxy.store.api import Filter
from linkproxy.store.connect import connect

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from linkproxy.config import Config

_FILES = ("linkproxy.db", "linkproxy.db-wal")
_KEPT = {"LINKPROXY__RETENTION__JOURNAL_DAYS": "0"}
"""The clock goes on, what was stored does not: a purge of all of it would be measured instead."""

_PAGE = 51  # rows that a table on the terminal asks for


@dataclass
class Home:
    """An installation, and what was measured of it."""

    folder: Path
    config: Config
    size: fill.Size
    disk_bytes: int = 0
    url: str = ""
    paths: Iterator[str] = field(default_factory=lambda: iter(()))
    loads: list[wrk.Load] = field(default_factory=list)
    resident_mib: float = 0.0
    queries: dict[str, float] = field(default_factory=dict)  # seconds


def main() -> None:
    """Measure and print."""
    chosen = report.options("growth", __doc__.splitlines()[0], _add_options)
    full = [0, 1_000_000, 10_000_000]
    wanted = [0, *chosen.visits] if chosen.visits else [0, 100_000] if chosen.quick else full
    campaigns = chosen.campaigns or (1_000 if chosen.quick else 10_000)
    recipients = 20_000 if chosen.quick else 300_000
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder, ExitStack() as stack:
        empty = _begin(Path(folder) / "empty", fill.Size(0, campaigns, recipients))
        homes = []
        for visits in wanted:
            begin = time.perf_counter()
            home = _install(Path(folder) / str(visits), empty, fill.Size(visits, campaigns, recipients))
            homes.append(home)
            print(f"{visits:,} visits made in {time.perf_counter() - begin:.0f} s", flush=True)
        for home in homes:
            home.queries = asyncio.run(_queries(home))
            _commands(home)
            home.url = stack.enter_context(
                servers.linkproxy(home.folder, _KEPT | servers.unsettled(home.folder))
            )
        _load(homes, Path(folder), chosen.rounds or (4 if chosen.quick else 9), 1 if chosen.quick else 4)
        for home in homes:
            home.resident_mib = _resident_mib(home.folder)
    _print(homes)
    report.finish("growth", {str(home.size.visits): _record(home) for home in homes}, chosen.json)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--visits", type=int, nargs="+", help="stored, beside 0 (default 1000000 10000000)")
    parser.add_argument("--campaigns", type=int, help="(default 10000)")
    parser.add_argument("--rounds", type=int, help="interleaved rounds")
    parser.add_argument("--folder", type=Path, help="where the files are made (default: the system's own)")


def _install(folder: Path, empty: Path, size: fill.Size) -> Home:
    shutil.copytree(empty, folder)
    home = Home(folder, load(folder / "config.toml"), size)
    asyncio.run(_fill(home))
    home.disk_bytes = sum(path.stat().st_size for name in _FILES if (path := folder / name).exists())
    home.paths = _paths(home)
    return home


def _begin(folder: Path, size: fill.Size) -> Path:
    """Make an installation with campaigns and recipients, which the others are copies of."""
    folder.mkdir()
    for name, text in installation().items():
        (folder / name).write_text(text)
    config = load(folder / "config.toml", {"LINKPROXY__STORE__SYNCHRONOUS": "normal"})
    asyncio.run(_prepare(config, size))
    return folder


async def _prepare(config: Config, size: fill.Size) -> None:
    store = connect(config)
    await store.open()
    await fill.prepare(store, size)
    await store.close()


async def _fill(home: Home) -> None:
    if not home.size.visits:
        return
    store, rules = connect(home.config), policy(home.config)
    await store.open()
    await fill.settle_some(store, rules)
    await store.close()
    fill.fill(home.folder / "linkproxy.db", home.size)
    store = connect(home.config)
    await store.open()
    # A campaign of middling size, which the store counts again.
    (campaign,) = [item for item in await store.list_campaigns() if item.id == home.size.campaigns // 3]
    await fill.check(store, rules, campaign)
    await store.close()


def _paths(home: Home) -> Iterator[str]:
    """Yield tracked paths of random messages, each its own."""
    keys, chance = keyring(home.config), random.Random(7)
    signers: dict[int, Any] = {}
    while True:
        campaign = 1 + chance.randrange(home.size.campaigns)
        sign = signers.setdefault(campaign, None) or keys.signer(campaign)  # type: ignore[arg-type]
        signers[campaign] = sign
        token = sign(RecipientId(1 + chance.randrange(home.size.recipients))).decode()
        yield f"/{token}/{chance.randrange(fill.LINKS):04d}"


def _load(homes: list[Home], folder: Path, rounds: int, seconds: int) -> None:
    file = folder / "paths"
    for number in range(rounds):
        for home in homes[number % len(homes) :] + homes[: number % len(homes)]:
            file.write_text("\n".join(itertools.islice(home.paths, seconds * 25_000)) + "\n")
            home.loads.append(wrk.run(home.url, file, seconds=seconds))


async def _queries(home: Home) -> dict[str, float]:
    """Time first pages and reports through the store; the slowest of three, the first one included."""
    store, rules = connect(home.config), policy(home.config)
    await store.open()
    campaigns = await store.list_campaigns()
    largest, small = campaigns[0], campaigns[home.size.campaigns // 2]
    late = fill.NOW - 3 * 86_400.0
    filters = {
        "all": Filter(),
        "largest campaign": Filter(campaign=largest.name),
        "small campaign": Filter(campaign=small.name),
        "campaign and link": Filter(campaign=largest.name, key="0007"),
        "frequent domain": Filter(domain="gmail.example"),
        "rare domain": Filter(domain="office19000.example"),
        "campaign and rare domain": Filter(campaign=largest.name, domain="office19000.example"),
        "recipient": Filter(recipient=f"reader{home.size.recipients // 2}@gmail.example"),
        "the last days": Filter(since=late),
        "campaign, the last days": Filter(campaign=largest.name, since=late),
    }
    found = {}
    for name, where in filters.items():
        found[f"clicks: {name}"] = await _time(lambda where=where: _first(store.clicks(_page(where))))
        found[f"visits: {name}"] = await _time(lambda where=where: _first(store.visits(_page(where))))
    for verdict in ("machine", "uncertain"):
        where = Filter(verdict=verdict)  # type: ignore[arg-type]
        found[f"visits: {verdict}"] = await _time(lambda where=where: _first(store.visits(_page(where))))
    found["report: small campaign"] = await _time(lambda: make_report(store, small, rules))
    found["report: largest campaign"] = await _time(lambda: make_report(store, largest, rules))
    await store.close()
    return found


def _page(where: Filter) -> Filter:
    return replace(where, limit=_PAGE)


async def _first(rows: Any) -> list[Any]:
    return [row async for row in rows]


async def _time(call: Any) -> float:
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        await call()
        times.append(time.perf_counter() - begin)
    return max(times)


def _commands(home: Home) -> None:
    """Time whole commands, with Python's start; the slowest of three, as installed: with byte code."""
    largest = "c0"
    environ = {
        "LINKPROXY_CONFIG": str(home.folder / "config.toml"),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(home.folder / "bytecode"),
    }
    for name, words in (
        ("command: linkproxy report (largest)", ("report", largest, "--json")),
        ("command: linkproxy clicks --campaign", ("clicks", "--campaign", largest, "--limit", "50")),
    ):
        times = []
        for _ in range(4):
            begin = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "linkproxy", *words],
                env={**os.environ, **environ},
                stdout=subprocess.DEVNULL,
                check=True,
            )
            times.append(time.perf_counter() - begin)
        home.queries[name] = max(times[1:])  # the first one writes the byte code


def _resident_mib(folder: Path) -> float:
    """Return what the processes of a server hold in memory, found by their configuration."""
    wanted = f"LINKPROXY_CONFIG={folder / 'config.toml'}".encode()
    kib = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                lines = (process / "status").read_text().splitlines()
                kib += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        except OSError:
            continue  # it has ended meanwhile, or is somebody else's
    return kib / 1024


def _record(home: Home) -> dict[str, Any]:
    return {
        "loads": [asdict(load) for load in home.loads],
        "bytes_a_visit": home.disk_bytes / max(1, home.size.visits),
        "disk_bytes": home.disk_bytes,
        "resident_mib": home.resident_mib,
        "seconds": home.queries,
    }


def _print(homes: list[Home]) -> None:
    empty = homes[0]
    rates = {home.size.visits: [load.rate for load in home.loads] for home in homes}
    report.table(
        "Visits taken in, judged and durable, by visits stored",
        [
            *("stored", "visits/s", "x empty", "CPU us", "p50 ms", "p99 ms"),
            *("failed", "MiB in memory", "bytes a visit"),
        ],
        [
            [
                f"{home.size.visits:,}",
                median(rates[home.size.visits]),
                report.paired_ratio(rates[home.size.visits], rates[0]),
                median(load.cpu_us for load in home.loads),
                median(load.p50 for load in home.loads),
                median(load.p99 for load in home.loads),
                str(sum(load.others for load in home.loads)),
                home.resident_mib,
                (home.disk_bytes - empty.disk_bytes) / home.size.visits if home.size.visits else "",
            ]
            for home in homes
        ],
    )
    report.table(
        "Questions: slowest of three, in milliseconds",
        ["question", *(f"{home.size.visits:,}" for home in homes)],
        [[name, *(home.queries[name] * 1000 for home in homes)] for name in empty.queries],
    )


if __name__ == "__main__":
    main()
