"""``linkproxy unsubscribes``: who opted out."""

from __future__ import annotations

import click

from linkproxy.cli.listing import filter_options, list_rows
from linkproxy.cli.output import format_option
from linkproxy.query.export import UNSUBSCRIBE_COLUMNS


@click.command("unsubscribes")
@filter_options("campaign", "recipient", "domain", "since", "until", "limit")
@format_option
def unsubscribes(*, form: str | None, **given: str | None) -> None:
    """List opt-outs: by links handed to linkproxy, and by List-Unsubscribe.

    \b
    Examples:
      linkproxy unsubscribes --since -1d
      linkproxy unsubscribes --campaign spring --format csv > opt-outs.csv
    """
    list_rows(
        given,
        UNSUBSCRIBE_COLUMNS,
        form,
        lambda store, where: store.unsubscribes(where),
        "No opt-outs.",
    )
