"""``linkproxy compare``: campaigns side by side."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from linkproxy.cli.output import TABLE_ROWS, chosen_format, format_option, print_rows, say
from linkproxy.cli.session import need_campaign, with_store
from linkproxy.query.filters import read_filter

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.api import Store


@click.command("compare")
@click.argument("names", metavar="[CAMPAIGN]...", nargs=-1)
@click.option("--since", metavar="TIME", help="Made from then on: 2026-05-01, 2026-05-01T09:30Z or -30d.")
@click.option("--until", metavar="TIME", help="Made before then; the same forms.")
@click.option("--archived", is_flag=True, help="Archived ones, too.")
@format_option
def compare(
    *, names: tuple[str, ...], since: str | None, until: str | None, archived: bool, form: str | None
) -> None:
    """Show the figures of campaigns side by side, of all of them if none is named.

    Each line is the head of that campaign's `report`. Intervals of two campaigns that overlap leave open
    which of them did better. Whoever clicks in two campaigns is a clicker of each.

    \b
    Examples:
      linkproxy compare
      linkproxy compare spring-a spring-b
      linkproxy compare --since 2026-05-01 --until 2026-06-01 --format csv > may.csv
    """
    span = read_filter({"since": since, "until": until}, now=time.time())
    chosen = chosen_format(form)

    async def work(config: Config, store: Store) -> int:
        from linkproxy.query.compare import COMPARED_COLUMNS, compared
        from linkproxy.server.wiring import policy

        shown = [await need_campaign(store, name) for name in names] or [
            known for known in await store.list_campaigns() if archived or known.archived_at is None
        ]
        made = compared(store, [known for known in shown if span.spans(known.created_at)], policy(config))
        return await print_rows(made, COMPARED_COLUMNS, chosen, TABLE_ROWS)

    if with_store(work) == 0 and sys.stderr.isatty():
        say("No campaigns.")
