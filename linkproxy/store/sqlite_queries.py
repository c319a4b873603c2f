"""A Filter as SQL, and the rows it lists."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from linkproxy.model import CampaignId, LinkKey, RecipientId
from linkproxy.model.names import domain_name
from linkproxy.store import sqlite_entries as entries
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.afterlife import FeedKind, FeedRow, RetractionRow
from linkproxy.store.api import ClickRow, UnsubscribeRow, VisitRow
from linkproxy.store.evidence_rows import reasons_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from linkproxy.model import Campaign
    from linkproxy.store.api import Filter

CHUNK = 200
"""Rows of one read: few enough that turning them into values does not hold the loop for long."""

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a listed table keeps what a Filter asks for; "" where it has none."""

    id: str
    at: str
    campaign_id: str
    recipient_id: str
    domain: str = "r.domain"
    key: str = ""
    verdict: str = ""


_CLICKS = Columns("c.visit_id", "c.at", "c.campaign_id", "c.recipient_id", "c.domain", "c.key")
_PROVISIONAL = Columns("v.id", "v.at", "v.campaign_id", "v.recipient_id", key="v.key")
_SETTLED = Columns("s.visit_id", "v.at", "s.campaign_id", "v.recipient_id", "s.domain", "s.key", "s.verdict")
_JOURNAL = Columns(
    "v.id", "v.at", "v.campaign_id", "v.recipient_id", key="v.key", verdict="v.settled_verdict"
)
_OPEN = Columns("v.id", "v.at", "v.campaign_id", "v.recipient_id", key="v.key", verdict="v.verdict")
_RETRACTIONS = Columns("t.visit_id", "t.at", "t.campaign_id", "t.recipient_id", key="t.key")
_FEED_CLICKS = replace(_CLICKS, id="coalesce(c.feed_number, c.visit_id)")
_FEED_RETRACTIONS = replace(_RETRACTIONS, id="coalesce(t.feed_number, t.visit_id)")
_UNSUBSCRIBES = Columns("u.id", "u.at", "u.campaign_id", "u.recipient_id")

FIRST_ID = """coalesce((SELECT min(first_id) FROM visit_hour
    WHERE hour >= CAST(:since AS INTEGER) / 3600), 9223372036854775807)"""
_LAST_ID = """coalesce((SELECT max(last_id) FROM visit_hour
    WHERE hour <= CAST(:until AS INTEGER) / 3600), 0)"""
"""Between which ids the settled visits of a time are: ids are given in order of time, or nearly."""

_CLICK_INDEXES = (
    (("recipient",), "click_of_recipient"),
    (("campaign", "key"), "click_of_link"),
    (("campaign", "domain"), "click_of_campaign_domain"),
    (("campaign",), "click_of_campaign"),
    (("domain",), "click_of_domain"),
)
"""Which index lists the clicks of a filter; each has the visit id behind its columns."""


def values_of(where: Filter, recipient_id: RecipientId | None) -> Values:
    """Return what the statements below bind, without the cursor."""
    return {
        "campaign": where.campaign,
        "campaign_id": where.campaign_id,
        "key": rows.plain(where.key),
        "recipient": recipient_id,
        "domain": domain_name(where.domain),
        "since": where.since,
        "until": where.until,
        "verdict": where.verdict,
    }


def _conditions(where: Filter, columns: Columns, *, by_id: bool = False) -> str:
    """Return a filter as SQL; ``by_id`` finds times by the ids of settled visits too."""
    wanted = {
        f"{columns.campaign_id} = (SELECT id FROM campaign WHERE name = :campaign)": where.campaign,
        f"{columns.campaign_id} = :campaign_id": where.campaign_id is not None,
        f"{columns.campaign_id} IN (SELECT campaign_id FROM link WHERE key = :key "
        "UNION SELECT campaign_id FROM message_link WHERE key = :key)": (
            where.key and by_id and not (where.campaign or where.recipient)
        ),
        f"{columns.key} = :key": where.key and columns.key,
        f"{columns.recipient_id} = :recipient": where.recipient,
        f"{columns.domain} = :domain": where.domain,
        f"{columns.at} >= :since": where.since is not None,
        f"{columns.at} < :until": where.until is not None,
        f"{columns.id} <= {_LAST_ID}": where.until is not None and by_id,
        f"{columns.verdict} = :verdict": where.verdict and columns.verdict,
    }
    # One lower bound for the id, since SQLite seeks by one of two only.
    after = f"max(:after, {FIRST_ID} - 1)" if where.since is not None and by_id else ":after"
    return " AND ".join([f"{columns.id} > {after}", *(text for text, asked in wanted.items() if asked)])


