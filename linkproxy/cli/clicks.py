"""``linkproxy clicks``: the click log."""

from __future__ import annotations

import click

from linkproxy.cli.listing import filter_options, list_rows
from linkproxy.cli.output import format_option
from linkproxy.query.export import CLICK_COLUMNS, RETRACTION_COLUMNS


@click.command("clicks")
@filter_options("campaign", "link", "recipient", "domain", "since", "until", "after", "limit")
@click.option("--provisional", is_flag=True, help="Also human visits whose hold window is still open.")
@click.option("--retracted", is_flag=True, help="Instead, clicks that late evidence has withdrawn.")
@format_option
def clicks(*, provisional: bool, retracted: bool, form: str | None, **given: str | None) -> None:
    """List human clicks: settled, double requests merged.

    CSV opens safely in a spreadsheet: text that would run as a formula has a ' before it.

    \b
    Examples:
      linkproxy clicks --campaign spring --since -7d
      linkproxy clicks --domain example.com --format csv > clicks.csv
      linkproxy clicks --retracted --since -1d
    """
    if retracted:
        if provisional:
            raise click.UsageError("give --provisional or --retracted, not both")
        list_rows(
            given,
            RETRACTION_COLUMNS,
            form,
            lambda store, where: store.retractions(where),
            "No click was withdrawn.",
        )
        return
    list_rows(
        given,
        CLICK_COLUMNS,
        form,
        lambda store, where: store.clicks(where, provisional=provisional),
        "No clicks. `linkproxy visits` shows every request; a click is listed once its hold window is over.",
    )
