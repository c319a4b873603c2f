"""How fast a judged and durable click is, beside a handler that does nothing and a bare nginx.

All servers run in one interleaved series of rounds, pinned to one core, with wrk on the other (a
server of two workers has both, and shares the second with wrk). linkproxy's visits follow the links of
many messages in random order, none of them twice; each is judged, and in the journal before its answer;
the end compares rows stored with requests answered. Other trackers that keep clicks run beside it.
Then bare aiohttp and linkproxy get a constant rate, half of linkproxy's highest.
Ratios are the result: absolute rates are this machine's. CPU time moves least when the machine is
not quiet. ``python -m bench.redirect --help`` lists the options.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench import mailed, peers, report, servers, slow_disk, steady, wrk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CONNECTIONS = 64
SLOW_FSYNC_MS = 2.0
MOST_RATE, MEAN_RATE = 25_000, 15_000
"""Clicks a second that linkproxy does not exceed, and what it stays below over the whole run."""
MOST_OF_PEERS = 40_000
"""Messages that suffice for the other trackers."""

BASELINE, NGINX, FULL = "bare aiohttp 302", "nginx return 302", "linkproxy full"
_SYNCHRONOUS = "LINKPROXY__STORE__SYNCHRONOUS"
_WORKERS = "LINKPROXY__SERVER__WORKERS"
_TRUSTED = "LINKPROXY__SERVER__TRUSTED_PROXIES"


class Paths:
    """What is asked for, in order: begun anew only when all were asked for once."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = list(paths)
        self._passed = 0

    @property
    def begun(self) -> int:
        """How many were asked for."""
        return self._passed

    @property
    def repeated(self) -> bool:
        """Whether some were asked for twice."""
        return len(self._paths) > 1 and self._passed > len(self._paths)

    def ahead(self, count: int) -> list[str]:
        """Return the next paths, which stay the next ones until they are ``passed``."""
        first = self._passed % len(self._paths)
        return list(itertools.islice(itertools.cycle(self._paths[first:] + self._paths[:first]), count))

    def passed(self, count: int) -> None:
        """Go on behind so many."""
        self._passed += count


@dataclass
class Rival:
    """A server under load, and what was measured of it in each round."""

    name: str
    url: str
    paths: Paths
    stored: Callable[[], int] | None = None  # how many clicks it has kept
    loads: dict[bool, list[wrk.Load]] = field(default_factory=lambda: {True: [], False: []})
    steady: list[steady.Steady] = field(default_factory=list)
    connections: int = CONNECTIONS
    front: bool = False

    def answered(self) -> int:
        """Return how many requests it answered in all."""
        return sum(load.requests for loads in self.loads.values() for load in loads) + sum(
            load.answered for load in self.steady
        )


@dataclass(frozen=True)
class Scenario:
    """A way to run linkproxy."""

    name: str
    settings: Mapping[str, str]
    cores: tuple[int, ...] = (0,)
    store_url: str = ""
    connections: int = CONNECTIONS
    front: bool = False  # each click comes from another address, as a front tells it


def main() -> None:
    """Measure, print, and exit with 1 if a visit that was answered is not in the journal."""
    chosen = report.options("redirect", __doc__.splitlines()[0], _add_options)
    rounds = chosen.rounds or (3 if chosen.quick else 7)
    seconds = chosen.seconds or (1 if chosen.quick else 3)
    steady_rounds = 1 if chosen.quick else 3
    messages = chosen.messages or _messages((2 * rounds + steady_rounds) * seconds)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rivals = [
            Rival(BASELINE, stack.enter_context(servers.bare_aiohttp(folder)), Paths(("/t/k",))),
            Rival(NGINX, stack.enter_context(servers.nginx(folder)), Paths(("/t/k",))),
            Rival(
                "plain, stores only",
                stack.enter_context(servers.plain(folder)),
                Paths(("/t/k",)),
                partial(_count_plain, folder),
            ),
        ]
        rivals += _bare_workers(_workers(chosen), folder, stack)
        rivals += [_begin_peer(each, folder, messages, stack) for each in _peers(chosen)]
        rivals += [_begin(each, folder, messages, stack) for each in _scenarios(chosen, folder)]
        _measure(rivals, folder, rounds, seconds)
        _measure_steady(rivals, steady_rounds, seconds)
        sync_ms = _fsync_ms(folder)
        stored = {each.name: each.stored() for each in rivals if each.stored}
    complete = _print(rivals, stored, sync_ms)
    results = {
        "loads": {each.name: _figures(each) for each in rivals},
        "steady": {each.name: [asdict(load) for load in each.steady] for each in rivals if each.steady},
        "stored": stored,
        "fsync_ms": sync_ms,
    }
    report.finish("redirect", results, chosen.json)
    sys.exit(0 if complete else 1)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, help="interleaved rounds")
    parser.add_argument("--seconds", type=int, help="of load, for each server in each round")
    parser.add_argument(
        "--messages", type=int, help="distinct ones (default: enough for each click to follow another link)"
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="also serve by N workers (default 2; quick: none)"
    )
    parser.add_argument(
        "--slow-fsync",
        type=float,
        metavar="MS",
        help="also with so much added to each fsync (default 2; quick: none)",
    )
    parser.add_argument(
        "--peers",
        action=argparse.BooleanOptionalAction,
        help="also measure other trackers that keep clicks (default; quick: not)",
    )
    parser.add_argument(
        "--store-url", metavar="URL", help="also on an empty PostgreSQL database: postgresql://..."
    )


