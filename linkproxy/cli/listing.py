"""Options and running of the listings: clicks, visits, unsubscribes."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from linkproxy.cli.output import TABLE_ROWS, chosen_format, print_rows, say
from linkproxy.cli.session import need_campaign, with_store
from linkproxy.model import VerdictKind
from linkproxy.query.filters import NOT_SO_FAR, FilterError, read_filter

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.model import Campaign
    from linkproxy.query.export import Column
    from linkproxy.store.api import Filter, Store
    from linkproxy.visit.policy import Policy

Row = TypeVar("Row")
Found = TypeVar("Found")
Decorator = Callable[[Any], Any]

_OPTIONS: Mapping[str, Decorator] = {
    "campaign": click.option("--campaign", metavar="NAME", help="Of one campaign."),
    "link": click.option("--link", metavar="KEY", help="Of one link, by its key."),
    "recipient": click.option("--recipient", metavar="WHO", help="Of one address or reference."),
    "domain": click.option("--domain", help="Of recipients at one mail domain."),
    "since": click.option(
        "--since", metavar="TIME", help="From then on: 2026-05-01, 2026-05-01T09:30Z or -2h."
    ),
    "until": click.option("--until", metavar="TIME", help="Before then; the same forms."),
    "verdict": click.option(
        "--verdict", type=click.Choice([item.value for item in VerdictKind]), help="With one verdict."
    ),
    "after": click.option(
        "--after",
        metavar="VISIT",
        help="Only visits with a greater number. Clicks settle in another order: `linkproxy feed` has it.",
    ),
    "after_number": click.option(
        "--after", metavar="NUMBER", help="Only what has a greater number: the last one that you have."
    ),
    "limit": click.option("--limit", metavar="ROWS", help="At most so many rows."),
}


def filter_options(*names: str) -> Decorator:
    """Add filter options to a command, in the order given; it receives them as keywords."""

    def decorate(command: Any) -> Any:
        for name in reversed(names):
            command = _OPTIONS[name](command)
        return command

    return decorate


def judged_by_policy(
    given: Mapping[str, str | None], measured: Callable[[Store, Filter, Policy], Awaitable[Found]]
) -> Found:
    """Return what was measured for a user's filters under the installation's policy."""
    where = read_filter(given, now=time.time())

    async def work(config: Config, store: Store) -> Found:
        from linkproxy.server.wiring import policy

        if where.campaign:
            await need_campaign(store, where.campaign)
        return await measured(store, where, policy(config))

    return with_store(work)


def list_rows(
    given: Mapping[str, str | None],
    columns: Sequence[Column[Row]],
    form: str | None,
    query: Callable[[Store, Filter], AsyncIterator[Row]],
    nothing: str,
    *,
    end: str = "",
) -> None:
    """Print what a query yields for a user's filters; say ``nothing`` when that is none.

    ``end``, of ``Ends``, is how far a listing has come that programs follow by ``--after``: who is ahead
    of it would wait in vain, and miss what it comes to again.
    """
    where = read_filter(given, now=time.time())
    chosen = chosen_format(form)

    async def work(_config: Config, store: Store) -> int:
        campaign = await need_campaign(store, where.campaign) if where.campaign else None
        if end and where.after_id > getattr(await store.ends(), end):
            raise FilterError([f"after: {NOT_SO_FAR}"])
        limit = TABLE_ROWS if where.limit is None else where.limit
        asked = where
        if chosen == "table" and where.limit is None:
            asked = replace(where, limit=limit + 1)
        count = await print_rows(query(store, asked), columns, chosen, limit)
        if count == 0 and campaign and where.key:
            await _tell_unknown(store, campaign, where.key)
        return count

    if with_store(work) == 0 and sys.stderr.isatty():
        say(nothing)


async def _tell_unknown(store: Store, campaign: Campaign, key: str) -> None:
    """Say so where the campaign has no such link; a single message may have it all the same."""
    if key not in {link.key for link in await store.list_links(campaign.id)}:
        name = campaign.name
        say(f"Campaign {name} has no link {key} of its own; `linkproxy campaign show {name}` lists them.")
