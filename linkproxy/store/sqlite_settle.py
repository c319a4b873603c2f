"""Settling one message: its history out, revised verdicts and clicks in, in one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from linkproxy.model import MessageHistory, VerdictKind
from linkproxy.store import sqlite_entries as entries
from linkproxy.store import sqlite_history as histories
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.evidence_rows import verdict_text
from linkproxy.store.sqlite_domains import count_recipients, teach
from linkproxy.store.sqlite_engagement import afterlife_value, count_engaged, engagements_of
from linkproxy.store.sqlite_journal import policy_id
from linkproxy.store.sqlite_rollups import Resettled, note_settled
from linkproxy.visit.possible import MOST_LOOKED_AT

if TYPE_CHECKING:
    from collections.abc import Callable

    from linkproxy.model import JournalEntry, Neighbour, Settlement, StrayTrace, Verdict
    from linkproxy.store.sqlite_session import Message, Session

_SETTLE = """UPDATE visit SET settled_verdict = ?, settled_score = ?, settled_prior = ?, settled_evidence = ?,
    settled_policy_id = ?, settled_facts = ?, settled_at = ? WHERE id = ?"""
_CLOSE = "DELETE FROM open_visit WHERE campaign_id = ? AND recipient_id = ? AND visit_id = ?"
_INDEX = """INSERT OR IGNORE INTO message_visit (campaign_id, recipient_id, visit_id, at)
SELECT campaign_id, recipient_id, id, at FROM visit WHERE id = ?"""
_CLICK = """INSERT INTO click (visit_id, at, campaign_id, recipient_id, key, score, reasons, verified, merged,
    settled_at, feed_number, domain)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
    coalesce((SELECT domain FROM recipient WHERE id = ?4), ''))
