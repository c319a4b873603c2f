"""The visits of a message, as settling and explaining want them: one set of statements for both.

Ids first, then the journal rows by id: a message's visits are found without an index on the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import NO_DELIVERY, Delivery, DeliverySource, MessageHistory
from linkproxy.store import sqlite_entries as entries
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.api import StoreError
from linkproxy.visit.possible import MOST_LOOKED_AT

if TYPE_CHECKING:
    from linkproxy.store.sqlite_reads import Readers

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


async def read_siblings(readers: Readers, visit_id: int, reach_seconds: float) -> MessageHistory:
    """Return the message history around one visit; raise StoreError if it is not there."""
    found = await readers.fetch_one(
        "SELECT campaign_id, recipient_id, at FROM visit WHERE id = ?", (visit_id,)
    )
    if found is None:
        raise StoreError(f"there is no visit {visit_id} in the journal; 'linkproxy visits' lists them")
    message, at = found[:2], found[2]
    reach = (at - reach_seconds, at + reach_seconds)
    open_ids = [row[0] for row in await readers.fetch(OPEN, message) if reach[0] <= row[1] <= reach[1]]
    settled_ids = [row[0] for row in await readers.fetch(SETTLED, (*message, *reach))]
    ids = rows.compact(sorted({*open_ids, *settled_ids, visit_id}))
    (campaign_row,) = await readers.fetch(CAMPAIGN, message[:1])
    campaign = rows.campaign_from(campaign_row)
    return MessageHistory(
        entries=tuple(
            entries.entry_from(row, {campaign.id: campaign}) for row in await readers.fetch(ENTRIES, (ids,))
        ),
        open_ids=frozenset(open_ids),
        clicked=frozenset(row[0] for row in await readers.fetch(CLICKED, (ids,))),
        delivery=delivery_from(await readers.fetch_one(DELIVERY, message)),
    )
