"""The visits of a message, as settling and rebuilding want them: one set of statements for both.

Ids first, then the journal rows by id: a message's visits are found without an index on the journal.
"""

from __future__ import annotations

from linkproxy.model import NO_DELIVERY, Delivery, DeliverySource
from linkproxy.store import sqlite_entries as entries
from linkproxy.store import sqlite_rows as rows
from linkproxy.visit.possible import MOST_LOOKED_AT

MOST_OPEN = 400
"""Open visits that one settle pass takes on; what a flood leaves over is the next pass's."""

MOST_SETTLED = 512
"""Settled visits beside them."""

OPEN = f"""SELECT visit_id, at FROM open_visit WHERE campaign_id = ? AND recipient_id = ?
ORDER BY visit_id LIMIT {MOST_OPEN}"""

SETTLED = f"""SELECT visit_id FROM message_visit
WHERE campaign_id = ? AND recipient_id = ? AND at BETWEEN ? AND ?
ORDER BY visit_id DESC LIMIT {MOST_SETTLED}"""

FIRST = f"""SELECT visit_id FROM message_visit WHERE campaign_id = ? AND recipient_id = ?
ORDER BY visit_id LIMIT {MOST_LOOKED_AT}"""

ENTRIES = f"""SELECT {entries.ENTRY} FROM {entries.ENTRY_TABLES}
WHERE v.id IN (SELECT value FROM json_each(?)) ORDER BY v.id"""

CLICKED = """SELECT visit_id, coalesce(settled_at, at) FROM click
WHERE visit_id IN (SELECT value FROM json_each(?))"""

CAMPAIGN = f"SELECT {rows.CAMPAIGN} FROM campaign WHERE id = ?"


DELIVERY = """SELECT delivered_at, source FROM delivery
WHERE campaign_id = ? AND recipient_id IN (?, 0) ORDER BY recipient_id DESC LIMIT 1"""


def delivery_from(row: rows.Row | None) -> Delivery:
    """Return a delivery of the statement DELIVERY."""
    return Delivery(row[0], DeliverySource(row[1])) if row else NO_DELIVERY