ON CONFLICT (visit_id) DO UPDATE
SET score = excluded.score, reasons = excluded.reasons, merged = excluded.merged"""
_RESCORE = "UPDATE click SET score = ?, reasons = ? WHERE visit_id = ?"
_MERGED = "UPDATE click SET merged = ? WHERE visit_id = ?"
_WITHDRAW = "DELETE FROM click WHERE visit_id = ?"
_RETRACT = """INSERT OR REPLACE INTO retraction
(visit_id, at, withdrawn_at, campaign_id, recipient_id, key, score, reasons, verified, feed_number)
SELECT visit_id, at, ?, campaign_id, recipient_id, key, ?, ?, verified, ? FROM click WHERE visit_id = ?"""
_RESTORE = "DELETE FROM retraction WHERE visit_id = ?"
_FEED = "UPDATE meta SET value = value + ? WHERE name = 'feed' RETURNING value"


def settle(
    session: Session,
    message: Message,
    revise: Callable[[MessageHistory], Settlement],
    reach_seconds: float,
) -> Settlement | None:
    """Settle one message; None when nothing of it is open."""
    session.refresh()
    if message in session.open:
        session.index()
    history = _read(session, message, reach_seconds)
    if history is None:
        return None
    settlement = revise(replace(history, recipients=count_recipients(session, history)))
    if settlement.lesson is not None:
        teach(session, settlement.lesson, settlement.settled_at)
    _write_verdicts(session, message, settlement, history)
    write_clicks(session, message, settlement, history)
    session.memory.siblings.drop(message)
    session.tell(message)
    return settlement


def _read(session: Session, message: Message, reach_seconds: float) -> MessageHistory | None:
    db = session.db
    opened = db.execute(histories.OPEN, message).fetchall()
    if not opened:
        return None
    times = [at for _, at in opened]
    reach = (min(times) - reach_seconds, max(times) + reach_seconds)
    open_ids = [visit_id for visit_id, _ in opened]
    settled_ids = [visit_id for (visit_id,) in db.execute(histories.SETTLED, (*message, *reach))]
    within = {*open_ids, *settled_ids}
    first_ids = [visit_id for (visit_id,) in db.execute(histories.FIRST, message)]
    ids = rows.compact(sorted(within.union(first_ids)))
    campaign = rows.campaign_from(db.execute(histories.CAMPAIGN, message[:1]).fetchone())
    found = db.execute(histories.ENTRIES, (ids,))
    known = [entries.entry_from(row, {campaign.id: campaign}) for row in found]
    journal = tuple(entry for entry in known if entry.visit_id in within)
    clicked_at = db.execute(histories.CLICKED, (ids,)).fetchall()
    clicked = frozenset(visit_id for visit_id, _ in clicked_at)
    return MessageHistory(
        entries=journal,
        open_ids=frozenset(open_ids),
        clicked=clicked & within,
        delivery=histories.delivery_from(db.execute(histories.DELIVERY, message).fetchone()),
        neighbours=_neighbours(session, journal),
        engagements=engagements_of(db, message) if campaign.click_id else None,
        engaged=count_engaged(db, message) if campaign.click_id else 0,
        beyond=tuple(entry for entry in known if entry.visit_id not in within),
        clicked_beyond=clicked - within,
        clicked_at=tuple(clicked_at),
        strays=_strays(session, journal),
    )


def _strays(session: Session, journal: tuple[JournalEntry, ...]) -> dict[str, tuple[StrayTrace, ...]]:
    """Return the newest strays of the clients that visited, as far as they are remembered."""
    clients = {entry.visit.client for entry in journal}
    return {client: tuple(traces) for client in clients if (traces := session.memory.strays.get(client))}


def _neighbours(session: Session, journal: tuple[JournalEntry, ...]) -> tuple[Neighbour, ...]:
    if not journal:
        return ()
    visit, domain = journal[0].visit, journal[0].recipient.domain
    return tuple(session.memory.neighbours.others(visit.campaign_id, domain, visit.recipient_id))


def _write_verdicts(
    session: Session, message: Message, settlement: Settlement, history: MessageHistory
) -> None:
    newest = max(entry.visit_id for entry in history.entries)
    steps, afterlives = dict(settlement.steps), dict(settlement.afterlives)
    strays, beside = dict(settlement.strays), frozenset(settlement.beside_driven)
    session.db.executemany(
        _SETTLE,
        [
            (
                *(verdict.kind, verdict.score, verdict.prior, verdict_text(verdict)),
                policy_id(session, verdict.policy),
                rows.settled_facts_text(
                    history.delivery,
                    newest,
                    step=rows.step_value(steps.get(visit_id)),
                    afterlife=afterlife_value(afterlives.get(visit_id)),
                    strays=rows.strays_value(strays.get(visit_id)),
                    beside=visit_id in beside or None,
                ),
                *(settlement.settled_at, visit_id),
            )
            for visit_id, verdict in settlement.revised
        ],
    )
    done = [visit_id for visit_id, _ in settlement.revised if visit_id in history.open_ids]
    done += settlement.standing
    session.db.executemany(_CLOSE, [(*message, visit_id) for visit_id in done])
    session.db.executemany(_INDEX, [(visit_id,) for visit_id in done])


def write_clicks(session: Session, message: Message, settlement: Settlement, history: MessageHistory) -> None:
    """Write the new clicks; one whose visit turned out to be no person's is withdrawn.

    Rollups and listings are brought up to both, and to the verdicts.
    """
    withdrawn = set(settlement.withdrawn)
    for visit_id, verdict in settlement.revised:
        if visit_id not in history.clicked:
            continue
        if verdict.kind is VerdictKind.HUMAN:
            session.db.execute(_RESCORE, (verdict.score, rows.compact(verdict.reasons), visit_id))
        else:
            withdrawn.add(visit_id)
    verdicts = dict(settlement.revised)
    numbers = iter(_feed_numbers(session, len(withdrawn) + len(settlement.clicks)))
    session.db.executemany(
        _RETRACT,
        [
            (*_retraction(verdicts.get(visit_id), settlement), next(numbers), visit_id)
            for visit_id in sorted(withdrawn)
        ],
    )
    session.db.executemany(_WITHDRAW, [(visit_id,) for visit_id in withdrawn])
    session.db.executemany(_RESTORE, [(click.visit_id,) for click in settlement.clicks])
    session.db.executemany(
        _CLICK,
        [
            (
                *(click.visit_id, click.at, click.campaign_id, click.recipient_id, click.key, click.score),
                *(rows.compact(click.reasons), click.verified, click.merged, settlement.settled_at),
                next(numbers),
            )
            for click in settlement.clicks
        ],
    )
    session.db.executemany(_MERGED, [(merged, visit_id) for visit_id, merged in settlement.merged])
    note_settled(session.db, message, resettled(settlement, history, withdrawn & history.clicked))


def _feed_numbers(session: Session, count: int) -> range:
    """Return the next numbers of the feed; a click that is there already keeps its own."""
    if not count:
        return range(0)
    ((newest,),) = session.db.execute(_FEED, (count,)).fetchall()
    return range(newest - count + 1, newest + 1)


def resettled(settlement: Settlement, history: MessageHistory, removed: set[int]) -> Resettled:
    """Return what rollups go by; ``removed`` are the clicks that were withdrawn."""
    known = sorted((*history.entries, *history.beyond), key=lambda entry: entry.visit_id)
    added = {click.visit_id for click in settlement.clicks} - history.clicked
    verdicts = dict(settlement.revised)
    settled = [entry for entry in known if entry.settled is not None or entry.visit_id in verdicts]
    return Resettled(
        settlement,
        {entry.visit_id: entry for entry in known},
        added,
        removed,
        clicked=(history.clicked | history.clicked_beyond | added) - removed,
        looked_at=frozenset(entry.visit_id for entry in settled[:MOST_LOOKED_AT]),
    )


def _retraction(verdict: Verdict | None, settlement: Settlement) -> rows.Row:
    """Return what is bound to keep a withdrawn click; without a verdict it was merged into another."""
    score, reasons = (verdict.score, verdict.reasons) if verdict else (0.0, ())
    return settlement.settled_at, score, rows.compact(reasons)
