"""Domain profiles in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.model import MOST_TEACHERS, DomainProfile, ProfileScope
from linkproxy.store.domains import MOST_PROFILES
from linkproxy.store.postgres_rows import turned
from linkproxy.visit.learn import FEWEST_RECIPIENTS, scopes, taught
from linkproxy.visit.mailed import MOST_RECIPIENTS, asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.model import Lesson, MessageHistory, RecipientId
    from linkproxy.store.postgres_database import Database, Transaction
    from linkproxy.store.sqlite_rows import Row

COLUMNS = (
    "scope, name, machines, people, baits_offered, baited, browsers, delays, delay_ln_sum, taught_at, "
    "recipients"
)
_LIST = f"""SELECT {COLUMNS} FROM domain_profile
WHERE recipients >= CASE scope WHEN 'network' THEN $4::int ELSE $1::int END AND ($2 = '' OR name = $2)
ORDER BY machines + people DESC, scope, name LIMIT $3"""
_SOME = f"""SELECT {", ".join(f"p.{name.strip()}" for name in COLUMNS.split(","))}
FROM unnest($1::text[], $2::text[]) AS w (scope, name) JOIN domain_profile p USING (scope, name)"""
_TEACHERS_OF = """INSERT INTO domain_teacher (scope, name, recipient_id)
SELECT w.scope, w.name, r.id FROM unnest($1::text[], $2::text[]) AS w (scope, name)
JOIN recipient r ON r.id = $3
WHERE w.scope <> 'network' OR $4::text = '' OR NOT EXISTS (
    SELECT 1 FROM domain_teacher t JOIN recipient o ON o.id = t.recipient_id
    WHERE t.scope = w.scope AND t.name = w.name AND o.domain = $4)
ON CONFLICT DO NOTHING RETURNING scope, name"""
_PUT = f"""INSERT INTO domain_profile ({COLUMNS})
SELECT * FROM unnest($1::text[], $2::text[], {", ".join(f"${n}::double precision[]" for n in range(3, 11))},
    $11::int[])
ON CONFLICT (scope, name) DO UPDATE SET machines = excluded.machines, people = excluded.people,
    baits_offered = excluded.baits_offered, baited = excluded.baited, browsers = excluded.browsers,
    delays = excluded.delays, delay_ln_sum = excluded.delay_ln_sum, taught_at = excluded.taught_at,
    recipients = excluded.recipients"""
_MAILED = f"""SELECT count(*) FILTER (WHERE id <= $1), count(*) FROM (
    SELECT id FROM recipient WHERE domain = $3 AND id <= $2 LIMIT {MOST_RECIPIENTS}) AS mailed"""
_TAUGHT = "SELECT scope, name FROM domain_teacher WHERE recipient_id = $1 ORDER BY scope, name"
_ONE_LESS = "UPDATE domain_profile SET recipients = recipients - 1 WHERE scope = $1 AND name = $2"
_FEW = f"""DELETE FROM domain_profile
WHERE scope = $1 AND name = $2 AND recipients < {FEWEST_RECIPIENTS} RETURNING 1"""
_TEACHERS = "DELETE FROM domain_teacher WHERE scope = $1 AND name = $2"
OLD = f"""SELECT scope, name, taught_at FROM domain_profile WHERE taught_at < $1 OR (scope, name) IN (
    SELECT scope, name FROM domain_profile ORDER BY taught_at DESC OFFSET {MOST_PROFILES})
ORDER BY taught_at"""
"""What nobody has taught since a time, and of very many profiles those taught longest ago."""

_DROP = """DELETE FROM domain_profile p
USING unnest($1::text[], $2::text[], $3::double precision[]) AS w (scope, name, taught_at)
WHERE p.scope = w.scope AND p.name = w.name AND p.taught_at = w.taught_at RETURNING p.scope, p.name"""
_DROP_TEACHERS = """DELETE FROM domain_teacher t USING unnest($1::text[], $2::text[]) AS w (scope, name)
WHERE t.scope = w.scope AND t.name = w.name"""


def profile_from(row: Row) -> DomainProfile:
    """Return a profile of the columns COLUMNS."""
    return DomainProfile(ProfileScope(row[0]), *row[1:])


async def list_profiles(
    database: Database, *, min_recipients: int, min_domains: int, name: str, limit: int
) -> list[DomainProfile]:
    """Return profiles that enough recipients have taught, those with most lessons first."""
    least = max(FEWEST_RECIPIENTS, min_recipients)
    return [profile_from(row) for row in await database.fetch(_LIST, least, name.lower(), limit, min_domains)]


async def teach(work: Transaction, lesson: Lesson, at: float) -> None:
    """Add what a message teaches to the profiles it is about; under the lock COUNTING."""
    wanted = sorted(set(scopes(lesson)))
    if not wanted:
        return
    found = [profile_from(row) for row in await work.fetch(_SOME, *turned(wanted))]
    before = {(profile.scope, profile.name): profile for profile in found}
    profiles = [before.get(place) or DomainProfile(*place) for place in wanted]
    fewer = [(item.scope, item.name) for item in profiles if item.recipients < MOST_TEACHERS]
    new = await work.fetch(_TEACHERS_OF, *turned(fewer), lesson.recipient_id, lesson.domain) if fewer else ()
    more = {(row[0], row[1]) for row in new}
    another = [(item.scope, item.name) in more for item in profiles]
    values = [
        _row(taught(item, lesson, at, by_another=one_more), one_more)
        for item, one_more in zip(profiles, another, strict=True)
    ]
    await work.execute(_PUT, *turned(values))


def _row(profile: DomainProfile, one_more: bool) -> Row:  # noqa: FBT001  (one of two columns)
    return (
        *(profile.scope, profile.name, profile.machines, profile.people, profile.baits_offered),
        *(profile.baited, profile.browsers, profile.delays, profile.delay_ln_sum, profile.taught_at),
        profile.recipients + one_more,
    )


async def count_recipients(work: Transaction, history: MessageHistory) -> tuple[int, int] | None:
    """Return how many recipients its domain has up to two ids, None when there is nothing to learn of it."""
    wanted = asked(history)
    if wanted is None:
        return None
    row = await work.fetch_one(_MAILED, *wanted, history.entries[0].recipient.domain)
    return (int(row[0]), int(row[1])) if row else None


async def taught_by(work: Transaction, recipient_id: RecipientId) -> Sequence[Row]:
    """Return the scope and name of each profile that a recipient taught."""
    return await work.fetch(_TAUGHT, recipient_id)


async def forget_small(work: Transaction, profiles: Sequence[Row]) -> None:
    """Count one teacher less of each, and delete those that too few are left of."""
    for scope, name in profiles:
        await work.execute(_ONE_LESS, scope, name)
        if await work.fetch_one(_FEW, scope, name):
            await work.execute(_TEACHERS, scope, name)


async def drop(work: Transaction, profiles: Sequence[Row]) -> int:
    """Delete those of some profiles that nobody has taught since they were found, as rows of ``OLD``."""
    gone = await work.fetch(_DROP, *turned(profiles))
    if gone:
        await work.execute(_DROP_TEACHERS, *turned(gone))
    return len(gone)
