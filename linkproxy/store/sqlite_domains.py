"""Domain profiles in SQLite, and reading back who came beside whom."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from linkproxy.model import (
    MOST_TEACHERS,
    DomainProfile,
    ProfileScope,
    RecipientId,
)
from linkproxy.store.chunks import in_parts
from linkproxy.store.domains import MOST_PROFILES, PURGED_TOGETHER
from linkproxy.visit.learn import FEWEST_RECIPIENTS, scopes, taught
from linkproxy.visit.mailed import MOST_RECIPIENTS, asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.model import Lesson, MessageHistory
    from linkproxy.store.chunks import Rest
    from linkproxy.store.sqlite_reads import Readers
    from linkproxy.store.sqlite_rows import Row
    from linkproxy.store.sqlite_session import Session
    from linkproxy.store.sqlite_writer import Writer

TAIL = 4_096
"""The newest visits that are read back when nothing is remembered."""

_COLUMNS = "scope, name, machines, people, baits_offered, baited, browsers, delays, delay_ln_sum, taught_at"
_RECIPIENTS = """(SELECT count(*) FROM domain_teacher t
    WHERE t.scope = domain_profile.scope AND t.name = domain_profile.name)"""
_ONE = f"SELECT {_COLUMNS}, {_RECIPIENTS} FROM domain_profile WHERE scope = ? AND name = ?"
_LIST = f"""SELECT {_COLUMNS}, {_RECIPIENTS} AS recipients FROM domain_profile
WHERE recipients >= iif(scope = 'network', :least_network, :least) AND (:name = '' OR name = :name)
ORDER BY machines + people DESC, scope, name LIMIT :limit"""
_PUT = f"INSERT OR REPLACE INTO domain_profile ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_TEACHER = """INSERT OR IGNORE INTO domain_teacher (scope, name, recipient_id)
SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM recipient WHERE id = ?3)
AND (?1 <> 'network' OR ?4 = '' OR NOT EXISTS (
    SELECT 1 FROM domain_teacher t JOIN recipient r ON r.id = t.recipient_id
    WHERE t.scope = ?1 AND t.name = ?2 AND r.domain = ?4))"""
_TAUGHT = "SELECT scope, name FROM domain_teacher WHERE recipient_id = ?"
_FEW = f"DELETE FROM domain_profile WHERE scope = ? AND name = ? AND {_RECIPIENTS} < {FEWEST_RECIPIENTS}"
_TEACHERS = """DELETE FROM domain_teacher WHERE scope = ?1 AND name = ?2
AND NOT EXISTS (SELECT 1 FROM domain_profile p WHERE p.scope = ?1 AND p.name = ?2)"""
_OLD = f"""SELECT scope, name, taught_at FROM domain_profile WHERE taught_at < ? OR (scope, name) IN (
    SELECT scope, name FROM domain_profile ORDER BY taught_at DESC LIMIT -1 OFFSET {MOST_PROFILES})
ORDER BY taught_at"""
_DROP = "DELETE FROM domain_profile WHERE scope = ? AND name = ? AND taught_at = ?"
_MAILED = f"""SELECT count(*) FILTER (WHERE id <= ?1), count(*) FROM (
    SELECT id FROM recipient WHERE domain = ?3 AND id <= ?2 LIMIT {MOST_RECIPIENTS})"""
HAS_NEIGHBOURS = """instr(facts, '"step":[') > 0"""
"""At a freemail domain, and without one, nobody is in step. To read JSON takes longer than to look for text
that stands in it nowhere else: quotes within a string are escaped."""

_ARRIVALS = f"""SELECT campaign_id, (SELECT r.domain FROM recipient r WHERE r.id = recipient_id),
    recipient_id, at, key, profile_id, kind, one_click,
    json_extract(facts, '$.delivery[0]'), json_extract(facts, '$.delivery[1]')
