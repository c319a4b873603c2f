"""What a visit costs after its answer: settling, commits, and the bytes that stay on disk.

The visits of ``bench.append`` are taken in and then settled, each step with a store opened anew, so that
what is in logs has reached the file. With ``--store-url`` the same on an empty PostgreSQL database, which
is left filled; its backends' CPU time is told when they run on this machine. Per visit, of one settler.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench import append, report, servers
from linkproxy.cli.init import installation
from linkproxy.config import load
from linkproxy.model import (
    CampaignId,
    Delivery,
    DeliverySource,
    LinkKey,
    LinkKind,
    LinkRole,
    MessageLink,
)
from linkproxy.server.settler import settle_due
from linkproxy.store.api import DeliveryDraft, RecipientDraft
from linkproxy.store.connect import connect_to
from linkproxy.visit import pipeline, policy

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.config import Config
    from linkproxy.model import Recipient, Visit
    from linkproxy.store.api import Store, Take

SETTLED_AT = append.NOW + append.HOURS * 3600 + 86_400
_CAMPAIGN = CampaignId(1)
_PROBED = 200  # messages that are settled once more while others wait
_LATER = 3 * 86_400.0
_BETWEEN_SECONDS = 0.005
_TARGET, _SHAPE = "https://shop.example/offers/spring?customer=%d", "https://shop.example/offers/spring"
APART_SECONDS = 1.0  # between the visits of one message


@dataclass(frozen=True, slots=True)
class Step:
    """What one step cost for each visit."""

    cpu_us: float  # of this process
    wall_us: float
    database_cpu_us: float = 0.0  # of PostgreSQL's processes
    commits: float = 0.0  # of PostgreSQL
    log_bytes: float = 0.0  # PostgreSQL's write-ahead log
    log_syncs: float = 0.0
    disk_bytes: float = 0.0  # that are on disk after this step and were not before


@dataclass(frozen=True, slots=True)
class Known:
    """What the database says of itself at a moment."""

    cpu_seconds: float
    commits: float
    log_bytes: float
    log_syncs: float
    disk_bytes: float


Measured = tuple[dict[str, Step], dict[str, list[float]]]


def main() -> None:
    """Measure and print."""
    chosen = report.options("settling", __doc__.splitlines()[0], _add_options)
    messages = chosen.messages or (1_000 if chosen.quick else 10_000)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        for name, text in installation().items():
            (Path(folder) / name).write_text(text)
        config = load(Path(folder) / "config.toml")
        file = Path(folder) / "linkproxy.db"
        urls = [f"sqlite:{file}", *([chosen.store_url] if chosen.store_url else [])]
        results = {}
        for url in urls:
            name = "SQLite" if url.startswith("sqlite") else "PostgreSQL"
            results[name] = asyncio.run(_measure(url, config, messages, chosen))
        tables = _tables(file)
    for name, (steps, _) in results.items():
        report.table(
            f"{name}, for each of them; {messages:,} messages with {chosen.visits} visits each",
            ["what", "CPU us", "us in all", "database CPU us", "commits", "log bytes", "log syncs", "bytes"],
            [[step, *asdict(cost).values()] for step, cost in steps.items()],
        )
    report.table(
        "A single visit waits for its commit: milliseconds",
        ["engine", "p50", "p90", "longest"],
        [
            [f"{name}, {case}", median(waited), waited[len(waited) * 9 // 10], waited[-1]]
            for name, (_, waits) in results.items()
            for case, waited in waits.items()
        ],
    )
    if tables:
        report.table("SQLite's file, for each visit", ["table or index", "bytes"], list(tables.items()))
    found: dict[str, object] = {
        name: {**{step: asdict(cost) for step, cost in steps.items()}, "waits_ms": waits}
        for name, (steps, waits) in results.items()
    }
    report.finish("settling", {**found, "tables": tables}, chosen.json)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--messages", type=int, help="that are visited (default 10000)")
    parser.add_argument("--visits", type=int, default=2, help="of each message (default 2)")
    parser.add_argument("--batch", type=int, default=40, help="visits of one commit (default 40)")
    parser.add_argument("--folder", type=Path, help="where the file is made (default: the system's own)")
    parser.add_argument("--store-url", metavar="URL", help="also an empty PostgreSQL: postgresql://...")


async def _measure(url: str, config: Config, messages: int, chosen: argparse.Namespace) -> Measured:
    rules = policy.load()
    take = partial(pipeline.take, policy=rules)
    visits: list[Visit] = []

    async def prepare(store: Store) -> None:
        mailing = await append._send(store, messages)  # type: ignore[arg-type]  # noqa: SLF001  (its mailing, on any store)
        visits.extend(
            replace(visit, at=visit.at + place * APART_SECONDS, key=append._key((1 + place) % append.LINKS))  # noqa: SLF001  (as above)
            for place in range(chosen.visits)
            for visit in mailing.first
        )

    async def take_in(store: Store) -> None:
        await append._append(store, visits, take, chosen.batch)  # type: ignore[arg-type]  # noqa: SLF001  (as above)

    async def settle(store: Store) -> None:
        assert await settle_due(store, rules, SETTLED_AT) == messages // append.CAMPAIGNS * append.CAMPAIGNS

    await _step(url, config, prepare)
    steps = {}
    for name, work in _kept_for_messages(messages).items():
        steps[name] = _for_each(await _step(url, config, work), messages)
    for name, work in (("taken in, judged, durable", take_in), ("settled", settle)):
        steps[name] = _for_each(await _step(url, config, work), len(visits))
    waits: dict[str, list[float]] = {}

    async def wait(store: Store) -> None:
        waits.update(await _waits(store, visits, chosen))

    await _step(url, config, wait)
    return steps, waits


def _kept_for_messages(rows: int) -> dict[str, Callable[[Store], Awaitable[object]]]:
    """Return what leaves so many rows without any visit."""
    who: list[Recipient] = []

    async def register(store: Store) -> None:
        who.extend(
            await store.register_recipients(
                [RecipientDraft(f"other{place}@brand.example") for place in range(rows)]
            )
        )

    async def deliver(store: Store) -> None:
        told = Delivery(append.NOW, DeliverySource.PROVIDER)
        assert await store.add_deliveries([DeliveryDraft(_CAMPAIGN, item.id, told) for item in who]) == rows

    async def link(store: Store) -> None:
        await store.add_message_links(
            [
                MessageLink(
                    *(_CAMPAIGN, item.id, LinkKey("mmmm"), _TARGET % item.id),
                    *(LinkKind.CONTENT, LinkRole.BODY, 99, _SHAPE),
                )
                for item in who
            ]
        )

    return {
        "a recipient": register,
        "a delivery of one message": deliver,
        "a message link": link,
    }


async def _waits(store: Store, visits: Sequence[Visit], chosen: argparse.Namespace) -> dict[str, list[float]]:
    """Return how long single visits wait for their commit, in ms: alone, and while messages are settled."""
    rules = policy.load()
    take = partial(pipeline.take, policy=rules)
    some = {(visit.campaign_id, visit.recipient_id) for visit in visits[:_PROBED]}
    settled = [visit for visit in visits if (visit.campaign_id, visit.recipient_id) in some]
    again = [replace(visit, at=visit.at + _LATER) for visit in settled]
    await append._append(store, again, take, chosen.batch)  # type: ignore[arg-type]  # noqa: SLF001  (any store does)
    probes = [replace(visit, at=SETTLED_AT + _LATER) for visit in again]
    alone = [await _wait(store, visit, take) for visit in probes[:_PROBED]]
    settling = asyncio.create_task(settle_due(store, rules, SETTLED_AT + _LATER))
    beside = []
    for visit in probes:
        beside.append(await _wait(store, visit, take))
        if settling.done():
            break
    await settling
    return {"alone": sorted(alone), "while messages settle": sorted(beside)}


async def _wait(store: Store, visit: Visit, take: Take) -> float:
    begin = time.perf_counter()
    await store.append([visit], take)
    waited = time.perf_counter() - begin
    await asyncio.sleep(_BETWEEN_SECONDS)  # people do not come one right after the other
    return waited * 1e3


async def _step(url: str, config: Config, work: Callable[[Store], Awaitable[object]]) -> Step:
    store = connect_to(url, config)
    before = await _known(url)
    await store.open()
    cpu, wall = time.process_time(), time.perf_counter()
    await work(store)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    known = await _known(url)  # while the backends are there whose CPU time counts
    await store.close()
    after = await _known(url)
    return Step(
        cpu * 1e6,
        wall * 1e6,
        (known.cpu_seconds - before.cpu_seconds) * 1e6,
        after.commits - before.commits,
        after.log_bytes - before.log_bytes,
        after.log_syncs - before.log_syncs,
        after.disk_bytes - before.disk_bytes,
    )


def _for_each(step: Step, visits: int) -> Step:
    return Step(*(value / visits for value in asdict(step).values()))


async def _known(url: str) -> Known:
    if url.startswith("sqlite:"):
        return Known(0, 0, 0, 0, _file_bytes(Path(url.removeprefix("sqlite:"))))
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CHECKPOINT")
        pids = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        row = await connection.fetchrow(
            """SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
            (SELECT wal_bytes::float8 FROM pg_stat_wal), pg_database_size(current_database())"""
        )
        syncs = await _log_syncs(connection)
    finally:
        await connection.close()
    return Known(sum(_cpu_seconds(pid) for (pid,) in pids), row[0], row[1], syncs, row[2])


def _tables(file: Path) -> dict[str, float]:
    """Return the bytes of tables and indexes that have most; nothing where SQLite is built without dbstat."""
    asked = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 12"
    with closing(sqlite3.connect(file)) as database:
        try:
            (visits,) = database.execute("SELECT count(*) FROM visit").fetchone()
            return {name: size / visits for name, size in database.execute(asked)}
        except sqlite3.OperationalError:
            return {}


def _file_bytes(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


async def _log_syncs(connection: object) -> float:
    """Return how often the log was synced; PostgreSQL 18 has moved the count."""
    version = await connection.fetchval("SELECT current_setting('server_version_num')::int")  # type: ignore[attr-defined]
    asked = (
        "SELECT sum(fsyncs)::float8 FROM pg_stat_io WHERE object = 'wal'"
        if version >= 180_000
        else "SELECT wal_sync::float8 FROM pg_stat_wal"
    )
    return float(await connection.fetchval(asked))  # type: ignore[attr-defined]


def _cpu_seconds(pid: int) -> float:
    try:
        return servers._cpu_seconds(pid)  # noqa: SLF001  (of a process that is no server of ours)
    except OSError:
        return 0.0  # it is on another machine, or has ended


if __name__ == "__main__":
    main()
