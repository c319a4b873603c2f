"""PostgreSQL's faults in a user's words: what, where, what to do."""

from __future__ import annotations

import asyncio
import ssl

import asyncpg

from linkproxy.store.api import StoreAwayError, StoreError

FAULTS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    asyncio.TimeoutError,
)
"""What a server, a connection to it, or a value that it cannot hold may raise."""

_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    OSError,
)
"""Faults of a connection rather than of a statement."""

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    OSError,
    asyncio.TimeoutError,
)
_TO_STAY = (asyncpg.QueryCanceledError, ssl.SSLCertVerificationError)
"""Of these kinds too, but no waiting helps."""

_POOLED = "a pooler lends its connections by transaction; set pooler = true in [store]"
"""Else the statements that one connection has prepared are asked of another."""

_TEXTS: tuple[tuple[type[BaseException], str], ...] = (
    (asyncpg.InvalidAuthorizationSpecificationError, "it refuses the user or the password; check [store]"),
    (asyncpg.InvalidCatalogNameError, "there is no such database; make it with createdb"),
    (asyncpg.InsufficientPrivilegeError, "the user may not do that; make it the owner of the database"),
    (asyncpg.TooManyConnectionsError, "it has no connection left; raise max_connections or use a pooler"),
    (asyncpg.LockNotAvailableError, "another write holds what this one needs; nothing was written"),
    (asyncpg.ReadOnlySQLTransactionError, "it is a read-only replica; name the primary in store.url"),
    (asyncpg.DiskFullError, "its disk is full; make room, nothing was half-written"),
    (asyncpg.OutOfMemoryError, "it is out of memory or locks; raise max_locks_per_transaction"),
    (asyncpg.QueryCanceledError, "the statement was cancelled; nothing was written"),
    (asyncpg.OperatorInterventionError, "it is starting, stopping or was stopped; wait for it"),
    (asyncpg.PostgresConnectionError, "the connection was lost; it is made anew with the next request"),
    (asyncpg.InvalidSQLStatementNameError, _POOLED),
    (asyncpg.DuplicatePreparedStatementError, _POOLED),
    (asyncpg.DataError, "a value cannot be stored; nothing was written"),
    (asyncio.TimeoutError, "it does not answer in time; nothing is known to be written"),
    (asyncpg.ClientConfigurationError, "[store] url is not as PostgreSQL's driver takes it; correct it"),
    (asyncpg.InterfaceError, "the connection was lost; it is made anew with the next request"),
    (asyncpg.InternalClientError, "the connection was lost; it is made anew with the next request"),
    (OSError, "it cannot be reached; check that it runs, and [store] url"),
)
"""The first that fits is said, so that special faults come before general ones."""


def is_of_connection(error: BaseException) -> bool:
    """Tell a fault of the connection, after which another one may do, from one of a statement."""
    return isinstance(error, _GONE) and not isinstance(error, asyncpg.DataError | asyncpg.QueryCanceledError)


def store_error(error: BaseException, where: str) -> StoreError:
    """Return what to raise for a fault of PostgreSQL; ``where`` is the database without secrets."""
    text = next((text for kind, text in _TEXTS if isinstance(error, kind)), "PostgreSQL refused")
    detail = str(error).splitlines()[0] if str(error) else type(error).__name__
    kind = StoreAwayError if isinstance(error, _AWAY) and not isinstance(error, _TO_STAY) else StoreError
    return kind(f"{where}: {text} ({detail})")
