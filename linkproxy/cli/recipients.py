"""``linkproxy recipients``: what is known about a person, and that person's wishes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linkproxy.cli.files import write_whole
from linkproxy.cli.group import Group
from linkproxy.cli.output import say
from linkproxy.cli.session import confirm, need_recipient, with_store
from linkproxy.cli.sign import sign
from linkproxy.model import LinkproxyError
from linkproxy.query.export import to_json
from linkproxy.query.filters import read_filter
from linkproxy.server.recipients import erase_everything, read_recipient

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.api import Store


@click.group("recipients", cls=Group)
def recipients() -> None:
    """Sign references; export, erase, or stop tracking a recipient.

    WHO is the address or the reference that was mailed.

    \b
    Example:
      linkproxy recipients export anna@example.com
    """


recipients.add_command(sign)


@recipients.command("export")
@click.argument("who")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
def export(who: str, out: Path | None) -> None:
    """Print everything stored about a recipient, as JSON.

    By table, as docs/storage.md has them, with the headers of the visits and the names of campaigns and
    links that the rows refer to. Times are seconds since 1970, UTC.

    \b
    Example:
      linkproxy recipients export anna@example.com --out anna.json
    """

    async def work(_config: Config, store: Store) -> dict[str, list[dict[str, Any]]]:
        return await store.export_recipient((await need_recipient(store, who)).id)

    text = to_json(with_store(work), indent=2)
    if out is None:
        click.echo(text)
    else:
        write_whole(out, f"{text}\n".encode(), mode=0o600)
        say(f"Written to {out}, readable by you alone.")


@recipients.command("erase")
@click.argument("who")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(who: str, *, yes: bool) -> None:
    """Delete everything stored about a recipient. Links of sent mail still work and leave no trace.

    \b
    Example:
      linkproxy recipients erase anna@example.com
    """

    async def work(_config: Config, store: Store) -> dict[str, int]:
        await need_recipient(store, who)
        confirm(f"Erase everything about {who}? This cannot be undone.", yes=yes)
        return await erase_everything(store, who) or {}

    erased = with_store(work)
    told = ", ".join(f"{table} {count}" for table, count in erased.items() if count)
    click.echo(f"Erased {who}: {told or 'nothing was stored'}.")


@recipients.command("track")
@click.argument("who")
@click.argument("answer", type=click.Choice(["yes", "no"]))
def track(who: str, answer: str) -> None:
    """Track a recipient, or all of a mail domain (@example.com), or do not.

    Recipients who are not tracked are sent on like everybody, and nothing is stored. A domain's
    setting also holds for recipients who are registered later.

    \b
    Examples:
      linkproxy recipients track anna@example.com no
      linkproxy recipients track @example.com no
    """
    whom = _whom(who)

    async def work(_config: Config, store: Store) -> int:
        return await store.set_track(whom, track=answer == "yes")

    touched = with_store(work)
    if not touched and not whom.startswith("@"):
        raise LinkproxyError(f"there is no recipient {whom!r}, so nothing was set")
    click.echo(f"Tracking {'on' if answer == 'yes' else 'off'} for {whom} (known recipients: {touched}).")


def _whom(who: str) -> str:
    if who.strip().startswith("@"):
        return f"@{read_filter({'domain': who}, now=0).domain}"
    draft = read_recipient(who)
    return draft.address or draft.reference
