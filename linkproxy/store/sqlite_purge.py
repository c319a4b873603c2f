"""Deleting what is older than its retention, in chunks, so that visits never wait long for it.

Tables are walked by row id, which is their order of age; no index on time is needed. A walk ends
at the first chunk that holds nothing old. Rows that came late with an old time (read back from
the spill file) go when their neighbours do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.store import sqlite_rows as rows
from linkproxy.store.chunks import Step
from linkproxy.store.sqlite_queries import UNSETTLED
from linkproxy.store.sqlite_recount import doomed_visits, keep_clicks, keep_visits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.store.api import Cutoffs
    from linkproxy.store.sqlite_session import Session

CHUNK = 250


@dataclass(frozen=True, slots=True)
class Walk:
    """A table to purge: its row id, its time, and which old rows must stay.

    ``nameless``: whose row it is if nobody vouched for that one, else 0 (nameless.py).
    """

    table: str
    row_id: str
    time: str
    unless: str = "0"
    nameless: str = "0"


_OPEN = """EXISTS (SELECT 1 FROM open_visit o WHERE o.campaign_id = visit.campaign_id
    AND o.recipient_id = visit.recipient_id AND o.visit_id = visit.id)"""

NAMELESS = "CASE WHEN verified THEN 0 ELSE recipient_id END"
VISITS = Walk(
    "visit", "id", "at", unless=_OPEN, nameless=f"CASE WHEN by_reference THEN {NAMELESS} ELSE 0 END"
)
CLICKS = Walk("click", "visit_id", "at", nameless=NAMELESS)
WALKS = {
    "journal": VISITS,
    "clicks": CLICKS,
    "strays": Walk("stray", "id", "at"),
    "message_links": Walk("message_link", "id", "created_at"),
}
"""What each cut-off is about, by the names of Cutoffs."""

ALONG = (
    ("journal", Walk("shadow_verdict", "visit_id", "at")),
    ("journal", Walk("engagement", "id", "first_at")),
    ("clicks", Walk("retraction", "visit_id", "at", nameless=NAMELESS)),
)
"""What goes with them."""


def step(session: Session, walk: Walk, cutoff: float, first_id: int) -> Step:
    """Purge one chunk of a table."""
    chunk = (
        f"SELECT {walk.row_id} AS id, {walk.time} < ? AS old, {walk.unless} AS stays, "
        f"{walk.nameless} FROM {walk.table} "
        f"WHERE {walk.row_id} >= ? ORDER BY {walk.row_id} LIMIT {CHUNK}"
    )
    found = session.db.execute(chunk, (cutoff, first_id)).fetchall()
    goes = [row for row in found if row[1] and not row[2]]
    doomed = [row[:1] for row in goes]
    if walk is CLICKS and doomed:
        keep_clicks(session.db, [row_id for (row_id,) in doomed])
    counted = doomed_visits(session.db, [row_id for (row_id,) in doomed]) if walk is VISITS and doomed else []
    if walk is VISITS:
        _unlist(session, doomed)
    session.db.executemany(f"DELETE FROM {walk.table} WHERE {walk.row_id} = ?", doomed)
    keep_visits(session.db, counted)
    done = len(found) < CHUNK or not any(row[1] for row in found)
    nameless = frozenset(row[3] for row in goes if row[3])
    return Step(len(doomed), None if done else found[-1][0] + 1, nameless)


def _unlist(session: Session, doomed: list[tuple[int]]) -> None:
    """Take visits out of the index of their messages."""
    session.db.executemany(
        "DELETE FROM message_visit WHERE (campaign_id, recipient_id, visit_id) = "
        "(SELECT campaign_id, recipient_id, id FROM visit WHERE id = ?)",
        doomed,
    )


UNUSED_PROFILES = f"""SELECT id FROM profile WHERE used_at < ? AND id NOT IN (SELECT profile_id FROM stray)
AND id NOT IN (SELECT v.profile_id FROM ({UNSETTLED}) o JOIN visit v ON v.id = o.visit_id)"""
"""Header profiles that no visit refers to when the journal is purged, by ``unused_before`` its cut-off."""

_DROP_PROFILES = "DELETE FROM profile WHERE used_at < ? AND id IN (SELECT value FROM json_each(?))"


def drop_profiles(session: Session, ids: Sequence[int], before: float) -> int:
    """Delete those of some header profiles that still are unused."""
    deleted = session.db.execute(_DROP_PROFILES, (before, rows.compact(list(ids)))).rowcount
    session.memory.profiles.clear()
    session.memory.held.clear()
    return deleted


_OF_THEM = "recipient_id IN (SELECT value FROM json_each(:ids))"
NEWEST = "SELECT coalesce(max(id), 0) FROM visit"
NOTHING_LEFT = f"""SELECT r.id FROM recipient r
WHERE r.id IN (SELECT value FROM json_each(:ids)) AND NOT r.verified AND r.address_hash IS NULL AND r.track
AND NOT EXISTS (SELECT 1 FROM click WHERE recipient_id = r.id)
AND NOT EXISTS (SELECT 1 FROM retraction WHERE recipient_id = r.id)
AND r.id NOT IN (SELECT recipient_id FROM message_visit WHERE {_OF_THEM}
    UNION ALL SELECT recipient_id FROM open_visit WHERE {_OF_THEM}
    UNION ALL SELECT recipient_id FROM delivery WHERE {_OF_THEM}
    UNION ALL SELECT recipient_id FROM message_link WHERE {_OF_THEM}
    UNION ALL SELECT recipient_id FROM unsubscribe WHERE {_OF_THEM})"""
"""Those of some recipients that only a plain reference has made, and of whom there is nothing any more."""

_DROP_NAMELESS = """DELETE FROM recipient WHERE id IN (SELECT value FROM json_each(?))
AND NOT verified AND address_hash IS NULL AND track
AND id NOT IN (SELECT recipient_id FROM visit WHERE id > ?)"""


def drop_nameless(session: Session, ids: Sequence[int], newest: int) -> int:
    """Delete recipients of whom nothing was left up to the visit ``newest``, unless they came again since."""
    return session.db.execute(_DROP_NAMELESS, (rows.compact(list(ids)), newest)).rowcount


def wanted(cutoffs: Cutoffs) -> list[tuple[Walk, float]]:
    """Return which tables to walk, and until when."""
    walks = [*WALKS.items(), *ALONG]
    return [(walk, cutoff) for name, walk in walks if (cutoff := getattr(cutoffs, name)) is not None]
