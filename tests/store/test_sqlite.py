"""SQLite passes the contract of all stores."""

from __future__ import annotations

from store.contract import StoreContract


class TestSqlite(StoreContract):
    """The fixture ``open_store`` of this folder opens SQLite files."""
