"""What replay and shadow write, and the journal rows that they go by."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from linkproxy.store import sqlite_entries as stored
from linkproxy.store import sqlite_history as histories
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.evidence_rows import evidence_text, verdict_text
from linkproxy.store.review import FrozenMessage, FrozenVisit, history_of, tallied
from linkproxy.store.sqlite_journal import policy_id
from linkproxy.store.sqlite_settle import write_clicks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from linkproxy.model import Campaign, Settlement
    from linkproxy.store.review import AppliedReplay, ShadowVerdict
    from linkproxy.store.sqlite_session import Session

FROZEN = f"{stored.ENTRY}, v.settled_facts, clicked.visit_id IS NOT NULL"
FROZEN_TABLES = f"{stored.ENTRY_TABLES} LEFT JOIN click clicked ON clicked.visit_id = v.id"
REPLAY = "at, who, policy, campaign, since, until, messages, visits, gained, lost"

_VISITS = f"""SELECT {FROZEN} FROM {FROZEN_TABLES}
WHERE v.id IN (SELECT value FROM json_each(?)) ORDER BY v.id"""
_OPEN_IDS = "SELECT visit_id FROM open_visit WHERE campaign_id = ? AND recipient_id = ?"
_BEGIN = f"INSERT INTO replay ({REPLAY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COUNT = """UPDATE replay
SET messages = messages + ?, visits = visits + ?, gained = gained + ?, lost = lost + ? WHERE id = ?"""
_REVISE = """UPDATE visit SET settled_verdict = ?, settled_score = ?, settled_prior = ?, settled_evidence = ?,
    settled_policy_id = ?, settled_at = ? WHERE id = ?"""
_SHADOW_COUNT = """INSERT INTO shadow_count (policy, campaign_id, live, shadow, visits) VALUES (?, ?, ?, ?, 1)
ON CONFLICT (policy, campaign_id, live, shadow) DO UPDATE SET visits = visits + 1"""
_SHADOW_SAME = "DELETE FROM shadow_verdict WHERE visit_id = ?"
_SHADOW = """INSERT OR REPLACE INTO shadow_verdict
(visit_id, at, campaign_id, recipient_id, live, live_score, shadow, shadow_score, evidence, policy)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 WHERE EXISTS (SELECT 1 FROM visit WHERE id = ?1)"""


def frozen_from(row: rows.Row, campaigns: Mapping[int, Campaign]) -> FrozenVisit:
    """Return a frozen visit of the columns FROZEN."""
    known = json.loads(row[-2]) if row[-2] else {}
    return FrozenVisit(
        stored.entry_from(row, campaigns),
        seen_id=known.get("seen", 0),
        delivery=rows.delivery_from(known.get("delivery")),
        beside_driven=known.get("beside", False),
        clicked=bool(row[-1]),
    )


def begin(session: Session, replay: AppliedReplay) -> int:
    """Write the audit entry of a replay that is about to be applied."""
    values = (
        *(replay.at, replay.who, replay.policy, replay.campaign, replay.since, replay.until),
        *(replay.messages, replay.visits, replay.gained, replay.lost),
    )
    return int(session.db.execute(_BEGIN, values).lastrowid or 0)


def rejudge(
    session: Session,
    replay_id: int,
    message: FrozenMessage,
    revise: Callable[[FrozenMessage], Settlement],
) -> Settlement:
    """Write other settled verdicts and clicks of one message, and count them in the audit entry."""
    known = _read(session, message)
    settlement = revise(known)
    entries = {item.entry.visit_id: item.entry for item in known.visits}
    session.db.executemany(
        _REVISE,
        [
            (
                *(verdict.kind, verdict.score, verdict.prior, verdict_text(verdict)),
                *(policy_id(session, verdict.policy), settlement.settled_at, visit_id),
            )
            for visit_id, verdict in settlement.revised
        ],
    )
    history = history_of(known, entries.values())
    pair = (message.campaign_id, message.recipient_id)
    write_clicks(session, pair, settlement, history)
    session.db.execute(_COUNT, (*tallied(history, settlement), replay_id))
    session.memory.siblings.drop(pair)
    session.tell(pair)
    return settlement


def _read(session: Session, message: FrozenMessage) -> FrozenMessage:
    """Return the same visits as they are now, without those that are about to be settled anyway.

    Further ones of the message come along, since what it comes to is counted as a whole.
    """
    pair = (message.campaign_id, message.recipient_id)
    opened = {visit_id for (visit_id,) in session.db.execute(_OPEN_IDS, pair)}
    ids = [item.entry.visit_id for item in message.visits if item.entry.visit_id not in opened]
    first_ids = [visit_id for (visit_id,) in session.db.execute(histories.FIRST, pair)]
    found = session.db.execute(_VISITS, (rows.compact(sorted({*ids, *first_ids})),)).fetchall()
    campaign = rows.campaign_from(session.db.execute(histories.CAMPAIGN, pair[:1]).fetchone())
    known = [frozen_from(row, {campaign.id: campaign}) for row in found]
    visits = tuple(item for item in known if item.entry.visit_id in set(ids))
    beyond = tuple(item for item in known if item.entry.visit_id not in set(ids))
    context = {item.entry.visit_id for item in message.visits[: message.carried]}
    carried = sum(item.entry.visit_id in context for item in visits)
    return FrozenMessage(message.campaign_id, message.recipient_id, visits, carried, beyond)


def add_shadow_verdicts(session: Session, verdicts: Sequence[ShadowVerdict]) -> None:
    """Count what a shadow policy said, and keep what differs; a visit has one row at most."""
    session.db.executemany(
        _SHADOW_COUNT, [(item.policy, item.campaign_id, item.live, item.shadow) for item in verdicts]
    )
    session.db.executemany(_SHADOW_SAME, [(item.visit_id,) for item in verdicts if item.live is item.shadow])
    session.db.executemany(
        _SHADOW,
        [
            (
                *(item.visit_id, item.at, item.campaign_id, item.recipient_id, item.live, item.live_score),
                *(item.shadow, item.shadow_score, evidence_text(item.evidence), item.policy),
            )
            for item in verdicts
            if item.live is not item.shadow
        ],
    )
