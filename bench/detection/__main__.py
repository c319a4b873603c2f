"""How often is the judge wrong? Simulated readers and scanners visit a real server over HTTP.

Method, sources and how to read it: docs/detection.md.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import report
from bench.detection import baselines, drive, measure, population, show, truth
from bench.detection.actors_machines import BY_NAME as MACHINES
from bench.detection.actors_people import PEOPLE
from bench.detection.leave_out import LEFT_OUT, overlay
from bench.detection.truth import Units

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from bench.detection.drive import Asked, Played
    from bench.detection.population import Reader

BARS = {"machines": 0.01, "people": 0.01, "neutral": 0.001}
QUICK = population.Size(known=0, small=5, quiet=2)
FULL = population.Size(known=1, small=26, quiet=16)


def main() -> None:
    """Play, judge, print."""
    chosen = report.options("detection", __doc__.splitlines()[0], _add_options)
    size = _size(chosen)
    readers = population.build(chosen.seed, size)
    with tempfile.TemporaryDirectory() as folder:
        shipped = asyncio.run(_play(readers, Path(folder) / "shipped", "as shipped", seed=chosen.seed))
        units = truth.units(shipped, lambda asked: asked.clicked)
    show.actors("Machine messages with a counted click, rules as shipped", units.machines, machines=True)
    show.actors("Human clicks not counted, rules as shipped", units.people, machines=False)
    show.headline("Rules as shipped", measure.summary(units), BARS)
    if chosen.errors:
        chosen.errors.write_text(show.wrong_ones("Rules as shipped", units), "utf-8")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="of all draws (default 1)")
    parser.add_argument("--errors", type=Path, metavar="FILE", help="also write what went wrong, as Markdown")
    parser.add_argument("--known", type=int, help="domains with a history, for each machine")
    parser.add_argument("--small", type=int, help="recipients in domains of one or two, for each machine")
    parser.add_argument("--quiet", type=int, help="recipients that nobody scans, for each kind of person")


def _size(chosen: argparse.Namespace) -> population.Size:
    given = {name: value for name in ("known", "small", "quiet") if (value := getattr(chosen, name)) is not None}
    return replace(QUICK if chosen.quick else FULL, **given)


async def _play(readers: Sequence[Reader], folder: Path, title: str, *, seed: int, policy: str = "") -> Played:
    begin = time.monotonic()

    def progress(done: int, left: int) -> None:
        if done % 500 == 0 and sys.stderr.isatty():
            print(f"\r{title}: {done:,} requests, {left:,} to come ", end="", file=sys.stderr, flush=True)

    played = await drive.play(readers, folder, seed=seed, policy=policy, progress=progress)
    seconds = time.monotonic() - begin
    print(f"{title}: {len(played.scenes):,} messages, {len(played.asked):,} requests in {seconds:.0f} s")
    return played


if __name__ == "__main__":
    main()