def _messages(seconds: int) -> int:
    """Return how many messages have links enough for so long."""
    return seconds * MEAN_RATE // mailed.LINKS_FOLLOWED


def _scenarios(chosen: argparse.Namespace, folder: Path) -> list[Scenario]:
    workers = _workers(chosen)
    slow_ms = chosen.slow_fsync if chosen.slow_fsync is not None else 0 if chosen.quick else SLOW_FSYNC_MS
    found = [Scenario(FULL, {_SYNCHRONOUS: "full"}), Scenario("linkproxy normal", {_SYNCHRONOUS: "normal"})]
    trusting = {_SYNCHRONOUS: "full", _TRUSTED: '["127.0.0.0/8"]'}
    found.append(Scenario("linkproxy full, behind a front", trusting, front=True))
    if workers:
        found += _of_workers(workers)
    if slow_ms and slow_disk.available():
        slow = slow_disk.preloading(folder, slow_ms)
        found.append(Scenario(f"linkproxy full, fsync +{slow_ms:g} ms", {_SYNCHRONOUS: "full", **slow}))
    if chosen.store_url:
        settings = {"LINKPROXY__STORE__URL": chosen.store_url}
        found.append(Scenario("linkproxy on PostgreSQL", settings, store_url=chosen.store_url))
    return found


def _workers(chosen: argparse.Namespace) -> int:
    return int(chosen.workers) if chosen.workers is not None else 0 if chosen.quick else 2


def _cores(workers: int) -> tuple[int, ...]:
    return tuple(range(min(workers, os.cpu_count() or 1)))


def _bare_workers(workers: int, folder: Path, stack: ExitStack) -> list[Rival]:
    """Return what tells how much dearer a request becomes by a busy second core alone."""
    if not workers:
        return []
    running = servers.bare_aiohttp(folder, processes=workers, cores=_cores(workers))
    url, paths = stack.enter_context(running), ("/t/k",)
    return [
        Rival(f"{BASELINE}, {workers} processes{told}", url, Paths(paths), connections=connections)
        for told, connections in _spread(workers)
    ]


def _spread(workers: int) -> list[tuple[str, int]]:
    """Return as many connections as one worker has, and as many for each, with what to call them."""
    more = workers * CONNECTIONS
    return [("", CONNECTIONS), (f", {more} connections", more)]


def _of_workers(workers: int) -> list[Scenario]:
    """Return workers on a core each, as far as there are cores."""
    return [
        Scenario(
            f"linkproxy {mode}, {workers} workers{told}",
            {_SYNCHRONOUS: mode, _WORKERS: str(workers)},
            _cores(workers),
            connections=connections,
        )
        for told, connections in _spread(workers)
        for mode in ("full", "normal")
    ]


def _begin(scenario: Scenario, folder: Path, messages: int, stack: ExitStack) -> Rival:
    home = Path(tempfile.mkdtemp(dir=folder)) / "home"
    settings = {name: value for name, value in scenario.settings.items() if name.startswith("LINKPROXY")}
    paths = Paths(mailed.install(home, settings, messages))
    chosen = {**scenario.settings, **servers.unsettled(home)}
    url = stack.enter_context(servers.linkproxy(home, chosen, cores=scenario.cores))
    count = partial(mailed.count_visits, home, scenario.store_url)
    return Rival(scenario.name, url, paths, count, connections=scenario.connections, front=scenario.front)


def _peers(chosen: argparse.Namespace) -> list[peers.Peer]:
    wanted = chosen.peers if chosen.peers is not None else not chosen.quick
    return peers.installed() if wanted else []


