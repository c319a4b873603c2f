"""``linkproxy store``: upkeep of the store itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from linkproxy.cli.group import Group
from linkproxy.cli.rekey import rekey
from linkproxy.cli.restore_links import restore_links
from linkproxy.cli.rollups import rebuild_rollups
from linkproxy.cli.session import with_store
from linkproxy.cli.store_copy import copy

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.api import Store


@click.group("store", cls=Group)
def store() -> None:
    """Look after the store itself.

    \b
    Example:
      linkproxy store rebuild-rollups
      linkproxy store copy --to postgresql://linkproxy@db.brand.example/linkproxy
    """


@store.command("skip-ids")
def skip_ids() -> None:
    """Leave a gap in the ids of campaigns, recipients and visits, after a backup was restored.

    A backup does not know who was registered after it, and would give their ids out again: links of
    two people would be the same, and clicks and opt-outs of one would be the other's. So run this once
    after each restore, before anything else; also where a store is begun anew under old signing keys,
    and after a failover to a replica that lacks the last moments.

    \b
    Example:
      linkproxy store skip-ids
    """

    async def work(_config: Config, store: Store) -> None:
        await store.skip_ids()

    with_store(work)
    click.echo("New campaigns, recipients and visits have ids that no mail can have carried so far.")


store.add_command(rebuild_rollups)
store.add_command(copy)
store.add_command(rekey)
store.add_command(restore_links)
