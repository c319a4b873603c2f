"""``linkproxy settle``: one settle pass, for where no server runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from linkproxy.cli.session import with_store

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.api import Store


@click.command("settle")
def settle() -> None:
    """Settle the messages whose hold window is over.

    A running server does this by itself; two at once do no harm.

    \b
    Example:
      linkproxy settle
    """
    from linkproxy.server.settler import settle_due
    from linkproxy.server.shadow import Shadow
    from linkproxy.server.wiring import keyring, policy, shadow_policy

    async def work(config: Config, store: Store) -> int:
        second = shadow_policy(config)
        shadow = Shadow(second) if second is not None else None
        tokens = keyring(config).tokens_of
        return await settle_due(store, policy(config), time.time(), shadow=shadow, tokens=tokens)

    count = with_store(work)
    click.echo(f"Settled {count} message{'' if count == 1 else 's'}.")
