"""``linkproxy domains``: tracking hosts of one's own."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from linkproxy.cli.group import Group
from linkproxy.cli.output import json_option, print_json, print_table
from linkproxy.cli.session import current_config
from linkproxy.config_values import host as checked_host
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    import ssl

    from linkproxy.server.domain_check import Observation

_DNS_SECONDS: Final = 5.0
_Port = click.IntRange(1, 65535)


@click.group("domains", cls=Group)
def domains() -> None:
    """Tracking hosts: check whether one is ready.

    \b
    Example:
      linkproxy domains check click.brand.example
    """


@domains.command("check")
@click.argument("host")
@click.option("--port", type=_Port, default=443, help="Where it has https. [default: 443]")
@click.option("--http-port", type=_Port, default=80, help="Where it has plain http. [default: 80]")
@click.option(
    "--trust",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PEM",
    help="Trust these authorities, not those of this machine.",
)
@json_option
def check(host: str, port: int, http_port: int, trust: Path | None, *, as_json: bool) -> int:
    """Check a tracking host: DNS, certificate, does it reach this server, are redirects left alone.

    The server must be running; it proves by the signing keys that it is this installation. Asks
    the name servers of [gateways] nameservers, else those of this machine. Ends with 1 if tracked
    links on the host do not work.

    \b
    Examples:
      linkproxy domains check click.brand.example
      linkproxy domains check click.brand.example --json
    """
    from linkproxy.server.domain_check import Outcome

    observations = asyncio.run(_observe(_host(host), port, http_port, _trusted(trust)))
    if as_json:
        print_json([asdict(item) for item in observations])
    else:
        rows = [[item.about, item.outcome.value, item.seen, item.advice] for item in observations]
        print_table(["About", "Outcome", "Seen", "What to do"], rows)
    return int(any(item.outcome is Outcome.ERROR for item in observations))


async def _observe(host: str, port: int, http_port: int, trust: ssl.SSLContext) -> list[Observation]:
    from linkproxy.server.domain_check import DomainCheck, Ports
    from linkproxy.server.mx import dns_resolver
    from linkproxy.server.wiring import keyring

    config = current_config()
    resolver = dns_resolver(config.gateways.nameservers, _DNS_SECONDS)
    return await DomainCheck(host, keyring(config), resolver, trust=trust, ports=Ports(port, http_port)).run()


def _host(text: str) -> str:
    name = text.strip().lower().removeprefix("https://").rstrip("/.")
    try:
        return checked_host(name)
    except ValueError as error:
        raise LinkproxyError(f"{text!r} {error}") from None


def _trusted(path: Path | None) -> ssl.SSLContext:
    import ssl

    try:
        return ssl.create_default_context(cafile=path)
    except FileNotFoundError:
        raise LinkproxyError(f"--trust: there is no file {path}") from None
    except ssl.SSLError:
        raise LinkproxyError(f"--trust: {path} holds no certificates in PEM form") from None
