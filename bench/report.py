"""What every benchmark shares: its options, its tables, its JSON.

Absolute figures depend on the machine and on its other load; a ratio of two things that were
measured alternately in one run does not. So each benchmark runs its rivals in interleaved rounds,
and hands medians and ratios of the same round to this module.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import linkproxy

AddOptions = Callable[[argparse.ArgumentParser], None]


def options(name: str, purpose: str, add_options: AddOptions | None = None) -> argparse.Namespace:
    """Read the command line: ``quick``, ``json``, and what ``add_options`` adds."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=purpose)
    parser.add_argument(
        "--quick", action="store_true", help="end within 50 seconds; fewer rounds, wider spread"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    if add_options:
        add_options(parser)
    chosen = parser.parse_args()
    if chosen.json and not chosen.json.absolute().parent.is_dir():
        parser.error(f"{chosen.json}: there is no folder {chosen.json.parent} to write the figures to")
    return chosen


def machine() -> dict[str, Any]:
    """Return what a reader needs to place absolute figures."""
    return {
        "linkproxy": linkproxy.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the median of the ratios within each round, which drift of the machine does not move."""
    return median(above / below for above, below in zip(numerators, denominators, strict=True))


def spread(values: Sequence[float]) -> float:
    """Return the half range between the quartiles as a share of the median: how noisy a run was."""
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return (ordered[-1 - quarter] - ordered[quarter]) / 2 / median(ordered)


def number(value: float) -> str:
    """Write a figure with three significant digits: 0.0123, 4.56, 78.9, 12,345."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str | float]]) -> None:
    """Print rows under heads, first column to the left, the others to the right."""
    cells = [[cell if isinstance(cell, str) else number(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    print(f"\n{title}")
    for line in (list(heads), ["-" * width for width in widths], *cells):
        first, *others = zip(line, widths, strict=True)
        print("  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip())


def finish(name: str, results: Mapping[str, Any], file: Path | None) -> None:
    """Write the JSON, if wanted: the machine beside the results."""
    if file is None:
        return
    text = json.dumps({"benchmark": name, "machine": machine(), "results": results}, indent=2)
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        sys.exit(f"{file}: cannot write the figures: {error.strerror}")
    print(f"\nwritten: {file}")
