"""Reading for a batch: in one round trip, for all of its visits together."""

from __future__ import annotations

from collections import deque
from itertools import groupby
from typing import TYPE_CHECKING, Any

from linkproxy.model import (
    CampaignId,
    Delivery,
    DeliverySource,
    LinkKind,
    ProfileScope,
    Recipient,
    RecipientId,
    StrayTrace,
    Visit,
)
from linkproxy.store import postgres_locks as locks
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.memory import CampaignTable
from linkproxy.store.postgres_domains import COLUMNS, profile_from
from linkproxy.store.postgres_facts import STRAYS_A_CLIENT, Known, KnownFacts, NewReference
from linkproxy.store.postgres_fence import ALLOT, allotted_ids
from linkproxy.store.postgres_headers import find_headers
from linkproxy.store.postgres_rows import columns, lists, text, turned
from linkproxy.visit.facts import MOST_SIBLINGS, LinkCounts
from linkproxy.visit.reputation import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from linkproxy.store.api import Pending
    from linkproxy.store.postgres_database import Transaction
    from linkproxy.store.postgres_memory import Memory
    from linkproxy.store.privacy import Privacy

DAY_SECONDS = 86_400
"""Settled siblings are read this far back; the rules look at half an hour (reach_seconds)."""

_REFERENCES = "SELECT hash, recipient_id FROM recipient_hash WHERE hash = ANY($1::bytea[])"
_ERASED = "SELECT reference_hash FROM erased_reference WHERE reference_hash = ANY($1::bytea[])"
_NEW_RECIPIENTS = "SELECT nextval('recipient_id') FROM generate_series(1, $1)"
_CAMPAIGNS = f"SELECT {rows.CAMPAIGN} FROM campaign WHERE id = ANY($1::bigint[])"
_LINKS = f"SELECT {rows.LINK} FROM link WHERE campaign_id = ANY($1::bigint[]) ORDER BY campaign_id"

_WANTED = "unnest($2::bigint[], $3::bigint[]) AS w (campaign_id, recipient_id)"
_MESSAGES = f"""SELECT w.campaign_id, d.delivered_at, d.source, coalesce(g.name, '') AS gateway,
    {rows.RECIPIENT}
FROM {_WANTED} JOIN recipient r ON r.id = w.recipient_id
LEFT JOIN delivery d ON d.campaign_id = w.campaign_id AND d.recipient_id = w.recipient_id
LEFT JOIN gateway g ON g.domain = r.domain"""


def _newest(table: str, only: str = "") -> str:
    return f"""(SELECT i.visit_id, i.at AS seen_at FROM {table} i
        WHERE i.campaign_id = w.campaign_id AND i.recipient_id = w.recipient_id {only}
        ORDER BY i.visit_id DESC LIMIT {MOST_SIBLINGS})"""


def _strays(clients: str) -> str:
    return f"""SELECT s.client, s.at, s.target, s.profile_id, s.campaign_id, s.recipient_id
    FROM unnest({clients}::text[]) AS w (client) CROSS JOIN LATERAL (
        SELECT * FROM stray i WHERE i.client = w.client ORDER BY i.id DESC LIMIT {STRAYS_A_CLIENT}) AS s
    ORDER BY s.id"""


# LIMIT 1 keeps the planner from reading the index of a whole week for each message, which is what it
# does while it takes that week for empty.
_SIBLINGS = f"""SELECT {rows.SIBLING}, w.campaign_id, w.recipient_id FROM {_WANTED}
CROSS JOIN LATERAL (
    SELECT visit_id, seen_at FROM (
        {_newest("open_visit")} UNION ALL {_newest("message_visit", "AND i.at >= $4")}) AS both_kinds
    ORDER BY visit_id DESC LIMIT {MOST_SIBLINGS}) AS n
CROSS JOIN LATERAL (SELECT * FROM visit
    WHERE id = n.visit_id AND recipient_id = w.recipient_id AND at = n.seen_at LIMIT 1) AS v
ORDER BY w.campaign_id, w.recipient_id, v.id"""
_OF_DOMAINS = (ProfileScope.DOMAIN, ProfileScope.EARLY, ProfileScope.MAILED)
_TAUGHT = f"""SELECT {columns(COLUMNS, "p.")} FROM (
    SELECT unnest(ARRAY['{"', '".join(_OF_DOMAINS)}']) AS scope, domain AS name FROM message
    UNION SELECT '{ProfileScope.GATEWAY}', gateway FROM message
    UNION SELECT '{ProfileScope.NETWORK}', unnest($6::text[])) AS w
JOIN domain_profile p USING (scope, name)"""
_CAMPAIGN_DELIVERIES = """SELECT campaign_id, delivered_at, source FROM campaign_delivery
WHERE campaign_id = ANY($10::bigint[])"""
_MESSAGE_LINKS = f"""SELECT {columns(rows.MESSAGE_LINK, "m.")}
FROM unnest($7::bigint[], $8::bigint[], $9::text[]) AS w (campaign_id, recipient_id, key)
JOIN message_link m USING (campaign_id, recipient_id, key)"""
_ALL = lists(
    *(ALLOT, "SELECT * FROM message", _SIBLINGS, _strays("$5"), _TAUGHT, _CAMPAIGN_DELIVERIES),
    *(_MESSAGE_LINKS, "SELECT name, number FROM meta WHERE name IN ('epoch', 'erasures')"),
)
_LOOK_UP = f"WITH message AS MATERIALIZED ({_MESSAGES}) SELECT {_ALL}"
"""All of it at once."""

