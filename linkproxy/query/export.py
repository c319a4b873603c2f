"""What a listing shows: its columns, declared once for tables, CSV, JSON lines and the API."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from linkproxy.model.shown import INSTEAD, UNSHOWABLE
from linkproxy.query.filters import format_time, short_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from linkproxy.model import Verdict
    from linkproxy.store.afterlife import FeedRow, RetractionRow
    from linkproxy.store.api import AuditEntry, ClickRow, UnsubscribeRow, VisitRow

Row = TypeVar("Row")
_TARGET_CHARACTERS = 60
Value = str | int | float | bool | tuple[str, ...] | None

# A spreadsheet takes text that begins so for a formula (OWASP, "CSV Injection"). Where a comma stands in
# numbers, as in German, it opens files by semicolons, and text behind one begins a cell of its own.
_FORMULA, _MADE_TEXT = (re.compile(rf'^{mark}(?=[=+@-])|(?<=;){mark}(?="*[=+@-])') for mark in ("", "'"))

_UNLIKELY = 0.0001


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column: its name in every format, its heading in a table ("" keeps it out), its value.

    ``brief`` is the value that a table shows instead. ``folds``: its text may be folded. On a
    terminal that is too small, columns with the highest ``spare`` are left out first; 0 never is.
    """

    name: str
    heading: str
    read: Callable[[Row], Value]
    brief: Callable[[Row], Value] | None = None
    folds: bool = False
    spare: int = 0

    def shown(self, row: Row) -> Value:
        """Return the value for a table."""
        return (self.brief or self.read)(row)


def brief_target(target: str) -> str:
    """Return a target as a table shows it: its host and the beginning of its path."""
    text = target.removeprefix("https://").removeprefix("http://")
    return text if len(text) <= _TARGET_CHARACTERS else f"{text[: _TARGET_CHARACTERS - 1]}…"


_OF_CLICK: Sequence[Column[Any]] = (
    Column("campaign", "Campaign", lambda row: row.campaign, folds=True, spare=2),
    Column("key", "Link", lambda row: row.key, spare=1),
    Column("target", "Target", lambda row: row.target, lambda row: brief_target(row.target), folds=True),
    Column("role", "", lambda row: row.role),
    Column("recipient", "Recipient", lambda row: row.recipient, folds=True),
    Column("domain", "", lambda row: row.domain),
    Column("score", "Score", lambda row: round(row.score, 2), lambda row: f"{row.score:.1f}", spare=3),
    Column("reasons", "", lambda row: row.reasons),
    Column("verified", "", lambda row: row.verified),
)
"""What a row of the click log and of the feed have in common."""

CLICK_COLUMNS: Sequence[Column[ClickRow]] = (
    Column("visit_id", "Visit", lambda row: row.visit_id),
    Column("at", "Time (UTC)", lambda row: format_time(row.at), lambda row: short_time(row.at)),
    *_OF_CLICK,
    Column("settled", "Settled", lambda row: row.settled, spare=4),
)


RETRACTION_COLUMNS: Sequence[Column[RetractionRow]] = (
    Column("visit_id", "Visit", lambda row: row.visit_id),
    Column("at", "Time (UTC)", lambda row: format_time(row.at), lambda row: short_time(row.at)),
    Column(
        "withdrawn_at",
        "Withdrawn",
        lambda row: format_time(row.withdrawn_at),
        lambda row: short_time(row.withdrawn_at),
    ),
    Column("campaign", "Campaign", lambda row: row.campaign, folds=True, spare=2),
    Column("key", "Link", lambda row: row.key, spare=1),
    Column("target", "", lambda row: row.target),
    Column("role", "", lambda row: row.role),
    Column("recipient", "Recipient", lambda row: row.recipient, folds=True),
    Column("domain", "", lambda row: row.domain),
    Column("score", "Score", lambda row: round(row.score, 2), lambda row: f"{row.score:.1f}", spare=3),
    Column("reasons", "Reasons", lambda row: row.reasons, folds=True),
    Column("verified", "", lambda row: row.verified),
)


FEED_COLUMNS: Sequence[Column[FeedRow]] = (
    Column("number", "Number", lambda row: row.number),
    Column("kind", "Kind", lambda row: row.kind),
    Column(
        "changed_at",
        "Changed (UTC)",
        lambda row: format_time(row.changed_at),
        lambda row: short_time(row.changed_at),
    ),
    Column("visit_id", "Visit", lambda row: row.visit_id),
    Column("at", "", lambda row: format_time(row.at)),
    *_OF_CLICK,
)


