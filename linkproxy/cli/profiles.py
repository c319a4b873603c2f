"""``linkproxy profiles``: what recipient domains and gateways have taught."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from linkproxy.cli.group import Group
from linkproxy.cli.output import (
    TABLE_ROWS,
    chosen_format,
    format_option,
    json_option,
    print_json,
    print_rows,
    print_table,
    say,
)
from linkproxy.cli.session import with_store
from linkproxy.model import LinkproxyError, ProfileScope
from linkproxy.model.names import domain_name
from linkproxy.query.export import cell, record
from linkproxy.query.profiles import PROFILE_COLUMNS, ProfileRow, row_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from linkproxy.config import Config
    from linkproxy.store.api import Store
    from linkproxy.visit.policy import Policy

_MOST = 100_000


@click.group("profiles", cls=Group)
def profiles() -> None:
    """Show what the messages of recipient domains and gateways have taught the judge.

    A profile is made when 20 recipients have taught it, and moves the prior of later visits;
    freemail domains have none of their own. A wide network has one when five domains have taught
    it; its Recipients are domains, and those of freemail. `linkproxy explain` shows what it did to
    a visit.

    \b
    Example:
      linkproxy profiles list
    """


@profiles.command("list")
@click.option("--limit", type=click.IntRange(1, _MOST), help="At most so many rows.")
@format_option
def list_profiles(*, limit: int | None, form: str | None) -> None:
    """List the profiles of domains and gateways, those with most lessons first.

    Machines and People are messages that one of them followed, discounted by age; Share is the
    machines' share, together with the share that the policy states; Shift is what it adds to the
    prior in decibans (positive: machine). Delay, Bait and Browsers show how the machines behave.

    \b
    Examples:
      linkproxy profiles list
      linkproxy profiles list --format csv > profiles.csv
    """
    chosen = chosen_format(form)
    most = limit or (TABLE_ROWS if chosen == "table" else _MOST)

    async def work(config: Config, store: Store) -> int:
        return await print_rows(
            _rows(config, store, "", most + (chosen == "table")), PROFILE_COLUMNS, chosen, most
        )

    if with_store(work) == 0 and sys.stderr.isatty():
        say("No domain or gateway has taught anything yet.")


@profiles.command("show")
@click.argument("name", metavar="DOMAIN")
@json_option
def show_profile(*, name: str, as_json: bool) -> None:
    """Show what one recipient domain, or one gateway, has taught.

    \b
    Examples:
      linkproxy profiles show customer.example
      linkproxy profiles show proofpoint --json
    """

    async def work(config: Config, store: Store) -> list[ProfileRow]:
        stored = domain_name(name)
        found = [row async for row in _rows(config, store, stored, len(ProfileScope))] if stored else []
        if not found:
            raise LinkproxyError(_nothing(name, _policy(config)))
        return found

    found = with_store(work)
    if as_json:
        print_json([record(row, PROFILE_COLUMNS) for row in found])
        return
    for row in found:
        about = record(row, PROFILE_COLUMNS)
        print_table(
            [str(about["scope"]), str(about["name"])],
            [[key.replace("_", " "), cell(about[key]) or "-"] for key in list(about)[2:]],
        )


async def _rows(config: Config, store: Store, name: str, limit: int) -> AsyncIterator[ProfileRow]:
    policy = _policy(config)
    found = await store.list_domain_profiles(
        min_recipients=policy.learning.min_recipients,
        min_domains=policy.learning.network_domains,
        name=name,
        limit=limit,
    )
    for profile in found:
        yield row_of(profile, policy, time.time())


def _policy(config: Config) -> Policy:
    from linkproxy.server.wiring import policy

    return policy(config)


def _nothing(name: str, policy: Policy) -> str:
    if policy.is_freemail(domain_name(name), ""):
        return f"{name} is a freemail domain: nothing is learned of it by itself, only of its gateway."
    return (
        f"there is no profile of {name}: fewer than {policy.learning.min_recipients} of its recipients "
        "have taught anything. `linkproxy profiles list` shows those there are."
    )
