"""Whether what was answered is in the journal, after kills, power cuts and faults.

People follow links, each once, and note every redirect they have fully received. Then the journal
is looked through for them. Two figures must be 0: answered visits that are missing, and people who
were not redirected while the link table is warm. The power cut is judged twice: under
``synchronous = "normal"`` it must lose visits, which shows that this test can fail.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import report
from bench.durability.faults import FAULTS, torment
from bench.durability.home import furnish
from bench.durability.kills import kill_often
from bench.durability.power import cut_often

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from bench.durability.faults import Torment

PARTS = ("kills", "power", "faults")
_HEADS = (
    *("fault", "answered", "missing", "not sent on", "cut off", "spilled"),
    *("lost, counted", "twice", "well after"),
)


def main() -> None:
    """Torment, print, and exit with 1 if an answered visit is missing or somebody was not sent on."""
    chosen = report.options("durability", (__doc__ or "").splitlines()[0], _add_options)
    parts = chosen.only or list(PARTS)
    results: dict[str, Any] = {}
    fine = True
    with tempfile.TemporaryDirectory() as folder:
        for part in parts:
            part_fine, results[part] = _PARTS[part](Path(folder) / part, chosen)
            fine = fine and part_fine
    print("\n0 missing, 0 not redirected" if fine else "\nNOT as promised: see above")
    report.finish("durability", results, chosen.json)
    sys.exit(0 if fine else 1)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, help="kill -9 so often (default 100; 6 with --quick)")
    parser.add_argument("--cuts", type=int, help="power cuts (default 300; 40 with --quick)")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments (default 1)")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part alone; may be repeated")
    parser.add_argument("--fault", action="append", help="faults whose name contains this; may be repeated")


# --- the parts -----------------------------------------------------------------------------------


def _kills(folder: Path, chosen: argparse.Namespace) -> tuple[bool, Any]:
    kills = chosen.kills or (6 if chosen.quick else 100)
    rows: list[tuple[str, int, int, int, int, int]] = []
    results = {}
    for workers, share in ((0, kills - kills // 2), (2, kills // 2)):
        home = furnish(folder / str(workers), 40 * share + 400, {"LINKPROXY__SERVER__WORKERS": str(workers)})
        found = kill_often(home, share, chosen.seed + workers, _progress)
        name = "one process" if not workers else f"{workers} workers and their supervisor"
        rows.append((name, found.kills, found.answered, found.missing, found.twice, found.unanswered))
        results[name] = asdict(found)
    report.table(
        "kill -9 under load", ["server", "kills", "answered", "missing", "twice", "cut off"],
        [[str(cell) for cell in row] for row in rows],
    )  # fmt: skip
    return all(row[3] == 0 for row in rows), results


def _power(folder: Path, chosen: argparse.Namespace) -> tuple[bool, Any]:
    cuts, seconds = chosen.cuts or (40 if chosen.quick else 300), 1.5 if chosen.quick else 8.0
    found = {}
    for synchronous in ("full", "normal"):
        settings = {
            "LINKPROXY__STORE__SYNCHRONOUS": synchronous,
            # Under strace a disk is slow; nothing shall go to the spill file, which is not looked at.
            "LINKPROXY__STORE__COMMIT_SECONDS": "60",
        }
        home = furnish(folder / synchronous, 600 if chosen.quick else 3000, settings)
        _progress(f"recording {seconds:g} s under synchronous = {synchronous}")
        found[synchronous] = cut_often(home, cuts, chosen.seed, seconds)
    report.table(
        "Power cut: the files as of the last fsync",
        ["synchronous", "cuts", "answered", "fsyncs", "cuts with loss", "most lost", "damaged"],
        [
            [name, *map(str, (item.cuts, item.answered, item.syncs, item.cuts_with_loss,
                              item.missing_at_worst, item.unsound))]
            for name, item in found.items()
        ],
    )  # fmt: skip
    full, normal = found["full"], found["normal"]
    if not normal.cuts_with_loss:
        print("normal lost nothing: this run could not have failed, and says nothing of full")
    fine = full.cuts_with_loss == full.unsound == normal.unsound == 0 and normal.cuts_with_loss > 0
    return fine, {name: asdict(item) for name, item in found.items()}


def _faults(folder: Path, chosen: argparse.Namespace) -> tuple[bool, Any]:
    rows: list[list[str]] = []
    fine = True
    found: list[Torment] = []
    for number, fault in enumerate(FAULTS):
        wanted = any(text in fault.name for text in chosen.fault or ())
        if not wanted and (chosen.fault or (chosen.quick and not fault.quick)):
            continue
        _progress(fault.name)
        torn = torment(fault, folder / str(number))
        if torn is None:
            print(
                f"{fault.name}: left out: this machine permits no mount or no tracing, or has no PostgreSQL"
            )
            continue
        found.append(torn)
        kept = torn.missing <= torn.lost and (torn.lost == 0 or fault.spill_too)
        fine = fine and kept and torn.back and not torn.not_redirected and (fault.cuts or not torn.cut)
        figures = (torn.answered, max(0, torn.missing - torn.lost), torn.not_redirected, torn.cut)
        rows.append([fault.name, *map(str, (*figures, torn.spilled, torn.lost, torn.twice)),
                     "yes" if torn.back else "NO"])  # fmt: skip
    report.table(
        "Faults of two seconds under load",
        _HEADS,
        rows,
    )  # fmt: skip
    return fine, [asdict(torn) for torn in found]


_PARTS: dict[str, Callable[[Path, argparse.Namespace], tuple[bool, Any]]] = {
    "kills": _kills,
    "power": _power,
    "faults": _faults,
}


def _progress(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
