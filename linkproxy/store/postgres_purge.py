"""Deleting what is older than its retention, in chunks; weeks of the journal that are empty are dropped.

Tables are walked by row id, which is their order of age; no index on time is needed. A walk ends
at the first chunk that holds nothing old. Rows that came late with an old time (read back from
the spill file) go when their neighbours do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.store.chunks import Step
from linkproxy.store.postgres_recount import doomed_visits, keep_clicks, keep_visits
from linkproxy.store.postgres_rows import turned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.store.api import Cutoffs
    from linkproxy.store.postgres_database import Transaction
    from linkproxy.store.sqlite_rows import Row

CHUNK = 250


@dataclass(frozen=True, slots=True)
class Walk:
    """A table to purge: its row id, its key (which leads to one row), its time.

    ``nameless``: whose row it is if nobody vouched for that one, else 0 (nameless.py).
    """

    table: str
    row_id: str
    key: tuple[str, ...]
    time: str = "at"
    nameless: str = "0"


NAMELESS = "CASE WHEN verified THEN 0 ELSE recipient_id END"
VISITS = Walk(
    "visit",
    "id",
    ("id", "recipient_id", "at", "campaign_id"),
    nameless=f"CASE WHEN by_reference THEN {NAMELESS} ELSE 0 END",
)
CLICKS = Walk("click", "visit_id", ("visit_id", "recipient_id"), nameless=NAMELESS)
WALKS = (
    ("journal", VISITS),
    ("clicks", CLICKS),
    ("strays", Walk("stray", "id", ("id",))),
    ("message_links", Walk("message_link", "id", ("campaign_id", "recipient_id", "key"), "created_at")),
    ("journal", Walk("shadow_verdict", "visit_id", ("visit_id", "recipient_id"))),
    ("journal", Walk("engagement", "id", ("visit_id", "kind", "recipient_id"), "first_at")),
    ("clicks", Walk("retraction", "visit_id", ("visit_id", "recipient_id"), nameless=NAMELESS)),
)
"""What each cut-off is about, by the names of Cutoffs."""

_TYPES = {"at": "double precision", "key": "text", "kind": "text"} | dict.fromkeys(
    ("id", "visit_id", "campaign_id", "recipient_id"), "bigint"
)

_OPEN = """EXISTS (SELECT 1 FROM open_visit o WHERE o.campaign_id = t.campaign_id
    AND o.recipient_id = t.recipient_id AND o.visit_id = t.id)"""
_UNLIST = """DELETE FROM message_visit m
USING unnest($1::bigint[], $2::bigint[], $3::double precision[], $4::bigint[])
    AS w (visit_id, recipient_id, at, campaign_id)
WHERE m.campaign_id = w.campaign_id AND m.recipient_id = w.recipient_id AND m.visit_id = w.visit_id
AND m.at = w.at"""


async def step(work: Transaction, walk: Walk, cutoff: float, first_id: int) -> Step:
    """Purge one chunk of a table; under the lock COUNTING, since what goes stays in the sums."""
    found = await work.fetch(
        f"""SELECT {walk.row_id}, {walk.time} < $1, {_OPEN if walk is VISITS else "false"},
            {walk.nameless}, {", ".join(walk.key)}
        FROM {walk.table} t WHERE {walk.row_id} >= $2 ORDER BY {walk.row_id} LIMIT {CHUNK}""",
        cutoff,
        first_id,
    )
    goes = [row for row in found if row[1] and not row[2]]
    doomed = [tuple(row)[4:] for row in goes]
    if doomed:
        await _delete(work, walk, doomed)
    done = len(found) < CHUNK or not any(row[1] for row in found)
    nameless = frozenset(row[3] for row in goes if row[3])
    return Step(len(doomed), None if done else found[-1][0] + 1, nameless)


async def _delete(work: Transaction, walk: Walk, doomed: list[Row]) -> None:
    if walk is CLICKS:
        await keep_clicks(work, doomed)
    counted = []
    if walk is VISITS:
        of_ids = [(visit_id, at, recipient_id, campaign) for visit_id, recipient_id, at, campaign in doomed]
        counted = await doomed_visits(work, of_ids)
        await work.execute(_UNLIST, *turned(doomed))
    arrays = ", ".join(f"${place}::{_TYPES[name]}[]" for place, name in enumerate(walk.key, 1))
    same = " AND ".join(f"t.{name} = w.{name}" for name in walk.key)
    await work.execute(
        f"DELETE FROM {walk.table} t USING unnest({arrays}) AS w ({', '.join(walk.key)}) WHERE {same}",
        *turned(doomed),
    )
    await keep_visits(work, counted)


# NOT EXISTS, so that the server joins: comparing with each stray's profile takes minutes of many of both.
UNUSED_PROFILES = """SELECT p.id FROM profile p WHERE p.used_at < $1
AND NOT EXISTS (SELECT 1 FROM stray s WHERE s.profile_id = p.id)
AND NOT EXISTS (SELECT 1 FROM open_visit o JOIN visit v
    ON v.id = o.visit_id AND v.recipient_id = o.recipient_id AND v.at = o.at WHERE v.profile_id = p.id)"""
"""Header profiles that no visit refers to when the journal is purged, by ``unused_before`` its cut-off."""

_DROP_PROFILES = """DELETE FROM profile WHERE id IN (
    SELECT id FROM profile WHERE id = ANY($1::bigint[]) AND used_at < $2 FOR UPDATE SKIP LOCKED)"""


async def drop_profiles(work: Transaction, ids: Sequence[int], before: float) -> int:
    """Delete those of some header profiles that still are unused; one that a batch is using is left to it."""
    return await work.execute(_DROP_PROFILES, list(ids), before)


_TABLES = ("open_visit", "message_visit", "click", "retraction", "delivery", "message_link", "unsubscribe")
_WITHOUT = "".join(
    f"EXCEPT SELECT recipient_id FROM {table} WHERE recipient_id IN (SELECT id FROM wanted) "
    for table in _TABLES
)
# As a table of their own the ids are what is hashed, and each table is read once, also by a plan that
# does not know how many there are: it would go over the journal's index for each of them.
NOTHING_LEFT = f"""WITH wanted AS MATERIALIZED (SELECT unnest($1::bigint[]) AS id)
SELECT id FROM recipient
WHERE id IN (SELECT id FROM wanted) AND NOT verified AND address_hash IS NULL AND track
{_WITHOUT}ORDER BY 1"""
"""Those of some recipients that only a plain reference has made, and of whom there is nothing any more."""

# Both ends of the ids, as high as a bigint goes: of ids without an end the planner expects a third of all
# visits, and reads the whole journal.
DROP_NAMELESS = """WITH gone AS (DELETE FROM recipient WHERE id = ANY($1::bigint[])
    AND NOT verified AND address_hash IS NULL AND track
    AND id NOT IN (SELECT recipient_id FROM visit WHERE id > $2 AND id < $3) RETURNING reference_hash)
DELETE FROM recipient_hash USING gone WHERE hash = gone.reference_hash"""
_NO_END = (1 << 63) - 1


async def drop_nameless(work: Transaction, ids: Sequence[int], newest: int) -> int:
    """Delete recipients of whom nothing was left up to the visit ``newest``, unless they came again since.

    Under the lock REGISTERING: no visit finds by its reference who is about to go.
    """
    return await work.execute(DROP_NAMELESS, list(ids), newest, _NO_END)


def wanted(cutoffs: Cutoffs) -> list[tuple[Walk, float]]:
    """Return which tables to walk, and until when."""
    return [(walk, cutoff) for name, walk in WALKS if (cutoff := getattr(cutoffs, name)) is not None]
