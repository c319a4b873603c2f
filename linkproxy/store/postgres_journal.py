"""Writing the journal to PostgreSQL: batches of visits, each judged as it comes in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from linkproxy.model import (
    Judged,
    LinkKind,
    LinkRole,
    Sibling,
    Stray,
    StrayTrace,
    Unlogged,
    Unsubscribe,
)
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.api import Failed
from linkproxy.store.evidence_rows import sources_text, verdict_text
from linkproxy.store.opt_outs import opt_out_of
from linkproxy.store.postgres_facts import MissingError
from linkproxy.store.postgres_fence import BEFORE_OPT_OUTS
from linkproxy.store.postgres_lookup import find_profiles
from linkproxy.store.postgres_rows import text, turned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from linkproxy.store.api import Outcome, Pending, Take
    from linkproxy.store.postgres_database import Transaction
    from linkproxy.store.postgres_facts import KnownFacts
    from linkproxy.store.postgres_memory import Memory

_AT_ONCE = 32
"""Visits judged before the event loop may do something else."""

VISIT = (
    "id, at, campaign_id, recipient_id, key, kind, role, method, client, network, profile_id, http_version, "
    "secure, by_reference, verified, one_click, answer, verdict, score, prior, evidence, facts, hop_at, "
    "hop_cookie, policy_id"
)
"""What the journal holds of a visit when it is appended, in the order of the type visit_taken."""

_STRAY = "at, reason, method, target, client, network, profile_id, campaign_id, recipient_id"


def _unnest(types: Sequence[str]) -> str:
    return "unnest({})".format(", ".join(f"${n}::{kind}[]" for n, kind in enumerate(types, 1)))


_VISITS = f"""WITH journal AS (INSERT INTO visit ({VISIT}) SELECT * FROM unnest($1::visit_taken[])
    RETURNING campaign_id, recipient_id, id, at)
INSERT INTO open_visit (campaign_id, recipient_id, visit_id, at) SELECT * FROM journal"""
_IS_THERE = "SELECT 1 FROM visit WHERE id = $1 AND at = $2 AND recipient_id = $3 AND key = $4"
_STRAYS = f"""WITH kept AS (INSERT INTO stray (id, {_STRAY})
    SELECT nextval('stray_id'), w.* FROM {
    _unnest(["double precision", *["text"] * 5, *["bigint"] * 3])
} AS w RETURNING id)
SELECT max(id) FROM kept"""
# Another node may be trimming the same rows: what it has locked is left to it.
_TRIM = """DELETE FROM stray WHERE id IN (
    SELECT id FROM stray WHERE id <= $1 ORDER BY id LIMIT 10000 FOR UPDATE SKIP LOCKED)"""
_REFERENCES = """WITH hashes AS (INSERT INTO recipient_hash (recipient_id, hash)
    SELECT * FROM unnest($1::bigint[], $2::bytea[]))
INSERT INTO recipient (id, reference_hash, reference, verified, address, domain, track)
SELECT w.*, '', '', true FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::boolean[]) AS w"""
_PROFILES = """INSERT INTO profile (id, hash, agent, content, used_at)
SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::text[], $5::double precision[])"""
_FIND_POLICY = "SELECT id, sources <> '' FROM policy WHERE hash = $1"
# Whoever stores the same one at this moment is waited for, and then seen.
_POLICY = """INSERT INTO policy (hash, sources) VALUES ($1, $2)
ON CONFLICT (hash) DO UPDATE SET sources = excluded.sources WHERE policy.sources = ''"""
# The recipient's row is locked: nobody is erased between the look at them and the commit.
_UNSUBSCRIBE = """INSERT INTO unsubscribe (id, at, campaign_id, recipient_id, one_click)
SELECT nextval('unsubscribe_id'), $1, $2, id, $4 FROM recipient WHERE id = $3 FOR KEY SHARE
ON CONFLICT DO NOTHING"""


@dataclass(slots=True)
class Batch:
    """What one transaction is about to write; the last value of a visit is its rule set's hash."""

    facts: KnownFacts
    memory: Memory
    ids: Iterator[int]
    visits: list[rows.Row] = field(default_factory=list)
    strays: list[rows.Row] = field(default_factory=list)
    opt_outs: list[Unsubscribe] = field(default_factory=list)
    profiles: set[int] = field(default_factory=set)


async def judge(work: Transaction, batch: Batch, pending: Sequence[Pending], take: Take) -> list[Outcome]:
    """Judge a batch in order; a visit whose judging raises fails alone."""
    outcomes: list[Outcome] = []
    for place, item in enumerate(pending, 1):
        while True:
            try:
                outcomes.append(_take(batch, item, take))
            except MissingError as missing:
                await find_profiles(work, batch.facts.known, [missing.wanted])
            else:
                break
        if place % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return outcomes


def _take(batch: Batch, item: Pending, take: Take) -> Outcome:
    if isinstance(item, Stray):
        return _keep_stray(batch, item)
    try:
        taken = take(item, batch.facts)
    except MissingError:
        raise  # not a fault: the visit is judged again when it is known
    except Exception as error:  # noqa: BLE001  (a fault in judging costs one visit, not the batch)
        return Failed(error)
    if isinstance(taken, Stray):
        return _keep_stray(batch, taken)
    if isinstance(taken, Unlogged):
        if taken.opt_out is not None:
            batch.opt_outs.append(taken.opt_out)
        return taken
    return _keep(batch, taken)


