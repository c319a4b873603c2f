"""Reading CSV files that name recipients: every bad line is named, none is guessed at."""

from __future__ import annotations

import csv
import itertools
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.cli.files import STDIN, file_fault
from linkproxy.model import LinkproxyError
from linkproxy.query.export import unsafe_text
from linkproxy.server.recipients import recipient_fault
from linkproxy.store.api import RecipientDraft
from linkproxy.store.privacy import normal_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_NAMES: Mapping[str, frozenset[str]] = {
    "address": frozenset({"address", "email", "e-mail", "mail", "email address", "email_address"}),
    "reference": frozenset({"reference", "id", "ref"}),
    "who": frozenset({"recipient"}),  # either; as linkproxy's own files have it
    "file": frozenset({"file", "filename", "path"}),
    "at": frozenset({"at", "delivered_at", "time"}),
    "source": frozenset({"source"}),
}
"""Column -> the headings it may have, in lower case."""

_WIDE_BEGINNINGS = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = ",;\t|"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True, slots=True)
class Person:
    """One line of the file: a recipient, and the other known columns that were filled."""

    line: int
    draft: RecipientDraft
    cells: Mapping[str, str]

    @property
    def who(self) -> str:
        """The address, else the reference."""
        return self.draft.address or self.draft.reference


@dataclass(frozen=True, slots=True)
class People:
    """What a file holds: the good lines, the known columns, and one sentence for each bad line."""

    rows: tuple[Person, ...]
    columns: frozenset[str]
    faults: tuple[str, ...]


def read_people(path: Path, *, unique: bool = False) -> People:
    """Read a CSV with a header line: UTF-8, delimiter ``,`` ``;`` tab or ``|``.

    Columns: ``address`` (or ``email``) and/or ``reference`` (or ``id``), by any case, or without
    both ``recipient``, which holds either; unknown columns are ignored. ``unique``: a recipient named
    again is a fault. Raises LinkproxyError if the file cannot be read at all or names nobody.
    """
    text = _read_text(path)
    header = re.split(r"[\r\n]", text, maxsplit=1)[0]
    delimiter = max(_DELIMITERS, key=header.count)
    lines = _numbered(text, delimiter)
    columns, width = _read_header(path, lines)
    rows: list[Person] = []
    faults: list[str] = []
    seen: dict[tuple[str, str], int] = {}
    for number, cells in lines:
        found = _read_row(number, cells, columns, width)
        if isinstance(found, Person) and unique:
            first = seen.setdefault((normal_address(found.draft.address), found.draft.reference), number)
            if first != number:
                found = f"{found.who} is there already, on line {first}"
        if isinstance(found, Person):
            rows.append(found)
        elif found:
            faults.append(f"{path}: line {number}: {found}")
    return People(tuple(rows), frozenset(columns.values()), tuple(faults))


def _read_text(path: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    except OSError as error:
        raise LinkproxyError(file_fault(path, error)) from None
    if data.startswith(_WIDE_BEGINNINGS) or b"\0" in data[:2]:
        raise LinkproxyError(
            f'{path}: is UTF-16, as a spreadsheet writes "Unicode text"; save it as CSV in UTF-8'
        )
    return data.decode("utf-8-sig", "surrogateescape")


def _numbered(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the number of a row's first line and its cells, or what is wrong with it.

    A quote that is never closed would swallow all lines after it, so reading goes on with the next.
    """
    lines = _LINE.findall(text)
    at = 0
    while at < len(lines):
        reader = csv.reader(itertools.islice(lines, at, None), delimiter=delimiter, strict=True)
        start = at
        try:
            for cells in reader:
                yield at + 1, cells
                at = start + reader.line_num
        except csv.Error as error:
            yield at + 1, f"not CSV: {error}"
            at += 1


def _read_header(path: Path, lines: Iterator[tuple[int, list[str] | str]]) -> tuple[Mapping[int, str], int]:
    _, cells = next(lines, (1, []))
    if isinstance(cells, str):
        raise LinkproxyError(f"{path}: line 1: {cells}")
    columns: dict[int, str] = {}
    for index, heading in enumerate(cells):
        for column, names in _NAMES.items():
            if heading.strip().lower() in names:
                if column in columns.values():
                    raise LinkproxyError(f"{path}: line 1: two columns for {column}; keep one")
                columns[index] = column
    if not {"address", "reference", "who"} & set(columns.values()):
        headings = ", ".join(heading.strip()[:40] for heading in cells[:10]) or "nothing"
        raise LinkproxyError(
            f"{path}: line 1 must name the columns, with address (or email), reference (or id) or recipient "
            f"among them; it has: {headings}"
        )
    return columns, len(cells)


def _read_row(
    number: int, cells: Sequence[str] | str, columns: Mapping[int, str], width: int
) -> Person | str | None:
    """Return the person of a row, what is wrong with it, or None for an empty one."""
    if isinstance(cells, str):
        return cells
    if not any(cell.strip() for cell in cells):
        return None
    if len(cells) != width:
        return f"{len(cells)} columns where the first line has {width}"
    known = {column: cells[index].strip() for index, column in columns.items()}
    if any("\udc80" <= char <= "\udcff" for cell in known.values() for char in cell):
        return "not UTF-8; save the file as UTF-8"
    address, reference, who = known.pop("address", ""), known.pop("reference", ""), known.pop("who", "")
    if not {"address", "reference"} & set(columns.values()):
        who = unsafe_text(who)
        address, reference = (who, "") if "@" in who else ("", who)
    fault = recipient_fault(address=address, reference=reference)
    if fault:
        return fault
    return Person(number, RecipientDraft(address=address, reference=reference), known)
