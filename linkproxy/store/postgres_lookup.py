"""Reading for a batch: a few statements, each for all of its visits together."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

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
from linkproxy.store.memory import CampaignTable, KnownProfile
from linkproxy.store.postgres_domains import COLUMNS, profile_from
from linkproxy.store.postgres_facts import STRAYS_A_CLIENT, Known, NewProfile, NewReference
from linkproxy.store.postgres_fence import allot
from linkproxy.store.postgres_rows import columns, text, turned
from linkproxy.visit.facts import MOST_SIBLINGS, LinkCounts
from linkproxy.visit.reputation import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from linkproxy.model import Profile
    from linkproxy.store.api import Pending
    from linkproxy.store.postgres_database import Transaction
    from linkproxy.store.postgres_facts import KnownFacts
    from linkproxy.store.postgres_memory import Memory
    from linkproxy.store.privacy import Privacy

DAY_SECONDS = 86_400
"""Settled siblings are read this far back; the rules look at half an hour (reach_seconds)."""

_EPOCH = "SELECT number FROM meta WHERE name = 'epoch'"
_REFERENCES = "SELECT hash, recipient_id FROM recipient_hash WHERE hash = ANY($1::bytea[])"
_ERASED = "SELECT reference_hash FROM erased_reference WHERE reference_hash = ANY($1::bytea[])"
_NEW_RECIPIENTS = "SELECT nextval('recipient_id') FROM generate_series(1, $1)"
_CAMPAIGNS = f"SELECT {rows.CAMPAIGN} FROM campaign WHERE id = ANY($1::bigint[])"
_LINKS = f"SELECT {rows.LINK} FROM link WHERE campaign_id = ANY($1::bigint[]) ORDER BY campaign_id"
_WANTED = "unnest($1::bigint[], $2::bigint[]) AS w (campaign_id, recipient_id)"
_MESSAGES = f"""SELECT w.campaign_id, d.delivered_at, d.source, {rows.RECIPIENT}
FROM {_WANTED} JOIN recipient r ON r.id = w.recipient_id
LEFT JOIN delivery d ON d.campaign_id = w.campaign_id AND d.recipient_id = w.recipient_id"""
_CAMPAIGN_DELIVERIES = """SELECT campaign_id, delivered_at, source FROM campaign_delivery
WHERE campaign_id = ANY($1::bigint[])"""
_MESSAGE_LINKS = f"""SELECT {columns(rows.MESSAGE_LINK, "m.")}
FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS w (campaign_id, recipient_id, key)
JOIN message_link m USING (campaign_id, recipient_id, key)"""


def _newest(table: str, only: str = "") -> str:
    return f"""(SELECT i.visit_id, i.at AS seen_at FROM {table} i
        WHERE i.campaign_id = w.campaign_id AND i.recipient_id = w.recipient_id {only}
        ORDER BY i.visit_id DESC LIMIT {MOST_SIBLINGS})"""


_SIBLINGS = f"""SELECT {rows.SIBLING}, w.campaign_id, w.recipient_id FROM {_WANTED}
CROSS JOIN LATERAL (
    SELECT visit_id, seen_at FROM (
        {_newest("open_visit")} UNION ALL {_newest("message_visit", "AND i.at >= $3")}) AS both_kinds
    ORDER BY visit_id DESC LIMIT {MOST_SIBLINGS}) AS n
JOIN visit v ON v.id = n.visit_id AND v.recipient_id = w.recipient_id AND v.at = n.seen_at
ORDER BY w.campaign_id, w.recipient_id, v.id"""
_GATEWAYS = "SELECT domain, name FROM gateway WHERE domain = ANY($1::text[])"
_PROFILES = f"""SELECT {columns(COLUMNS, "p.")}
FROM unnest($1::text[], $2::text[]) AS w (scope, name) JOIN domain_profile p USING (scope, name)"""
_OF_DOMAINS = (ProfileScope.DOMAIN, ProfileScope.EARLY)
_STRAYS = f"""SELECT s.client, s.at, s.target, s.profile_id, s.campaign_id, s.recipient_id
FROM unnest($1::text[]) AS w (client) CROSS JOIN LATERAL (
    SELECT * FROM stray i WHERE i.client = w.client ORDER BY i.id DESC LIMIT {STRAYS_A_CLIENT}) AS s
