"""From the configuration to a store that is not open yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from linkproxy.config_values import POSTGRES, SQLITE
from linkproxy.store.api import StoreError
from linkproxy.store.link_files import LinkFiles
from linkproxy.store.memory import Bounds
from linkproxy.store.privacy import Privacy
from linkproxy.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from linkproxy.config import Config
    from linkproxy.store.api import Store
    from linkproxy.store.postgres_database import ServerSettings


def connect(config: Config, tell: Callable[[str], None] | None = None) -> Store:
    """Return the store that ``store.url`` names; raise LinkproxyError when a setting is wrong.

    ``tell`` gets a sentence where a link file cannot be kept; without it the log does.
    """
    return connect_to(config.store.url, config, LinkFiles(config.store.link_files, tell))


def connect_to(url: str, config: Config, files: LinkFiles | None = None) -> Store:
    """Return the store at a URL, with all other settings of the configuration but link files."""
    if url.startswith(POSTGRES):
        return _postgres(url, config, files)
    if not url.startswith(SQLITE):
        raise StoreError(f"[store] url: {url!r} is not known; write sqlite:FILE")
    return SqliteStore(
        Path(url.removeprefix(SQLITE)),
        privacy=privacy(config),
        synchronous=config.store.synchronous,
        lock_seconds=config.store.commit_seconds,
        bounds=bounds(config),
        files=files,
    )


def _postgres(url: str, config: Config, files: LinkFiles | None) -> Store:
    settings = postgres_settings(url, config)
    from linkproxy.store.postgres import PostgresStore

    return PostgresStore(settings, privacy=privacy(config), bounds=bounds(config), files=files)


def postgres_settings(url: str, config: Config) -> ServerSettings:
    """Return how to reach a database; raise StoreError when the extra is not installed."""
    try:
        from linkproxy.store.postgres_database import ServerSettings
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise StoreError(
            "[store] url: PostgreSQL needs the extra; install it with: pip install 'linkproxy[postgres]'"
        ) from None
    return ServerSettings(
        url,
        password=config.store.read_password(),
        pooler=config.store.pooler,
        synchronous=_SYNCHRONOUS[config.store.synchronous],
        lock_seconds=config.store.commit_seconds,
    )


_SYNCHRONOUS = {"full": "on", "normal": "off"}
"""``store.synchronous`` as synchronous_commit: "off" may lose the last moments when the server stops hard."""


def bounds(config: Config) -> Bounds:
    """Return how much is kept and remembered."""
    memory = config.memory
    return Bounds(
        strays_kept=config.limits.strays_kept,
        messages=memory.messages,
        campaigns=memory.campaigns,
        profiles=memory.profiles,
        clients=memory.clients,
        domains=memory.domains,
        neighbours=memory.neighbours,
    )


def privacy(config: Config) -> Privacy:
    """Return how addresses are stored."""
    return Privacy(
        client_address=config.privacy.client_address,
        recipient_address=config.privacy.recipient_address,
        key=config.privacy.read_key(),
    )