FROM visit WHERE id > ? AND {HAS_NEIGHBOURS} ORDER BY id"""
"""What the memory of who came beside whom wants of a visit: an erased recipient has no domain."""


class SqliteDomains:
    """The DomainStore part of SqliteStore."""

    _readers: Readers
    _writer: Writer

    async def list_domain_profiles(
        self, *, min_recipients: int, min_domains: int = FEWEST_RECIPIENTS, name: str = "", limit: int = 1_000
    ) -> list[DomainProfile]:
        asked = {
            "least": max(FEWEST_RECIPIENTS, min_recipients),
            "least_network": min_domains,
            "name": name.lower(),
            "limit": limit,
        }
        return [_profile_from(row) for row in await self._readers.fetch(_LIST, asked)]

    async def _purge_domains(self, cutoff: float | None, rest: Rest) -> dict[str, int]:
        if cutoff is None:
            return {}

        async def drop(some: Sequence[Row]) -> int:
            return await self._writer.run(partial(_drop, profiles=some))

        deleted = await in_parts(await self._readers.fetch(_OLD, (cutoff,)), PURGED_TOGETHER, drop, rest)
        if deleted:
            await self._writer.run(lambda session: session.changed())
        return {"domain_profile": deleted}


def domain_profile(session: Session, scope: ProfileScope, name: str) -> DomainProfile:
    """Return what was learned of a domain, gateway or network, remembering it."""
    known = session.memory.learned.get((scope, name))
    if known is None:
        row = session.db.execute(_ONE, (scope, name)).fetchone()
        known = _profile_from(row) if row else DomainProfile(scope, name)
        session.memory.learned.put((scope, name), known)
    return known


def teach(session: Session, lesson: Lesson, at: float) -> None:
    """Add what a message teaches to the profiles of its domain and gateway."""
    for scope, name in scopes(lesson):
        profile = domain_profile(session, scope, name)
        another = profile.recipients < MOST_TEACHERS and bool(
            session.db.execute(_TEACHER, (scope, name, lesson.recipient_id, lesson.domain)).rowcount
        )
        after = taught(profile, lesson, at, by_another=another)
        session.db.execute(_PUT, _profile_row(after))
        session.memory.learned.drop((scope, name))


def count_recipients(session: Session, history: MessageHistory) -> tuple[int, int] | None:
    """Return how many recipients its domain has up to two ids, None when there is nothing to learn of it."""
    wanted = asked(history)
    if wanted is None:
        return None
    row = session.db.execute(_MAILED, (*wanted, history.entries[0].recipient.domain)).fetchone()
    return row[0], row[1]


def taught_by(session: Session, recipient_id: RecipientId) -> list[Row]:
    """Return the scope and name of each profile that a recipient taught."""
    return session.db.execute(_TAUGHT, (recipient_id,)).fetchall()


def forget_small(session: Session, profiles: list[Row]) -> None:
    """Delete those of some profiles that too few are left of; after an erasure."""
    session.db.executemany(_FEW, profiles)
    session.db.executemany(_TEACHERS, profiles)
    session.memory.learned.clear()


def read_neighbours(session: Session, seen: int, newest: int) -> None:
    """Remember the visits after ``seen``; of very many, the newest."""
    first = max(seen, newest - TAIL)
    if first > seen:
        session.memory.neighbours.clear()
    remember_neighbours(session, first)


def remember_neighbours(session: Session, seen: int) -> None:
    """Remember the visits after ``seen``."""
    for row in session.db.execute(_ARRIVALS, (seen,)):
        session.memory.neighbours.remember_row(row)


def _drop(session: Session, profiles: Sequence[Row]) -> int:
    """Delete those of some profiles that nobody has taught since they were found."""
    deleted = session.db.executemany(_DROP, profiles).rowcount
    session.db.executemany(_TEACHERS, [(scope, name) for scope, name, _ in profiles])
    session.memory.learned.clear()
    return deleted


def _profile_from(row: Row) -> DomainProfile:
    return DomainProfile(ProfileScope(row[0]), *row[1:])


def _profile_row(profile: DomainProfile) -> Row:
    return (
        *(profile.scope, profile.name, profile.machines, profile.people, profile.baits_offered),
        *(profile.baited, profile.browsers, profile.delays, profile.delay_ln_sum, profile.taught_at),
    )