ORDER BY s.id"""
_HEADERS = "SELECT hash, id, used_at FROM profile WHERE hash = ANY($1::bytea[])"
_USED = """UPDATE profile SET used_at = greatest(profile.used_at, w.at)
FROM (SELECT p.id, n.at FROM unnest($1::bigint[], $2::double precision[]) AS n (id, at)
    JOIN profile p USING (id) ORDER BY p.id FOR UPDATE OF p) AS w WHERE profile.id = w.id"""
_NEW_HEADERS = "SELECT nextval('profile_id') FROM generate_series(1, $1)"


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


async def look_up(work: Transaction, memory: Memory, privacy: Privacy, pending: Sequence[Pending]) -> Known:
    """Read what the judge of a batch may ask, but for strays and headers (``look_up_clients``)."""
    visits = _visits(pending)
    known = Known([])
    ids = await _find_references(work, known, privacy, visits)
    if ids:
        wanted = {item.recipient_id for item in visits if item.recipient_id} | set(ids.values())
        await work.db.execute(locks.recipients(wanted))
    known.visit_ids = await allot(work, len(visits))
    messages = sorted(_messages(visits, ids, privacy))
    await _find_campaigns(work, known, memory, {item.campaign_id for item in visits})
    await _find_messages(work, known, messages)
    for found, recipient_id in ids.items():
        if recipient := known.recipients.get(recipient_id):
            known.references[found] = recipient
    await _find_message_links(work, known, visits, ids, privacy)
    await _find_siblings(work, known, messages, min((item.at for item in visits), default=0.0))
    await _find_gateways(work, known)
    return known


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


async def _find_campaigns(work: Transaction, known: Known, memory: Memory, wanted: set[CampaignId]) -> None:
    epoch = await work.fetch_one(_EPOCH)
    if epoch is None or epoch[0] != memory.epoch:
        memory.campaigns.clear()
        memory.epoch = epoch[0] if epoch else -1
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
    for row in await work.fetch(_CAMPAIGN_DELIVERIES, sorted(wanted)):
        known.deliveries[row[0], 0] = Delivery(row[1], DeliverySource(row[2]))


def _table(row: rows.Row, link_rows: Sequence[rows.Row]) -> CampaignTable:
    links = [rows.link_from(item) for item in link_rows]
    kinds = [link.kind for link in links]
    counts = LinkCounts(content=kinds.count(LinkKind.CONTENT), bait=kinds.count(LinkKind.BAIT))
    return CampaignTable(rows.campaign_from(row), {link.key: link for link in links}, counts)


async def _find_messages(work: Transaction, known: Known, messages: Sequence[tuple[int, int]]) -> None:
    if not messages:
        return
    for row in await work.fetch(_MESSAGES, *turned(messages)):
        recipient = rows.recipient_from(row[3:])
        known.recipients[recipient.id] = recipient
        if row[2] is not None:
            known.deliveries[row[0], recipient.id] = Delivery(row[1], DeliverySource(row[2]))


async def _find_message_links(
    work: Transaction, known: Known, visits: Sequence[Visit], ids: dict[bytes, int], privacy: Privacy
) -> None:
    wanted = {
        (visit.campaign_id, _recipient_id(visit, ids, privacy), text(visit.key))
        for visit in visits
        if (table := known.campaigns.get(visit.campaign_id)) and visit.key not in table.links
    }
    if wanted:
        for row in await work.fetch(_MESSAGE_LINKS, *turned(sorted(wanted))):
            known.message_links[row[0], row[1], row[2]] = rows.message_link_from(row)


async def _find_siblings(
    work: Transaction, known: Known, messages: Sequence[tuple[int, int]], first_at: float
) -> None:
    if not messages:
        return
    found = await work.fetch(_SIBLINGS, *turned(messages), first_at - DAY_SECONDS)
    for message, group in groupby(found, key=lambda row: (row[-2], row[-1])):
        known.siblings[message] = deque(map(rows.sibling_from, group), maxlen=MOST_SIBLINGS)


async def _find_gateways(work: Transaction, known: Known) -> None:
    domains = sorted({item.domain for item in known.recipients.values() if item.domain})
    if domains:
        known.gateways = {row[0]: row[1] for row in await work.fetch(_GATEWAYS, domains)}
        known.asked |= {(scope, name) for name in domains for scope in _OF_DOMAINS}
    known.asked |= {(ProfileScope.GATEWAY, name) for name in known.gateways.values() if name}


async def find_profiles(work: Transaction, known: Known, wanted: Iterable[tuple[ProfileScope, str]]) -> None:
    """Read domain profiles; those that are not there are known not to be."""
    asked = sorted(wanted)
    known.asked.update(asked)
    if asked:
        for row in await work.fetch(_PROFILES, *turned(asked)):
            known.domain_profiles[row[0], row[1]] = profile_from(row)


async def look_up_clients(
    work: Transaction, facts: KnownFacts, memory: Memory, pending: Sequence[Pending]
) -> None:
    """Read the strays of the batch's clients, what was learned, and the ids of its header profiles."""
    clients = sorted({facts.pseudonym(item.client, "")[0] for item in pending if item.client} - {""})
    if clients:
        for row in await work.fetch(_STRAYS, clients):
            facts.remember_stray(row[0], StrayTrace(*row[1:]))
    networks = {name_of(facts.pseudonym(item.client, item.network)[1]) for item in _visits(pending)}
    of_networks = {(ProfileScope.NETWORK, name) for name in networks if name}
    await find_profiles(work, facts.known, facts.known.asked | of_networks)
    latest: dict[Profile, float] = {}
    for item in pending:
        latest[item.profile] = max(item.at, latest.get(item.profile, item.at))
    await _find_headers(work, facts.known, memory, latest)


