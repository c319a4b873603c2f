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
    """A table to purge: its row id, its time, and which old rows must stay."""

    table: str
    row_id: str
    time: str
    unless: str = "0"


_OPEN = """EXISTS (SELECT 1 FROM open_visit o WHERE o.campaign_id = visit.campaign_id
    AND o.recipient_id = visit.recipient_id AND o.visit_id = visit.id)"""

VISITS = Walk("visit", "id", "at", unless=_OPEN)
CLICKS = Walk("click", "visit_id", "at")
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
    ("clicks", Walk("retraction", "visit_id", "at")),
)
"""What goes with them."""


def step(session: Session, walk: Walk, cutoff: float, first_id: int) -> Step:
    """Purge one chunk of a table."""
    chunk = (
        f"SELECT {walk.row_id} AS id, {walk.time} < ? AS old, {walk.unless} AS stays FROM {walk.table} "
        f"WHERE {walk.row_id} >= ? ORDER BY {walk.row_id} LIMIT {CHUNK}"
    )
    found = session.db.execute(chunk, (cutoff, first_id)).fetchall()
    doomed = [(row_id,) for row_id, old, stays in found if old and not stays]
    if walk is CLICKS and doomed:
        keep_clicks(session.db, [row_id for (row_id,) in doomed])
    counted = doomed_visits(session.db, [row_id for (row_id,) in doomed]) if walk is VISITS and doomed else []
    if walk is VISITS:
        _unlist(session, doomed)
    session.db.executemany(f"DELETE FROM {walk.table} WHERE {walk.row_id} = ?", doomed)
    keep_visits(session.db, counted)
    done = len(found) < CHUNK or not any(old for _, old, _ in found)
    return Step(len(doomed), None if done else found[-1][0] + 1)


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


def wanted(cutoffs: Cutoffs) -> list[tuple[Walk, float]]:
    """Return which tables to walk, and until when."""
    walks = [*WALKS.items(), *ALONG]
    return [(walk, cutoff) for name, walk in walks if (cutoff := getattr(cutoffs, name)) is not None]
