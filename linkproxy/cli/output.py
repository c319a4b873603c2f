"""What commands print: tables on a terminal, CSV and JSON lines for pipes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from linkproxy.query import export

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence

    from linkproxy.query.export import Column

Row = TypeVar("Row")

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
    """Tell the user something that is not the command's output."""
    click.echo(text, err=True)


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(export.to_json(value, indent=2))


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    err: bool = False,
    narrow: Collection[str] = (),
) -> None:
    """Print an aligned table; text is shown as it is, without markup or control characters.

    ``narrow`` are headings of columns that keep their width when the terminal is too small.
    """
    shown = [[export.printable(text) for text in row] for row in rows]
    stream = sys.stderr if err else sys.stdout
    if stream.isatty():
        _print_rich(stream, headings, shown, narrow)
        return
    # A pipe has no width, so nothing is folded or cut in it.
    lines = [list(headings), *shown]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
        click.echo(padded.rstrip(), err=err)


def _print_rich(
    stream: TextIO, headings: Sequence[str], rows: Iterable[Sequence[str]], narrow: Collection[str]
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in narrow)
    for row in rows:
        table.add_row(*map(Text, row))
    Console(file=stream).print(table)


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
    narrow = [column.heading for column in shown if column.narrow]
    print_table([column.heading for column in shown], kept, narrow=narrow)
    if more:
        say(f"The first {limit} rows. There are more: --limit, --since, or --format csv for all.")
    return len(kept)
