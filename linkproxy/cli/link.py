"""``linkproxy link``: correcting where a link leads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from linkproxy.campaign.links import target_fault
from linkproxy.campaign.targets import is_tracked
from linkproxy.cli.group import Group
from linkproxy.cli.link_find import find
from linkproxy.cli.output import json_option, print_json, print_table, say
from linkproxy.cli.session import confirm, need_campaign, user_name, with_store
from linkproxy.model import Campaign, Link, LinkKey, LinkKind, LinkproxyError
from linkproxy.query.export import AUDIT_COLUMNS, cell, record

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.api import AuditEntry, Store


@click.group("link", cls=Group)
def link() -> None:
    """Look up and correct links of mail that is sent already.

    \b
    Example:
      linkproxy link find https://click.brand.example/AXQVbKcp4YYTRH0hKeH3wxKU/7H6r
      linkproxy link set-target spring aB3x https://www.example.com/offer
    """


link.add_command(find)


async def need_link(store: Store, found: Campaign, key: str) -> Link:
    """Return a link by its key; raise LinkproxyError for an unknown one."""
    for known in await store.list_links(found.id):
        if known.key == key:
            return known
    raise LinkproxyError(
        f"campaign {found.name!r} has no link {key!r}; `linkproxy campaign show {found.name}` lists its links"
    )


@link.command("set-target")
@click.argument("campaign")
@click.argument("key")
@click.argument("url")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--who", default=user_name, help="Who is named in the audit log. [default: the system's user]")
def set_target(campaign: str, key: str, url: str, who: str, *, yes: bool) -> None:
    """Change where a link leads, also in mail that is sent already; the audit log keeps the old target.

    \b
    Example:
      linkproxy link set-target spring aB3x https://www.example.com/offer
    """
    url = url.strip()
    fault = target_fault(url)
    if fault:
        raise LinkproxyError(f"target {url[:200]!r} {fault}")

    async def work(_config: Config, store: Store) -> None:
        found = await need_campaign(store, campaign)
        if is_tracked(url, found.base_url):
            raise LinkproxyError(f"target {url[:200]!r} is a tracked link itself; name the page behind it")
        known = await need_link(store, found, key)
        if known.kind is not LinkKind.CONTENT:
            raise LinkproxyError(f"link {key} is of the kind {known.kind}: linkproxy answers it itself")
        if known.target == url:
            say(f"Link {key} leads there already.")
            return
        say(f"Link {key} of campaign {found.name}")
        say(f"  leads to:      {known.target or '(nothing)'}")
        say(f"  shall lead to: {url}")
        confirm("Change it, for mail that is sent already too?", yes=yes)
        old = await store.set_target(found.id, LinkKey(key), url, who=who, at=time.time())
        if old != known.target:
            say(f"Meanwhile somebody had changed it to {old}; that is in the audit log.")
        click.echo(f"Link {key} of campaign {found.name} leads to {url}")

    with_store(work)


@link.command("audit")
@click.argument("campaign")
@json_option
def audit(campaign: str, *, as_json: bool) -> None:
    """List changes of a campaign's targets.

    \b
    Example:
      linkproxy link audit spring
    """

    async def work(_config: Config, store: Store) -> list[AuditEntry]:
        return await store.list_audit((await need_campaign(store, campaign)).id)

    entries = with_store(work)
    if as_json:
        print_json({"changes": [record(entry, AUDIT_COLUMNS) for entry in entries]})
    elif entries:
        rows = [[cell(column.shown(entry)) for column in AUDIT_COLUMNS] for entry in entries]
        print_table([column.heading for column in AUDIT_COLUMNS], rows)
    else:
        say("No target was changed.")
