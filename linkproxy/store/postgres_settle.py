"""Settling one message in PostgreSQL: its history out, revised verdicts and clicks in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from linkproxy.model import NO_DELIVERY, Delivery, DeliverySource, MessageHistory, VerdictKind
from linkproxy.store import sqlite_entries as entries
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.api import StoreError
from linkproxy.store.evidence_rows import verdict_text
from linkproxy.store.postgres_domains import count_recipients, teach
from linkproxy.store.postgres_engagement import count_engaged, engagements_of
from linkproxy.store.postgres_lookup import strays_of
from linkproxy.store.postgres_recount import note_settled
from linkproxy.store.postgres_rows import ENTRY, ENTRY_JOINS, OF_IDS, lists, turned
from linkproxy.store.sqlite_engagement import afterlife_value
from linkproxy.store.sqlite_history import MOST_OPEN, MOST_SETTLED
from linkproxy.store.sqlite_settle import resettled
from linkproxy.visit.possible import MOST_LOOKED_AT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.model import Campaign, JournalEntry, Neighbour, Settlement, Verdict
    from linkproxy.store.domains import Neighbours
    from linkproxy.store.postgres_database import Database, Transaction
    from linkproxy.store.postgres_ledger import Ledger

    PolicyIds = Callable[[Transaction, str], Awaitable[int]]

Message = tuple[int, int]

_MESSAGE = "campaign_id = $1 AND recipient_id = $2"
_OPEN = f"SELECT visit_id, at FROM open_visit WHERE {_MESSAGE} ORDER BY visit_id LIMIT {MOST_OPEN}"
_ENTRIES = f"SELECT {ENTRY} FROM {OF_IDS} {ENTRY_JOINS} ORDER BY v.id"
FIRST = f"SELECT visit_id, at FROM message_visit WHERE {_MESSAGE} ORDER BY visit_id LIMIT {MOST_LOOKED_AT}"
_CLICKED = """SELECT visit_id, coalesce(settled_at, at) FROM click
WHERE recipient_id = $2 AND visit_id = ANY($1::bigint[])"""
_CAMPAIGN = f"SELECT {rows.CAMPAIGN} FROM campaign WHERE id = $1"
_DELIVERY = f"""SELECT delivered_at, source FROM (
    SELECT delivered_at, source, 0 AS place FROM delivery WHERE {_MESSAGE}
    UNION ALL SELECT delivered_at, source, 1 FROM campaign_delivery WHERE campaign_id = $1) AS both_kinds
ORDER BY place LIMIT 1"""
_IN_REACH = f"""SELECT visit_id, at FROM message_visit WHERE {_MESSAGE}
    AND at BETWEEN (SELECT min(at) - $3 FROM opened) AND (SELECT max(at) + $3 FROM opened)
    ORDER BY visit_id DESC LIMIT {MOST_SETTLED}"""
_SEEN = f"""WITH opened AS MATERIALIZED ({_OPEN})
SELECT {lists("SELECT * FROM opened", _IN_REACH, FIRST, _CAMPAIGN, _DELIVERY)}"""
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
_SETTLED_COLUMNS = 8
_CLICK = """WITH restored AS (DELETE FROM retraction WHERE recipient_id = $2 AND visit_id = ANY($4::bigint[]))
INSERT INTO click
    (campaign_id, recipient_id, settled_at, visit_id, at, key, score, reasons, verified, merged, feed_number)
SELECT $1, $2, $3, w.* FROM unnest($4::bigint[], $5::double precision[], $6::text[], $7::double precision[],
    $8::text[], $9::boolean[], $10::int[], $11::bigint[]) AS w
