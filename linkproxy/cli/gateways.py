"""``linkproxy gateways``: who scans for the recipients' domains."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from linkproxy.cli.group import Group
from linkproxy.cli.output import chosen_format, format_option, print_rows, say
from linkproxy.cli.session import with_store
from linkproxy.model import LinkproxyError
from linkproxy.model.names import domain_name
from linkproxy.query.gateways import GATEWAY_COLUMNS

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator, Sequence

    from linkproxy.config import Config
    from linkproxy.store.api import Store
    from linkproxy.store.gateways import DomainGateway, LookupOutcome
    from linkproxy.visit.gateways import Gateways

_MOST_SHOWN = 5


@click.group("gateways", cls=Group)
def gateways() -> None:
    """Who takes in and scans the mail of recipients' domains, as their MX records tell.

    \b
    Example:
      linkproxy gateways refresh
    """


@gateways.command("list")
@format_option
def list_(*, form: str | None) -> None:
    """List the recipients' mail domains with their gateways.

    \b
    Examples:
      linkproxy gateways list
      linkproxy gateways list --format csv > gateways.csv
    """

    async def work(_config: Config, store: Store) -> int:
        known = await store.list_gateways()
        return await print_rows(_each(known), GATEWAY_COLUMNS, chosen_format(form), len(known))

    if not with_store(work):
        say("No domains. They come in with recipients; `linkproxy rewrite` registers them.")


async def _each(rows: Sequence[DomainGateway]) -> AsyncIterator[DomainGateway]:
    for row in rows:
        yield row


@gateways.command("refresh")
@click.option("--domain", "domains", metavar="DOMAIN", multiple=True, help="Only this one; may be repeated.")
@click.option("--all", "everything", is_flag=True, help="Also those that are not due yet.")
def refresh(*, domains: tuple[str, ...], everything: bool) -> None:
    """Ask the DNS for the mail servers of domains that were never asked for or are due again.

    A running server does this by itself with `[gateways] lookup = true`. Visits that come later
    are judged with what was found.

    \b
    Examples:
      linkproxy gateways refresh
      linkproxy gateways refresh --domain customer.example
    """
    if domains and everything:
        raise click.UsageError("give --domain or --all, not both")

    async def work(config: Config, store: Store) -> Counter[LookupOutcome]:
        from linkproxy.server.gateways import look_up_due, look_up_each, name_again
        from linkproxy.server.wiring import mx_resolver, policy

        rules: Gateways = policy(config).gateways
        resolver = mx_resolver(config)
        await name_again(store, rules)
        if not domains and not everything:
            return await look_up_due(store, resolver, rules, time.time())
        known = {row.domain: row for row in await store.list_gateways()}
        asked = [known[name] for name in _wanted(domains, known)] if domains else list(known.values())
        return await look_up_each(store, asked, resolver, rules, time.time())

    outcomes = with_store(work)
    if not outcomes.total():
        say("Nothing is due. --all asks again for every domain.")
        return
    told = ", ".join(f"{count} {outcome.value}" for outcome, count in sorted(outcomes.items()))
    click.echo(f"Looked up {outcomes.total()} domain{'' if outcomes.total() == 1 else 's'}: {told}.")


def _wanted(domains: Sequence[str], known: dict[str, DomainGateway]) -> list[str]:
    names = list(dict.fromkeys(domain_name(name) for name in domains))
    missing = [name for name in names if name not in known]
    if missing:
        shown = ", ".join(missing[:_MOST_SHOWN])
        raise LinkproxyError(f"no recipient has the domain {shown}; `linkproxy gateways list` shows all")
    return names
