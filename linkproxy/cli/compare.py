"""``linkproxy compare``: campaigns side by side."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from linkproxy.cli.output import TABLE_ROWS, chosen_format, format_option, print_rows, say
from linkproxy.cli.session import need_campaign, with_store
from linkproxy.query.export import printable
from linkproxy.query.filters import read_filter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from linkproxy.config import Config
    from linkproxy.query.compare import Compared
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

    Each line is the head of that campaign's `report`. Name several, and the click rate of each is held
    against that of the first: how far it lies above, in percentage points, and the interval of this
    difference, which is what tells whether there is one. Intervals of single rates that overlap do not
    tell. Whoever clicks in two campaigns is a clicker of each.

    \b
    Examples:
      linkproxy compare
      linkproxy compare spring-a spring-b
      linkproxy compare --since 2026-05-01 --until 2026-06-01 --format csv > may.csv
    """
    span = read_filter({"since": since, "until": until}, now=time.time())
    chosen = chosen_format(form)

    async def work(config: Config, store: Store) -> int:
        from linkproxy.query.compare import COMPARED_COLUMNS, DIFFERENCE_COLUMNS, compared, sentences
        from linkproxy.server.wiring import policy

        several = len(set(names)) > 1
        shown = [await need_campaign(store, name) for name in dict.fromkeys(names)] or [
            known for known in await store.list_campaigns() if archived or known.archived_at is None
        ]
        within = [known for known in shown if span.spans(known.created_at)]
        made = compared(store, within, policy(config), named=several)
        if chosen != "table":
            return await print_rows(made, COMPARED_COLUMNS, chosen, TABLE_ROWS)
        if not several:
            columns = [column for column in COMPARED_COLUMNS if column not in DIFFERENCE_COLUMNS]
            return await print_rows(made, columns, chosen, TABLE_ROWS)
        rows = [row async for row in made]
        count = await print_rows(_each(rows), COMPARED_COLUMNS, chosen, TABLE_ROWS)
        for sentence in sentences(rows):
            click.echo(f"\n{printable(sentence)}")
        return count

    if with_store(work) == 0 and sys.stderr.isatty():
        say("No campaigns.")


async def _each(rows: Sequence[Compared]) -> AsyncIterator[Compared]:
    for row in rows:
        yield row
