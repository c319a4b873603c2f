"""What commands print: tables on a terminal, CSV and JSON lines for pipes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

from linkproxy.query import export

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from linkproxy.query.export import Column

Row = TypeVar("Row")

FORMATS = ("table", "csv", "jsonl")
TABLE_ROWS = 500
"""How many rows a table holds unless ``--limit`` says otherwise: it is built whole, to be aligned."""

# A pipe has no width, so nothing is wrapped or cut in it.
_PIPE_WIDTH = 10_000

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
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, err: bool = False) -> None:
    """Print an aligned table; text is shown as it is, without markup or control characters."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    stream = sys.stderr if err else sys.stdout
    terminal = stream.isatty()
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(text)) for text in row))
    Console(file=stream, width=None if terminal else _PIPE_WIDTH, soft_wrap=not terminal).print(table)


def printable(text: str) -> str:
    """Return text without control characters: what visitors send must not steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


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
        kept.append([export.cell(column.read(row)) for column in shown])
    print_table([column.heading for column in shown], kept)
    if more:
        say(f"The first {limit} rows. There are more: --limit, --since, or --format csv for all.")
    return len(kept)
