"""Settling one message in PostgreSQL: its history out, revised verdicts and clicks in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linkproxy.model import NO_DELIVERY, Delivery, DeliverySource, MessageHistory, VerdictKind
from linkproxy.store import sqlite_entries as entries
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.api import StoreError
from linkproxy.store.domains import HOUR_SECONDS
from linkproxy.store.evidence_rows import verdict_text
from linkproxy.store.postgres_domains import teach
from linkproxy.store.postgres_engagement import count_engaged, engagements_of
from linkproxy.store.postgres_recount import note_settled
from linkproxy.store.postgres_rows import ENTRY, ENTRY_JOINS, OF_IDS, turned
from linkproxy.store.sqlite_engagement import afterlife_value
from linkproxy.store.sqlite_history import MOST_OPEN, MOST_SETTLED
from linkproxy.store.sqlite_settle import resettled
from linkproxy.visit.possible import MOST_LOOKED_AT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.model import Campaign, JournalEntry, Neighbour, Settlement, Verdict
    from linkproxy.store.domains import Neighbours
    from linkproxy.store.postgres_database import Database, Transaction

    PolicyIds = Callable[[Transaction, str], Awaitable[int]]

Message = tuple[int, int]

_MESSAGE = "campaign_id = $1 AND recipient_id = $2"
_OPEN = f"SELECT visit_id, at FROM open_visit WHERE {_MESSAGE} ORDER BY visit_id LIMIT {MOST_OPEN}"
_SETTLED = f"""SELECT visit_id, at FROM message_visit WHERE {_MESSAGE} AND at BETWEEN $3 AND $4
ORDER BY visit_id DESC LIMIT {MOST_SETTLED}"""
_ENTRIES = f"SELECT {ENTRY} FROM {OF_IDS} {ENTRY_JOINS} ORDER BY v.id"
FIRST = f"SELECT visit_id, at FROM message_visit WHERE {_MESSAGE} ORDER BY visit_id LIMIT {MOST_LOOKED_AT}"
_CLICKED = "SELECT visit_id FROM click WHERE recipient_id = $2 AND visit_id = ANY($1::bigint[])"
_CAMPAIGN = f"SELECT {rows.CAMPAIGN} FROM campaign WHERE id = $1"
_DELIVERY = f"""SELECT delivered_at, source FROM (
    SELECT delivered_at, source, 0 AS place FROM delivery WHERE {_MESSAGE}
    UNION ALL SELECT delivered_at, source, 1 FROM campaign_delivery WHERE campaign_id = $1) AS both_kinds
ORDER BY place LIMIT 1"""
_SETTLE = """WITH settled AS (
    UPDATE visit v SET settled_verdict = w.verdict, settled_score = w.score, settled_prior = w.prior,
        settled_evidence = w.evidence, settled_policy_id = w.policy_id, settled_facts = w.facts,
        settled_at = $3
    FROM unnest($4::bigint[], $5::double precision[], $6::text[], $7::double precision[],
        $8::double precision[], $9::text[], $10::bigint[], $11::text[])
        AS w (id, at, verdict, score, prior, evidence, policy_id, facts)
    WHERE v.recipient_id = $2 AND v.id = w.id AND v.at = w.at),
closed AS (
    DELETE FROM open_visit WHERE campaign_id = $1 AND recipient_id = $2 AND visit_id = ANY($12::bigint[]))
INSERT INTO message_visit (campaign_id, recipient_id, visit_id, at)
SELECT $1, $2, w.* FROM unnest($12::bigint[], $13::double precision[]) AS w ON CONFLICT DO NOTHING"""
_CLICK = """INSERT INTO click (visit_id, at, campaign_id, recipient_id, key, score, reasons, verified, merged)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (visit_id, recipient_id) DO UPDATE
SET score = excluded.score, reasons = excluded.reasons, merged = excluded.merged"""
_RESCORE = "UPDATE click SET score = $3, reasons = $4 WHERE recipient_id = $1 AND visit_id = $2"
_WITHDRAW = """WITH gone AS (DELETE FROM click WHERE recipient_id = $1 AND visit_id = $2 RETURNING *)
INSERT INTO retraction
    (visit_id, at, withdrawn_at, campaign_id, recipient_id, key, score, reasons, verified)
