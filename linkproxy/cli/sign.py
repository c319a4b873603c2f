"""``linkproxy recipients sign``: a column of signed references, for mailers that fill in merge tags.

The file is read and written a line at a time, and what is in it stays byte for byte: the new
column is put behind the last one.
"""

from __future__ import annotations

import csv
import shutil
import sys
from collections import deque
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from linkproxy.cli.files import STDIN, behind_links, file_fault, whole_file
from linkproxy.cli.output import say
from linkproxy.cli.progress import progress
from linkproxy.cli.session import current_config
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from linkproxy.campaign.tokens import Keyring

_USUAL: Final = ("id", "reference", "ref")
_DELIMITERS: Final = ",;\t|"
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
MOST_LINES: Final = 100
"""Lines that a quoted cell may span; more means that its quote is never closed."""
_SHOWN_FAULTS: Final = 20
_STEP_BYTES: Final = 1 << 18
_CR_ALONE_SAID: Final = "new-line character seen"  # Python's advice behind that is for programmers
_CR_ALONE: Final = "a line ends in CR alone; save the file with line ends of LF or CRLF"


@click.command("sign")
@click.argument("source", metavar="CSV|-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--column", metavar="NAME", help="The column to sign. [default: id, reference or ref]")
@click.option(
    "--as", "heading", default="linkproxy", metavar="NAME", help="The new column's name. [default: linkproxy]"
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    help="A bad line: write nothing, or leave it out and exit with 1. [default: stop]",
)
def sign(*, source: Path, column: str | None, heading: str, out: Path | None, on_error: str) -> None:
    """Add a column of signed references to a CSV of recipients.

    Import it into your mailer as a custom field, and use that field's merge tag with
    `linkproxy rewrite --merge-tag TAG --signed`. A signed reference cannot be made up: its clicks
    are verified, and it can unsubscribe. The same reference gets the same text every time until
    the signing key is rotated; older ones stay good. Mail addresses are refused, since they must
    not stand in links.

    \b
    Examples:
      linkproxy recipients sign list.csv --out signed.csv
      linkproxy recipients sign list.csv --column subscriber_id --as lp > signed.csv
    """
    from linkproxy.server.wiring import keyring

    if not heading.strip() or any(char in heading for char in f'{_DELIMITERS}"\r\n'):
        raise LinkproxyError(f"--as: {heading!r} cannot be a column's name here; use letters, digits and _")
    if out is not None and source != STDIN and behind_links(source) == behind_links(out):
        raise LinkproxyError(f"{source} would be overwritten by its result; give another --out")
    ring = keyring(current_config())
    with _opened(source) as lines, _written(out) as output:
        outcome = _Signing(source, ring, column, heading).run(lines, output)
        if outcome.faults and on_error == "stop":
            outcome.complain("nothing was written; --on-error skip leaves such lines out")
    say(f"{outcome.signed:,} reference{'' if outcome.signed == 1 else 's'} signed.")
    if outcome.faults:
        outcome.complain("were left out")


@dataclass(slots=True)
class _Outcome:
    signed: int = 0
    faults: int = 0
    shown: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        self.faults += 1
        if self.faults <= _SHOWN_FAULTS:
            self.shown.append(text)

    def complain(self, ending: str) -> None:
        more = self.faults - len(self.shown)
        lines = [*self.shown, *([f"... and {more:,} more"] if more else [])]
        raise LinkproxyError("\n".join([*lines, f"{self.faults:,} bad line(s): {ending}"]))


