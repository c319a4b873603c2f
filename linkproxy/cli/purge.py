"""``linkproxy purge``: removing what is older than the retention times."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from linkproxy.cli.output import print_table
from linkproxy.cli.progress import progress
from linkproxy.cli.session import current_config, with_store
from linkproxy.query.filters import short_time

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.api import Store

_DAYS = click.IntRange(min=0, max=36500)


@click.command("purge")
@click.option("--journal-days", "journal", type=_DAYS, help="Visits older than this. [default: retention]")
@click.option("--clicks-days", "clicks", type=_DAYS, help="Clicks. [default: retention]")
@click.option("--strays-days", "strays", type=_DAYS, help="Forged and broken requests. [default: retention]")
@click.option("--message-links-days", "message_links", type=_DAYS, help="Message links. [default: retention]")
@click.option("--domain-profiles-days", "domain_profiles", type=_DAYS, help="Lessons. [default: retention]")
@click.option("--dry-run", is_flag=True, help="Only say up to when things would be removed.")
def purge(*, dry_run: bool, **days: int | None) -> None:
    """Remove what is older than the retention times of the configuration; 0 keeps things for good.

    A running server does this by itself once a day. Clicks keep score and reasons when the
    visits behind them are gone.

    \b
    Examples:
      linkproxy purge --dry-run
      linkproxy purge --journal-days 30
    """
    from linkproxy.server.purger import cutoffs
    from linkproxy.store.chunks import even_rest

    wished = {f"{name}_days": count for name, count in days.items() if count is not None}
    before = cutoffs(current_config().retention.model_copy(update=wished), time.time())
    if dry_run:
        print_table(
            ["What", "Removed if before (UTC)"],
            [[_words(name), short_time(at) or "kept for good"] for name, at in asdict(before).items()],
        )
        return

    async def work(_config: Config, store: Store) -> dict[str, int]:
        with progress("Steps done", None) as advance:

            async def tell(took: float) -> None:
                advance(1)
                await even_rest(took)

            return await store.purge(before, rest=tell)

    removed = {table: count for table, count in with_store(work).items() if count}
    told = ", ".join(f"{count:,} {_words(table)}{'s' * (count > 1)}" for table, count in removed.items())
    click.echo(f"Removed {told}." if told else "Nothing is old enough to be removed.")


def _words(name: str) -> str:
    return name.replace("_", " ")
