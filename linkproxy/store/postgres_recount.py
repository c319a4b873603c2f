"""Settled visits of the journal as rollups count them: what erasing and purging take away again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.store.postgres_ledger import Ledger, read_message, write_message
from linkproxy.store.postgres_rows import turned
from linkproxy.store.rollups import Change, Figure, Part, add_message, link_name, with_clicks
from linkproxy.store.sqlite_recount import About, by_message, settled_row, visits_change, without_visits
from linkproxy.store.sqlite_rollups import settled_change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from linkproxy.store.memory import Message
    from linkproxy.store.postgres_database import Transaction
    from linkproxy.store.rollups import MessageSums
    from linkproxy.store.sqlite_recount import SettledRow
    from linkproxy.store.sqlite_rollups import Resettled
    from linkproxy.store.sqlite_rows import Row

LINKS = """LEFT JOIN link l ON l.campaign_id = {0}.campaign_id AND l.key = {0}.key
LEFT JOIN message_link m
    ON m.campaign_id = {0}.campaign_id AND m.recipient_id = {0}.recipient_id AND m.key = {0}.key"""
_SETTLED = f"""SELECT v.id, v.campaign_id, v.recipient_id, coalesce(r.domain, ''), v.key, v.at, v.method,
    v.hop_at, v.kind, v.settled_verdict, v.settled_score, v.settled_evidence,
    l.key IS NOT NULL AND m.key IS NULL, coalesce(l.target, m.target, ''), m.key IS NOT NULL
FROM unnest($1::bigint[], $2::double precision[], $3::bigint[]) AS w (visit_id, seen_at, of_id)
JOIN visit v ON v.id = w.visit_id AND v.at = w.seen_at AND v.recipient_id = w.of_id
LEFT JOIN recipient r ON r.id = v.recipient_id {LINKS.format("v")}
WHERE v.settled_verdict IS NOT NULL ORDER BY v.id"""
_OF_RECIPIENT = "campaign_id IN (SELECT id FROM campaign) AND recipient_id = $1"
_MESSAGES = f"SELECT campaign_id, recipient_id FROM rollup_message WHERE {_OF_RECIPIENT}"
_DELIVERED = f"SELECT campaign_id, recipient_id FROM delivery WHERE {_OF_RECIPIENT}"
_VISITS = f"""SELECT visit_id, at, recipient_id FROM open_visit WHERE {_OF_RECIPIENT}
UNION SELECT visit_id, at, recipient_id FROM message_visit WHERE {_OF_RECIPIENT}"""
_OTHERS = "SELECT 1 FROM recipient WHERE domain = $1 AND id <> $2 LIMIT 1"
_LEFT = """SELECT EXISTS (SELECT 1 FROM message_visit WHERE campaign_id = $1 AND recipient_id = $2)
OR EXISTS (SELECT 1 FROM open_visit WHERE campaign_id = $1 AND recipient_id = $2)"""
_CLICKS = f"""SELECT c.campaign_id, c.recipient_id, c.key, c.at, coalesce(r.domain, ''),
    l.key IS NOT NULL AND m.key IS NULL, coalesce(l.target, m.target, '')
FROM unnest($1::bigint[], $2::bigint[]) AS w (visit_id, of_id)
JOIN click c ON c.visit_id = w.visit_id AND c.recipient_id = w.of_id
LEFT JOIN recipient r ON r.id = c.recipient_id {LINKS.format("c")} ORDER BY c.visit_id"""


async def note_settled(work: Transaction, ledger: Ledger, message: Message, done: Resettled) -> None:
    """Bring the rollups up to what a settlement has changed; the caller writes the ledger."""
    if not done.entries:
        return
    domain = next(iter(done.entries.values())).recipient.domain
    before = await read_message(work, message)
    after, change = settled_change(done, before, domain)
    await ledger.add(message, change)
    if after != before:
        await write_message(work, message, after)


async def note_delivered(work: Transaction, messages: Iterable[tuple[Message, str]]) -> None:
    """Count messages with a delivery of their own, each with its mail domain."""
    ledger = Ledger(work)
    for message, domain in messages:
        change = Change()
        change.add(((Part.CAMPAIGN, ""), (Part.DOMAIN, domain)), Figure.DELIVERED, 1)
        await ledger.add(message, change)
    await ledger.write()


async def settled_rows(
    work: Transaction, visits: Sequence[Row], sums: Mapping[Message, MessageSums]
) -> list[SettledRow]:
    """Return those of the visits (id, time, recipient id) that are settled."""
    if not visits:
        return []
    return [settled_row(row, sums) for row in await work.fetch(_SETTLED, *turned(visits))]


async def _about(work: Transaction, recipient_id: int) -> About:
    messages = [(row[0], row[1]) for row in await work.fetch(_MESSAGES, recipient_id)]
    sums = {message: await read_message(work, message) for message in messages}
    visits = [tuple(row) for row in await work.fetch(_VISITS, recipient_id)]
    delivered = frozenset((row[0], row[1]) for row in await work.fetch(_DELIVERED, recipient_id))
    return About(await settled_rows(work, visits, sums), sums, delivered)


async def forget_recipient(work: Transaction, recipient_id: int, domain: str) -> None:
    """Take one who is about to be erased out of the sums; nothing is left to name a domain of nobody."""
    about, ledger = await _about(work, recipient_id), Ledger(work)
    for message in sorted(about.messages):
        await ledger.add(message, about.change(message, domain), -1)
    await ledger.write()
    if domain and await work.fetch_one(_OTHERS, domain, recipient_id) is None:
        await ledger.forget_domain(domain)


async def move_domain(work: Transaction, recipient_id: int, old: str, new: str) -> None:
    """Count a recipient whose address has become known at its mail domain."""
    about, ledger = await _about(work, recipient_id), Ledger(work)
    for message in sorted(about.messages):
        await ledger.add(message, about.change(message, old), -1)
        await ledger.add(message, about.change(message, new))
    await ledger.write()


async def doomed_visits(work: Transaction, visits: Sequence[Row]) -> list[SettledRow]:
    """Return visits (id, time, recipient, campaign) that are about to be purged, for ``keep_visits``."""
    messages = sorted({(row[3], row[2]) for row in visits})
    sums = {message: await read_message(work, message) for message in messages}
    return await settled_rows(work, [row[:3] for row in visits], sums)


async def keep_visits(work: Transaction, doomed: Sequence[SettledRow]) -> None:
    """Keep what purged visits added to the sums; with the last one, what their message did."""
    ledger = Ledger(work)
    for message, found in sorted(by_message(doomed).items()):
        before = await read_message(work, message)
        left = await work.fetch_one(_LEFT, *message)
        after = without_visits(before, found, any_left=bool(left and left[0]))
        change = visits_change(found)
        add_message(change, before, found[0].domain)
        add_message(change, after, found[0].domain, -1)
        await ledger.keep(message, change)
        await write_message(work, message, after)
    await ledger.write()


async def keep_clicks(work: Transaction, doomed: Sequence[Row]) -> None:
    """Keep what clicks (visit id, recipient) that are about to be purged add to the sums."""
    ledger = Ledger(work)
    found = await work.fetch(_CLICKS, *turned(doomed))
    for campaign_id, recipient_id, key, at, domain, is_known, target in found:
        message = (campaign_id, recipient_id)
        before = await read_message(work, message)
        link = link_name(key, is_known=is_known, target=target, shapes=before.shapes)
        after = with_clicks(before, [(link, at)], -1)
        change = Change()
        add_message(change, before, domain)
        add_message(change, after, domain, -1)
        await ledger.keep(message, change)
        await write_message(work, message, after)
    await ledger.write()
