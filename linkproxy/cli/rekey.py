"""``linkproxy store rekey``: a new privacy key, when the old one is lost."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linkproxy.cli.output import say
from linkproxy.cli.session import confirm, current_config
from linkproxy.config_values import POSTGRES, SQLITE

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.rekey import Rekeyed


@click.command("rekey")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rekey(*, yes: bool) -> None:
    """Look recipients up by another privacy key, when the one that the store was made with is lost.

    Stop linkproxy first, put a new key where privacy.key_file says (`linkproxy init --folder FOLDER`
    makes one), and run this. Links of sent mail need no privacy key and work again. Recipients whose
    address is stored in full are found as before. Of others only the links go on: mail them again, and
    they are new recipients, so set again what they chose (recipients track WHO no).

    \b
    Example:
      linkproxy store rekey
    """
    config = current_config()
    say("The key that the store was made with will not fit it any more.")
    confirm("Take the key of the settings instead?", yes=yes)
    made = _rekey(config)
    click.echo(f"{made.found:,} recipients are found by the new key.")
    if made.lost:
        click.echo(f"{made.lost:,} are stored without their address and will not be found again.")


def _rekey(config: Config) -> Rekeyed:
    from linkproxy.store.connect import postgres_settings, privacy

    url = config.store.url
    if url.startswith(POSTGRES):
        settings = postgres_settings(url, config)
        from linkproxy.store.postgres_rekey import rekey_database

        return asyncio.run(rekey_database(settings, privacy(config)))
    from linkproxy.store.rekey import rekey_file
    from linkproxy.store.sqlite_connect import FileSettings

    path = Path(url.removeprefix(SQLITE))
    file = FileSettings(path, config.store.synchronous, config.store.commit_seconds)
    return rekey_file(file, privacy(config), time.time())
