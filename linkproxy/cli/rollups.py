"""``linkproxy store rebuild-rollups``: counting again what reports are made of."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from linkproxy.cli.progress import progress
from linkproxy.cli.session import need_campaign, with_store

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.api import Store

_TOGETHER = 50
"""Messages of one transaction: a server that runs beside it goes on answering."""


@click.command("rebuild-rollups")
@click.option("--campaign", metavar="NAME", help="Of one campaign alone.")
def rebuild_rollups(*, campaign: str | None) -> None:
    """Count the sums that reports are made of again, from the journal and the click log.

    The sums are kept up to date with every change, so this is for a store that was damaged or
    restored, and after a change of merge_seconds or twin_seconds in the policy. It is safe beside a
    running server. When it is interrupted, the server goes on with what is left, and so does the
    next call.

    \b
    Examples:
      linkproxy store rebuild-rollups
      linkproxy store rebuild-rollups --campaign spring
    """
    from linkproxy.server.wiring import policy
    from linkproxy.store.chunks import even_rest, rested
    from linkproxy.visit.possible import possible_among

    async def work(config: Config, store: Store) -> int:
        only = (await need_campaign(store, campaign)).id if campaign else None
        possible = partial(possible_among, policy=policy(config))
        await store.begin_rebuild(only)
        counted, left = 0, 1
        with progress("Counting messages", await store.count_messages(only)) as advance:
            while left:
                rebuilt = store.rebuild(possible, limit=_TOGETHER, campaign_id=only)
                step = await rested(rebuilt, even_rest)
                advance(step.messages)
                counted, left = counted + step.messages, step.campaigns_left
        return counted

    count = with_store(work)
    click.echo(f"Counted {count:,} message{'' if count == 1 else 's'} again.")
