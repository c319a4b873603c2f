"""``linkproxy accuracy``: how often the judge was right, where that came to light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from linkproxy.cli.listing import filter_options, judged_by_policy
from linkproxy.cli.output import Heading, json_option, print_json, print_table, say, share_text
from linkproxy.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from linkproxy.store.api import Filter, Store
    from linkproxy.visit.policy import Policy

_TABLES = {"By label": "by_label", "By gateway": "by_gateway", "By domain": "by_domain"}
_DOMAINS_SHOWN = 30


@click.command("accuracy")
@filter_options("campaign", "since", "until")
@json_option
def accuracy(*, as_json: bool, **given: str | None) -> None:
    """Measure the judge on visits that gave themselves away.

    These are visits of machines that followed the bait or came with forged links, and of people who
    pressed Continue, said "I am a person" or went on to further pages of the site. Each is scored
    without the evidence that labels it. The unit is the message; shares have 95 % intervals
    (Wilson). Domains with fewer than 20 labelled messages are shown together.

    \b
    Examples:
      linkproxy accuracy
      linkproxy accuracy --campaign spring --json
    """

    async def record(store: Store, where: Filter, policy: Policy) -> dict[str, Any]:
        from linkproxy.query.accuracy import accuracy_record, measure

        with progress("Visits", await store.count_visits(where)) as advance:
            return accuracy_record(await measure(store, where, policy, advance))

    found = judged_by_policy(given, record)
    if as_json:
        print_json(found)
        return
    whole = found["whole"]
    if not whole["visits"]:
        say("No settled visit has given itself away yet. Bait in the mail is what does it most.")
        return
    _print("All labels", [{"name": "all"} | whole])
    for title, name in _TABLES.items():
        _print(f"\n{title}", found[name][:_DOMAINS_SHOWN])
    if found["contradictory_visits"]:
        click.echo(
            f"\n{found['contradictory_visits']} visits show signs of both and are left out: bait followed "
            "by someone who then said to be a person."
        )
    click.echo(f"\n{found['warning']}")


def _print(title: str, rows: list[Mapping[str, Any]]) -> None:
    click.echo(title)
    print_table(
        [
            Heading("", folds=True),
            "Machines",
            "Counted as people",
            "People",
            "Not counted",
        ],
        [
            [
                str(row["name"] or "(not known)"),
                str(row["machines"]["messages"]),
                share_text(row["machines"]["counted_share"]),
                str(row["people"]["messages"]),
                share_text(row["people"]["lost_share"]),
            ]
            for row in rows
        ],
    )
