"""A Filter as SQL, and the rows it lists."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from linkproxy.model import CampaignId, LinkKey, RecipientId
from linkproxy.store import sqlite_entries as entries
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.afterlife import RetractionRow
from linkproxy.store.api import ClickRow, UnsubscribeRow, VisitRow
from linkproxy.store.privacy import is_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from linkproxy.model import Campaign
    from linkproxy.store.api import Filter

CHUNK = 200
"""Rows of one read: few enough that turning them into values does not hold the loop for long."""

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a listed table keeps what a Filter asks for."""

    id: str
    at: str
    campaign_id: str
    recipient_id: str
    key: str = ""
    verdict: str = ""


_CLICKS = Columns("c.visit_id", "c.at", "c.campaign_id", "c.recipient_id", "c.key")
_PROVISIONAL = Columns("v.id", "v.at", "v.campaign_id", "v.recipient_id", "v.key")
_VISITS = Columns(
    "v.id", "v.at", "v.campaign_id", "v.recipient_id", "v.key", "coalesce(v.settled_verdict, v.verdict)"
)
_RETRACTIONS = Columns("t.visit_id", "t.at", "t.campaign_id", "t.recipient_id", "t.key")
_UNSUBSCRIBES = Columns("u.id", "u.at", "u.campaign_id", "u.recipient_id")


def values_of(where: Filter, recipient_hash: bytes | None) -> Values:
    """Return what the statements below bind, without the cursor."""
    return {
        "campaign": where.campaign,
        "key": rows.plain(where.key),
        "recipient": recipient_hash,
        "domain": where.domain.strip().lstrip("@").lower(),
        "since": where.since,
        "until": where.until,
        "verdict": where.verdict,
    }


def _conditions(where: Filter, columns: Columns) -> str:
    column = "address_hash" if is_address(where.recipient) else "reference_hash"
    recipient = f"(SELECT id FROM recipient WHERE {column} = :recipient)"
    of_recipient = f"{columns.recipient_id} = {recipient}"
    if columns is _VISITS:
        of_recipient = f"v.id IN ({entries.visits_of(recipient)})"
    wanted = {
        f"{columns.campaign_id} = (SELECT id FROM campaign WHERE name = :campaign)": where.campaign,
        f"{columns.key} = :key": where.key and columns.key,
        of_recipient: where.recipient,
        "r.domain = :domain": where.domain,
        f"{columns.at} >= :since": where.since is not None,
        f"{columns.at} < :until": where.until is not None,
        f"{columns.verdict} = :verdict": where.verdict and columns.verdict,
    }
    return " AND ".join([f"{columns.id} > :after", *(text for text, asked in wanted.items() if asked)])


_NAMES = """coalesce(l.target, m.target, ''), coalesce(l.role, m.role, ''),
    CASE WHEN r.address <> '' THEN r.address ELSE coalesce(r.reference, '') END, coalesce(r.domain, '')"""


def _joins(alias: str) -> str:
    return f"""JOIN campaign cam ON cam.id = {alias}.campaign_id
    LEFT JOIN link l ON l.campaign_id = {alias}.campaign_id AND l.key = {alias}.key
    LEFT JOIN message_link m ON m.campaign_id = {alias}.campaign_id
        AND m.recipient_id = {alias}.recipient_id AND m.key = {alias}.key
    LEFT JOIN recipient r ON r.id = {alias}.recipient_id"""


def clicks(where: Filter, *, provisional: bool) -> str:
    """Return the statement that lists clicks; provisional ones are content visits of people."""
    statement = f"""SELECT c.visit_id, c.at, cam.name, c.key, {_NAMES}, c.score, c.reasons, c.verified, 1,
        c.recipient_id
    FROM click c {_joins("c")} WHERE {_conditions(where, _CLICKS)}"""
    if provisional:
        statement += f""" UNION ALL
    SELECT v.id, v.at, cam.name, v.key, {_NAMES}, v.score, v.evidence, v.verified, 0,
        v.recipient_id
    FROM open_visit o JOIN visit v ON v.id = o.visit_id {_joins("v")}
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
        reasons=tuple(json.loads(row[9])) if settled else rows.reasons_from(row[9]),
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


def visits(where: Filter) -> str:
    """Return the statement that lists the journal."""
    return f"""SELECT {entries.ENTRY} FROM {entries.ENTRY_TABLES}
    WHERE {_conditions(where, _VISITS)} ORDER BY v.id LIMIT :limit"""


VISIT = f"SELECT {entries.ENTRY} FROM {entries.ENTRY_TABLES} WHERE v.id = ?"
"""One journal entry by its id."""


def visit_row(row: rows.Row, campaigns: Mapping[int, Campaign]) -> VisitRow:
    """Return a row of ``visits``."""
    entry = entries.entry_from(row, campaigns)
    link = entry.facts.link
    return VisitRow(campaigns[CampaignId(row[2])].name, link.target if link else "", entry)


def unsubscribes(where: Filter) -> str:
    """Return the statement that lists opt-outs."""
    return f"""SELECT u.id, u.at, cam.name,
        CASE WHEN r.address <> '' THEN r.address ELSE coalesce(r.reference, '') END, coalesce(r.domain, ''),
        u.one_click
    FROM unsubscribe u JOIN campaign cam ON cam.id = u.campaign_id
    LEFT JOIN recipient r ON r.id = u.recipient_id
    WHERE {_conditions(where, _UNSUBSCRIBES)} ORDER BY u.id LIMIT :limit"""


def unsubscribe_row(row: rows.Row) -> UnsubscribeRow:
    """Return a row of ``unsubscribes``."""
    return UnsubscribeRow(row[1], row[2], row[3], row[4], one_click=bool(row[5]))