def _begin_peer(peer: peers.Peer, folder: Path, messages: int, stack: ExitStack) -> Rival:
    home = folder / peer.name
    paths = Paths(peers.furnish(peer, home, min(messages, MOST_OF_PEERS)))
    url = stack.enter_context(peers.serving(peer, home))
    return Rival(peer.name, url, paths, partial(peers.count, peer, home))


def _measure(rivals: list[Rival], folder: Path, rounds: int, seconds: int) -> None:
    file = folder / "paths"
    for number in range(rounds):
        # The order changes with the round, so that no server always follows the same one.
        order = rivals[number % len(rivals) :] + rivals[: number % len(rivals)]
        for keep_alive in (True, False):
            for rival in order:
                file.write_text("\n".join(rival.paths.ahead(seconds * MOST_RATE)) + "\n")
                load = wrk.run(
                    rival.url,
                    file,
                    seconds=seconds,
                    connections=rival.connections,
                    keep_alive=keep_alive,
                    front=rival.paths.begun if rival.front else None,
                )
                rival.loads[keep_alive].append(load)
                rival.paths.passed(load.requests + rival.connections)  # with those wrk did not wait for


def _measure_steady(rivals: list[Rival], rounds: int, seconds: int) -> None:
    """Send at half the rate that linkproxy reached, to it and to the baseline."""
    pair = [rival for rival in rivals if rival.name in {BASELINE, FULL}]
    rate = median(load.rate for load in pair[-1].loads[True]) / 2
    for _ in range(rounds):
        for rival in pair:
            paths = iter(rival.paths.ahead(int(rate * seconds)))
            load = steady.run(rival.url, paths, rate=rate, seconds=seconds, connections=CONNECTIONS)
            rival.steady.append(load)
            rival.paths.passed(int(rate * seconds))


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


def _count_plain(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "plain.db")) as db:
        return int(db.execute("SELECT count(*) FROM visit").fetchone()[0])


def _figures(rival: Rival) -> dict[str, list[dict[str, float]]]:
    return {
        "keep-alive" if kept else "new connections": [asdict(load) for load in loads]
        for kept, loads in rival.loads.items()
    }


def _print(rivals: list[Rival], stored: dict[str, int], sync_ms: float) -> bool:
    for keep_alive, title in ((True, "Keep-alive"), (False, "A new connection for each click")):
        rates = {rival.name: [load.rate for load in rival.loads[keep_alive]] for rival in rivals}
        base_cpu = median(load.cpu_us for load in rivals[0].loads[keep_alive])
        report.table(
            f"{title}, {CONNECTIONS} connections",
            [
                "server",
                "requests/s",
                "x aiohttp",
                "x nginx",
                "CPU us",
                "x aiohttp",
                "p50 ms",
                "p99 ms",
                "failed",
            ],
            [_row(rival, rates, base_cpu, rival.loads[keep_alive]) for rival in rivals],
        )
    report.table(
        "At a constant rate of half linkproxy's highest",
        ["server", "wanted/s", "requests/s", "p50 ms", "p99 ms"],
        [
            [
                rival.name,
                *(
                    median(getattr(load, name) for load in rival.steady)
                    for name in ("wanted", "rate", "p50", "p99")
                ),
            ]
            for rival in rivals
            if rival.steady
        ],
    )
    print(f"\none fdatasync on this disk: {sync_ms:.2f} ms")
    print("Requests under way when a load ended are in the journal too, though nobody took their answers.")
    complete = True
    for rival in rivals:
        if rival.name in stored:
            complete = complete and stored[rival.name] >= rival.answered()
            again = "; links were followed again, so ask for more --messages" if rival.paths.repeated else ""
            print(
                f"{rival.name}: {rival.answered():,} answered, {stored[rival.name]:,} in the journal{again}"
            )
    return complete


def _row(
    rival: Rival, rates: dict[str, list[float]], base_cpu: float, loads: list[wrk.Load]
) -> list[str | float]:
    cpu_us = median(load.cpu_us for load in loads)
    return [
        rival.name,
        median(rates[rival.name]),
        report.paired_ratio(rates[rival.name], rates[BASELINE]),
        report.paired_ratio(rates[rival.name], rates[NGINX]),
        cpu_us,
        base_cpu / cpu_us if cpu_us else 0.0,
        median(load.p50 for load in loads),
        median(load.p99 for load in loads),
        str(sum(load.others for load in loads)),
    ]


if __name__ == "__main__":
    main()
