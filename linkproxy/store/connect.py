"""From the configuration to a store that is not open yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from linkproxy.store.api import StoreError
from linkproxy.store.privacy import Privacy
from linkproxy.store.sqlite import SqliteStore
from linkproxy.store.sqlite_session import Bounds

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.api import Store

_SQLITE = "sqlite:"


def connect(config: Config) -> Store:
    """Return the store that ``store.url`` names; raise LinkproxyError when a setting is wrong."""
    url = config.store.url
    if not url.startswith(_SQLITE):
        raise StoreError(f"[store] url: {url!r} is not known; write sqlite:FILE")
    return SqliteStore(
        Path(url.removeprefix(_SQLITE)),
        privacy=privacy(config),
        synchronous=config.store.synchronous,
        lock_seconds=config.store.commit_seconds,
        bounds=Bounds(strays_kept=config.limits.strays_kept),
    )


def privacy(config: Config) -> Privacy:
    """Return how addresses are stored."""
    return Privacy(
        client_address=config.privacy.client_address,
        recipient_address=config.privacy.recipient_address,
        key=config.privacy.read_key(),
    )