ON CONFLICT (visit_id, recipient_id) DO UPDATE
SET score = excluded.score, reasons = excluded.reasons, merged = excluded.merged"""
_RESCORE = "UPDATE click SET score = $3, reasons = $4 WHERE recipient_id = $1 AND visit_id = $2"
_MERGED = "UPDATE click SET merged = $3 WHERE recipient_id = $1 AND visit_id = $2"
_WITHDRAW = """WITH gone AS (DELETE FROM click WHERE recipient_id = $1 AND visit_id = $2 RETURNING *)
INSERT INTO retraction
    (visit_id, at, withdrawn_at, campaign_id, recipient_id, key, score, reasons, verified, feed_number)
SELECT visit_id, at, $3, campaign_id, recipient_id, key, $4, $5, verified, $6 FROM gone
ON CONFLICT (visit_id, recipient_id) DO UPDATE SET withdrawn_at = excluded.withdrawn_at,
    score = excluded.score, reasons = excluded.reasons, feed_number = excluded.feed_number"""
# Whoever settles holds COUNTING until the commit: the feed is committed in the order of its numbers.
_FEED = "UPDATE meta SET number = number + $1 WHERE name = 'feed' RETURNING number"


async def settle(
    work: Transaction,
    ledger: Ledger,
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
    settlement = revise(replace(history, recipients=await count_recipients(work, history)))
    if settlement.lesson is not None:
        await teach(work, settlement.lesson, settlement.settled_at)
    policies = {verdict.policy: await policy_ids(work, verdict.policy) for _, verdict in settlement.revised}
    await _write_verdicts(work, message, settlement, history, policies)
    await write_clicks(work, ledger, message, settlement, history)
    return settlement


async def _read(
    work: Transaction, neighbours: Neighbours, message: Message, reach_seconds: float
) -> MessageHistory | None:
    ((opened, settled, first, campaigns, deliveries),) = await work.fetch(_SEEN, *message, reach_seconds)
    if not opened:
        return None
    campaign = _campaign_from(campaigns, message[0])
    seen = {row[0]: row for row in (*opened, *settled, *first)}
    known = await read_entries(work, list(seen.values()), message[1], campaign)
    within = {row[0] for row in (*opened, *settled)}
    journal = tuple(entry for entry in known if entry.visit_id in within)
    clicked_at = await _clicked(work, known, message[1])
    clicked = frozenset(visit_id for visit_id, _ in clicked_at)
    tells = bool(campaign.click_id)
    return MessageHistory(
        entries=journal,
        open_ids=frozenset(row[0] for row in opened),
        clicked=clicked & within,
        delivery=_delivery_from(deliveries),
        neighbours=_beside(neighbours, journal),
        engagements=await engagements_of(work, message) if tells else None,
        engaged=await count_engaged(work, message) if tells else 0,
        beyond=tuple(entry for entry in known if entry.visit_id not in within),
        clicked_beyond=clicked - within,
        clicked_at=clicked_at,
        strays=await strays_of(work, {entry.visit.client for entry in journal}),
    )


async def campaign_of(source: Database | Transaction, campaign_id: int) -> Campaign:
    """Return the campaign of a visit; raise StoreError if it is missing."""
    return _campaign_from(await source.fetch(_CAMPAIGN, campaign_id), campaign_id)


def _campaign_from(found: Sequence[rows.Row], campaign_id: int) -> Campaign:
    if not found:
        raise StoreError(f"campaign {campaign_id} of a visit is missing from the store")
    return rows.campaign_from(found[0])


async def read_entries(
    work: Transaction, seen: Sequence[rows.Row], recipient_id: int, campaign: Campaign
) -> tuple[JournalEntry, ...]:
    """Return journal entries of one message by their ids and times, in order of arrival."""
    found = await work.fetch(_ENTRIES, [row[0] for row in seen], [row[1] for row in seen], recipient_id)
    return tuple(entries.entry_from(row, {campaign.id: campaign}) for row in found)


async def _clicked(
    work: Transaction, journal: Sequence[JournalEntry], recipient_id: int
) -> tuple[tuple[int, float], ...]:
    """Return which visits the click log holds, and when each was first settled as a click."""
    ids = [entry.visit_id for entry in journal]
    return tuple((row[0], row[1]) for row in await work.fetch(_CLICKED, ids, recipient_id))


def _delivery_from(found: Sequence[rows.Row]) -> Delivery:
    return Delivery(found[0][0], DeliverySource(found[0][1])) if found else NO_DELIVERY


def _beside(neighbours: Neighbours, journal: Sequence[JournalEntry]) -> tuple[Neighbour, ...]:
    if not journal:
        return ()
    visit, domain = journal[0].visit, journal[0].recipient.domain
    return tuple(neighbours.others(visit.campaign_id, domain, visit.recipient_id))


async def _write_verdicts(
    work: Transaction,
    message: Message,
    settlement: Settlement,
    history: MessageHistory,
    policies: dict[str, int],
) -> None:
    if not settlement.revised and not settlement.standing:
        return
    newest = max(entry.visit_id for entry in history.entries)
    times = {entry.visit_id: entry.visit.at for entry in history.entries}
    steps, afterlives = dict(settlement.steps), dict(settlement.afterlives)
    strays, beside = dict(settlement.strays), frozenset(settlement.beside_driven)
    values = [
        (
            *(visit_id, times[visit_id], verdict.kind, verdict.score, verdict.prior),
            *(verdict_text(verdict), policies[verdict.policy]),
            rows.settled_facts_text(
                history.delivery,
                newest,
                step=rows.step_value(steps.get(visit_id)),
                afterlife=afterlife_value(afterlives.get(visit_id)),
                strays=rows.strays_value(strays.get(visit_id)),
                beside=visit_id in beside or None,
            ),
        )
        for visit_id, verdict in settlement.revised
        if visit_id in times
    ]
    done = [visit_id for visit_id, _ in settlement.revised if visit_id in history.open_ids]
    done += settlement.standing
    opened_at = [times[visit_id] for visit_id in done]
    columns = turned(values) or [[]] * _SETTLED_COLUMNS
    await work.execute(_SETTLE, *message, settlement.settled_at, *columns, done, opened_at)


async def write_clicks(
    work: Transaction, ledger: Ledger, message: Message, settlement: Settlement, history: MessageHistory
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
    numbers = await _feed_numbers(work, len(withdrawn) + len(settlement.clicks))
    for visit_id, number in zip(sorted(withdrawn), numbers, strict=False):  # those of clicks are behind
        score, reasons = _against(verdicts.get(visit_id))
        await work.execute(_WITHDRAW, recipient_id, visit_id, settlement.settled_at, score, reasons, number)
    if settlement.clicks:
        await _write_new(work, message, settlement, numbers[len(withdrawn) :])
    for visit_id, merged in settlement.merged:
        await work.execute(_MERGED, recipient_id, visit_id, merged)
    await note_settled(work, ledger, message, resettled(settlement, history, withdrawn & history.clicked))


async def _feed_numbers(work: Transaction, count: int) -> range:
    """Return the next numbers of the feed; a click that is there already keeps its own."""
    if not count:
        return range(0)
    ((newest,),) = await work.fetch(_FEED, count)
    return range(newest - count + 1, newest + 1)


async def _write_new(
    work: Transaction, message: Message, settlement: Settlement, numbers: Sequence[int]
) -> None:
    values = [
        (
            *(click.visit_id, click.at, click.key, click.score, rows.compact(click.reasons)),
            *(click.verified, click.merged, number),
        )
        for click, number in zip(settlement.clicks, numbers, strict=True)
    ]
    await work.execute(_CLICK, *message, settlement.settled_at, *turned(values))


def _against(verdict: Verdict | None) -> tuple[float, str]:
    """Return the score and reasons of a retraction; without a verdict it was merged into another."""
    return (verdict.score, rows.compact(verdict.reasons)) if verdict else (0.0, "[]")
