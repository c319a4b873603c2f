"""Reading for a batch: in one round trip for all of its visits, or in one for each half of them."""

from __future__ import annotations

from collections import deque
from itertools import groupby
from typing import TYPE_CHECKING, Any

from linkproxy.model import (
    LOW_INTEREST_ROLES,
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
from linkproxy.store.postgres_fence import allot, allotted_ids
from linkproxy.store.postgres_headers import find_headers
from linkproxy.store.postgres_rows import columns, lists, text, turned
from linkproxy.store.privacy import spellings
from linkproxy.visit.facts import MOST_SIBLINGS, LinkCounts
from linkproxy.visit.reputation import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from linkproxy.store.api import Pending
    from linkproxy.store.postgres_database import Transaction
    from linkproxy.store.postgres_memory import Memory
    from linkproxy.store.privacy import Privacy

DAY_SECONDS = 86_400
"""Siblings are read from so long before a batch to so long after it; the rules look at half an hour
(reach_seconds). It spares the weeks that have none, each of which costs every batch some time."""

_REFERENCES = "SELECT hash, recipient_id FROM recipient_hash WHERE hash = ANY($1::bytea[])"
KNOWN = "SELECT hash FROM recipient_hash WHERE hash = ANY($1::bytea[])"
ERASED = "SELECT reference_hash FROM erased_reference WHERE reference_hash = ANY($1::bytea[])"
_NEW_RECIPIENTS = "SELECT nextval('recipient_id') FROM generate_series(1, $1)"
_CAMPAIGNS = f"SELECT {rows.CAMPAIGN} FROM campaign WHERE id = ANY($1::bigint[])"
_LINKS = f"SELECT {rows.LINK} FROM link WHERE campaign_id = ANY($1::bigint[]) ORDER BY campaign_id"

_WANTED = "unnest($1::bigint[], $2::bigint[]) AS w (campaign_id, recipient_id)"
_AT = "at BETWEEN $3 AND $4"
# Here and below LIMIT 1 makes the planner look up one row after the other: it plans while a table is
# empty, and would go on reading all of it, or the index of a whole week for each message.
_MESSAGES = f"""SELECT w.campaign_id, d.delivered_at, d.source,
    coalesce((SELECT name FROM gateway WHERE domain = r.domain), '') AS gateway, {rows.RECIPIENT}
FROM {_WANTED} CROSS JOIN LATERAL (SELECT * FROM recipient WHERE id = w.recipient_id LIMIT 1) AS r
LEFT JOIN LATERAL (SELECT delivered_at, source FROM delivery
    WHERE campaign_id = w.campaign_id AND recipient_id = w.recipient_id LIMIT 1) AS d ON true"""


def _newest(table: str, only: str = "") -> str:
    return f"""(SELECT i.visit_id, i.at AS seen_at FROM {table} i
        WHERE i.campaign_id = w.campaign_id AND i.recipient_id = w.recipient_id {only}
        ORDER BY i.visit_id DESC LIMIT {MOST_SIBLINGS})"""


def _strays(clients: str) -> str:
    return f"""SELECT s.client, s.at, s.target, s.profile_id, s.campaign_id, s.recipient_id
    FROM unnest({clients}::text[]) AS w (client) CROSS JOIN LATERAL (
        SELECT * FROM stray i WHERE i.client = w.client ORDER BY i.id DESC LIMIT {STRAYS_A_CLIENT}) AS s
    ORDER BY s.id"""


_SIBLINGS = f"""SELECT {rows.SIBLING}, w.campaign_id, w.recipient_id FROM {_WANTED}
CROSS JOIN LATERAL (
    SELECT visit_id, seen_at FROM (
        {_newest("open_visit")} UNION ALL {_newest("message_visit", f"AND i.{_AT}")}) AS both_kinds
    ORDER BY visit_id DESC LIMIT {MOST_SIBLINGS}) AS n
CROSS JOIN LATERAL (SELECT * FROM visit
    WHERE id = n.visit_id AND recipient_id = w.recipient_id AND at = n.seen_at AND {_AT} LIMIT 1) AS v
ORDER BY w.campaign_id, w.recipient_id, v.id"""
_OF_DOMAINS = (ProfileScope.DOMAIN, ProfileScope.EARLY, ProfileScope.MAILED)
_TAUGHT = f"""SELECT {columns(COLUMNS, "p.")} FROM (
    SELECT unnest(ARRAY['{"', '".join(_OF_DOMAINS)}']) AS scope, domain AS name FROM message
    UNION SELECT '{ProfileScope.GATEWAY}', gateway FROM message
    UNION SELECT '{ProfileScope.NETWORK}', unnest($5::text[])) AS w
JOIN domain_profile p USING (scope, name)"""
_CAMPAIGN_DELIVERIES = """SELECT campaign_id, delivered_at, source FROM campaign_delivery
WHERE campaign_id = ANY($11::bigint[])"""
_MESSAGE_LINKS = f"""SELECT {columns(rows.MESSAGE_LINK, "m.")}
FROM unnest($8::bigint[], $9::bigint[], $10::text[]) AS w (campaign_id, recipient_id, key)
JOIN message_link m USING (campaign_id, recipient_id, key)"""


def _reading(*others: str) -> str:
    parts = lists("SELECT * FROM message", _SIBLINGS, _TAUGHT, *others)
    return f"WITH message AS MATERIALIZED ({_MESSAGES}) SELECT {parts}"


_OF_MESSAGES = _reading()
"""What is asked of messages."""
_LOOK_UP = _reading(
    *(allot("$6::int"), _strays("$7"), _CAMPAIGN_DELIVERIES, _MESSAGE_LINKS),
    "SELECT name, number FROM meta WHERE name IN ('epoch', 'erasures')",
)
"""The same and all the rest, at once."""

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
    return {found for visit in _visits(pending) for found in _hashes(visit, privacy)}


def _hashes(visit: Visit, privacy: Privacy) -> list[bytes]:
    """Return what the recipient of a visit's reference is looked up by, one hash a spelling."""
    found = map(privacy.reference_hash, spellings(visit.reference, verified=visit.verified))
    return [item for item in found if item]


async def look_up(
    work: Transaction, memory: Memory, privacy: Privacy, pending: Sequence[Pending], first: Sequence[Pending]
) -> KnownFacts:
    """Return what the judge of a batch may ask; its visits are given their ids.

    Of messages only what ``first`` is about: look_up_messages reads of others.
    """
    visits = _visits(pending)
    times = [item.at for item in visits] or [0.0]
    known = Known((min(times) - DAY_SECONDS, max(times) + DAY_SECONDS))
    facts = KnownFacts(known, memory, privacy)
    await _find_references(work, known, privacy, visits)
    clients = {facts.pseudonym(item.client, "")[0] for item in pending if item.client}
    networks = {name_of(facts.pseudonym(item.client, item.network)[1]) for item in visits}
    campaigns = {item.campaign_id for item in visits}
    (found,) = await work.fetch(
        _LOOK_UP,
        *_of_messages(facts, privacy, first),
        sorted(networks - {""}),
        len(visits),
        sorted(clients - {""}),
        *_columns(sorted(_maybe_message_links(visits, known.recipient_ids, privacy, memory)), 3),
        sorted(campaigns),
    )
    *of_messages, allotted, strays, deliveries, message_links, counters = found
    known.visit_ids = allotted_ids(work, allotted)
    for row in strays:
        facts.remember_stray(row[0], StrayTrace(*row[1:]))
    known.message_links = {(row[0], row[1], row[2]): rows.message_link_from(row) for row in message_links}
    known.deliveries = {(row[0], 0): Delivery(row[1], DeliverySource(row[2])) for row in deliveries}
    known.asked |= {(ProfileScope.NETWORK, name) for name in networks if name}
    _note(known, *of_messages)
    counted = {row[0]: row[1] for row in counters}
    memory.heed(counted.get("erasures", 0))
    await _find_campaigns(work, known, memory, campaigns, counted.get("epoch", -1))
    await find_headers(work, known, memory, pending)
    return facts


async def look_up_messages(
    work: Transaction, facts: KnownFacts, privacy: Privacy, pending: Sequence[Pending]
) -> None:
    """Add what the judge of other visits of the batch may ask of their messages."""
    if not pending:
        return
    (found,) = await work.fetch(_OF_MESSAGES, *_of_messages(facts, privacy, pending), [])
    _note(facts.known, *found)


def _of_messages(facts: KnownFacts, privacy: Privacy, pending: Sequence[Pending]) -> list[Any]:
    """Return the first values of both statements: the messages, each once in a batch, and the time."""
    known = facts.known
    wanted = _messages(_visits(pending), known.recipient_ids, privacy) - known.messages
    known.messages |= wanted
    return [*_columns(sorted(wanted), 2), *known.span]


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
        return next((ids[found] for found in _hashes(visit, privacy) if found in ids), 0)
    return visit.recipient_id


async def _find_references(
    work: Transaction, known: Known, privacy: Privacy, visits: Sequence[Visit]
) -> None:
    """Note the recipients of references that are known; new ones get an id, unless they were erased.

    All recipients of the batch are locked now: it has begun with the locks of its references alone.
    """
    hashes = sorted(_reference_hashes(visits, privacy))
    if not hashes:
        return
    ids = known.recipient_ids = {row[0]: row[1] for row in await work.fetch(_REFERENCES, hashes)}
    erased = {row[0] for row in await work.fetch(ERASED, hashes)}
    new = [found for found in hashes if found not in ids and found not in erased]
    for found, row in zip(new, await work.fetch(_NEW_RECIPIENTS, len(new)), strict=True):
        known.new_references[found] = NewReference(Recipient(RecipientId(row[0])), found)
    if wanted := {*ids.values(), *(item.recipient_id for item in visits if item.recipient_id)}:
        await work.db.execute(locks.recipients(wanted))


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
    content = [link for link in links if link.kind is LinkKind.CONTENT]
    counts = LinkCounts(
        content=len(content),
        bait=sum(link.kind is LinkKind.BAIT for link in links),
        framed=bool(content) and all(link.role in LOW_INTEREST_ROLES for link in content),
    )
    return CampaignTable(rows.campaign_from(row), {link.key: link for link in links}, counts)


def _note(
    known: Known, messages: Sequence[rows.Row], siblings: Sequence[rows.Row], taught: Sequence[rows.Row]
) -> None:
    for campaign_id, delivered_at, source, gateway, *row in messages:
        recipient = rows.recipient_from(row)
        known.recipients[recipient.id] = recipient
        if source is not None:
            known.deliveries[campaign_id, recipient.id] = Delivery(delivered_at, DeliverySource(source))
        if recipient.domain:
            known.gateways[recipient.domain] = gateway
            known.asked |= {(scope, recipient.domain) for scope in _OF_DOMAINS}
            known.asked.add((ProfileScope.GATEWAY, gateway))
    for message, group in groupby(siblings, key=lambda row: (row[-2], row[-1])):
        known.siblings[message] = deque(map(rows.sibling_from, group), maxlen=MOST_SIBLINGS)
    known.domain_profiles |= {(row[0], row[1]): profile_from(row) for row in taught}


def _maybe_message_links(
    visits: Sequence[Visit], ids: dict[bytes, int], privacy: Privacy, memory: Memory
) -> set[tuple[int, int, str]]:
    """Return what may be a message link: a key that the campaign, as it is remembered, does not have."""
    return {
        (visit.campaign_id, _recipient_id(visit, ids, privacy), text(visit.key))
        for visit in visits
        if not (table := memory.campaigns.get(visit.campaign_id)) or table.links.get(visit.key) is None
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
