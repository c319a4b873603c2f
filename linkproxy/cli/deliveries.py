"""``linkproxy deliveries``: when mail was accepted, and by whose word."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linkproxy.cli.group import Group
from linkproxy.cli.inputs import Person, read_people
from linkproxy.cli.output import say
from linkproxy.cli.session import need_campaign, with_store
from linkproxy.model import NOBODY, Delivery, DeliverySource, LinkproxyError
from linkproxy.query.filters import can_have_been, delivery_fault, format_time, read_time
from linkproxy.server.recipients import read_recipient
from linkproxy.store.api import DeliveryDraft, RecipientDraft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.config import Config
    from linkproxy.model import CampaignId
    from linkproxy.store.api import Store

_SOURCES = [source.value for source in DeliverySource if source is not DeliverySource.NONE]
_BATCH = 1000

Told = tuple[RecipientDraft | None, Delivery]


@click.group("deliveries", cls=Group)
def deliveries() -> None:
    """Record when mail was accepted, which judging by time needs.

    \b
    Example:
      linkproxy deliveries add spring --at now
    """


@deliveries.command("add")
@click.argument("campaign")
@click.option("--recipient", metavar="WHO", help="One address or reference. [default: the whole campaign]")
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Many: columns address, reference or recipient, and if you like at and source.",
)
@click.option(
    "--at",
    default="now",
    metavar="TIME",
    help="now, -5m or 2026-05-01T09:30:00Z; of a whole campaign when sending began. [default: now]",
)
@click.option(
    "--source",
    type=click.Choice(_SOURCES),
    default=DeliverySource.CAMPAIGN.value,
    help="Who says so; the most exact comes first. [default: campaign]",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    help="A bad line in the CSV: do nothing, or do the rest and exit with 1. [default: stop]",
)
def add(
    *, campaign: str, recipient: str | None, table: Path | None, at: str, source: str, on_error: str
) -> None:
    """Record that a message, many, or a whole campaign was accepted.

    A more exact source replaces a less exact one; what was settled meanwhile is settled again. A
    report has a click rate only with a time for each message (--csv, such as the index.csv of
    `rewrite`). If mail was not accepted just now, give the time with --at: clicks cannot be judged
    by a time that comes after them.

    \b
    Examples:
      linkproxy deliveries add spring --at 2026-05-01T09:30:00Z
      linkproxy deliveries add spring --recipient anna@example.com --at -5m --source smarthost
      linkproxy deliveries add spring --csv accepted.csv --source mx
      linkproxy deliveries add spring --csv ready/index.csv --at -2h
    """
    if recipient and table:
        raise click.UsageError("give --recipient or --csv, not both")
    usual = Delivery(_read_at(at, "--at"), DeliverySource(source))
    if not table:
        _check(usual, "--at")
    told, faults = _read_told(recipient, table, usual)
    if faults and on_error == "stop":
        raise LinkproxyError("\n".join([*faults, "nothing was recorded; --on-error skip records the rest"]))

    async def work(_config: Config, store: Store) -> int:
        found = await need_campaign(store, campaign)
        if recipient and await store.find_recipient(recipient.strip()) is None:
            say(f"Nobody was known as {recipient} until now; recorded all the same.")
        return await _record(store, found.id, told)

    count, effective = len(told), with_store(work)
    surplus = "" if count == effective else f"; {count - effective} were known from a more exact source"
    whole = "" if recipient or table else " as a whole"
    click.echo(f"Recorded {effective} of {count} for campaign {campaign}{whole}{surplus}.")
    if faults:
        raise LinkproxyError("\n".join([*faults, f"{len(faults)} lines were skipped"]))


def _read_at(text: str, where: str) -> float:
    now = time.time()
    try:
        at = read_time(text, now=now)
    except ValueError as error:
        raise LinkproxyError(f"{where}: {error}") from None
    if not can_have_been(at, now=now):
        raise LinkproxyError(
            f"{where}: {format_time(at)} cannot be when mail was accepted: give a time after 1970 that is "
            "less than a day ahead"
        )
    return at


def _read_told(
    recipient: str | None, table: Path | None, usual: Delivery
) -> tuple[Sequence[Told], list[str]]:
    if recipient:
        return [(read_recipient(recipient), usual)], []
    if table is None:
        return [(None, usual)], []
    people = read_people(table)
    told: list[Told] = []
    faults = list(people.faults)
    for person in people.rows:
        try:
            told.append((person.draft, _read_delivery(person, usual)))
        except LinkproxyError as error:
            faults.append(f"{table}: line {person.line}: {error}")
    return told, faults


def _read_delivery(person: Person, usual: Delivery) -> Delivery:
    at, source = person.cells.get("at"), person.cells.get("source", "").lower()
    if source and source not in _SOURCES:
        raise LinkproxyError(f"source: {source[:40]!r} is not one of {', '.join(_SOURCES)}")
    found = replace(
        usual,
        delivered_at=_read_at(at, "at") if at else usual.delivered_at,
        source=DeliverySource(source) if source else usual.source,
    )
    _check(found, "at")
    return found


def _check(delivery: Delivery, where: str) -> None:
    if fault := delivery_fault(delivery, now=time.time()):
        raise LinkproxyError(f"{where}: {fault}")


async def _record(store: Store, campaign_id: CampaignId, told: Sequence[Told]) -> int:
    effective = 0
    for start in range(0, len(told), _BATCH):
        batch = told[start : start + _BATCH]
        known = iter(await store.register_recipients([draft for draft, _ in batch if draft]))
        effective += await store.add_deliveries(
            [
                DeliveryDraft(campaign_id, next(known).id if draft else NOBODY, delivery)
                for draft, delivery in batch
            ]
        )
    return effective