_PROFILES = f"""SELECT {columns(COLUMNS, "p.")}
FROM unnest($1::text[], $2::text[]) AS w (scope, name) JOIN domain_profile p USING (scope, name)"""


def lock_statements(pending: Sequence[Pending], privacy: Privacy) -> str:
    """Return the locks that a batch begins with: of its references, else of its recipients."""
    hashes = _reference_hashes(pending, privacy)
    if hashes:
        return locks.REGISTERING_ONE + locks.references(hashes)
    return locks.recipients({item.recipient_id for item in _visits(pending) if item.recipient_id})


def _visits(pending: Iterable[Pending]) -> list[Visit]:
    return [item for item in pending if isinstance(item, Visit)]


def _reference_hashes(pending: Iterable[Pending], privacy: Privacy) -> set[bytes]:
    found = {privacy.reference_hash(item.reference) for item in _visits(pending) if item.reference}
    return {item for item in found if item}


async def look_up(
    work: Transaction, memory: Memory, privacy: Privacy, pending: Sequence[Pending]
) -> KnownFacts:
    """Return what the judge of a batch may ask; its visits are given their ids."""
    visits = _visits(pending)
    known = Known([])
    facts = KnownFacts(known, memory, privacy)
    ids = await _find_references(work, known, privacy, visits)
    if ids:
        wanted = {item.recipient_id for item in visits if item.recipient_id} | set(ids.values())
        await work.db.execute(locks.recipients(wanted))
    messages = sorted(_messages(visits, ids, privacy))
    clients = {facts.pseudonym(item.client, "")[0] for item in pending if item.client}
    networks = {name_of(facts.pseudonym(item.client, item.network)[1]) for item in visits}
    campaigns = {item.campaign_id for item in visits}
    links = sorted(_maybe_message_links(visits, ids, privacy, memory))
    (found,) = await work.fetch(
        _LOOK_UP,
        len(visits),
        *_columns(messages, 2),
        min((item.at for item in visits), default=0.0) - DAY_SECONDS,
        sorted(clients - {""}),
        sorted(networks - {""}),
        *_columns(links, 3),
        sorted(campaigns),
    )
    allotted, of_messages, siblings, strays, taught, deliveries, message_links, counters = found
    known.visit_ids = allotted_ids(work, allotted)
    for message, group in groupby(siblings, key=lambda row: (row[-2], row[-1])):
        known.siblings[message] = deque(map(rows.sibling_from, group), maxlen=MOST_SIBLINGS)
    for row in strays:
        facts.remember_stray(row[0], StrayTrace(*row[1:]))
    known.message_links = {(row[0], row[1], row[2]): rows.message_link_from(row) for row in message_links}
    known.deliveries = {(row[0], 0): Delivery(row[1], DeliverySource(row[2])) for row in deliveries}
    _note_messages(known, of_messages, ids)
    known.asked |= {(ProfileScope.NETWORK, name) for name in networks if name}
    known.domain_profiles = {(row[0], row[1]): profile_from(row) for row in taught}
    counted = {row[0]: row[1] for row in counters}
    memory.heed(counted.get("erasures", 0))
    await _find_campaigns(work, known, memory, campaigns, counted.get("epoch", -1))
    await find_headers(work, known, memory, pending)
    return facts


def _columns(values: Sequence[rows.Row], count: int) -> list[list[Any]]:
    return turned(values) or [[] for _ in range(count)]


