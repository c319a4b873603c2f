"""What commands print: tables on a terminal, CSV and JSON lines for pipes."""

from __future__ import annotations

import re
import sys
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeVar

import click

from linkproxy.query import export

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from linkproxy.query.export import Column

Row = TypeVar("Row")

_FOLDED_WIDTH = 16  # text that may be folded gets at least so much room
_GAP = 2
_FIGURE: Final = re.compile(r"(?:[+-]?[\d,]+(?:\.\d+)?%?(?: to [+-]?[\d,]+(?:\.\d+)?%?)?|-?)")
_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_MARK: Final = "\N{LEFT-TO-RIGHT MARK}"
FORMATS = ("table", "csv", "jsonl")
TABLE_ROWS = 500
"""How many rows a table holds unless ``--limit`` says otherwise: it is built whole, to be aligned."""

format_option: Callable[[Any], Any] = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="table, csv or jsonl. [default: table on a terminal, csv in a pipe]",
)
json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def chosen_format(form: str | None) -> str:
    """Return the format asked for, else what suits the standard output."""
    return form or ("table" if sys.stdout.isatty() else "csv")


def say(text: str) -> None:
    """Tell the user something that is not the command's output; who cannot be told holds nothing up."""
    with suppress(OSError):
        click.echo(text, err=True)


def share_text(share: Mapping[str, float | None]) -> str:
    """Return a share and its interval, as records hold them; "-" where there is none."""
    value, low, high = share["value"], share["low"], share["high"]
    if value is None or low is None or high is None:
        return "-"
    return f"{value:.1%} ({low:.1%} to {high:.1%})"


def print_json(value: Any) -> None:
    """Print a value as JSON, indented on a terminal alone: for a large report that takes half the time."""
    click.echo(export.to_json(value, indent=2 if sys.stdout.isatty() else None))


@dataclass(frozen=True, slots=True)
class Heading:
    """A column of a table: whether its text may be folded, and how soon it is left out (0: never)."""

    text: str
    folds: bool = True
    spare: int = 0


def print_table(
    headings: Sequence[str | Heading], rows: Iterable[Sequence[str]], *, err: bool = False
) -> None:
    """Print a table, figures to the right; text is shown as it is, without markup or controls."""
    columns = [Heading(item) if isinstance(item, str) else item for item in headings]
    lines = [[export.printable(text) for text in row] for row in rows]
    stream = sys.stderr if err else sys.stdout
    if stream.isatty():
        _print_rich(stream, columns, lines)
        return
    # A pipe has no width, so nothing is folded or left out in it.
    tell = say if err else click.echo
    right = [_are_figures(line[index] for line in lines) for index in range(len(columns))]
    lines.insert(0, [column.text for column in columns])
    widths = [max(map(_cells, found)) for found in zip(*lines, strict=True)]
    for line in lines:
        tell("  ".join(map(_padded, line, widths, right)).rstrip())


def _padded(text: str, width: int, right: bool) -> str:  # noqa: FBT001  (one of three that are mapped)
    room = " " * (width - _cells(text))
    return room + text if right else text + room


def _are_figures(cells: Iterable[str]) -> bool:
    """Tell whether a column holds nothing but figures, which are compared by where they begin."""
    found = set(cells)
    return not found <= {"", "-"} and all(map(_FIGURE.fullmatch, found))


def _cells(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for a Chinese character."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _kept_apart(line: Sequence[str]) -> list[str]:
    """Return a row in which figures keep their places behind text that is written from right to left.

    To the bidirectional algorithm they are a part of it, and a terminal that follows it turns their
    order around (UAX #9, rules N1 and L2; a mark ends the run, section 2.6).
    """
    after = [False, *(any(unicodedata.bidirectional(sign) in _TO_LEFT for sign in text) for text in line)]
    return [_MARK * turned + text for turned, text in zip(after, line, strict=False)]


def _print_rich(stream: TextIO, columns: Sequence[Heading], lines: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=stream)
    needs = [_needed_width(column, [line[index] for line in lines]) for index, column in enumerate(columns)]
    kept = _fitting(columns, needs, console.width)
    # On a terminal too narrow for all of them, text is folded anywhere: cut off, a figure would be another.
    fits = _width(needs, kept) <= console.width
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for index in kept:
        column = columns[index]
        least = needs[index] if fits else None
        table.add_column(
            column.text,
            justify="right" if _are_figures(line[index] for line in lines) else "left",
            overflow="fold",
            no_wrap=fits and not column.folds,
            min_width=least,
        )
    for line in lines:
        table.add_row(*map(Text, _kept_apart([line[index] for index in kept])))
    console.print(table)


def _needed_width(column: Heading, cells: Sequence[str]) -> int:
    widest = max(map(_cells, [column.text, *cells]))
    return min(widest, _FOLDED_WIDTH) if column.folds else widest


def _width(needs: Sequence[int], kept: Iterable[int]) -> int:
    return sum(needs[index] + _GAP for index in kept)


def _fitting(columns: Sequence[Heading], needs: Sequence[int], width: int) -> list[int]:
    """Return which columns to show: the sparest are left out until the others fit."""
    kept = list(range(len(columns)))
    while _width(needs, kept) > width:
        sparest = max(kept, key=lambda index: columns[index].spare)
        if not columns[sparest].spare:
            break
        kept.remove(sparest)
    return kept


async def print_rows(rows: AsyncIterator[Row], columns: Sequence[Column[Row]], form: str, limit: int) -> int:
    """Print a listing and return how many rows it had; CSV and JSON lines stream.

    A table ends after ``limit`` rows and says so when there are more.
    """
    if form == "table":
        return await _print_listing(rows, columns, limit)
    write = export.csv_row if form == "csv" else export.json_line
    if form == "csv":
        click.echo(export.csv_header(columns))
    count = 0
    async for row in rows:
        click.echo(write(row, columns))
        count += 1
    return count


async def _print_listing(rows: AsyncIterator[Row], columns: Sequence[Column[Row]], limit: int) -> int:
    shown = [column for column in columns if column.heading]
    kept: list[list[str]] = []
    more = False
    async for row in rows:
        if len(kept) == limit:
            more = True
            break
        kept.append([export.cell(column.shown(row)) for column in shown])
    if kept:
        print_table([Heading(column.heading, column.folds, column.spare) for column in shown], kept)
    if more:
        say(f"The first {limit} rows. There are more: --limit, --since, or --format csv for all.")
    return len(kept)