class _Rows:
    """The rows of a file, each with its text, the number of its first line, and its cells."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self.number = 0

    def _feed(self) -> Iterator[str]:
        while len(self._taken) < MOST_LINES:
            line = self._again.popleft() if self._again else next(self._lines, None)
            if line is None:
                return
            self._taken.append(line)
            yield line

    def read(self, delimiter: str) -> Iterator[tuple[int, str, list[str] | str]]:
        """Yield each row; in place of its cells what is wrong with it, and then go on behind one line."""
        while True:
            self._taken = []
            first = self.number + 1
            cells: list[str] | str | None
            try:
                cells = next(csv.reader(self._feed(), delimiter=delimiter, strict=True), None)
            except csv.Error as error:
                cells = f"not CSV: {_CR_ALONE if _CR_ALONE_SAID in str(error) else error}"
                self._again.extendleft(reversed(self._taken[1:]))
                del self._taken[1:]
            if cells is None:
                return
            self.number += len(self._taken)
            yield first, "".join(self._taken), cells


class _Signing:
    """One file's way from the header to the last line."""

    def __init__(self, path: Path, ring: Keyring, column: str | None, heading: str) -> None:
        self._path = path
        self._ring = ring
        self._column = column
        self._heading = heading
        self._outcome = _Outcome()

    def run(self, lines: Iterator[str], output: BinaryIO) -> _Outcome:
        """Write the signed rows and return how it went; raise LinkproxyError for a bad header."""
        header = next(lines, "")
        mark = "\ufeff" if header.startswith("\ufeff") else ""
        names = header.removeprefix(mark)
        delimiter = max(_DELIMITERS, key=names.count)
        rows = _Rows(_chained(names, lines)).read(delimiter)
        _, text, cells = next(rows, (1, "", ""))
        place, width = self._find(cells)
        output.write(_encoded(mark + _with_cell(text, delimiter, self._heading)))
        for number, text, cells in rows:
            if isinstance(cells, list) and not any(cell.strip() for cell in cells):
                continue
            signed = self._sign(cells, place, width)
            if signed.fault:
                self._outcome.fault(f"{self._path}: line {number}: {signed.fault}")
            else:
                output.write(_encoded(_with_cell(text, delimiter, signed.reference)))
                self._outcome.signed += 1
        return self._outcome

    def _find(self, cells: Sequence[str] | str) -> tuple[int, int]:
        if isinstance(cells, str):
            raise LinkproxyError(f"{self._path}: line 1: {cells or 'there is no header line'}")
        names = [cell.strip().lower() for cell in cells]
        if self._heading.lower() in names:
            raise LinkproxyError(
                f"{self._path}: there is a column {self._heading!r} already; take it out, or use --as"
            )
        wanted = [self._column.strip().lower()] if self._column else _USUAL
        for name in wanted:
            if name in names:
                return names.index(name), len(cells)
        shown = ", ".join(cell.strip()[:40] for cell in cells[:10]) or "nothing"
        raise LinkproxyError(
            f"{self._path}: line 1 has no column {' or '.join(wanted)}; name one with --column. "
            f"It has: {shown}"
        )

    def _sign(self, cells: Sequence[str] | str, place: int, width: int) -> _Signed:
        if isinstance(cells, str):
            return _Signed(fault=cells)
        if len(cells) != width:
            return _Signed(fault=f"{len(cells)} columns where the first line has {width}")
        try:
            return _Signed(self._ring.sign_reference(cells[place].strip()))
        except LinkproxyError as error:
            return _Signed(fault=str(error))


@dataclass(frozen=True, slots=True)
class _Signed:
    reference: str = ""
    fault: str = ""


def _chained(first: str, others: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from others


def _with_cell(row: str, delimiter: str, cell: str) -> str:
    text = row.rstrip("\r\n")
    return f"{text}{delimiter}{cell}{row[len(text) :] or chr(10)}"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[str]]:
    """Give the lines of a file, with their ends; a bar shows how far reading is."""
    try:
        with nullcontext(sys.stdin.buffer) if path == STDIN else path.open("rb") as file:
            size = 0 if path == STDIN else path.stat().st_size
            with progress("signing", size) if size else nullcontext(_no_bar) as step:
                yield _lines(path, file, step)
    except OSError as error:
        raise LinkproxyError(file_fault(path, error)) from None


def _no_bar(_done: int) -> None:
    """Show nothing: of a pipe nobody knows how long it is."""


def _lines(path: Path, file: BinaryIO, step: Callable[[int], None]) -> Iterator[str]:
    waiting = 0
    for number, line in enumerate(file, start=1):
        if number == 1 and line.startswith(_WIDE):
            raise LinkproxyError(f"{path}: is UTF-16; save it as CSV in UTF-8")
        waiting += len(line)
        if waiting >= _STEP_BYTES:
            step(waiting)
            waiting = 0
        yield line.decode("utf-8", "surrogateescape")
    step(waiting)


@contextmanager
def _written(out: Path | None) -> Iterator[BinaryIO]:
    """Give what takes the result: it appears as a whole or not at all."""
    if out is not None:
        with whole_file(out) as file:
            yield file
        return
    with TemporaryFile() as file:
        yield file
        file.seek(0)
        shutil.copyfileobj(file, sys.stdout.buffer)