@dataclass(slots=True)
class _Headers:
    """Profiles that are stored alike: they differ in headers that are never stored."""

    content: str
    at: float
    profiles: list[Profile] = field(default_factory=list)


async def _find_headers(
    work: Transaction, known: Known, memory: Memory, latest: dict[Profile, float]
) -> None:
    wanted: dict[bytes, _Headers] = {}
    for profile, at in latest.items():
        remembered = memory.profiles.get(profile)
        if remembered is not None and remembered.day >= int(at // DAY_SECONDS):
            known.profile_ids[profile] = remembered.id
            continue
        content = rows.profile_content(profile)
        headers = wanted.setdefault(rows.profile_hash(content), _Headers(content, at))
        headers.at = max(headers.at, at)
        headers.profiles.append(profile)
    if not wanted:
        return
    found = await work.fetch(_HEADERS, list(wanted))
    if len(found) < len(wanted):
        await work.db.execute(locks.profiles(wanted.keys() - {row[0] for row in found}))
        found = await work.fetch(_HEADERS, list(wanted))
    stale = [(row[1], wanted[row[0]].at) for row in found if wanted[row[0]].at > row[2]]
    if stale:
        await work.execute(_USED, *turned(stale))
    for digest, profile_id, _ in found:
        for profile in wanted[digest].profiles:
            known.profile_ids[profile] = profile_id
            memory.profiles.put(profile, KnownProfile(profile_id, int(wanted[digest].at // DAY_SECONDS)))
    new = sorted(wanted.keys() - {row[0] for row in found})
    for digest, row in zip(new, await work.fetch(_NEW_HEADERS, len(new)) if new else (), strict=True):
        headers = wanted[digest]
        for profile in headers.profiles:
            known.profile_ids[profile] = row[0]
        known.new_profiles[row[0]] = NewProfile(tuple(headers.profiles), digest, headers.content, headers.at)
