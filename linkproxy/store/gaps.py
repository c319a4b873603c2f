"""The gap in ids that a restored store needs.

A backup knows nothing of what was registered after it, but mail that went out meanwhile carries those
ids, and linkproxy never sees that mail again. Without a gap the next recipients would get the same
ids, and so the very same links: clicks and opt-outs of one person would be another's.
"""

from __future__ import annotations

from linkproxy.store.api import StoreError

GAPS = {"campaign": 1 << 20, "recipient": 1 << 30, "visit": 1 << 30, "feed": 1 << 30, "unsubscribe": 1 << 30}
"""How many ids are left out, by table: more than are given out between two backups, and few enough for a
thousand restores. Visits too: programs know clicks by their visit's id, and targets by a click id. And
what programs follow (feed, opt-outs): they would wait where it had come to, and miss what it came to again.

Less than 2^31 for visits and opt-outs, which is as far as ids of batches under way may be apart
(postgres_fence.py).
"""

MOST = {
    "campaign": (1 << 32) - 1,
    "recipient": (1 << 40) - 1,
    "visit": (1 << 48) - 1,
    "feed": (1 << 48) - 1,
    "unsubscribe": (1 << 48) - 1,
}
"""The greatest ids that tokens (4 and 5 bytes) and click ids (6) can carry; the feed begins at visit ids."""


def after_gap(table: str, newest: int) -> int:
    """Return the id behind which a table goes on; StoreError where tokens could not carry what follows."""
    moved = newest + GAPS[table]
    # Half is kept free, so that mail can go on for good.
    if moved > MOST[table] // 2:
        raise StoreError(f"there is no room for another gap: {table} ids have come to {newest:,}")
    return moved
