"""Gateways in SQLite: a row for each mail domain, read back one domain at a time when judging."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from linkproxy.store.gateways import MOST_SECONDS, DomainGateway, LookupOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.store.sqlite_reads import Readers
    from linkproxy.store.sqlite_rows import Row
    from linkproxy.store.sqlite_session import Session
    from linkproxy.store.sqlite_writer import Writer

_COLUMNS = "domain, name, mx, outcome, looked_up_at, expires_at"
_ALL = f"SELECT {_COLUMNS} FROM gateway ORDER BY domain"
_DUE = f"""SELECT {_COLUMNS} FROM gateway WHERE expires_at <= ?1
UNION ALL SELECT {_COLUMNS} FROM gateway WHERE expires_at > ?2 ORDER BY expires_at LIMIT ?3"""
# A domain whose last recipient was erased while it was looked up must not come back.
_PUT = f"""INSERT OR REPLACE INTO gateway ({_COLUMNS})
SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM recipient WHERE domain = ?1)"""
_WANT = f"INSERT OR IGNORE INTO gateway ({_COLUMNS}) VALUES (?, '', '', '', 0, 0)"
_FORGET = """DELETE FROM gateway WHERE domain = ?1
AND NOT EXISTS (SELECT 1 FROM recipient WHERE domain = ?1)"""


class SqliteGateways:
    """The GatewayStore part of SqliteStore."""

    _readers: Readers
    _writer: Writer

    async def list_gateways(self) -> list[DomainGateway]:
        return [_gateway_from(row) for row in await self._readers.fetch(_ALL)]

    async def list_gateways_due(self, *, now: float, limit: int) -> list[DomainGateway]:
        return [
            _gateway_from(row) for row in await self._readers.fetch(_DUE, (now, now + MOST_SECONDS, limit))
        ]

    async def put_gateways(self, rows: Sequence[DomainGateway]) -> None:
        if rows:
            await self._writer.run(partial(_put, rows=rows), indexed=False)


def want_gateway(session: Session, domain: str) -> None:
    """Note that a recipient has this mail domain, so that somebody looks it up."""
    if domain:
        session.db.execute(_WANT, (domain,))


def forget_gateway(session: Session, domain: str) -> None:
    """Forget a mail domain that no recipient has any more: it may be a person's own."""
    session.db.execute(_FORGET, (domain,))


def gateway_of(session: Session, domain: str) -> str:
    """Return the name of a domain's gateway, remembering it."""
    known = session.memory.gateways.get(domain)
    if known is None:
        row = session.db.execute("SELECT name FROM gateway WHERE domain = ?", (domain,)).fetchone()
        known = str(row[0]) if row else ""
        session.memory.gateways.put(domain, known)
    return known


def _put(session: Session, rows: Sequence[DomainGateway]) -> None:
    values = [
        (row.domain, row.name, " ".join(row.mx), row.outcome, row.looked_up_at, row.expires_at)
        for row in rows
    ]
    session.db.executemany(_PUT, values)
    session.db.executemany(_FORGET, [(row.domain,) for row in rows])
    session.changed()


def _gateway_from(row: Row) -> DomainGateway:
    return DomainGateway(row[0], row[1], tuple(row[2].split()), LookupOutcome(row[3]), row[4], row[5])
