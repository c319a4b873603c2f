"""``linkproxy serve``: the server."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from linkproxy.cli.config import warnings
from linkproxy.cli.main import Invocation, pass_invocation
from linkproxy.cli.output import say
from linkproxy.config_types import MOST_WORKERS

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.server.app import Addresses


@click.command("serve")
@click.option(
    "--workers",
    type=click.IntRange(0, MOST_WORKERS),
    metavar="N",
    help="How many processes serve tracked links; 0: one process does everything.  [default: server.workers]",
)
@pass_invocation
def serve(invocation: Invocation, workers: int | None) -> None:
    """Serve tracked links, and the JSON API on the private listener.

    Stops on Ctrl-C or SIGTERM: requests under way are finished and their visits are stored. With
    workers, SIGHUP reads the settings again and replaces the workers without refusing a visitor;
    settings that cannot be used change nothing, and the log says why.

    \b
    Example:
      linkproxy serve
      linkproxy serve --workers 2
      LINKPROXY__SERVER__PUBLIC_PORT=9000 linkproxy serve
    """
    from linkproxy.config import load
    from linkproxy.server import app

    path = invocation.config_path

    def settings() -> Config:
        return _with_workers(load(path), workers)

    config = settings()
    path = config.file or path  # one that is gone when SIGHUP comes does not stand for the defaults
    for warning in warnings(config):
        say(f"Warning: {warning}")
    if not config.server.workers:
        app.run(config, ready=partial(_announce, config))
        return
    from linkproxy.server.supervisor import Supervisor

    Supervisor(settings, ready=partial(_announce, config)).run()


def _with_workers(config: Config, workers: int | None) -> Config:
    if workers is None:
        return config
    return config.model_copy(update={"server": config.server.model_copy(update={"workers": workers})})


def _announce(config: Config, addresses: Addresses) -> None:
    host = config.server.public_host
    bound = "" if host in addresses.public else f" listening on {host};"
    say(f"Tracked links at {addresses.public},{bound} API and metrics at {addresses.private}. Ctrl-C stops.")
