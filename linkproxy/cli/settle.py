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
    from linkproxy.server.wiring import policy

    async def work(config: Config, store: Store) -> int:
        return await settle_due(store, policy(config), time.time())

    count = with_store(work)
    click.echo(f"Settled {count} message{'' if count == 1 else 's'}.")
