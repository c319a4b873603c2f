"""Recording deliveries in PostgreSQL, and opening again what was settled without knowing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.store.postgres_outgoing import need_campaigns
from linkproxy.store.postgres_recount import note_delivered
from linkproxy.store.sqlite_recipients import RANKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.store.api import DeliveryDraft
    from linkproxy.store.postgres_database import Transaction

# The recipients' rows are locked: nobody is erased between the look at them and the commit.
_KNOWN = "SELECT id FROM recipient WHERE id = ANY($1::bigint[]) ORDER BY id FOR KEY SHARE"
_BETTER = """SET delivered_at = excluded.delivered_at, source = excluded.source, rank = excluded.rank
WHERE excluded.rank > {table}.rank
OR (excluded.rank = {table}.rank AND excluded.delivered_at <> {table}.delivered_at)
RETURNING campaign_id, xmax = 0"""
_OF_MESSAGES = f"""INSERT INTO delivery (campaign_id, recipient_id, delivered_at, source, rank)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::double precision[], $4::text[], $5::int[])
ON CONFLICT (campaign_id, recipient_id) DO UPDATE {_BETTER.format(table="delivery")}, recipient_id"""
_OF_CAMPAIGNS = f"""INSERT INTO campaign_delivery (campaign_id, delivered_at, source, rank)
VALUES ($1, $2, $3, $4)
ON CONFLICT (campaign_id) DO UPDATE {_BETTER.format(table="campaign_delivery")}"""
_DOMAINS = "SELECT id, domain FROM recipient WHERE id = ANY($1::bigint[])"
_REOPEN = """WITH gone AS (
    DELETE FROM message_visit m {where} RETURNING m.campaign_id, m.recipient_id, m.visit_id, m.at)
INSERT INTO open_visit (campaign_id, recipient_id, visit_id, at, again)
SELECT campaign_id, recipient_id, visit_id, at, true FROM gone ON CONFLICT DO NOTHING"""
_REOPEN_MESSAGES = _REOPEN.format(
    where="""USING unnest($1::bigint[], $2::bigint[]) AS w (campaign_id, recipient_id)
    WHERE m.campaign_id = w.campaign_id AND m.recipient_id = w.recipient_id"""
)
_REOPEN_CAMPAIGN = _REOPEN.format(
    where="""WHERE m.campaign_id = $1 AND NOT EXISTS (
        SELECT 1 FROM delivery d WHERE d.campaign_id = m.campaign_id AND d.recipient_id = m.recipient_id)"""
)


async def add_deliveries(work: Transaction, drafts: Sequence[DeliveryDraft]) -> int:
    """Record deliveries in order; under the lock COUNTING. Return how many took effect."""
    await need_campaigns(work, {draft.campaign_id for draft in drafts})
    wanted = sorted({draft.recipient_id for draft in drafts if draft.recipient_id})
    known = {row[0] for row in await work.fetch(_KNOWN, wanted)}
    effective = 0
    for run in _runs(drafts):
        if run[0].recipient_id:
            effective += await _of_messages(work, [item for item in run if item.recipient_id in known])
        else:
            effective += await _of_campaign(work, run[0])
    return effective


def _runs(drafts: Sequence[DeliveryDraft]) -> list[list[DeliveryDraft]]:
    """Return the drafts in runs that one statement can take: no message twice, no campaign's among them."""
    runs: list[list[DeliveryDraft]] = []
    seen: set[tuple[int, int]] = set()
    for draft in drafts:
        message = (draft.campaign_id, draft.recipient_id)
        if not runs or not draft.recipient_id or not runs[-1][0].recipient_id or message in seen:
            runs.append([])
            seen.clear()
        seen.add(message)
        runs[-1].append(draft)
    return runs


async def _of_messages(work: Transaction, drafts: Sequence[DeliveryDraft]) -> int:
    if not drafts:
        return 0
    found = await work.fetch(
        _OF_MESSAGES,
        [draft.campaign_id for draft in drafts],
        [draft.recipient_id for draft in drafts],
        [draft.delivery.delivered_at for draft in drafts],
        [draft.delivery.source for draft in drafts],
        [RANKS[draft.delivery.source] for draft in drafts],
    )
    if found:
        await work.execute(_REOPEN_MESSAGES, [row[0] for row in found], [row[2] for row in found])
        fresh = [(row[0], row[2]) for row in found if row[1]]
        of_ids = {row[0]: row[1] for row in await work.fetch(_DOMAINS, [pair[1] for pair in fresh])}
        await note_delivered(work, [(message, of_ids.get(message[1], "")) for message in fresh])
    return len(found)


async def _of_campaign(work: Transaction, draft: DeliveryDraft) -> int:
    delivery = draft.delivery
    found = await work.fetch(
        _OF_CAMPAIGNS,
        draft.campaign_id,
        delivery.delivered_at,
        delivery.source,
        RANKS[delivery.source],
    )
    if found:
        await work.execute(_REOPEN_CAMPAIGN, draft.campaign_id)
    return len(found)
