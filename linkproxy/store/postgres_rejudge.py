"""What replay and shadow write to PostgreSQL, and the journal rows that they go by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.store.evidence_rows import evidence_text, verdict_text
from linkproxy.store.postgres_ledger import Ledger
from linkproxy.store.postgres_rows import ENTRY, ENTRY_JOINS, OF_IDS
from linkproxy.store.postgres_settle import FIRST, campaign_of, write_clicks
from linkproxy.store.review import FrozenMessage, history_of, tallied
from linkproxy.store.sqlite_rejudge import REPLAY, frozen_from

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from linkproxy.model import Settlement
    from linkproxy.store.postgres_database import Transaction
    from linkproxy.store.postgres_settle import PolicyIds
    from linkproxy.store.review import AppliedReplay, ShadowVerdict

FROZEN = f"{ENTRY}, v.settled_facts, clicked.visit_id IS NOT NULL"
FROZEN_JOINS = f"""{ENTRY_JOINS}
LEFT JOIN click clicked ON clicked.visit_id = v.id AND clicked.recipient_id = v.recipient_id"""

_VISITS = f"SELECT {FROZEN} FROM {OF_IDS} {FROZEN_JOINS} ORDER BY v.id"
_OPEN_IDS = "SELECT visit_id FROM open_visit WHERE campaign_id = $1 AND recipient_id = $2"
_BEGIN = f"""INSERT INTO replay ({REPLAY}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id"""
_COUNT = """UPDATE replay
SET messages = messages + $2, visits = visits + $3, gained = gained + $4, lost = lost + $5 WHERE id = $1"""
_REVISE = """UPDATE visit v SET settled_verdict = w.verdict, settled_score = w.score, settled_prior = w.prior,
    settled_evidence = w.evidence, settled_policy_id = w.policy_id, settled_at = $2
FROM unnest($3::bigint[], $4::double precision[], $5::text[], $6::double precision[],
    $7::double precision[], $8::text[], $9::bigint[])
    AS w (id, at, verdict, score, prior, evidence, policy_id)
WHERE v.recipient_id = $1 AND v.id = w.id AND v.at = w.at"""
_SHADOW_COUNT = """INSERT INTO shadow_count (policy, campaign_id, live, shadow, visits)
VALUES ($1, $2, $3, $4, 1)
ON CONFLICT (policy, campaign_id, live, shadow) DO UPDATE SET visits = shadow_count.visits + 1"""
_SHADOW_SAME = "DELETE FROM shadow_verdict WHERE visit_id = $1 AND recipient_id = $2"
_SHADOW = """INSERT INTO shadow_verdict
(visit_id, at, campaign_id, recipient_id, live, live_score, shadow, shadow_score, evidence, policy)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
WHERE EXISTS (SELECT 1 FROM visit WHERE id = $1 AND recipient_id = $4 AND at = $2)
ON CONFLICT (visit_id, recipient_id) DO UPDATE SET live = excluded.live, live_score = excluded.live_score,
    shadow = excluded.shadow, shadow_score = excluded.shadow_score, evidence = excluded.evidence,
    policy = excluded.policy"""


async def begin(work: Transaction, replay: AppliedReplay) -> int:
    """Write the audit entry of a replay that is about to be applied."""
    row = await work.fetch_one(
        _BEGIN,
        *(replay.at, replay.who, replay.policy, replay.campaign, replay.since, replay.until),
        *(replay.messages, replay.visits, replay.gained, replay.lost),
    )
    return int(row[0]) if row else 0


async def rejudge(
    work: Transaction,
    replay_id: int,
    message: FrozenMessage,
    revise: Callable[[FrozenMessage], Settlement],
    policy_ids: PolicyIds,
) -> Settlement:
    """Write other settled verdicts and clicks of one message, and count them in the audit entry."""
    known = await _read(work, message)
    settlement = revise(known)
    entries = {item.entry.visit_id: item.entry for item in known.visits}
    values = [
        (
            *(visit_id, entries[visit_id].visit.at, verdict.kind, verdict.score, verdict.prior),
            *(verdict_text(verdict), await policy_ids(work, verdict.policy)),
        )
        for visit_id, verdict in settlement.revised
        if visit_id in entries
    ]
    if values:
        columns = map(list, zip(*values, strict=True))
        await work.execute(_REVISE, message.recipient_id, settlement.settled_at, *columns)
    history = history_of(known, entries.values())
    ledger = Ledger(work)
    await write_clicks(work, ledger, (message.campaign_id, message.recipient_id), settlement, history)
    await ledger.write()
    await work.execute(_COUNT, replay_id, *tallied(history, settlement))
    return settlement


async def _read(work: Transaction, message: FrozenMessage) -> FrozenMessage:
    """Return the same visits as they are now, without those that are about to be settled anyway.

    Further ones of the message come along, since what it comes to is counted as a whole.
    """
    pair = (message.campaign_id, message.recipient_id)
    opened = {row[0] for row in await work.fetch(_OPEN_IDS, *pair)}
    wanted = [item.entry for item in message.visits if item.entry.visit_id not in opened]
    times = {entry.visit_id: entry.visit.at for entry in wanted}
    seen = {row[0]: row[1] for row in await work.fetch(FIRST, *pair)} | times
    found = await work.fetch(_VISITS, list(seen), list(seen.values()), message.recipient_id)
    campaign = await campaign_of(work, message.campaign_id)
    known = [frozen_from(row, {campaign.id: campaign}) for row in found]
    visits = tuple(item for item in known if item.entry.visit_id in times)
    beyond = tuple(item for item in known if item.entry.visit_id not in times)
    context = {item.entry.visit_id for item in message.visits[: message.carried]}
    carried = sum(item.entry.visit_id in context for item in visits)
    return FrozenMessage(message.campaign_id, message.recipient_id, visits, carried, beyond)


async def add_shadow_verdicts(work: Transaction, verdicts: Sequence[ShadowVerdict]) -> None:
    """Count what a shadow policy said, and keep what differs; a visit has one row at most."""
    counts = sorted((item.policy, item.campaign_id, item.live, item.shadow) for item in verdicts)
    await work.db.executemany(_SHADOW_COUNT, counts)
    same = [(item.visit_id, item.recipient_id) for item in verdicts if item.live is item.shadow]
    await work.db.executemany(_SHADOW_SAME, same)
    different = [
        (
            *(item.visit_id, item.at, item.campaign_id, item.recipient_id, item.live, item.live_score),
            *(item.shadow, item.shadow_score, evidence_text(item.evidence), item.policy),
        )
        for item in verdicts
        if item.live is not item.shadow
    ]
    await work.db.executemany(_SHADOW, different)
