"""How fast a judged and durable click is, beside a handler that does nothing and a bare nginx.

All servers run in one interleaved series of rounds, pinned to one core, with wrk on the other. Every
linkproxy visit has a token of its own message, is judged, and is in the journal before its answer;
the end compares rows stored with requests answered. Ratios are the result: absolute rates are this
machine's. ``python -m bench.redirect --help`` lists the options.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import sqlite3
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench import report, servers, wrk
from linkproxy.cli.init import installation
from linkproxy.config import load
from linkproxy.model import Campaign, CampaignId, Link, LinkKey, LinkKind, LinkRole
from linkproxy.server.wiring import keyring
from linkproxy.store.api import RecipientDraft
from linkproxy.store.connect import connect

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from linkproxy.config import Config

CAMPAIGNS = 20
LINKS = 40
LINKS_FOLLOWED = 2  # of one message, at random moments: people, no sweeps
CONNECTIONS = 64

BASELINE = "bare aiohttp 302"


@dataclass
class Rival:
    """A server under load, and what was measured of it in each round."""

    name: str
    url: str
    paths: Iterator[str]
    loads: dict[bool, list[wrk.Load]] = field(default_factory=lambda: {True: [], False: []})


def main() -> None:
    """Measure, print, and exit with 1 if a visit that was answered is not in the journal."""
    chosen = report.options("redirect", __doc__.splitlines()[0], _add_options)
    rounds = chosen.rounds or (3 if chosen.quick else 7)
    seconds = chosen.seconds or (1 if chosen.quick else 3)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rivals = [
            Rival(BASELINE, stack.enter_context(servers.bare_aiohttp(folder)), itertools.cycle(["/t/k"])),
            Rival("nginx return 302", stack.enter_context(servers.nginx(folder)), itertools.cycle(["/t/k"])),
        ]
        homes = {}
        for synchronous in ("full", "normal"):
            home = homes[synchronous] = folder / synchronous
            paths = _install(home, synchronous, chosen.messages)
            url = stack.enter_context(servers.linkproxy(home, {"LINKPROXY__STORE__SYNCHRONOUS": synchronous}))
            rivals.append(Rival(f"linkproxy {synchronous}", url, itertools.cycle(paths)))
        _measure(rivals, folder, rounds, seconds)
        sync_ms = _fsync_ms(folder)
        stored = {name: _count(home) for name, home in homes.items()}
    complete = _print(rivals, stored, sync_ms)
    results = {
        rival.name: {
            "keep-alive" if kept else "new connections": [asdict(load) for load in loads]
            for kept, loads in rival.loads.items()
        }
        for rival in rivals
    }
    report.finish("redirect", {"loads": results, "stored": stored, "fsync_ms": sync_ms}, chosen.json)
    sys.exit(0 if complete else 1)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, help="interleaved rounds")
    parser.add_argument("--seconds", type=int, help="of load, for each server in each round")
    parser.add_argument("--messages", type=int, default=40_000, help="distinct messages (default 40000)")


def _install(home: Path, synchronous: str, messages: int) -> list[str]:
    """Make an installation with campaigns and recipients; return distinct link paths, shuffled."""
    home.mkdir()
    for name, text in installation().items():
        (home / name).write_text(text)
    config = load(home / "config.toml", {"LINKPROXY__STORE__SYNCHRONOUS": synchronous})
    return asyncio.run(_fill(config, messages))


async def _fill(config: Config, messages: int) -> list[str]:
    keys, store = keyring(config), connect(config)
    await store.open()
    chance = random.Random(1)
    recipients = await store.register_recipients(
        [RecipientDraft(reference=f"r{number}") for number in range(messages // CAMPAIGNS)]
    )
    paths = []
    for number in range(CAMPAIGNS):
        campaign = await store.add_campaign(
            Campaign(CampaignId(0), f"c{number}", base_url="http://t.example")
        )
        links = [
            Link(
                campaign.id,
                LinkKey(f"{place:04d}"),
                f"https://shop.example/{place}",
                LinkKind.CONTENT,
                LinkRole.BODY,
                place,
            )
            for place in range(LINKS)
        ]
        await store.add_links(links)
        sign = keys.signer(campaign.id)
        for recipient in recipients:
            token = sign(recipient.id).decode()
            paths += [f"/{token}/{link.key}" for link in chance.sample(links, LINKS_FOLLOWED)]
    await store.close()
    chance.shuffle(paths)
    return paths


def _measure(rivals: list[Rival], folder: Path, rounds: int, seconds: int) -> None:
    file = folder / "paths"
    for number in range(rounds):
        # The order changes with the round, so that no server always follows the same one.
        order = rivals[number % len(rivals) :] + rivals[: number % len(rivals)]
        for keep_alive in (True, False):
            for rival in order:
                wanted = seconds * 25_000
                file.write_text("\n".join(itertools.islice(rival.paths, wanted)) + "\n")
                rival.loads[keep_alive].append(
                    wrk.run(rival.url, file, seconds=seconds, connections=CONNECTIONS, keep_alive=keep_alive)
                )


def _count(home: Path) -> int:
    with closing(sqlite3.connect(home / "linkproxy.db")) as database:
        return int(database.execute("SELECT count(*) FROM visit").fetchone()[0])


def _fsync_ms(folder: Path) -> float:
    """Return how long one fdatasync of a small write takes here, median in milliseconds."""
    times = []
    with (folder / "sync").open("wb") as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    return median(times) * 1000


def _print(rivals: list[Rival], stored: dict[str, int], sync_ms: float) -> bool:
    for keep_alive, title in ((True, "Keep-alive"), (False, "A new connection for each click")):
        bases = {rival.name: [load.rate for load in rival.loads[keep_alive]] for rival in rivals}
        report.table(
            f"{title}, {CONNECTIONS} connections",
            ["server", "requests/s", "x aiohttp", "x nginx", "p50 ms", "p99 ms", "failed"],
            [
                [
                    rival.name,
                    median(bases[rival.name]),
                    report.paired_ratio(bases[rival.name], bases[BASELINE]),
                    report.paired_ratio(bases[rival.name], bases["nginx return 302"]),
                    median(load.p50 for load in rival.loads[keep_alive]),
                    median(load.p99 for load in rival.loads[keep_alive]),
                    str(sum(load.others for load in rival.loads[keep_alive])),
                ]
                for rival in rivals
            ],
        )
    print(f"\none fdatasync on this disk: {sync_ms:.2f} ms")
    complete = True
    for rival in rivals[2:]:
        answered = sum(load.requests for loads in rival.loads.values() for load in loads)
        rows = stored[rival.name.removeprefix("linkproxy ")]
        complete = complete and rows >= answered
        print(f"{rival.name}: {answered:,} answered, {rows:,} in the journal")
    return complete


if __name__ == "__main__":
    main()
