"""``linkproxy keys``: keys of the JSON API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from linkproxy.cli.group import Group
from linkproxy.cli.output import print_table, say
from linkproxy.cli.session import with_store
from linkproxy.model import LinkproxyError, Right
from linkproxy.query.filters import short_time
from linkproxy.store.api import ApiKey

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.api import Store


_BY_HEADER = "send it as `Authorization: Bearer KEY`"
_USES = {
    Right.EVERYTHING: f"{_BY_HEADER}, or sign in to the dashboard with it",
    Right.READ: f"sign in to the dashboard with it, or {_BY_HEADER}",
    Right.DELIVER: f"give it to your provider as the password of its webhook, or {_BY_HEADER}",
}
"""How a key is used, by what it may do; where nothing is said, by its header."""


@click.group("keys", cls=Group)
def keys() -> None:
    """Make and remove keys of the JSON API. Only their hashes are stored.

    \b
    Example:
      linkproxy keys add shop
    """


@keys.command("add")
@click.argument("name")
@click.option(
    "--may",
    type=click.Choice([item.value for item in Right]),
    default=Right.EVERYTHING.value,
    show_default=True,
    help="What it may do: read sees all and changes nothing; send is a mailer's; deliver tells of deliveries "
    "alone, and engage of engagement.",
)
def add(name: str, may: str) -> None:
    """Make a key and print it, once.

    Give each program a key of its own that may do what it needs and no more; docs/api.md has the calls
    that each right opens.

    \b
    Examples:
      linkproxy keys add admin
      linkproxy keys add dashboard --may read
      linkproxy keys add shop --may send
    """
    from linkproxy.server.keys import hash_key, new_key

    name = name.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise LinkproxyError("the key's name must have 1 to 100 printable characters")
    key = new_key()

    async def work(_config: Config, store: Store) -> None:
        await store.add_api_key(ApiKey(name, hash_key(key), time.time(), Right(may)))

    with_store(work)
    click.echo(key)
    say(f"Keep it now: it is not shown again. {_used(Right(may))}.")


def _used(may: Right) -> str:
    use = _USES.get(may, _BY_HEADER)
    return use[0].upper() + use[1:]


@keys.command("list")
def list_() -> None:
    """List the keys by name, with what each may do.

    \b
    Example:
      linkproxy keys list
    """
    known = with_store(lambda _config, store: store.list_api_keys())
    if known:
        rows = [[key.name, key.may, short_time(key.created_at)] for key in known]
        print_table(["Name", "May", "Made (UTC)"], rows)
    else:
        say("No keys. `linkproxy keys add NAME` makes one.")


@keys.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Remove a key; whoever uses it is refused from then on.

    \b
    Example:
      linkproxy keys remove shop
    """
    if not with_store(lambda _config, store: store.remove_api_key(name)):
        raise LinkproxyError(f"there is no key {name!r}; `linkproxy keys list` shows all")
    click.echo(f"Removed key {name}.")