def _keep(batch: Batch, judged: Judged) -> Judged:
    visit_id = next(batch.ids)
    visit, verdict, known, answer = judged.visit, judged.verdict, judged.facts, judged.answer.kind
    recipient, link, client, network = judged.recipient, known.link, known.client, known.network
    recipient_id = recipient.id if recipient else visit.recipient_id
    profile_id = known.profile_id or batch.facts.profile_id(visit.profile)
    kind = link.kind if link else LinkKind.CONTENT
    role = link.role if link else LinkRole.BODY
    batch.visits.append(
        (
            *(visit_id, visit.at, visit.campaign_id, recipient_id, text(visit.key), kind, role),
            *(text(visit.method), client, network, profile_id, visit.http_version, visit.secure),
            *(visit.reference != "", visit.verified, visit.one_click, answer, verdict.kind),
            *(verdict.score, verdict.prior, verdict_text(verdict)),
            *(rows.facts_text(known), visit.hop_at, visit.hop_cookie, verdict.policy),
        )
    )
    batch.profiles.add(profile_id)
    sibling = Sibling(
        *(visit_id, visit.at, visit.method, visit.key, kind, role, client, network, profile_id),
        *(verdict.kind, answer, visit.hop_at, visit.hop_cookie),
    )
    batch.facts.remember_visit((visit.campaign_id, recipient_id), sibling)
    if recipient and known.step is not None:
        seen = visit if visit.recipient_id == recipient_id else replace(visit, recipient_id=recipient_id)
        batch.memory.neighbours.remember(seen, recipient.domain, profile_id, known.delivery, kind)
    if opt_out := opt_out_of(judged):
        batch.opt_outs.append(opt_out)
    judged.visit_id = visit_id
    return judged


def _keep_stray(batch: Batch, stray: Stray) -> Stray:
    facts = batch.facts
    client, network = facts.pseudonym(stray.client, stray.network)
    profile_id = facts.profile_id(stray.profile)
    target = text(stray.target)
    batch.strays.append(
        (
            *(stray.at, stray.reason, text(stray.method), facts.privacy.stray_target(target)),
            *(client, network),
            *(profile_id, stray.campaign_id, stray.recipient_id),
        )
    )
    batch.profiles.add(profile_id)
    trace = StrayTrace(stray.at, target, profile_id, stray.campaign_id, stray.recipient_id)
    facts.remember_stray(client, trace)
    return stray


async def write_visits(work: Transaction, batch: Batch) -> None:
    """Write the visits that were judged so far."""
    visits, batch.visits = batch.visits, []
    if not visits:
        return
    policies = {digest: await policy_id(work, batch.memory, digest) for digest in {row[-1] for row in visits}}
    visit_id, at, _, recipient_id, key = visits[0][:5]
    work.proof = _IS_THERE, (visit_id, at, recipient_id, key)
    await work.execute(_VISITS, [(*row[:-1], policies[row[-1]]) for row in visits])


async def write(work: Transaction, batch: Batch, strays_kept: int) -> None:
    """Write what a batch has come to, a statement a table."""
    known = batch.facts.known
    if new := [item for item in known.new_references.values() if item.wanted]:
        of_references = [
            (item.recipient.id, item.reference_hash, item.recipient.reference, item.recipient.verified)
            for item in new
        ]
        await work.execute(_REFERENCES, *turned(of_references))
    fresh = [
        (profile_id, item) for profile_id, item in known.new_profiles.items() if profile_id in batch.profiles
    ]
    if fresh:
        values = [
            (profile_id, item.hash, _agent(item.profiles[0].agent), item.content, item.used_at)
            for profile_id, item in fresh
        ]
        await work.execute(_PROFILES, *turned(values))
    await write_visits(work, batch)
    if batch.strays:
        row = await work.fetch_one(_STRAYS, *turned(batch.strays))
        await work.execute(_TRIM, (row[0] if row else 0) - strays_kept)
    if batch.opt_outs:
        await work.execute(BEFORE_OPT_OUTS)
    for opt_out in batch.opt_outs:
        await _write_unsubscribe(work, opt_out)


def _agent(agent: str | None) -> str | None:
    return None if agent is None else text(agent)


async def _write_unsubscribe(work: Transaction, opt_out: Unsubscribe) -> None:
    """Store an opt-out once; of an erased recipient nothing is stored."""
    await work.execute(_UNSUBSCRIBE, opt_out.at, opt_out.campaign_id, opt_out.recipient_id, opt_out.one_click)


async def policy_id(work: Transaction, memory: Memory, digest: str) -> int:
    """Return the id of a rule set's hash.

    It is remembered when it is found again, committed, and tells where its weights come from.
    """
    known = memory.policies.get(digest)
    if known is not None:
        return known
    sources = sources_text(digest)
    row = await work.fetch_one(_FIND_POLICY, digest)
    if row is not None and (row[1] or not sources):
        if row[1] and digest not in work.policies:
            memory.policies[digest] = int(row[0])
        return int(row[0])
    work.policies.add(digest)
    await work.execute(_POLICY, digest, sources)
    row = await work.fetch_one(_FIND_POLICY, digest)
    return int(row[0]) if row else 0
