"""``linkproxy shadow``: what the shadow policy would have decided."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from linkproxy.cli.listing import filter_options
from linkproxy.cli.output import json_option, print_json, print_table, say
from linkproxy.cli.session import need_campaign, with_store
from linkproxy.query.filters import read_filter, read_time, short_time
from linkproxy.query.shadow import shadow_record

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.query.shadow import Record
    from linkproxy.store.api import Store

_SHOWN = "20"


@click.command("shadow")
@filter_options("campaign", "since", "until", "limit")
@json_option
def shadow(*, as_json: bool, **given: str | None) -> None:
    """Compare the shadow policy with the live one.

    `[judge] shadow_policy_file` names a policy that judges every message beside the live one when
    it settles, and changes nothing. Shows how many visits got which two verdicts, and the visits
    whose verdicts differ. Each time that a message settles counts.

    \b
    Examples:
      linkproxy shadow
      linkproxy shadow --campaign spring --json
    """
    where = read_filter(given | {"limit": given["limit"] or _SHOWN}, now=time.time())

    async def work(_config: Config, store: Store) -> Record:
        if where.campaign:
            await need_campaign(store, where.campaign)
        return await shadow_record(store, where)

    found = with_store(work)
    if as_json:
        print_json(found)
        return
    if not found["counts"]:
        say("No shadow policy has judged anything yet; set [judge] shadow_policy_file.")
        return
    print_table(
        ["Policy", "Campaign", "Live", "Shadow", "Visits"],
        [[str(value) for value in row.values()] for row in found["counts"]],
    )
    if found["differences"]:
        click.echo("\nVisits that differ")
        print_table(
            ["Visit", "Time (UTC)", "Campaign", "Recipient", "Live", "Shadow", "The shadow's reasons"],
            [
                [
                    str(row["visit_id"]),
                    short_time(read_time(row["at"], now=0.0)),
                    row["campaign"],
                    row["recipient"],
                    *(f"{row[name]['verdict']} {row[name]['score']:+.1f}" for name in ("live", "shadow")),
                    ", ".join(row["shadow"]["reasons"]),
                ]
                for row in found["differences"]
            ],
        )
