"""Which tables of a SQLite store a copy holds, and how a row of one becomes a row of PostgreSQL.

Both engines have the same tables with the same columns, but for what is said here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from linkproxy.store.postgres_rows import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from linkproxy.store.sqlite_rows import Row

    Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table that is copied.

    ``key``: its columns in order of which it is read, and so goes on. ``source`` is what it is read
    from in SQLite, if no table of its own. ``sequence``: what gives out its ids afterwards.
    """

    name: str
    key: tuple[str, ...]
    source: str = ""
    sequence: str = ""

    @property
    def read_from(self) -> str:
        """Return what stands behind FROM in SQLite."""
        return self.source or self.name


_RECIPIENTS = (
    "(SELECT d.*, (SELECT count(*) FROM domain_teacher t WHERE t.scope = d.scope AND t.name = d.name)"
)
_IDENTITY = "pg_get_serial_sequence('{0}', 'id')"

TABLES = (
    CopiedTable("campaign", ("id",), sequence=_IDENTITY.format("campaign")),
    CopiedTable("link", ("campaign_id", "key")),
    CopiedTable("message_link", ("campaign_id", "recipient_id", "key"), sequence="'message_link_id'"),
    CopiedTable("recipient", ("id",), sequence="'recipient_id'"),
    CopiedTable(
        "recipient_hash",
        ("hash",),
        """(SELECT address_hash AS hash, id AS recipient_id FROM recipient WHERE address_hash IS NOT NULL
        UNION ALL SELECT reference_hash, id FROM recipient WHERE reference_hash IS NOT NULL)""",
    ),
    CopiedTable("untracked_domain", ("domain",)),
    CopiedTable("erased_reference", ("reference_hash",)),
    CopiedTable(
        "delivery", ("campaign_id", "recipient_id"), "(SELECT * FROM delivery WHERE recipient_id <> 0)"
    ),
    CopiedTable("campaign_delivery", ("campaign_id",), "(SELECT * FROM delivery WHERE recipient_id = 0)"),
    CopiedTable("audit", ("id",), sequence=_IDENTITY.format("audit")),
    CopiedTable("signing_key_use", ("signing_key_id", "campaign_id")),
    CopiedTable("api_key", ("name",)),
    CopiedTable("webhook", ("name",)),
    CopiedTable("gateway", ("domain",)),
    CopiedTable("profile", ("id",), sequence="'profile_id'"),
    CopiedTable("policy", ("id",), sequence=_IDENTITY.format("policy")),
    CopiedTable("visit", ("id",), sequence="'visit_id'"),
    CopiedTable("open_visit", ("campaign_id", "recipient_id", "visit_id")),
    CopiedTable("message_visit", ("campaign_id", "recipient_id", "visit_id")),
    CopiedTable("stray", ("id",), sequence="'stray_id'"),
    CopiedTable("click", ("visit_id",)),
    CopiedTable("retraction", ("visit_id",)),
    CopiedTable("unsubscribe", ("campaign_id", "recipient_id"), sequence="'unsubscribe_id'"),
    CopiedTable("engagement", ("visit_id", "kind"), sequence="'engagement_id'"),
    CopiedTable("domain_profile", ("scope", "name"), f"{_RECIPIENTS} AS recipients FROM domain_profile d)"),
    CopiedTable("domain_teacher", ("scope", "name", "recipient_id")),
    CopiedTable("replay", ("id",), sequence=_IDENTITY.format("replay")),
    CopiedTable("shadow_verdict", ("visit_id",)),
    CopiedTable("shadow_count", ("policy", "campaign_id", "live", "shadow")),
    CopiedTable("rollup", ("campaign_id", "state", "part", "name")),
    CopiedTable("rollup_possible", ("campaign_id", "state", "domain", "score", "clicks")),
    CopiedTable("rollup_message", ("campaign_id", "recipient_id")),
    CopiedTable("rollup_rebuild", ("campaign_id",)),
)
"""In an order in which what a row refers to is there before it."""

OF_SQLITE = frozenset({"migration", "meta", "settle_pass", "settled_visit", "visit_hour"})
"""What the file needs for itself: counters, and listings that are indexes in PostgreSQL."""

COLUMNS_OF_SQLITE = {"click": frozenset({"domain"})}
"""Columns that repeat another table's for the sake of an index."""

_CONVERT: dict[str, Convert] = {
    "boolean": bool,
    "double precision": float,
    "text": text,
    "bytea": bytes,
}


def converters(types: Iterable[str]) -> list[Convert]:
    """Return what makes values of SQLite those of columns of some types, by PostgreSQL's names."""
    return [_CONVERT.get(kind, int) for kind in types]


def converted(row: Row, convert: Sequence[Convert]) -> Row:
    """Return a row with the values that PostgreSQL will give back."""
    return tuple(None if value is None else make(value) for value, make in zip(row, convert, strict=True))


@dataclass(slots=True)
class Checksum:
    """How many rows there are and the sum of their hashes, whatever their order."""

    rows: int = 0
    total: int = 0

    def add(self, row: Row) -> None:
        """Count one row; its values are of plain types."""
        self.rows += 1
        digest = hashlib.blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self.total = (self.total + int.from_bytes(digest, "big")) % (1 << 64)
