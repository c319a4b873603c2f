"""PostgreSQL passes the contract of all stores."""

from __future__ import annotations

from store.contract import StoreContract
from store.postgres_fixtures import open_store

__all__ = ["open_store"]


class TestPostgres(StoreContract):
    """The fixture ``open_store`` opens nodes of one database."""
