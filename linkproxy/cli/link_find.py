"""``linkproxy link find``: whose link a URL is."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from linkproxy.cli.output import json_option, print_json, say
from linkproxy.cli.session import with_store

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.api import Store


@click.command("find")
@click.argument("url")
@json_option
def find(url: str, *, as_json: bool) -> int:
    """Tell what a tracked URL stands for: campaign, target and recipient, or what is wrong with it.

    For when a reader writes that a link led to a strange page. A link that a mail filter has put behind
    its own (Safe Links, URL Defense) is found in it. Nobody follows the link, and no visit is
    made of it. Ends with 1 if readers of this URL see that the link is not known.

    \b
    Examples:
      linkproxy link find https://click.brand.example/AXQVbKcp4YYTRH0hKeH3wxKU/7H6r
      linkproxy link find https://click.brand.example/AXQVbKcp4YYTRH0hKeH3wxKU/7H6r --json
    """

    async def work(config: Config, store: Store) -> dict[str, Any]:
        from linkproxy.query.whose import whose, whose_record
        from linkproxy.server.wiring import keyring

        return whose_record(await whose(store, keyring(config), url))

    found = with_store(work)
    if as_json:
        print_json(found)
    else:
        _print(found)
    return int(found["kind"] is None)


def _print(found: dict[str, Any]) -> None:
    kind = f", {found['kind']}, {found['role']}" if found["kind"] else ""
    lines = [("Campaign", found["campaign"]), ("Link", f"{found['key']}{kind}")]
    if found["target"]:
        lines.append(("Leads to", found["target"]))
    if found["reference"]:
        lines.append(("Reference", found["reference"]))
    if found["recipient"]:
        lines.append(("Recipient", found["recipient"]))
        who = f"--campaign {quote(found['campaign'])} --recipient {quote(found['recipient'])}"
        lines.append(("Visits", f"linkproxy visits {who}"))
    for name, value in lines:
        click.echo(f"{name:<11}{value}")
    for note in found["notes"]:
        say(note)