def _messages(visits: Iterable[Visit], ids: dict[bytes, int], privacy: Privacy) -> set[tuple[int, int]]:
    return {
        (visit.campaign_id, recipient_id)
        for visit in visits
        if (recipient_id := _recipient_id(visit, ids, privacy))
    }


def _recipient_id(visit: Visit, ids: dict[bytes, int], privacy: Privacy) -> int:
    if visit.reference:
        return ids.get(privacy.reference_hash(visit.reference) or b"", 0)
    return visit.recipient_id


async def _find_references(
    work: Transaction, known: Known, privacy: Privacy, visits: Sequence[Visit]
) -> dict[bytes, int]:
    """Return the recipients of references that are known; new ones get an id, unless they were erased."""
    hashes = sorted(_reference_hashes(visits, privacy))
    if not hashes:
        return {}
    ids = {row[0]: row[1] for row in await work.fetch(_REFERENCES, hashes)}
    erased = {row[0] for row in await work.fetch(_ERASED, hashes)}
    new = [found for found in hashes if found not in ids and found not in erased]
    for found, row in zip(new, await work.fetch(_NEW_RECIPIENTS, len(new)), strict=True):
        known.new_references[found] = NewReference(Recipient(RecipientId(row[0])), found)
    return ids


async def _find_campaigns(
    work: Transaction, known: Known, memory: Memory, wanted: set[CampaignId], epoch: int
) -> None:
    if epoch != memory.epoch:
        memory.campaigns.clear()
        memory.epoch = epoch
    tables = {campaign_id: memory.campaigns.get(campaign_id) for campaign_id in wanted}
    missing = [campaign_id for campaign_id, table in tables.items() if table is None]
    if missing:
        found = await work.fetch(_LINKS, missing)
        links = {key: list(group) for key, group in groupby(found, key=lambda row: row[0])}
        for row in await work.fetch(_CAMPAIGNS, missing):
            table = _table(row, links.get(row[0], []))
            tables[row[0]] = table
            memory.campaigns.put(table.campaign.id, table)
    known.campaigns = {key: table for key, table in tables.items() if table is not None}


def _table(row: rows.Row, link_rows: Sequence[rows.Row]) -> CampaignTable:
    links = [rows.link_from(item) for item in link_rows]
    kinds = [link.kind for link in links]
    counts = LinkCounts(content=kinds.count(LinkKind.CONTENT), bait=kinds.count(LinkKind.BAIT))
    return CampaignTable(rows.campaign_from(row), {link.key: link for link in links}, counts)


def _note_messages(known: Known, found: Sequence[rows.Row], ids: dict[bytes, int]) -> None:
    for campaign_id, delivered_at, source, gateway, *row in found:
        recipient = rows.recipient_from(row)
        known.recipients[recipient.id] = recipient
        if source is not None:
            known.deliveries[campaign_id, recipient.id] = Delivery(delivered_at, DeliverySource(source))
        if recipient.domain:
            known.gateways[recipient.domain] = gateway
            known.asked |= {(scope, recipient.domain) for scope in _OF_DOMAINS}
            known.asked.add((ProfileScope.GATEWAY, gateway))
    known.references = {
        digest: known.recipients[recipient_id]
        for digest, recipient_id in ids.items()
        if recipient_id in known.recipients
    }


def _maybe_message_links(
    visits: Sequence[Visit], ids: dict[bytes, int], privacy: Privacy, memory: Memory
) -> set[tuple[int, int, str]]:
    """Return what may be a message link: a key that the campaign, as it is remembered, does not have."""
    return {
        (visit.campaign_id, _recipient_id(visit, ids, privacy), text(visit.key))
        for visit in visits
        if not (table := memory.campaigns.get(visit.campaign_id)) or visit.key not in table.links
    }


async def find_profiles(work: Transaction, known: Known, wanted: Iterable[tuple[ProfileScope, str]]) -> None:
    """Read domain profiles; those that are not there are known not to be."""
    asked = sorted(wanted)
    known.asked.update(asked)
    if asked:
        for row in await work.fetch(_PROFILES, *turned(asked)):
            known.domain_profiles[row[0], row[1]] = profile_from(row)


async def strays_of(work: Transaction, clients: set[str]) -> dict[str, list[StrayTrace]]:
    """Return the newest strays of clients, as the privacy setting stores these, oldest first."""
    found: dict[str, list[StrayTrace]] = {}
    if known := sorted(clients - {""}):
        for client, *trace in await work.fetch(_strays("$1"), known):
            found.setdefault(client, []).append(StrayTrace(*trace))
    return found
