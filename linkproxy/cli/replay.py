"""``linkproxy replay``: the journal under another policy."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from linkproxy.cli.listing import filter_options
from linkproxy.cli.output import Heading, json_option, print_json, print_table, say
from linkproxy.cli.progress import progress
from linkproxy.cli.session import confirm, need_campaign, user_name, with_store
from linkproxy.model import VerdictKind
from linkproxy.query.export import printable
from linkproxy.query.filters import format_time, read_filter, short_time

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from linkproxy.config import Config
    from linkproxy.query.replay import Change, Comparison
    from linkproxy.store.api import Filter, Store
    from linkproxy.store.review import AppliedReplay, FrozenMessage
    from linkproxy.visit.policy import Policy


@click.command("replay")
@click.option(
    "--policy",
    "policy_path",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="The policy to judge by. [default: the live one]",
)
@filter_options("campaign", "since", "until")
@click.option("--apply", "apply_it", is_flag=True, help="Write the new settled verdicts and clicks.")
@click.option("--yes", is_flag=True, help="With --apply: do not ask.")
@click.option("--history", is_flag=True, help="List the replays that were applied, and nothing else.")
@json_option
def replay(
    *,
    policy_path: Path | None,
    apply_it: bool,
    yes: bool,
    history: bool,
    as_json: bool,
    **given: str | None,
) -> None:
    """Judge the journal again under another policy, from what was known at the time.

    Shows which verdicts change, and which clicks each campaign would gain and lose. Nothing is
    written without --apply, which uses one transaction for each message and leaves an audit entry.
    First verdicts and answers stay as they were. Whose network an address is was looked up when the
    visit came, so a policy that only adds networks changes nothing here.

    \b
    Examples:
      linkproxy replay --policy new.toml --campaign spring
      linkproxy replay --policy new.toml --since -30d --apply
    """
    if history:
        _print_history(with_store(lambda _config, store: store.list_replays()), as_json=as_json)
        return
    where = read_filter(given, now=time.time())

    async def work(config: Config, store: Store) -> tuple[Comparison, Policy]:
        if where.campaign:
            await need_campaign(store, where.campaign)
        policy = _policy(config, policy_path)
        return await _compare(store, policy, where), policy

    found, policy = with_store(work)
    _show(found, policy, as_json=as_json)
    if not apply_it:
        if not as_json and found.visits:
            say("Nothing was written. --apply writes it.")
        return
    moved = found.changed or found.rescored or any(item.gained or item.lost for item in found.clicks.values())
    if not moved:
        say("There is nothing to apply.")
        return
    confirm(f"Write {found.changed:,} other verdicts and the clicks that go with them?", yes=yes)
    applied = with_store(lambda _config, store: _apply(store, policy, where))
    say(
        f"Applied to {applied.messages:,} messages: {applied.visits:,} other verdicts, "
        f"{applied.gained:,} clicks gained, {applied.lost:,} lost. `linkproxy replay --history` lists this."
    )


def _policy(config: Config, path: Path | None) -> Policy:
    from linkproxy.config_sources import read_text
    from linkproxy.server.wiring import policy
    from linkproxy.visit.policy import load

    if path is None:
        return policy(config)
    return load(read_text(path, "Name a policy file, or leave --policy out: the live one."), str(path))


async def _compare(store: Store, policy: Policy, where: Filter) -> Comparison:
    from linkproxy.query.replay import Comparison

    found = Comparison()
    await _each_message(
        store, policy, where, "Judging again", lambda message: found.add(message, policy, where)
    )
    return found


async def _each_message(
    store: Store, policy: Policy, where: Filter, title: str, visit: Callable[[FrozenMessage], object]
) -> None:
    with progress(title, await store.count_visits(where)) as advance:
        async for message in store.messages(where, reach_seconds=policy.reach_seconds):
            visit(message)
            advance(len(message.own))


async def _apply(store: Store, policy: Policy, where: Filter) -> AppliedReplay:
    from linkproxy.query.replay import Comparison, settlement_of
    from linkproxy.store.chunks import even_rest, rested
    from linkproxy.store.review import AppliedReplay

    now = time.time()
    entry = AppliedReplay(now, user_name(), policy.digest, where.campaign, where.since, where.until)
    replay_id = await store.begin_replay(entry)
    revise = partial(settlement_of, policy=policy, where=where, now=now)
    with progress("Writing", await store.count_visits(where)) as advance:
        async for message in store.messages(where, reach_seconds=policy.reach_seconds):
            if Comparison().add(message, policy, where):
                await rested(store.rejudge(replay_id, message, revise), even_rest)
            advance(len(message.own))
    return (await store.list_replays())[-1]


# --- what is shown -----------------------------------------------------------------------------


def _show(found: Comparison, policy: Policy, *, as_json: bool) -> None:
    from linkproxy.query.replay import comparison_record

    if as_json:
        print_json(comparison_record(found, policy))
        return
    click.echo(f"{found.visits:,} visits of {found.messages:,} messages under policy {policy.digest}.")
    if not found.visits:
        return
    _print_matrix("\nFirst verdicts (rows: in the journal; columns: under this policy)", found.first)
    _print_matrix("\nSettled verdicts", found.settled)
    click.echo(f"\n{found.changed:,} settled verdicts change, {found.rescored:,} more only their score.")
    _print_clicks(found)
    _print_examples(found)


def _print_matrix(title: str, counts: Counter[Change]) -> None:
    click.echo(title)
    print_table(
        ["", *VerdictKind],
        [[old, *(f"{counts[old, new]:,}" for new in VerdictKind)] for old in VerdictKind],
    )


def _print_clicks(found: Comparison) -> None:
    click.echo("\nClicks")
    print_table(
        [Heading("Campaign"), "Now", "Gained", "Lost", "Then"],
        [
            [
                name,
                f"{item.now:,}",
                f"+{item.gained:,}",
                f"-{item.lost:,}",
                f"{item.now + item.gained - item.lost:,}",
            ]
            for name, item in sorted(found.clicks.items())
        ],
    )


def _print_examples(found: Comparison) -> None:
    for (old, new), shown in sorted(found.examples.items()):
        click.echo(f"\nFrom {old} to {new}, for instance")
        for item in shown:
            click.echo(
                f"  visit {item.visit_id}, {format_time(item.at)}, {printable(item.campaign)}, "
                f"{printable(item.recipient)}"
            )
            click.echo(f"    was {item.old.score:+.1f}: {', '.join(item.old.reasons) or 'no signal'}")
            click.echo(f"    now {item.new.score:+.1f}: {', '.join(item.new.reasons) or 'no signal'}")


def _print_history(replays: list[AppliedReplay], *, as_json: bool) -> None:
    rows = [_history_record(item) for item in replays]
    if as_json:
        print_json({"replays": rows})
        return
    if not rows:
        say("No replay was ever applied.")
        return
    shown = [
        row | {name: short_time(getattr(item, name)) for name in ("at", "since", "until")}
        for item, row in zip(replays, rows, strict=True)
    ]
    print_table(_HISTORY_HEADINGS, [[str(value) or "-" for value in row.values()] for row in shown])


_HISTORY_HEADINGS: Final = (
    *("Time (UTC)", "Who", "Policy", "Campaign", "Since", "Until"),
    *("Messages", "Verdicts", "Gained", "Lost"),
)


def _history_record(item: AppliedReplay) -> dict[str, object]:
    return {
        "at": format_time(item.at),
        "who": item.who,
        "policy": item.policy,
        "campaign": item.campaign,
        "since": format_time(item.since),
        "until": format_time(item.until),
        "messages": item.messages,
        "verdicts": item.visits,
        "clicks_gained": item.gained,
        "clicks_lost": item.lost,
    }
