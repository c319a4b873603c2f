"""``linkproxy feed``: the click log as it changes."""

from __future__ import annotations

import click

from linkproxy.cli.listing import filter_options, list_rows
from linkproxy.cli.output import format_option
from linkproxy.query.export import FEED_COLUMNS


@click.command("feed")
@filter_options("campaign", "link", "recipient", "domain", "since", "until", "after_number", "limit")
@format_option
def feed(*, form: str | None, **given: str | None) -> None:
    """List clicks and retractions in the order in which they became so.

    For programs that follow the click log: keep the number of the last row, and begin behind it next
    time. A visit may become a click days after younger ones did; it is in the feed when it does. --since
    and --until are about the visits.

    \b
    Examples:
      linkproxy feed --after 4711 --format jsonl
      linkproxy feed --campaign spring --limit 20
    """
    list_rows(given, FEED_COLUMNS, form, lambda store, where: store.feed(where), "Nothing new.", end="feed")
