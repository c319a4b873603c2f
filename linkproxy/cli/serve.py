"""``linkproxy serve``: the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from linkproxy.cli.output import say
from linkproxy.cli.session import current_config

if TYPE_CHECKING:
    from linkproxy.server.app import Addresses


@click.command("serve")
def serve() -> None:
    """Serve tracked links, and the JSON API on the private listener.

    Stops on Ctrl-C or SIGTERM: requests under way are finished and what they brought is stored.

    \b
    Example:
      linkproxy serve
      LINKPROXY__SERVER__PUBLIC_PORT=9000 linkproxy serve
    """
    from linkproxy.server import app

    app.run(current_config(), ready=_announce)


def _announce(addresses: Addresses) -> None:
    say(f"Tracked links at {addresses.public}, API and metrics at {addresses.private}. Ctrl-C stops.")
