"""What a PostgresStore does besides visits: gateways, domain profiles, engagement, purging."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from linkproxy.store import postgres_domains as domains
from linkproxy.store import postgres_engagement as engagements
from linkproxy.store import postgres_locks as locks
from linkproxy.store import postgres_purge as purging
from linkproxy.store.afterlife import EngagementOutcome
from linkproxy.store.api import StoreError
from linkproxy.store.chunks import in_chunks, in_parts, no_rest, unused_before
from linkproxy.store.domains import PURGED_TOGETHER
from linkproxy.store.gateways import MOST_SECONDS, DomainGateway, LookupOutcome
from linkproxy.store.nameless import Nameless
from linkproxy.store.postgres_fence import safe
from linkproxy.store.postgres_partitions import drop_empty, make_ahead
from linkproxy.visit.learn import FEWEST_RECIPIENTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from linkproxy.model import DomainProfile, Engagement
    from linkproxy.store.api import Cutoffs
    from linkproxy.store.chunks import Rest, Step
    from linkproxy.store.postgres_database import Database, Transaction
    from linkproxy.store.postgres_memory import Memory
    from linkproxy.store.privacy import Privacy
    from linkproxy.store.sqlite_rows import Row

T = TypeVar("T")

_GATEWAY = "domain, name, mx, outcome, looked_up_at, expires_at"
_GATEWAYS = f"SELECT {_GATEWAY} FROM gateway ORDER BY domain"
_DUE = f"""SELECT {_GATEWAY} FROM gateway WHERE expires_at <= $1
UNION ALL SELECT {_GATEWAY} FROM gateway WHERE expires_at > $2 ORDER BY expires_at LIMIT $3"""
# A domain whose last recipient was erased while it was looked up must not come back.
_PUT = f"""INSERT INTO gateway ({_GATEWAY})
SELECT $1, $2, $3, $4, $5, $6 WHERE EXISTS (SELECT 1 FROM recipient WHERE domain = $1)
ON CONFLICT (domain) DO UPDATE SET name = excluded.name, mx = excluded.mx, outcome = excluded.outcome,
    looked_up_at = excluded.looked_up_at, expires_at = excluded.expires_at"""
_FORGET = """DELETE FROM gateway
WHERE domain = $1 AND NOT EXISTS (SELECT 1 FROM recipient WHERE domain = $1)"""


class PostgresUpkeep:
    """The smaller parts of PostgresStore."""

    _database: Database
    _memory: Memory
    _privacy: Privacy
    _clock: Callable[[], float]

    if TYPE_CHECKING:

        async def _write(self, work: Callable[[Transaction], Awaitable[T]], wanted: str = "") -> T: ...

    async def list_gateways(self) -> list[DomainGateway]:
        return [_gateway_from(row) for row in await self._database.fetch(_GATEWAYS)]

    async def list_gateways_due(self, *, now: float, limit: int) -> list[DomainGateway]:
        return [
            _gateway_from(row) for row in await self._database.fetch(_DUE, now, now + MOST_SECONDS, limit)
        ]

    async def put_gateways(self, rows: Sequence[DomainGateway]) -> None:
        if rows:
            await self._write(partial(_put_gateways, wanted=rows), locks.REGISTERING)

    async def list_domain_profiles(
        self, *, min_recipients: int, min_domains: int = FEWEST_RECIPIENTS, name: str = "", limit: int = 1_000
    ) -> list[DomainProfile]:
        return await domains.list_profiles(
            self._database, min_recipients=min_recipients, min_domains=min_domains, name=name, limit=limit
        )

    async def add_engagement(self, engagement: Engagement, *, client: str = "") -> EngagementOutcome:
        visit = await self._database.fetch_one(engagements.VISIT, engagement.visit_id)
        if visit is None:
            return EngagementOutcome.NO_VISIT
        work = partial(
            engagements.keep, privacy=self._privacy, visit=visit, engagement=engagement, client=client
        )
        return await self._write(work, locks.recipients([visit[1]]))

    async def purge(self, cutoffs: Cutoffs, *, rest: Rest = no_rest) -> dict[str, int]:
        """Delete what is older than the cut-offs, one transaction a chunk."""

        async def step(walk: purging.Walk, cutoff: float, first_id: int) -> Step:
            work = partial(purging.step, walk=walk, cutoff=cutoff, first_id=first_id)
            done = await self._write(work, locks.COUNTING)
            await nameless.note(done.nameless)
            return done

        nameless = Nameless(partial(self._drop_nameless, rest=rest))
        counts = await in_chunks(purging.wanted(cutoffs), step, rest) | await nameless.finish()
        if cutoffs.journal is not None:
            counts["profile"] = await self._purge_profiles(unused_before(cutoffs.journal), rest)
            with _unless_busy():
                await drop_empty(self._database, cutoffs.journal)
        if cutoffs.domain_profiles is not None:
            counts["domain_profile"] = await self._purge_domains(cutoffs.domain_profiles, rest)
        with _unless_busy():
            await make_ahead(self._database, self._clock())
        return counts

    async def _drop_nameless(self, ids: Sequence[int], rest: Rest) -> int:
        newest = await safe(self._database)

        async def drop(some: Sequence[int]) -> int:
            return await self._write(
                partial(purging.drop_nameless, ids=some, newest=newest), locks.REGISTERING
            )

        found = await self._database.fetch(purging.NOTHING_LEFT, list(ids))
        return await in_parts([row[0] for row in found], purging.CHUNK, drop, rest)

    async def _purge_profiles(self, before: float, rest: Rest) -> int:
        async def drop(ids: Sequence[int]) -> int:
            deleted = await self._write(partial(purging.drop_profiles, ids=ids, before=before))
            self._memory.forget_profiles()
            return deleted

        found = await self._database.fetch(purging.UNUSED_PROFILES, before)
        return await in_parts([row[0] for row in found], purging.CHUNK, drop, rest)

    async def _purge_domains(self, cutoff: float, rest: Rest) -> int:
        async def drop(some: Sequence[Row]) -> int:
            return await self._write(partial(domains.drop, profiles=some), locks.COUNTING)

        return await in_parts(await self._database.fetch(domains.OLD, cutoff), PURGED_TOGETHER, drop, rest)


@contextmanager
def _unless_busy() -> Iterator[None]:
    """Leave tables as they are while somebody reads them for long, as a back-up does: visits wait meanwhile.

    The next day's purge tries again; weeks are made long before they are needed.
    """
    try:
        yield
    except StoreError as error:
        if not isinstance(error.__cause__, asyncpg.LockNotAvailableError):
            raise


async def _put_gateways(work: Transaction, wanted: Sequence[DomainGateway]) -> None:
    values: list[tuple[Any, ...]] = [
        (row.domain, row.name, " ".join(row.mx), row.outcome, row.looked_up_at, row.expires_at)
        for row in sorted(wanted, key=lambda row: row.domain)
    ]
    await work.db.executemany(_PUT, values)
    await work.db.executemany(_FORGET, [(row[0],) for row in values])


def _gateway_from(row: Row) -> DomainGateway:
    return DomainGateway(row[0], row[1], tuple(row[2].split()), LookupOutcome(row[3]), row[4], row[5])
