"""``linkproxy store``: upkeep of the store itself."""

from __future__ import annotations

import click

from linkproxy.cli.rollups import rebuild_rollups
from linkproxy.cli.store_copy import copy


@click.group("store")
def store() -> None:
    """Look after the store itself.

    \b
    Example:
      linkproxy store rebuild-rollups
      linkproxy store copy --to postgresql://linkproxy@db.brand.example/linkproxy
    """


store.add_command(rebuild_rollups)
store.add_command(copy)
