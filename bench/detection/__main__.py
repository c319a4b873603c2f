"""How often is the judge wrong? Simulated readers and scanners visit a real server over HTTP.

Method, sources and how to read it: docs/detection.md.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import report
from bench.detection import baselines, coverage, measure, nodes, oracle, population, samples, show, truth
from bench.detection.leave_out import overlay
from bench.detection.page import Printed, with_figures
from bench.detection.trials import Trials, judged
from linkproxy.model import LinkproxyError
from linkproxy.visit import policy

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from bench.detection.played import Asked, Played

LEAST = population.Size(known=0, small=1, quiet=1)
QUICK = population.Size(known=0, small=5, quiet=3)
FULL = population.Size(known=1, small=14, quiet=12)
CAMPAIGNS = {True: (10, 1, 4), False: (200, 5, 20)}
"""Mixed campaigns, unfamiliar families, campaigns of each; with and without --quick."""

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "samples" / "requests.jsonl"


def main() -> None:
    """Play, judge, print."""
    chosen = report.options("detection", (__doc__ or "").splitlines()[0], _add_options)
    begin = time.monotonic()
    printed = Printed()
    try:
        if chosen.into:
            with_figures(chosen.into.read_text("utf-8"), "")  # before minutes are spent on them
        with redirect_stdout(printed):
            print(_command(chosen))
            results = _same(chosen) if chosen.store_url else _run(chosen)
            print(f"\n{time.monotonic() - begin:.0f} s in all, seed {chosen.seed}")
        if chosen.into:
            chosen.into.write_text(with_figures(chosen.into.read_text("utf-8"), printed.text), "utf-8")
    except (LinkproxyError, OSError) as error:
        sys.exit(f"bench.detection: {error}")
    report.finish("detection", results, chosen.json)
    if "same" in results:
        sys.exit(0 if results["same"] else 1)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="of all draws (default 1)")
    parser.add_argument("--errors", type=Path, metavar="FILE", help="also write what went wrong, as Markdown")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="also put the figures into a Markdown page")
    parser.add_argument("--known", type=int, help="domains with a history, for each machine")
    parser.add_argument("--small", type=int, help="recipients in domains of one or two, for each machine")
    parser.add_argument("--quiet", type=int, help="recipients that nobody scans, for each kind of person")
    parser.add_argument("--campaigns", type=int, help="campaigns whose interval is checked")
    parser.add_argument(
        "--store-url",
        metavar="URL",
        help="instead: what PostgreSQL, with one node and with two, judges otherwise than SQLite; "
        "a server whose user may make a database",
    )
    parser.add_argument("--samples", type=Path, default=SAMPLES, help="published requests, one JSON a line")


def _command(chosen: argparse.Namespace) -> str:
    """Return the command that gives these figures; files that it also wrote are left out."""
    given = {name: getattr(chosen, name) for name in ("known", "small", "quiet", "campaigns")}
    options = [f"--{name} {value}" for name, value in given.items() if value is not None]
    return " ".join(
        [
            "python -m bench.detection",
            *(["--quick"] if chosen.quick else []),
            f"--seed {chosen.seed}",
            *options,
            *(["--store-url URL"] if chosen.store_url else []),
        ]
    )


def _readers(chosen: argparse.Namespace, size: population.Size) -> list[population.Reader]:
    given = {
        name: value for name in ("known", "small", "quiet") if (value := getattr(chosen, name)) is not None
    }
    return population.build(chosen.seed, replace(size, **given))


def _same(chosen: argparse.Namespace) -> dict[str, Any]:
    """Tell whether the same mail is judged alike by SQLite, by a PostgreSQL node, and by two."""
    letters = population.letters(_readers(chosen, LEAST if chosen.quick else QUICK), chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        found = nodes.compare(Trials(Path(folder), chosen.seed), letters, chosen.store_url)
    show.nodes(found)
    return {"same": all(one.same for one in found), "stores": [asdict(one) for one in found]}


def _run(chosen: argparse.Namespace) -> dict[str, Any]:
    readers = _readers(chosen, QUICK if chosen.quick else FULL)
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder), chosen.seed)
        runs = trials.left_out(readers)
        shipped = (
            [] if chosen.quick else [trials.play(population.letters(readers, chosen.seed), "as shipped")]
        )
        results: dict[str, Any] = {"seed": chosen.seed}
        results["left out"] = _judge("Each family judged by rules that never met it", runs, chosen.errors)
        if shipped:
            results["as shipped"] = _judge("Rules as shipped", shipped, None)
        results["oracle"] = _oracle(runs, chosen.seed)
        results["baselines"] = _versus(runs, shipped)
        results["intervals"] = _intervals(trials, chosen)
        results["samples"] = _samples(chosen.samples)
        print(f"\n{trials.messages:,} messages, {trials.requests:,} requests over HTTP")
    return results


def _judge(title: str, runs: Sequence[Played], errors: Path | None) -> dict[str, Any]:
    units = judged(runs)
    show.machines(title, units)
    show.people(title, units)
    found = measure.summary(units)
    show.headline(title, found)
    if errors:
        errors.write_text(show.wrong_ones(title, units), "utf-8")
    return {"summary": asdict(found), "actors": show.as_json(units)}


def _oracle(runs: Sequence[Played], seed: int) -> list[dict[str, Any]]:
    """Put what can be had at best of a single visit beside what linkproxy has."""
    rows = [asdict(found) for found in oracle.best(seed)]
    units = judged(runs)
    for mail in oracle.CURVES:
        hidden = [unit for unit in units.machines if unit.hidden and unit.mail is mail]
        people = [unit for unit in units.people if unit.mail is mail]
        counted = measure.overall(hidden, lambda unit: unit.counted).share
        lost = measure.overall(people, lambda unit: not unit.counted).share
        rows.append({"mail": mail, "seen": "linkproxy", "counted": counted, "lost": lost})
    show.oracle(rows)
    return rows


def _versus(runs: Sequence[Played], shipped: Sequence[Played]) -> list[dict[str, Any]]:
    left_out, as_shipped = measure.Moved(runs), measure.Moved(shipped) if shipped else None
    rows: list[dict[str, Any]] = []
    for name, rule in baselines.BASELINES.items():
        counted = {key for played in runs for key in baselines.counted(played, rule)}
        theirs = measure.summary(truth.merge(truth.units(played, partial(_in, counted)) for played in runs))
        ours = left_out.at_loss(theirs.people_lost)
        rows.append(
            {
                "method": name,
                "machines_counted": theirs.machines_counted,
                "people_lost": theirs.people_lost,
                "ours": ours.machines_counted,
                "threshold": ours.threshold,
                "shipped": as_shipped.at_loss(theirs.people_lost).machines_counted if as_shipped else None,
            }
        )
    show.versus(rows)
    return rows


def _in(counted: set[int], asked: Asked) -> bool:
    return id(asked) in counted


def _intervals(trials: Trials, chosen: argparse.Namespace) -> dict[str, Any]:
    mixed, families, of_each = CAMPAIGNS[chosen.quick]
    mixed = mixed if chosen.campaigns is None else chosen.campaigns
    letters = [letter for number in range(mixed) for letter in coverage.campaign(number, chosen.seed)]
    held = {"mixed": coverage.held(trials.play(letters, "campaigns", intervals=True), letters)}
    for family in coverage.unfamiliar(chosen.seed, families):
        letters = [one for number in range(of_each) for one in coverage.campaign(number, chosen.seed, family)]
        played = trials.play(letters, f"campaigns of {family}", overlay(family), intervals=True)
        held[f"never met: {family}"] = coverage.held(played, letters)
    held["never met, all"] = [item for name, rows in held.items() if name != "mixed" for item in rows]
    show.intervals(held)
    show.rate_intervals(held)
    return {name: [asdict(item) | {"covers": item.covers} for item in rows] for name, rows in held.items()}


def _samples(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        print(f"\nPublished requests: none at {file.name}; skipped")
        return None
    rules = policy.load()
    found = samples.judge(file, rules, population.START)
    faults = samples.faults(found, rules.machine)
    show.published(samples.table(found), faults, samples.incidents(found))
    return {"table": samples.table(found), "faults": faults, "incidents": samples.incidents(found)}


if __name__ == "__main__":
    main()
