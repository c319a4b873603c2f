"""Writing the journal: batches of visits, each judged as it comes in."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from linkproxy.model import (
    AnswerKind,
    Judged,
    LinkKind,
    LinkRole,
    Sibling,
    Stray,
    StrayTrace,
    Unsubscribe,
    VerdictKind,
)
from linkproxy.store import sqlite_rows as rows
from linkproxy.store.api import Failed
from linkproxy.store.evidence_rows import sources_text, verdict_text
from linkproxy.store.opt_outs import opt_out_of
from linkproxy.store.sqlite_facts import SqliteFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.model import Visit
    from linkproxy.store.api import More, Outcome, Pending, Take
    from linkproxy.store.sqlite_session import Message, Session

_COLUMNS = (
    "id, at, campaign_id, recipient_id, key, role, client, network, profile_id, http_version, secure, score, "
    "prior, evidence, policy_id, facts, kind, method, by_reference, verified, one_click, answer, verdict, "
    "hop_at, hop_cookie"
)
_ORDINARY = "'content', 'GET', 0, 1, 0, 'redirect', 'human', NULL, 0"
"""What most visits have in the last columns, from kind on, as ``_is_ordinary`` tells."""

_REST = len(_ORDINARY.split(","))
_BOUND = len(_COLUMNS.split(",")) - _REST
_ANY = ", ".join(["?"] * _REST)

_MOST_ROWS = 64
"""That one statement inserts: SQLite keeps one ready for each power of two."""

# To read a member off its class costs 0.08 us before Python 3.12.
_CONTENT, _REDIRECT, _HUMAN = LinkKind.CONTENT, AnswerKind.REDIRECT, VerdictKind.HUMAN

_STRAY = """INSERT INTO stray (id, at, reason, method, target, client, network, profile_id, campaign_id,
    recipient_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_POLICY = """INSERT INTO policy (hash, sources) VALUES (?, ?)
ON CONFLICT (hash) DO UPDATE SET sources = excluded.sources WHERE sources = ''"""
_UNSUBSCRIBE = """INSERT OR IGNORE INTO unsubscribe (at, campaign_id, recipient_id, one_click)
SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM recipient WHERE id = ?)"""


@lru_cache(maxsize=32)
def _insert(number: int, rest: str) -> str:
    """Return the statement that inserts so many visits with these last columns.

    ``_ORDINARY`` is written out rather than bound: binding nine values takes a third of the time of the
    insert. One statement for many, since each that runs looks up the table's greatest id and notes it.
    """
    row = f"({', '.join(['?'] * _BOUND)}, {rest})"
    return f"INSERT INTO visit ({_COLUMNS}) VALUES {', '.join([row] * number)}"


@dataclass(slots=True)
class Batch:
    """What one transaction is about to write."""

    session: Session
    facts: SqliteFacts
    next_visit: int
    next_stray: int
    visits: list[tuple[str, list[rows.Row]]] = field(default_factory=list)  # by last columns, in order
    messages: list[Message] = field(default_factory=list)  # of the visits
    strays: list[rows.Row] = field(default_factory=list)
    opt_outs: list[Unsubscribe] = field(default_factory=list)
    profiles: set[int] = field(default_factory=set)


def append(session: Session, pending: Sequence[Pending], take: Take, more: More) -> list[Outcome]:
    """Judge and journal a batch in order; a visit whose judging raises fails alone."""
    session.refresh()
    pending = [*pending, *more()]
    batch = Batch(session, SqliteFacts(session), session.newest_visit, session.newest_stray)
    batch.facts.expect(pending)
    outcomes = [_take(batch, item, take) for item in pending]
    _write(batch)
    batch.facts.forget_but(batch.messages)
    session.memory.trim()
    return outcomes


def _take(batch: Batch, item: Pending, take: Take) -> Outcome:
    if isinstance(item, Stray):
        return _keep_stray(batch, item)
    try:
        taken = take(item, batch.facts.at(item))
    except sqlite3.Error:
        raise  # the file's fault, and so the whole batch's
    except Exception as error:  # noqa: BLE001  (a fault in judging costs one visit, not the batch)
        return Failed(error)
    if isinstance(taken, Judged):
        return _keep(batch, taken)
    if isinstance(taken, Stray):
        return _keep_stray(batch, taken)
    if taken.opt_out is not None:
        batch.opt_outs.append(taken.opt_out)
    return taken


def _keep(batch: Batch, judged: Judged) -> Judged:
    batch.next_visit = visit_id = batch.next_visit + 1
    visit, verdict, known, answer = judged.visit, judged.verdict, judged.facts, judged.answer.kind
    recipient, link, client, network = judged.recipient, known.link, known.client, known.network
    recipient_id = recipient.id if recipient else visit.recipient_id
    profile_id = known.profile_id or batch.facts.profile_id(visit.profile)
    kind = link.kind if link else _CONTENT
    role = link.role if link else LinkRole.BODY
    at, campaign_id, key, stored = visit.at, visit.campaign_id, visit.key, rows.STORED
    row: rows.Row = (
        visit_id, at, campaign_id, recipient_id, key, stored[role], client, network,
        profile_id, visit.http_version, 1 if visit.secure else 0, verdict.score, verdict.prior,
        verdict_text(verdict), policy_id(batch.session, verdict.policy), rows.facts_text(known),
    )  # fmt: skip
    if _is_ordinary(visit, kind, answer, verdict.kind):
        _add_row(batch, _ORDINARY, row)
    else:
        rest = (
            *(stored[kind], rows.plain(visit.method), 1 if visit.reference else 0),
            *(1 if visit.verified else 0, 1 if visit.one_click else 0),
            *(stored[answer], stored[verdict.kind], visit.hop_at, 1 if visit.hop_cookie else 0),
        )
        _add_row(batch, _ANY, row + rest)
        if opt_out := opt_out_of(judged):
            batch.opt_outs.append(opt_out)
    message = (campaign_id, recipient_id)
    batch.messages.append(message)
    batch.profiles.add(profile_id)
    sibling = Sibling(
        visit_id, at, visit.method, key, kind, role, client, network, profile_id,
        verdict.kind, answer, visit.hop_at, visit.hop_cookie,
    )  # fmt: skip
    batch.facts.remember_visit(message, sibling)
    if recipient and known.step is not None:  # nobody asks who came beside whom at a freemail domain
        seen = visit if visit.recipient_id == recipient_id else replace(visit, recipient_id=recipient_id)
        neighbours = batch.session.memory.neighbours
        neighbours.remember(seen, recipient.domain, profile_id, known.delivery, kind)
    judged.visit_id = visit_id
    return judged


def _is_ordinary(visit: Visit, kind: LinkKind, answer: AnswerKind, verdict: VerdictKind) -> bool:
    return (
        (kind is _CONTENT and answer is _REDIRECT and verdict is _HUMAN)
        and (visit.method == "GET" and visit.verified)
        and not (visit.reference or visit.one_click or visit.hop_cookie)
        and visit.hop_at is None
    )


def _add_row(batch: Batch, rest: str, row: rows.Row) -> None:
    """Put a row behind those with the same last columns, or begin anew: rows stay in order."""
    if not batch.visits or batch.visits[-1][0] is not rest:
        batch.visits.append((rest, []))
    batch.visits[-1][1].append(row)


def _keep_stray(batch: Batch, stray: Stray) -> Stray:
    batch.next_stray += 1
    facts = batch.facts.at(stray)
    client, network = facts.pseudonym(stray.client, stray.network)
    profile_id, target = facts.profile_id(stray.profile), rows.plain(stray.target)
    batch.strays.append(
        (
            *(batch.next_stray, stray.at, stray.reason, rows.plain(stray.method)),
            batch.session.privacy.stray_target(target),
            *(client, network, profile_id, stray.campaign_id, stray.recipient_id),
        )
    )
    batch.profiles.add(profile_id)
    trace = StrayTrace(stray.at, target, profile_id, stray.campaign_id, stray.recipient_id)
    batch.session.remember_stray(client, trace)
    return stray


def _write(batch: Batch) -> None:
    session = batch.session
    batch.facts.write_profiles(batch.profiles)
    for rest, visits in batch.visits:
        _insert_visits(session.db, rest, visits)
    if batch.strays:
        session.db.executemany(_STRAY, batch.strays)
        oldest = batch.next_stray - session.bounds.strays_kept
        session.db.execute("DELETE FROM stray WHERE id <= ?", (oldest,))
    for opt_out in batch.opt_outs:
        _write_unsubscribe(session, opt_out)
    session.saw(batch.messages, stray=batch.next_stray)


def _insert_visits(db: sqlite3.Connection, rest: str, visits: list[rows.Row]) -> None:
    start = 0
    while left := len(visits) - start:
        number = min(_MOST_ROWS, 1 << left.bit_length() - 1)
        db.execute(_insert(number, rest), [*chain.from_iterable(visits[start : start + number])])
        start += number


def _write_unsubscribe(session: Session, opt_out: Unsubscribe) -> None:
    """Store an opt-out once; of an erased recipient nothing is stored."""
    session.db.execute(
        _UNSUBSCRIBE,
        (opt_out.at, opt_out.campaign_id, opt_out.recipient_id, opt_out.one_click, opt_out.recipient_id),
    )


def policy_id(session: Session, digest: str) -> int:
    """Return the id of a rule set's hash; remembered once its row tells where its weights come from."""
    known = session.memory.policies.get(digest)
    if known is None:
        sources = sources_text(digest)
        session.db.execute(_POLICY, (digest, sources))
        (known,) = session.db.execute("SELECT id FROM policy WHERE hash = ?", (digest,)).fetchone()
        if sources:
            session.memory.policies[digest] = known
    return int(known)