SELECT visit_id, at, $3, campaign_id, recipient_id, key, $4, $5, verified FROM gone
ON CONFLICT (visit_id, recipient_id) DO UPDATE
SET withdrawn_at = excluded.withdrawn_at, score = excluded.score, reasons = excluded.reasons"""
_RESTORE = "DELETE FROM retraction WHERE recipient_id = $1 AND visit_id = ANY($2::bigint[])"


async def settle(
    work: Transaction,
    message: Message,
    revise: Callable[[MessageHistory], Settlement],
    *,
    reach_seconds: float,
    neighbours: Neighbours,
    policy_ids: PolicyIds,
) -> Settlement | None:
    """Settle one message; None when nothing of it is open."""
    history = await _read(work, neighbours, message, reach_seconds)
    if history is None:
        return None
    settlement = revise(history)
    if settlement.lesson is not None:
        await teach(work, settlement.lesson, settlement.settled_at)
    policies = {verdict.policy: await policy_ids(work, verdict.policy) for _, verdict in settlement.revised}
    await _write_verdicts(work, message, settlement, history, policies)
    await write_clicks(work, message, settlement, history)
    return settlement


async def _read(
    work: Transaction, neighbours: Neighbours, message: Message, reach_seconds: float
) -> MessageHistory | None:
    opened = await work.fetch(_OPEN, *message)
    if not opened:
        return None
    times = [row[1] for row in opened]
    settled = await work.fetch(_SETTLED, *message, min(times) - reach_seconds, max(times) + reach_seconds)
    first = await work.fetch(FIRST, *message)
    campaign = await campaign_of(work, message[0])
    seen = {row[0]: row for row in (*opened, *settled, *first)}
    known = await read_entries(work, list(seen.values()), message[1], campaign)
    within = {row[0] for row in (*opened, *settled)}
    journal = tuple(entry for entry in known if entry.visit_id in within)
    clicked = await _clicked(work, known, message[1])
    tells = bool(campaign.click_id)
    return MessageHistory(
        entries=journal,
        open_ids=frozenset(row[0] for row in opened),
        clicked=clicked & within,
        delivery=await _delivery(work, message),
        neighbours=_beside(neighbours, journal, since=min(times) - HOUR_SECONDS),
        engagements=await engagements_of(work, message) if tells else None,
        engaged=await count_engaged(work, message) if tells else 0,
        beyond=tuple(entry for entry in known if entry.visit_id not in within),
        clicked_beyond=clicked - within,
    )


async def campaign_of(source: Database | Transaction, campaign_id: int) -> Campaign:
    """Return the campaign of a visit; raise StoreError if it is missing."""
    row = await source.fetch_one(_CAMPAIGN, campaign_id)
    if row is None:
        raise StoreError(f"campaign {campaign_id} of a visit is missing from the store")
    return rows.campaign_from(row)


async def read_entries(
    source: Database | Transaction, seen: Sequence[rows.Row], recipient_id: int, campaign: Campaign
) -> tuple[JournalEntry, ...]:
    """Return journal entries of one message by their ids and times, in order of arrival."""
    found = await source.fetch(_ENTRIES, [row[0] for row in seen], [row[1] for row in seen], recipient_id)
    return tuple(entries.entry_from(row, {campaign.id: campaign}) for row in found)


async def _clicked(
    source: Database | Transaction, journal: Sequence[JournalEntry], recipient_id: int
) -> frozenset[int]:
    ids = [entry.visit_id for entry in journal]
    return frozenset(row[0] for row in await source.fetch(_CLICKED, ids, recipient_id))


async def _delivery(source: Database | Transaction, message: Message) -> Delivery:
    row = await source.fetch_one(_DELIVERY, *message)
    return Delivery(row[0], DeliverySource(row[1])) if row else NO_DELIVERY


async def read_siblings(database: Database, visit_id: int, reach_seconds: float) -> MessageHistory:
    """Return the message history around one visit; raise StoreError if it is not there."""
    found = await database.fetch_one(
        "SELECT campaign_id, recipient_id, at FROM visit WHERE id = $1", visit_id
    )
    if found is None:
        raise StoreError(f"there is no visit {visit_id} in the journal; 'linkproxy visits' lists them")
    message, at = (found[0], found[1]), found[2]
    reach = (at - reach_seconds, at + reach_seconds)
    opened = [row for row in await database.fetch(_OPEN, *message) if reach[0] <= row[1] <= reach[1]]
    settled = await database.fetch(_SETTLED, *message, *reach)
    seen = {row[0]: (row[0], row[1]) for row in (*opened, *settled)} | {visit_id: (visit_id, at)}
    campaign = await campaign_of(database, message[0])
    journal = await read_entries(database, list(seen.values()), message[1], campaign)
    return MessageHistory(
        entries=journal,
        open_ids=frozenset(row[0] for row in opened),
        clicked=await _clicked(database, journal, message[1]),
        delivery=await _delivery(database, message),
    )


def _beside(
    neighbours: Neighbours, journal: Sequence[JournalEntry], *, since: float
) -> tuple[Neighbour, ...]:
    if not journal:
        return ()
    visit, domain = journal[0].visit, journal[0].recipient.domain
    return tuple(neighbours.others(visit.campaign_id, domain, visit.recipient_id, since=since))


async def _write_verdicts(
    work: Transaction,
    message: Message,
    settlement: Settlement,
    history: MessageHistory,
    policies: dict[str, int],
) -> None:
    if not settlement.revised:
        return
    newest = max(entry.visit_id for entry in history.entries)
    times = {entry.visit_id: entry.visit.at for entry in history.entries}
    steps, afterlives = dict(settlement.steps), dict(settlement.afterlives)
    values = [
        (
            *(visit_id, times[visit_id], verdict.kind, verdict.score, verdict.prior),
            *(verdict_text(verdict), policies[verdict.policy]),
            rows.settled_facts_text(
                history.delivery,
                newest,
                step=rows.step_value(steps.get(visit_id)),
                afterlife=afterlife_value(afterlives.get(visit_id)),
            ),
        )
        for visit_id, verdict in settlement.revised
        if visit_id in times
    ]
    done = [visit_id for visit_id, _ in settlement.revised if visit_id in history.open_ids]
    opened_at = [times[visit_id] for visit_id in done]
    await work.execute(_SETTLE, *message, settlement.settled_at, *turned(values), done, opened_at)


async def write_clicks(
    work: Transaction, message: Message, settlement: Settlement, history: MessageHistory
) -> None:
    """Write the new clicks; one whose visit turned out to be no person's is withdrawn.

    Rollups are brought up to both, and to the verdicts.
    """
    recipient_id = message[1]
    withdrawn = set(settlement.withdrawn)
    for visit_id, verdict in settlement.revised:
        if visit_id not in history.clicked:
            continue
        if verdict.kind is VerdictKind.HUMAN:
            reasons = rows.compact(verdict.reasons)
            await work.execute(_RESCORE, recipient_id, visit_id, verdict.score, reasons)
        else:
            withdrawn.add(visit_id)
    verdicts = dict(settlement.revised)
    for visit_id in sorted(withdrawn):
        score, reasons = _against(verdicts.get(visit_id))
        await work.execute(_WITHDRAW, recipient_id, visit_id, settlement.settled_at, score, reasons)
    if settlement.clicks:
        await _write_new(work, settlement, recipient_id)
    await note_settled(work, message, resettled(settlement, history, withdrawn & history.clicked))


async def _write_new(work: Transaction, settlement: Settlement, recipient_id: int) -> None:
    await work.execute(_RESTORE, recipient_id, [click.visit_id for click in settlement.clicks])
    values: list[tuple[Any, ...]] = [
        (
            *(click.visit_id, click.at, click.campaign_id, click.recipient_id, click.key, click.score),
            *(rows.compact(click.reasons), click.verified, click.merged),
        )
        for click in settlement.clicks
    ]
    await work.db.executemany(_CLICK, values)


def _against(verdict: Verdict | None) -> tuple[float, str]:
    """Return the score and reasons of a retraction; without a verdict it was merged into another."""
    return (verdict.score, rows.compact(verdict.reasons)) if verdict else (0.0, "[]")
