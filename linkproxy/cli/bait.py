"""``linkproxy bait``: how many machines take the bait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from linkproxy.cli.listing import filter_options, judged_by_policy
from linkproxy.cli.output import json_option, print_json, print_table, say, share_text
from linkproxy.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from linkproxy.store.api import Filter, Store
    from linkproxy.visit.policy import Policy

_TABLES = {"By style": ("by_style", "style"), "By gateway": ("by_gateway", "gateway")}


@click.command("bait")
@filter_options("campaign", "since", "until")
@json_option
def bait(*, as_json: bool, **given: str | None) -> None:
    """Tell how many of the messages that machines visited had their bait followed.

    Shown by style of the bait and by gateway, with 95 % intervals (Wilson); Early and Late are the
    two anchors. Told otherwise leaves out machines that only the bait gave away, since those are
    counted because they took it. The figures go back as far as the journal.

    \b
    Examples:
      linkproxy bait
      linkproxy bait --campaign spring --json
    """
    found = judged_by_policy(given, read_catches)
    if as_json:
        print_json(found)
        return
    print_catches(found)


async def read_catches(store: Store, where: Filter, policy: Policy) -> dict[str, Any]:
    """Return the figures as JSON has them, going through the journal."""
    from linkproxy.query.bait import bait_record, measure

    with progress("Visits", await store.count_visits(where)) as advance:
        return bait_record(await measure(store, where, policy, advance))


def print_catches(found: Mapping[str, Any]) -> None:
    """Print the figures of `linkproxy.query.bait.bait_record` as tables."""
    if not found["whole"]["messages"]:
        say("No machine has visited a message with bait in it yet.")
        return
    _print([{"style": "all", **found["whole"]}], "style")
    for title, (name, column) in _TABLES.items():
        click.echo(f"\n{title}")
        _print(found[name], column)
    click.echo(f"\n{found['warning']}")


def _print(rows: Sequence[Mapping[str, Any]], column: str) -> None:
    print_table(
        ["", "Messages", "Took the bait", "Early", "Late", "Told otherwise", "Of these, took it"],
        [
            [
                str(row[column] or "(not known)"),
                str(row["messages"]),
                share_text(row["share"]),
                str(row["early"]),
                str(row["late"]),
                str(row["told_otherwise"]["messages"]),
                share_text(row["told_otherwise"]["share"]),
            ]
            for row in rows
        ],
    )