_NAMES = f"""coalesce(l.target, m.target, ''), coalesce(l.role, m.role, ''), {rows.PERSON},
    coalesce(r.domain, '')"""


def _joins(alias: str) -> str:
    # CROSS: the listed table first, since it is what the filter's index is on.
    return f"""CROSS JOIN campaign cam ON cam.id = {alias}.campaign_id
    LEFT JOIN link l ON l.campaign_id = {alias}.campaign_id AND l.key = {alias}.key
    LEFT JOIN message_link m ON m.campaign_id = {alias}.campaign_id
        AND m.recipient_id = {alias}.recipient_id AND m.key = {alias}.key
    LEFT JOIN recipient r ON r.id = {alias}.recipient_id"""


def _click_index(where: Filter) -> str:
    given = {
        "recipient": where.recipient,
        "campaign": where.campaign,
        "key": where.key,
        "domain": where.domain,
    }
    for names, index in _CLICK_INDEXES:
        if all(given[name] for name in names):
            return f"INDEXED BY {index}"
    return ""


UNSETTLED = """SELECT visit_id FROM open_visit UNION
    SELECT id FROM visit WHERE id > coalesce(
        (SELECT value FROM meta WHERE name = 'indexed'), 9223372036854775807)"""
"""Visits that may be open; the newest ones are not in the table yet."""


def clicks(where: Filter, *, provisional: bool) -> str:
    """Return the statement that lists clicks; provisional ones are content visits of people."""
    statement = f"""SELECT c.visit_id, c.at, cam.name, c.key, {_NAMES}, c.score, c.reasons, c.verified, 1,
        c.recipient_id
    FROM click c {_click_index(where)} {_joins("c")} WHERE {_conditions(where, _CLICKS, by_id=True)}"""
    if provisional:
        statement += f""" UNION ALL
    SELECT v.id, v.at, cam.name, v.key, {_NAMES}, v.score, v.evidence, v.verified, 0,
        v.recipient_id
    FROM ({UNSETTLED}) o JOIN visit v ON v.id = o.visit_id {_joins("v")}
    WHERE v.verdict = 'human' AND v.settled_verdict IS NULL AND v.kind = 'content'
    AND v.method IN ('GET', 'POST') AND v.answer IN ('redirect', 'neutral', 'continued')
    AND {_conditions(where, _PROVISIONAL)}"""
    return statement + " ORDER BY 1 LIMIT :limit"


def click_row(row: rows.Row) -> ClickRow:
    """Return a row of ``clicks``."""
    settled = bool(row[11])
    return ClickRow(
        visit_id=row[0],
        at=row[1],
        campaign=row[2],
        key=LinkKey(row[3]),
        target=row[4],
        role=row[5],
        recipient=row[6],
        domain=row[7],
        score=row[8],
        reasons=tuple(json.loads(row[9])) if settled else reasons_from(row[9]),
        verified=bool(row[10]),
        settled=settled,
        recipient_id=RecipientId(row[12]),
    )


def retractions(where: Filter) -> str:
    """Return the statement that lists withdrawn clicks."""
    return f"""SELECT t.visit_id, t.at, t.withdrawn_at, cam.name, t.key, {_NAMES}, t.score, t.reasons,
        t.verified
    FROM retraction t {_joins("t")} WHERE {_conditions(where, _RETRACTIONS)}
    ORDER BY t.visit_id LIMIT :limit"""


def retraction_row(row: rows.Row) -> RetractionRow:
    """Return a row of ``retractions``."""
    return RetractionRow(
        visit_id=row[0],
        at=row[1],
        withdrawn_at=row[2],
        campaign=row[3],
        key=LinkKey(row[4]),
        target=row[5],
        role=row[6],
        recipient=row[7],
        domain=row[8],
        score=row[9],
        reasons=tuple(json.loads(row[10])),
        verified=bool(row[11]),
    )