def _last(row: VisitRow) -> Verdict:
    return row.entry.settled or row.entry.verdict


def _recipient(row: VisitRow) -> str:
    return row.entry.recipient.address or row.entry.recipient.reference


VISIT_COLUMNS: Sequence[Column[VisitRow]] = (
    Column("visit_id", "Visit", lambda row: row.entry.visit_id),
    Column(
        "at",
        "Time (UTC)",
        lambda row: format_time(row.entry.visit.at),
        lambda row: short_time(row.entry.visit.at),
    ),
    Column("campaign", "Campaign", lambda row: row.campaign, folds=True, spare=2),
    Column("recipient", "Recipient", _recipient, folds=True),
    Column("domain", "", lambda row: row.entry.recipient.domain),
    Column("key", "Link", lambda row: row.entry.visit.key, spare=1),
    Column("target", "", lambda row: row.target),
    Column("method", "Method", lambda row: row.entry.visit.method, spare=4),
    Column("verdict", "Verdict", lambda row: _last(row).kind),
    Column("score", "Score", lambda row: round(_last(row).score, 2), lambda row: f"{_last(row).score:.1f}"),
    Column("probability", "", lambda row: round(_last(row).probability, 6)),
    Column("reasons", "Reasons", lambda row: _last(row).reasons, folds=True),
    Column("settled", "Settled", lambda row: row.entry.settled is not None, spare=3),
    Column("first_verdict", "", lambda row: row.entry.verdict.kind),
    Column("answer", "", lambda row: row.entry.answer),
    Column("client", "", lambda row: row.entry.visit.client),
    Column("agent", "", lambda row: row.entry.visit.profile.agent),
)

UNSUBSCRIBE_COLUMNS: Sequence[Column[UnsubscribeRow]] = (
    Column("unsubscribe_id", "", lambda row: row.unsubscribe_id),
    Column("at", "Time (UTC)", lambda row: format_time(row.at), lambda row: short_time(row.at)),
    Column("campaign", "Campaign", lambda row: row.campaign, folds=True),
    Column("recipient", "Recipient", lambda row: row.recipient, folds=True),
    Column("domain", "Domain", lambda row: row.domain, folds=True),
    Column("one_click", "One-click", lambda row: row.one_click),
)


AUDIT_COLUMNS: Sequence[Column[AuditEntry]] = (
    Column("at", "Time (UTC)", lambda row: format_time(row.at), lambda row: short_time(row.at)),
    Column("key", "Key", lambda row: row.key),
    Column("old_target", "Old target", lambda row: row.old_target, folds=True),
    Column("new_target", "New target", lambda row: row.new_target, folds=True),
    Column("who", "Who", lambda row: row.who),
)


def record(row: Row, columns: Sequence[Column[Row]]) -> dict[str, Value]:
    """Return a row as a JSON-able object."""
    return {column.name: column.read(row) for column in columns}


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON that any terminal and any UTF-8 file takes, and that reads back as it was."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return UNSHOWABLE.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def likelihood(probability: float) -> str:
    """Return a probability as a percentage, which never reads as certainty."""
    return f"{min(max(probability, _UNLIKELY), 1 - _UNLIKELY):.2%}"


def printable(text: str) -> str:
    """Return text with U+FFFD for each character that is no text."""
    return UNSHOWABLE.sub(INSTEAD, text)


def json_line(row: Row, columns: Sequence[Column[Row]]) -> str:
    """Return a row as one line of JSON."""
    return to_json(record(row, columns))


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
    """Return a value for CSV: as ``cell``, printable, with ' before text that a spreadsheet would run."""
    text = printable(cell(value))
    return _FORMULA.sub("'", text) if isinstance(value, (str, tuple)) else text


def unsafe_text(text: str) -> str:
    """Return the text that ``safe_cell`` made a cell of, for who reads such a file again."""
    return _MADE_TEXT.sub("", text)


def csv_line(values: Iterable[Value]) -> str:
    """Return one line of CSV (RFC 4180) without its line end, safe to open in a spreadsheet."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([safe_cell(value) for value in values])
    return line.getvalue()


def csv_header(columns: Sequence[Column[Row]]) -> str:
    """Return the first line of CSV."""
    return csv_line([column.name for column in columns])


def csv_row(row: Row, columns: Sequence[Column[Row]]) -> str:
    """Return a row as one line of CSV; reasons are joined by a comma and a blank."""
    return csv_line([column.read(row) for column in columns])
