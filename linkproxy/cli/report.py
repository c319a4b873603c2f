"""``linkproxy report``: one campaign, people first."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from linkproxy.cli.bait import print_catches, read_catches
from linkproxy.cli.output import (
    Heading,
    chosen_format,
    format_option,
    json_option,
    print_json,
    print_table,
    say,
)
from linkproxy.cli.session import need_campaign, with_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from linkproxy.config import Config
    from linkproxy.store.api import Store

_BAR = 30
_ROWS = 20
_UNKNOWN_NUMBER = "not known by message; `deliveries add --csv LIST --at TIME` tells them"
_PARTS = " ▏▎▍▌▋▊▉█"
_FIGURES: Final = {
    "position": Heading("Position", folds=False, spare=1),
    "human_clicks": Heading("Clicks", folds=False),
    "human_clickers": Heading("Clickers", folds=False),
    "delivered": Heading("Delivered", folds=False, spare=1),
    "click_rate": Heading("Rate", folds=False),
    "machine_visits": Heading("Machine", folds=False),
    "uncertain_visits": Heading("Uncertain", folds=False),
    "raw_requests": Heading("Raw", folds=False),
}
_COUNTS: Final = ("human_clicks", "human_clickers", "machine_visits", "uncertain_visits", "raw_requests")


class _By(NamedTuple):
    title: str
    names: tuple[str, ...]  # what a row is called by, in a table
    fields: tuple[str, ...]  # what it has before its counts


_BY: Final = {
    "link": _By("By link", ("link", "target"), ("link", "target", "role", "position")),
    "day": _By("By day (UTC)", ("day",), ("day",)),
    "domain": _By("By domain", ("domain",), ("domain", "delivered", "click_rate")),
}
_A_DAY: Final = timedelta(days=1)


@click.command("report")
@click.argument("campaign")
@click.option("--raw", is_flag=True, help="Also what a plain counter of requests would say.")
@click.option("--bait", is_flag=True, help="Also how many of the machines took the bait; see `bait`.")
@click.option("--by", type=click.Choice(list(_BY)), help="Only the figures by this, all rows; for a file.")
@format_option
@json_option
def report(*, campaign: str, raw: bool, bait: bool, by: str | None, form: str | None, as_json: bool) -> None:
    """Show a campaign's human clicks, by link, day and domain, and what was left out and why.

    The interval holds the true number of people's clicks in 95 of 100 campaigns; it takes visits of
    one message and of one domain as dependent. That of the click rate also allows for chance, since
    the same mail to other people would bring other clicks. Both cannot know scanners that look like
    people in every respect, in new domains. Uncertain visits are no clicks: they are shown separately and are
    part of the interval. docs/reports.md explains every figure.

    \b
    Examples:
      linkproxy report spring
      linkproxy report spring --raw
      linkproxy report spring --bait
      linkproxy report spring --by link --format csv > links.csv
      linkproxy report spring --json
    """
    if by and (bait or as_json):
        raise click.UsageError("--by is for the figures alone; for JSON give --format jsonl with it")
    if form and not by:
        raise click.UsageError("give --by with --format; without it there is --json")

    async def work(config: Config, store: Store) -> dict[str, Any]:
        from linkproxy.query.reports import report as make
        from linkproxy.query.reports import report_record
        from linkproxy.server.wiring import policy
        from linkproxy.store.api import Filter

        rules, known = policy(config), await need_campaign(store, campaign)
        told = report_record(await make(store, known, rules))
        return told | {"bait": await read_catches(store, Filter(known.name), rules)} if bait else told

    found = with_store(work)
    if as_json:
        print_json(found)
        return
    if by:
        _print_rows(found, by, chosen_format(form), raw=raw)
        return
    _print_head(found)
    _print_reasons(found)
    for each in _BY:
        _print_groups(found, each, raw=raw, most_rows=None if each == "day" else _ROWS)
    if raw:
        _print_raw(found)
    if bait:
        click.echo("\nBait, in messages that machines visited")
        print_catches(found["bait"])


def _print_head(found: Mapping[str, Any]) -> None:
    interval, rate = found["interval"], found["click_rate"]
    between = f"   {interval['low']:,} to {interval['high']:,} with 95 %" if interval else ""
    delivered = found["delivered"]
    lines = [
        ("Human clicks", f"{found['human_clicks']:,}{between}"),
        ("Unique human clickers", f"{found['human_clickers']:,}"),
        ("Delivered messages", f"{delivered:,}" if delivered else _UNKNOWN_NUMBER),
        ("Click rate", _rate_text(rate, found["click_rate_interval"], delivered)),
        ("Machine visits removed", f"{found['machine_visits_removed']:,}"),
        (
            "Uncertain visits",
            f"{found['uncertain']['visits']:,}   about {found['uncertain']['expected_human']:,} by people",
        ),
        ("Not settled yet", f"{found['not_settled_yet']:,}"),
    ]
    click.echo(f"Campaign {found['campaign']}")
    for name, value in lines:
        click.echo(f"  {name:<24}{value}")


def _rate_text(rate: float | None, interval: Mapping[str, float] | None, delivered: int | None) -> str:
    if rate is not None and interval:
        between = f"{interval['low']:.2%} to {interval['high']:.2%} with 95 %"
        return f"{rate:.2%} of delivered messages   {between}"
    return "not known: more messages have clicks than are recorded as delivered" if delivered else "-"


def _print_reasons(found: Mapping[str, Any]) -> None:
    reasons = found["removed_by_reason"]
    if not reasons:
        return
    click.echo("\nRemoved, by main reason")
    most = max(reasons.values())
    print_table(
        [Heading("Reason", folds=False), "Visits", Heading("", folds=False, spare=1)],
        [[name, f"{count:,}", bar(count, most)] for name, count in reasons.items()],
    )


def _print_rows(found: Mapping[str, Any], by: str, form: str, *, raw: bool) -> None:
    """Print all rows of one table; CSV and JSON lines have the names that JSON has."""
    from linkproxy.query.export import csv_line, to_json

    rows = found[f"by_{by}"]
    if form == "table":
        _print_groups(found, by, raw=raw, most_rows=None)
        if not rows:
            say("No visits.")
        return
    if form == "csv":
        fields = [*_BY[by].fields, *_COUNTS]
        click.echo(csv_line(fields))
        for row in rows:
            click.echo(csv_line([row[name] for name in fields]))
        return
    for row in rows:
        click.echo(to_json(row))


def _print_groups(found: Mapping[str, Any], by: str, *, raw: bool, most_rows: int | None) -> None:
    rows, names = found[f"by_{by}"], _BY[by].names
    if not rows:
        return
    if by == "day":
        rows = list(_with_gaps(rows))
    click.echo(f"\n{_BY[by].title}")
    most = max(row["human_clicks"] for row in rows)
    shown = rows[:most_rows]
    # What no row has is no column: deliveries are known by domain alone, and often not at all.
    told = {key for row in rows for key, value in row.items() if value is not None}
    figures = {
        key: heading for key, heading in _FIGURES.items() if key in told and (raw or heading.text != "Raw")
    }
    print_table(
        [
            *(Heading(name.capitalize()) for name in names),
            *figures.values(),
            Heading("Clicks" if most else "", folds=False, spare=2),  # the figure that bars show
        ],
        [
            [
                *(_shown(name, str(row[name] or "(none)")) for name in names),
                *(_figure(key, row[key]) for key in figures),
                bar(row["human_clicks"], most),
            ]
            for row in shown
        ],
    )
    if len(rows) > len(shown):
        click.echo(f"The first {len(shown)} of {len(rows)}; --by {by} has all.")


def _figure(key: str, value: float | None) -> str:
    """Return a count or a rate as a table shows it; "-" for none."""
    return "-" if value is None else f"{value:.2%}" if key == "click_rate" else f"{value:,}"


def _with_gaps(rows: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of days, and one for the days without visits between two of them."""
    last: date | None = None
    for row in rows:
        day = date.fromisoformat(row["day"])
        left_out = (day - last).days - 1 if last else 0
        if left_out:
            name = f"({left_out} days)" if left_out > 1 else (day - _A_DAY).isoformat()
            yield dict.fromkeys(row, 0) | {"day": name}
        yield row
        last = day


def _shown(name: str, value: str) -> str:
    """Return a cell; whole, a target of 2,000 characters would leave the figures out of sight."""
    from linkproxy.query.export import brief_target

    return brief_target(value) if name == "target" else value


def _print_raw(found: Mapping[str, Any]) -> None:
    raw = found["raw"]
    rate = "" if raw["click_rate"] is None else f", a click rate of {raw['click_rate']:.2%}"
    click.echo(
        f"\nRaw: {raw['requests']:,} GET requests for content links, from {raw['messages']:,} messages{rate}."
        " A counter without a judge reports these."
    )


def bar(value: int, most: int) -> str:
    """Return a bar of at most 30 characters, right to an eighth of one."""
    eighths = round(_BAR * 8 * value / most) if most else 0
    return "█" * (eighths // 8) + (_PARTS[eighths % 8] if eighths % 8 else "")
