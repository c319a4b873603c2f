"""What a large sender needs: nodes, installations and disk, from costs that other benchmarks measured.

The visits of the busiest day follow the published delays of scanners and people. Its busiest seconds are
played visit by visit through group commit and, with SQLite, the settler's turns; settling, load and disk
are reckoned for the whole day. Every figure that goes in is an option; docs/scale.md says where the
defaults come from. One seed, one result.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, fields, replace
from random import Random
from typing import TYPE_CHECKING, Any

from bench import report
from bench.scale.demand import BIN, Sender, busiest_day
from bench.scale.node import Node, arrivals, play
from bench.scale.plan import (
    POSTGRESQL,
    SQLITE,
    Costs,
    Kept,
    Limits,
    Plan,
    Question,
    gigabytes,
    most_mails,
    plan,
)

if TYPE_CHECKING:
    import argparse

ENGINES = {"sqlite": SQLITE, "postgresql": POSTGRESQL}
SHARES = (0.005, 0.2, 0.3)
LOADS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
_BAR = 50


def main() -> None:
    """Reckon and print."""
    chosen = report.options("scale", __doc__.splitlines()[0], _add_options)
    seconds = chosen.seconds or (5 if chosen.quick else 20)
    engines = {name: _from(chosen, ENGINES[name]) for name in chosen.engine}
    sender, limits, kept = (_from(chosen, kind()) for kind in (Sender, Limits, Kept))
    asked = {
        (share, name): Question(replace(sender, scanned=share), costs, limits, seconds, chosen.seed)
        for share in chosen.scanned
        for name, costs in engines.items()
    }
    try:
        plans = {key: plan(question) for key, question in asked.items()}
    except (ValueError, ZeroDivisionError) as error:
        sys.exit(f"{error}; change the limits or the costs (--help lists them)")
    carried = {key: most_mails(question) for key, question in asked.items()}
    results = {
        "asked": {"sender": asdict(sender), "limits": asdict(limits), "kept": asdict(kept)},
        "costs": {name: asdict(costs) for name, costs in engines.items()},
        "day": _show_day(replace(sender, scanned=chosen.scanned[len(chosen.scanned) // 2]), chosen.seed),
        "loads": _show_loads(engines, seconds, chosen.seed),
        "carried": _show_carried(carried),
        "plans": _show_plans(asked, plans),
        "gigabytes": _show_disk(asked, kept),
    }
    report.finish("scale", results, chosen.json)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=list(ENGINES), help="(default both)")
    parser.add_argument("--seed", type=int, default=1, help="of all draws (default 1)")
    parser.add_argument("--seconds", type=float, help="of the peak that are played (default 20)")
    for kind in (Sender, Costs, Limits, Kept):
        group = parser.add_argument_group(kind.__name__.lower(), kind.__doc__)
        for item in fields(kind):
            several = item.name == "scanned"
            default = (
                "by engine" if kind is Costs else " ".join(map(str, SHARES)) if several else item.default
            )
            group.add_argument(
                f"--{item.name.replace('_', '-')}",
                type=float,
                nargs="+" if several else None,
                default=list(SHARES) if several else None,
                help=f"{item.metadata['meaning']} (default {default})",
            )


def _from(chosen: argparse.Namespace, shipped: Any) -> Any:
    """Return figures with what the command line says of them."""
    names = [item.name for item in fields(shipped) if item.name != "scanned"]
    return replace(shipped, **{name: value for name in names if (value := getattr(chosen, name)) is not None})


def _show_day(sender: Sender, seed: int) -> list[float]:
    rates = busiest_day(sender, Random(seed)).visits(sender)
    size = 3600 // BIN
    hours = [rates[begin : begin + size] for begin in range(0, len(rates), size)]
    top = max(rates) or 1
    report.table(
        f"The busiest day with {sender.scanned:.1%} of mails scanned: visits a second",
        ["hour since the first mailing", "mean", "peak", "peak"],
        [
            [f"{number:02d}", sum(hour) / size, max(hour), ("#" * round(max(hour) / top * _BAR)).ljust(_BAR)]
            for number, hour in enumerate(hours)
        ],
    )
    return [sum(hour) / size for hour in hours]


def _show_loads(engines: dict[str, Costs], seconds: float, seed: int) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for name, costs in engines.items():
        node = Node(costs.commit_ms / 1e3, costs.visit_seconds)
        for load in LOADS:
            rate = load * node.highest
            times = arrivals(Random(seed), sweeps=rate / 10, links=10, clicks=0, seconds=seconds)
            played = play(node, times)
            row = [
                f"{name}, {load:.0%}", rate, len(played.answers) / played.commits,
                *(played.quantile(share) * 1e3 for share in (0.5, 0.99)),
            ]  # fmt: skip
            rows.append(row)
    report.table(
        "One node, sweeps of ten links, by share of the most it can take, without settling",
        ["load", "visits/s", "visits a commit", "p50 ms", "p99 ms"],
        rows,
    )
    return rows


def _show_carried(carried: dict[Any, tuple[float, Plan | None]]) -> list[dict[str, Any]]:
    report.table(
        "What one installation carries within the limits",
        ["mails scanned, engine", "million mails a month", "peak visits/s", "nodes", "settler load"],
        [
            [
                f"{share:.1%}, {name}",
                mails / 1e6,
                found.peak_rate,
                str(found.nodes),
                f"{found.settler_load:.0%}",
            ]
            for (share, name), (mails, found) in carried.items()
            if found
        ],
    )
    return [
        {"scanned": share, "engine": name, "mails": mails} for (share, name), (mails, _) in carried.items()
    ]


def _show_plans(asked: dict[Any, Question], plans: dict[Any, Plan]) -> list[dict[str, Any]]:
    mails = next(iter(asked.values())).sender.mails
    report.table(
        f"What {mails:,.0f} mails a month need, without spares",
        [
            *("mails scanned, engine", "visits a mail", "visits/s", "peak", "installations", "nodes each"),
            *("node load", "settler load", "click late min", "p50 ms", "p99 ms", "database cores"),
        ],
        [
            [
                f"{share:.1%}, {name}", asked[share, name].sender.visits, found.mean_rate, found.peak_rate,
                str(found.installations), str(found.nodes), f"{found.node_load:.0%}",
                f"{found.settler_load:.0%}", found.late_seconds / 60, found.played.quantile(0.5) * 1e3,
                found.played.quantile(0.99) * 1e3, found.database_cores,
            ]
            for (share, name), found in plans.items()
        ],
    )  # fmt: skip
    return [{"scanned": share, "engine": name, **_record(found)} for (share, name), found in plans.items()]


def _record(found: Plan) -> dict[str, Any]:
    told = {item.name: getattr(found, item.name) for item in fields(found) if item.name != "played"}
    quantiles = {f"p{round(share * 100)}_ms": found.played.quantile(share) * 1e3 for share in (0.5, 0.99)}
    return {**told, **quantiles, "busy": found.played.busy}


def _show_disk(asked: dict[Any, Question], kept: Kept) -> list[dict[str, Any]]:
    sizes = {key: gigabytes(question.sender, question.costs, kept) for key, question in asked.items()}
    names = list(next(iter(sizes.values())))
    report.table(
        f"Gigabytes on disk, with {kept.journal_days:g} days of journal; deliveries for each month",
        ["mails scanned, engine", *names],
        [[f"{share:.1%}, {name}", *found.values()] for (share, name), found in sizes.items()],
    )
    return [{"scanned": share, "engine": name, **found} for (share, name), found in sizes.items()]


if __name__ == "__main__":
    main()
