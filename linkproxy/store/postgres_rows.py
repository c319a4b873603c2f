"""What rows in PostgreSQL have of their own; the rest is that of every engine (sqlite_rows.py)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from linkproxy.store import sqlite_entries as entries
from linkproxy.store import sqlite_rows as rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_EXTRACT = re.compile(r"json_extract\(([a-z_.]+), '\$\.([a-z_]+)'\)")


def text(value: str) -> str:
    """Return text that PostgreSQL can hold: bytes that were no UTF-8, and NUL, become question marks."""
    return rows.plain(value).replace("\0", "?")


ENTRY = _EXTRACT.sub(r"(\1::json -> '\2')::text", entries.ENTRY)
"""The columns of a journal entry, in the order that ``sqlite_entries.entry_from`` reads."""

ENTRY_JOINS = entries.ENTRY_TABLES.removeprefix("visit v")
"""What ENTRY is read from beside ``visit v``."""

OF_IDS = """unnest($1::bigint[], $2::double precision[]) AS w (visit_id, seen_at)
JOIN visit v ON v.id = w.visit_id AND v.at = w.seen_at AND v.recipient_id = $3"""
"""Visits of one recipient by id and time, which leads to their partition; it begins a FROM, since
PostgreSQL does not look for a better order among that many joins (join_collapse_limit)."""


def columns(table: str, prefix: str = "") -> str:
    """Return a list of columns with an alias before each."""
    return ", ".join(f"{prefix}{name.strip()}" for name in table.split(","))


def lists(*statements: str) -> str:
    """Return columns that hold the rows of a statement each: several answers in one round trip."""
    return ", ".join(f"array(SELECT part FROM ({statement}) AS part)" for statement in statements)


def turned(values: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Return rows as columns, which is how ``unnest`` takes them."""
    return [list(column) for column in zip(*values, strict=True)]
