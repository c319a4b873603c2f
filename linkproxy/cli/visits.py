"""``linkproxy visits``: the journal."""

from __future__ import annotations

import click

from linkproxy.cli.listing import filter_options, list_rows
from linkproxy.cli.output import format_option
from linkproxy.query.export import VISIT_COLUMNS


@click.command("visits")
@filter_options("campaign", "link", "recipient", "domain", "since", "until", "verdict", "after", "limit")
@format_option
def visits(*, form: str | None, **given: str | None) -> None:
    """List all visits, people's and machines', with verdict, score and reasons.

    Scores are decibans: +10 is ten times likelier a machine, -10 ten times likelier a person.

    \b
    Examples:
      linkproxy visits --campaign spring --verdict machine
      linkproxy visits --recipient anna@example.com --format jsonl
    """
    list_rows(
        given,
        VISIT_COLUMNS,
        form,
        lambda store, where: store.visits(where),
        "No visits.",
    )
