"""``linkproxy unsubscribes``: who opted out."""

from __future__ import annotations

import click

from linkproxy.cli.listing import filter_options, list_rows
from linkproxy.cli.output import format_option
from linkproxy.query.export import UNSUBSCRIBE_COLUMNS


@click.command("unsubscribes")
@filter_options("campaign", "recipient", "domain", "since", "until", "after_number", "limit")
@format_option
def unsubscribes(*, form: str | None, **given: str | None) -> None:
    """List opt-outs: by links handed to linkproxy, and by List-Unsubscribe.

    To pass them on again and again, keep the `unsubscribe_id` of the last row (CSV, JSON lines), and
    begin behind it next time with --after.

    \b
    Examples:
      linkproxy unsubscribes --since -1d
      linkproxy unsubscribes --after 4711 --format jsonl
      linkproxy unsubscribes --campaign spring --format csv > opt-outs.csv
    """
    list_rows(
        given,
        UNSUBSCRIBE_COLUMNS,
        form,
        lambda store, where: store.unsubscribes(where),
        "No opt-outs.",
        end="unsubscribe",
    )
