"""A Filter as SQL for PostgreSQL; the rows it lists are those of sqlite_queries.py."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from linkproxy.model.names import domain_name
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.postgres_recipients import VISITS_OF
from linkproxy.store.postgres_rows import ENTRY, ENTRY_JOINS, text
from linkproxy.store.privacy import is_address

if TYPE_CHECKING:
    from linkproxy.store.api import Filter


@dataclass(slots=True)
class Bound:
    """A statement with its values; calling it binds one more and returns its place."""

    statement: str = ""
    values: list[Any] = field(default_factory=list)

    def __call__(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A filter with what is looked up before: the recipient (None: not known), the newest safe id."""

    where: Filter
    recipient_id: int | None = None
    newest: int = 0


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a listed table keeps what a Filter asks for."""

    id: str
    at: str
    campaign_id: str
    recipient_id: str
    key: str = ""
    verdict: str = ""
    fenced: bool = False  # only rows up to ``newest``: later ones may still be joined by earlier ones


_CLICKS = Columns("c.visit_id", "c.at", "c.campaign_id", "c.recipient_id", "c.key")
_PROVISIONAL = Columns("v.id", "v.at", "v.campaign_id", "v.recipient_id", "v.key", fenced=True)
_VISITS = Columns(
    "v.id", "v.at", "v.campaign_id", "v.recipient_id", "v.key", "coalesce(v.settled_verdict, v.verdict)", True
)
_RETRACTIONS = Columns("t.visit_id", "t.at", "t.campaign_id", "t.recipient_id", "t.key")
_FEED_CLICKS = replace(_CLICKS, id="coalesce(c.feed_number, c.visit_id)")
_FEED_RETRACTIONS = replace(_RETRACTIONS, id="coalesce(t.feed_number, t.visit_id)")
_UNSUBSCRIBES = Columns("u.id", "u.at", "u.campaign_id", "u.recipient_id", fenced=True)


def recipient_column(who: str) -> str:
    """Return which hash somebody is looked up by."""
    return "address_hash" if is_address(who) else "reference_hash"


def _conditions(asked: Asked, columns: Columns, after: int, bound: Bound) -> str:
    where = asked.where
    wanted = [f"{columns.id} > {bound(after)}::bigint"]
    if columns.fenced:
        wanted.append(f"{columns.id} <= {bound(asked.newest)}::bigint")
    wanted += _of_campaign(where, columns, bound)
    if where.key and columns.key:
        wanted.append(f"{columns.key} = {bound(text(where.key))}")
    if where.recipient:
        place = bound(asked.recipient_id)
        wanted.append(f"{columns.recipient_id} = {place}")
        if columns is _VISITS:
            wanted.append(f"(v.id, v.at) IN ({VISITS_OF.replace('$1', place)})")
    if where.domain:
        wanted.append(f"r.domain = {bound(text(domain_name(where.domain)))}")
    if where.since is not None:
        wanted.append(f"{columns.at} >= {bound(where.since)}")
    if where.until is not None:
        wanted.append(f"{columns.at} < {bound(where.until)}")
    if where.verdict and columns.verdict:
        wanted.append(f"{columns.verdict} = {bound(where.verdict)}")
    return " AND ".join(wanted)


def _of_campaign(where: Filter, columns: Columns, bound: Bound) -> list[str]:
    wanted = []
    if where.campaign:
        name = f"(SELECT id FROM campaign WHERE name = {bound(text(where.campaign))})"
        wanted.append(f"{columns.campaign_id} = {name}")
    if where.campaign_id is not None:
        wanted.append(f"{columns.campaign_id} = {bound(where.campaign_id)}::bigint")
    return wanted


_NAMES = f"""coalesce(l.target, m.target, '') AS target, coalesce(l.role, m.role, '') AS role,
    {rows.PERSON} AS who, coalesce(r.domain, '') AS domain"""


def _joins(alias: str) -> str:
    return f"""JOIN campaign cam ON cam.id = {alias}.campaign_id
    LEFT JOIN link l ON l.campaign_id = {alias}.campaign_id AND l.key = {alias}.key
    LEFT JOIN message_link m ON m.campaign_id = {alias}.campaign_id
        AND m.recipient_id = {alias}.recipient_id AND m.key = {alias}.key
    LEFT JOIN recipient r ON r.id = {alias}.recipient_id"""


def clicks(asked: Asked, after: int, size: int, *, provisional: bool) -> Bound:
    """Return the statement that lists clicks; provisional ones are content visits of people."""
    bound = Bound()
    statement = f"""(SELECT c.visit_id, c.at, cam.name, c.key, {_NAMES}, c.score, c.reasons, c.verified,
        true, c.recipient_id
    FROM click c {_joins("c")} WHERE {_conditions(asked, _CLICKS, after, bound)}
    ORDER BY c.visit_id LIMIT {size})"""
    if provisional:
        statement += f""" UNION ALL
    (SELECT v.id, v.at, cam.name, v.key, {_NAMES}, v.score, v.evidence, v.verified, false, v.recipient_id
    FROM open_visit o
    JOIN visit v ON v.id = o.visit_id AND v.recipient_id = o.recipient_id AND v.at = o.at {_joins("v")}
    WHERE v.verdict = 'human' AND v.settled_verdict IS NULL AND v.kind = 'content'
    AND v.method IN ('GET', 'POST') AND v.answer IN ('redirect', 'neutral', 'continued')
    AND {_conditions(asked, _PROVISIONAL, after, bound)} ORDER BY v.id LIMIT {size})"""
    bound.statement = f"SELECT * FROM ({statement}) AS both_kinds ORDER BY 1 LIMIT {size}"
    return bound


def retractions(asked: Asked, after: int, size: int) -> Bound:
    """Return the statement that lists withdrawn clicks."""
    bound = Bound()
    bound.statement = f"""SELECT t.visit_id, t.at, t.withdrawn_at, cam.name, t.key, {_NAMES}, t.score,
        t.reasons, t.verified
    FROM retraction t {_joins("t")} WHERE {_conditions(asked, _RETRACTIONS, after, bound)}
    ORDER BY t.visit_id LIMIT {size}"""
    return bound


def feed(asked: Asked, after: int, size: int) -> Bound:
    """Return the statement that lists clicks and retractions in the order of the feed."""
    bound = Bound()
    bound.statement = f"""SELECT * FROM ((SELECT {_FEED_CLICKS.id} AS number, 'click',
        coalesce(c.settled_at, c.at), c.visit_id, c.at, cam.name, c.key, {_NAMES}, c.score, c.reasons,
        c.verified
    FROM click c {_joins("c")} WHERE {_conditions(asked, _FEED_CLICKS, after, bound)}
    ORDER BY 1 LIMIT {size})
    UNION ALL (SELECT {_FEED_RETRACTIONS.id}, 'retraction', t.withdrawn_at,
        t.visit_id, t.at, cam.name, t.key, {_NAMES}, t.score, t.reasons, t.verified
    FROM retraction t {_joins("t")} WHERE {_conditions(asked, _FEED_RETRACTIONS, after, bound)}
    ORDER BY 1 LIMIT {size})) AS both_kinds ORDER BY 1 LIMIT {size}"""
    return bound


def visits(asked: Asked, after: int, size: int) -> Bound:
    """Return the statement that lists the journal."""
    bound = Bound()
    bound.statement = f"""SELECT {ENTRY} FROM visit v {ENTRY_JOINS}
    WHERE {_conditions(asked, _VISITS, after, bound)} ORDER BY v.id LIMIT {size}"""
    return bound


VISIT = f"SELECT {ENTRY} FROM visit v {ENTRY_JOINS} WHERE v.id = $1"
"""One journal entry by its id."""


def unsubscribes(asked: Asked, after: int, size: int) -> Bound:
    """Return the statement that lists opt-outs."""
    bound = Bound()
    bound.statement = f"""SELECT u.id, u.at, cam.name, {rows.PERSON}, coalesce(r.domain, ''), u.one_click
    FROM unsubscribe u JOIN campaign cam ON cam.id = u.campaign_id
    LEFT JOIN recipient r ON r.id = u.recipient_id
    WHERE {_conditions(asked, _UNSUBSCRIBES, after, bound)} ORDER BY u.id LIMIT {size}"""
    return bound
