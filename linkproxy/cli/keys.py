"""``linkproxy keys``: keys of the JSON API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from linkproxy.cli.group import Group
from linkproxy.cli.output import print_table, say
from linkproxy.cli.session import with_store
from linkproxy.model import LinkproxyError
from linkproxy.query.filters import short_time
from linkproxy.store.api import ApiKey

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.api import Store


@click.group("keys", cls=Group)
def keys() -> None:
    """Make and remove keys of the JSON API. Only their hashes are stored.

    \b
    Example:
      linkproxy keys add shop
    """


@keys.command("add")
@click.argument("name")
def add(name: str) -> None:
    """Make a key and print it, once.

    \b
    Example:
      linkproxy keys add shop
    """
    from linkproxy.server.keys import hash_key, new_key

    name = name.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise LinkproxyError("the key's name must have 1 to 100 printable characters")
    key = new_key()

    async def work(_config: Config, store: Store) -> None:
        await store.add_api_key(ApiKey(name, hash_key(key), time.time()))

    with_store(work)
    click.echo(key)
    say("Keep it now: it is not shown again. Send it as `Authorization: Bearer KEY`.")


@keys.command("list")
def list_() -> None:
    """List the keys by name.

    \b
    Example:
      linkproxy keys list
    """
    known = with_store(lambda _config, store: store.list_api_keys())
    if known:
        print_table(["Name", "Made (UTC)"], [[key.name, short_time(key.created_at)] for key in known])
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
