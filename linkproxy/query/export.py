"""What a listing shows: its columns, declared once for tables, CSV, JSON lines and the API."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from linkproxy.query.filters import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from linkproxy.model import Verdict
    from linkproxy.store.api import ClickRow, UnsubscribeRow, VisitRow

Row = TypeVar("Row")
Value = str | int | float | bool | tuple[str, ...] | None

# A spreadsheet takes text that begins so for a formula (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column: its name in every format, its heading in a table ("" keeps it out), its value."""

    name: str
    heading: str
    read: Callable[[Row], Value]


CLICK_COLUMNS: Sequence[Column[ClickRow]] = (
    Column("visit_id", "Visit", lambda row: row.visit_id),
    Column("at", "Time (UTC)", lambda row: format_time(row.at)),
    Column("campaign", "Campaign", lambda row: row.campaign),
    Column("key", "Link", lambda row: row.key),
    Column("target", "Target", lambda row: row.target),
    Column("role", "", lambda row: row.role),
    Column("recipient", "Recipient", lambda row: row.recipient),
    Column("domain", "", lambda row: row.domain),
    Column("score", "Score", lambda row: round(row.score, 2)),
    Column("reasons", "Reasons", lambda row: row.reasons),
    Column("verified", "", lambda row: row.verified),
    Column("settled", "Settled", lambda row: row.settled),
)


def _last(row: VisitRow) -> Verdict:
    return row.entry.settled or row.entry.verdict


def _recipient(row: VisitRow) -> str:
    return row.entry.recipient.address or row.entry.recipient.reference


VISIT_COLUMNS: Sequence[Column[VisitRow]] = (
    Column("visit_id", "Visit", lambda row: row.entry.visit_id),
    Column("at", "Time (UTC)", lambda row: format_time(row.entry.visit.at)),
    Column("campaign", "Campaign", lambda row: row.campaign),
    Column("recipient", "Recipient", _recipient),
    Column("domain", "", lambda row: row.entry.recipient.domain),
    Column("key", "Link", lambda row: row.entry.visit.key),
    Column("target", "", lambda row: row.target),
    Column("method", "Method", lambda row: row.entry.visit.method),
    Column("verdict", "Verdict", lambda row: _last(row).kind),
    Column("score", "Score", lambda row: round(_last(row).score, 2)),
    Column("probability", "", lambda row: round(_last(row).probability, 6)),
    Column("reasons", "Reasons", lambda row: _last(row).reasons),
    Column("settled", "Settled", lambda row: row.entry.settled is not None),
    Column("first_verdict", "", lambda row: row.entry.verdict.kind),
    Column("answer", "Answer", lambda row: row.entry.answer),
    Column("client", "", lambda row: row.entry.visit.client),
    Column("agent", "", lambda row: row.entry.visit.profile.agent),
)

UNSUBSCRIBE_COLUMNS: Sequence[Column[UnsubscribeRow]] = (
    Column("at", "Time (UTC)", lambda row: format_time(row.at)),
    Column("campaign", "Campaign", lambda row: row.campaign),
    Column("recipient", "Recipient", lambda row: row.recipient),
    Column("domain", "Domain", lambda row: row.domain),
    Column("one_click", "One-click", lambda row: row.one_click),
)


def record(row: Row, columns: Sequence[Column[Row]]) -> dict[str, Value]:
    """Return a row as a JSON-able object."""
    return {column.name: column.read(row) for column in columns}


def json_line(row: Row, columns: Sequence[Column[Row]]) -> str:
    """Return a row as one line of JSON."""
    return json.dumps(record(row, columns), ensure_ascii=False)


def cell(value: Value) -> str:
    """Return a value as a person reads it: yes and no, reasons with commas, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)


def safe_cell(value: Value) -> str:
    """Return a value for CSV: as ``cell``, with ' before text that a spreadsheet would run."""
    text = cell(value)
    return f"'{text}" if isinstance(value, (str, tuple)) and text.startswith(_FORMULA_STARTS) else text


def csv_line(values: Iterable[Value]) -> str:
    """Return one line of CSV (RFC 4180) without its line end, safe to open in a spreadsheet."""
    line = io.StringIO()
    # The writer quotes line breaks only if they are in its own line end.
    csv.writer(line, lineterminator="\r\n").writerow([safe_cell(value) for value in values])
    return line.getvalue().removesuffix("\r\n")


def csv_header(columns: Sequence[Column[Row]]) -> str:
    """Return the first line of CSV."""
    return csv_line([column.name for column in columns])


def csv_row(row: Row, columns: Sequence[Column[Row]]) -> str:
    """Return a row as one line of CSV; reasons are joined by a comma and a blank."""
    return csv_line([column.read(row) for column in columns])