def feed(where: Filter) -> str:
    """Return the statement that lists clicks and retractions in the order of the feed."""
    return f"""SELECT * FROM (SELECT {_FEED_CLICKS.id}, 'click', coalesce(c.settled_at, c.at),
        c.visit_id, c.at, cam.name, c.key, {_NAMES}, c.score, c.reasons, c.verified
    FROM click c INDEXED BY click_in_feed {_joins("c")} WHERE {_conditions(where, _FEED_CLICKS)}
    ORDER BY 1 LIMIT :limit)
    UNION ALL SELECT * FROM (SELECT {_FEED_RETRACTIONS.id}, 'retraction', t.withdrawn_at, t.visit_id, t.at,
        cam.name, t.key, {_NAMES}, t.score, t.reasons, t.verified
    FROM retraction t INDEXED BY retraction_in_feed {_joins("t")}
    WHERE {_conditions(where, _FEED_RETRACTIONS)} ORDER BY 1 LIMIT :limit) ORDER BY 1 LIMIT :limit"""


ENDS = """SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'visit'), 0),
    (SELECT value FROM meta WHERE name = 'feed'),
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'unsubscribe'), 0)"""
"""How far visits, feed and opt-outs have come; in a file all is committed in the order of its numbers."""


def feed_row(row: rows.Row) -> FeedRow:
    """Return a row of ``feed``."""
    return FeedRow(
        number=row[0],
        kind=FeedKind(row[1]),
        changed_at=row[2],
        visit_id=row[3],
        at=row[4],
        campaign=row[5],
        key=LinkKey(row[6]),
        target=row[7],
        role=row[8],
        recipient=row[9],
        domain=row[10],
        score=row[11],
        reasons=tuple(json.loads(row[12])),
        verified=bool(row[13]),
    )


def visits(where: Filter) -> str:
    """Return the statement that lists the journal: settled visits by an index, and the open ones."""
    if where.recipient:
        found = f"""SELECT v.id FROM visit v LEFT JOIN recipient r ON r.id = v.recipient_id
            WHERE v.id IN ({entries.visits_of(":recipient")} UNION {UNSETTLED})
            AND {_conditions(where, replace(_JOURNAL, verdict="coalesce(v.settled_verdict, v.verdict)"))}"""
    else:
        opened = f"""SELECT v.id FROM ({UNSETTLED}) o JOIN visit v ON v.id = o.visit_id
            LEFT JOIN recipient r ON r.id = v.recipient_id
            WHERE v.settled_verdict IS NULL AND {_conditions(where, _OPEN)}"""
        found = (
            f"SELECT * FROM ({_settled(where)} ORDER BY 1 LIMIT :limit) UNION ALL SELECT * FROM ({opened})"
        )
    return f"""WITH page (id) AS ({found} ORDER BY 1 LIMIT :limit)
    SELECT {entries.ENTRY} FROM page CROSS JOIN {entries.ENTRY_TABLES}
    WHERE v.id = page.id ORDER BY page.id"""


def _settled(where: Filter) -> str:
    """Return a query for the ids of settled visits: by the narrowest index that fits the filter."""
    if not (where.campaign or where.domain or where.verdict or where.key):
        return f"""SELECT v.id FROM visit v
            WHERE v.settled_verdict IS NOT NULL AND {_conditions(where, _JOURNAL, by_id=True)}"""
    times = where.since is not None or where.until is not None
    journal = "CROSS JOIN visit v ON v.id = s.visit_id" if times else ""
    index = ""
    if not (where.campaign or where.key):
        index = f"INDEXED BY settled_visit_of_{'domain' if where.domain else 'verdict'}"
    return f"""SELECT s.visit_id FROM settled_visit s {index} {journal}
        WHERE {_conditions(where, _SETTLED, by_id=True)}"""


VISIT = f"SELECT {entries.ENTRY} FROM {entries.ENTRY_TABLES} WHERE v.id = ?"
"""One journal entry by its id."""


def visit_row(row: rows.Row, campaigns: Mapping[int, Campaign]) -> VisitRow:
    """Return a row of ``visits``."""
    entry = entries.entry_from(row, campaigns)
    link = entry.facts.link
    return VisitRow(campaigns[CampaignId(row[2])].name, link.target if link else "", entry)


def unsubscribes(where: Filter) -> str:
    """Return the statement that lists opt-outs."""
    return f"""SELECT u.id, u.at, cam.name, {rows.PERSON}, coalesce(r.domain, ''), u.one_click
    FROM unsubscribe u JOIN campaign cam ON cam.id = u.campaign_id
    LEFT JOIN recipient r ON r.id = u.recipient_id
    WHERE {_conditions(where, _UNSUBSCRIBES)} ORDER BY u.id LIMIT :limit"""


def unsubscribe_row(row: rows.Row) -> UnsubscribeRow:
    """Return a row of ``unsubscribes``."""
    return UnsubscribeRow(row[0], row[1], row[2], row[3], row[4], one_click=bool(row[5]))
