"""``linkproxy relay``: the SMTP relay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from linkproxy.cli.output import print_table, say
from linkproxy.cli.session import current_config, with_store
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from linkproxy.server.relay.app import Running


@click.command("relay")
@click.option("--check", is_flag=True, help="Ask the upstream server whether it would take mail, and end.")
@click.option("--new-user", metavar="NAME", help="Add a user to users_file, print the password, and end.")
def relay(*, check: bool, new_user: str | None) -> None:
    """Take mail by SMTP, track its links, and pass it on: point your mailer at it.

    A mailer hears of success when the server of [relay] upstream_host has taken the message; nothing
    is queued here. The header X-LinkProxy-Campaign, or a rule, says which campaign a mail belongs to;
    other mail passes as it came. Run it beside `linkproxy serve`, on the same store.

    Stops on Ctrl-C or SIGTERM: messages under way are finished.

    \b
    Examples:
      linkproxy relay --check
      linkproxy relay
      LINKPROXY__RELAY__UPSTREAM_HOST=smtp.brand.example linkproxy relay
      linkproxy relay --new-user shop
    """
    if check and new_user is not None:
        raise click.UsageError("give --check or --new-user, not both")
    if new_user is not None:
        _add_user(new_user)
    elif check:
        _check()
    else:
        from linkproxy.server.relay import app

        app.run(current_config(), ready=_announce)


def _add_user(name: str) -> None:
    from linkproxy.server.relay.admission import new_user

    path = current_config().relay.users_file
    if not path:
        raise LinkproxyError("[relay] users_file: names no file. Set one; it is made when it is not there.")
    click.echo(new_user(path, name))
    say("Keep the password now: it is not shown again. Whoever logs in needs [relay] clients to say so.")


def _check() -> None:
    from linkproxy.server.relay.inspect import inspect

    found = with_store(inspect)
    print_table(
        ["", "About", "Seen"], [["ok" if one.good else "FAULT", one.about, one.seen] for one in found]
    )
    if not all(one.good for one in found):
        raise LinkproxyError("the relay would not work like this.")


def _announce(running: Running) -> None:
    host, port = running.address
    section = running.relay.config.relay
    say(
        f"Relay at {host}:{port}, passing on to {section.upstream_host}:{section.upstream_port}; "
        f"health and metrics at {running.private}. Ctrl-C stops."
    )
