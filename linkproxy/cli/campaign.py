"""``linkproxy campaign``: mailings and their link tables."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from linkproxy.campaign.charsets import declared
from linkproxy.cli.files import read_charset, read_mail
from linkproxy.cli.group import Group
from linkproxy.cli.notes import Notes, notes_options
from linkproxy.cli.output import json_option, print_json, print_table, say
from linkproxy.cli.session import need_campaign, with_store
from linkproxy.model import (
    BaitPlaces,
    BaitStyle,
    Campaign,
    CampaignId,
    CampaignKind,
    Link,
    LinkproxyError,
    MachineAnswer,
    Utm,
)
from linkproxy.query.filters import short_time

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.api import Store

_UTM_NAMES = tuple(field.name for field in fields(Utm))


@click.group("campaign", cls=Group)
def campaign() -> None:
    """Make, rename and archive campaigns, and look at their links.

    \b
    Example:
      linkproxy campaign add spring --html newsletter.html
    """


def read_utm(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Utm:
    """Return the parameters that ``source=news,medium=email`` names; raise BadParameter for others."""
    from linkproxy.server.campaigns import utm_fault

    values: dict[str, str] = {}
    for part in filter(None, (text or "").split(",")):
        name, equals, value = part.partition("=")
        name = name.strip().lower().removeprefix("utm_")
        if name not in _UTM_NAMES or not equals or not value.strip():
            raise click.BadParameter(
                f"{part.strip()!r} is not name=value with one of the names {', '.join(_UTM_NAMES)}"
            )
        if name in values:
            raise click.BadParameter(f"{name} is given twice")
        if fault := utm_fault(value.strip()):
            raise click.BadParameter(f"{name} {fault}")
        values[name] = value.strip()
    return Utm(**values)


@campaign.command("add")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice([item.value for item in CampaignKind]),
    help="What the mailing is for. [default: config]",
)
@click.option(
    "--base-url", metavar="URL", help="Scheme and host of its tracked links. [default: server.base_url]"
)
@click.option(
    "--machine-answer",
    type=click.Choice([item.value for item in MachineAnswer]),
    help="What a visit that is surely a machine's gets: the neutral page, or a redirect. [default: config]",
)
@click.option(
    "--bait",
    type=click.Choice([item.value for item in BaitStyle]),
    help="How bait links hide; none leaves them out. [default: config]",
)
@click.option(
    "--bait-places",
    type=click.Choice([item.value for item in BaitPlaces]),
    help="Where bait links stand: one early and one late in the body, two early, two late, or two each. "
    "[default: config]",
)
@click.option(
    "--utm",
    callback=read_utm,
    metavar="NAME=VALUE,...",
    help="UTM parameters for targets that do not carry them.",
)
@click.option(
    "--rewrite-unsubscribe", is_flag=True, help="Hand detected unsubscribe links to linkproxy as well."
)
@click.option("--leave-shown-urls", is_flag=True, help="Do not track links whose text is a URL itself.")
@click.option(
    "--click-id",
    default="",
    metavar="NAME",
    help="Add a query parameter of this name to targets, so that they can tell of the visit.",
)
@click.option("--opens", is_flag=True, help="Put a picture into mails that shows when they are opened.")
@click.option(
    "--list-unsubscribe",
    is_flag=True,
    help="Add the headers List-Unsubscribe and List-Unsubscribe-Post to messages, if its links are https.",
)
@click.option(
    "--html",
    "template",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Register the links of this template at once.",
)
@click.option(
    "--charset",
    callback=read_charset,
    help="The template's charset. [default: as it declares, else utf-8]",
)
@notes_options
def add(
    *,
    name: str,
    kind: str | None,
    base_url: str | None,
    machine_answer: str | None,
    bait: str | None,
    bait_places: str | None,
    utm: Utm,
    template: Path | None,
    charset: str | None,
    notes: Notes,
    rewrite_unsubscribe: bool,
    leave_shown_urls: bool,
    click_id: str,
    opens: bool,
    list_unsubscribe: bool,
) -> None:
    """Make a campaign: one mailing with a table of links.

    \b
    Examples:
      linkproxy campaign add spring --html newsletter.html
      linkproxy campaign add receipts --kind transactional --utm source=shop,medium=email
      linkproxy campaign add summer --click-id lpid
    """

    async def work(config: Config, store: Store) -> tuple[Campaign, list[Link]]:
        wished = Campaign(
            id=CampaignId(0),
            name=name,
            kind=CampaignKind(kind or config.campaign.kind),
            base_url=(base_url or config.server.base_url).strip().rstrip("/"),
            machine_answer=MachineAnswer(machine_answer or config.campaign.machine_answer),
            bait_style=BaitStyle(bait or config.campaign.bait_style),
            bait_places=BaitPlaces(bait_places or config.campaign.bait_places),
            utm=utm,
            rewrite_unsubscribe=rewrite_unsubscribe,
            created_at=time.time(),
            click_id=click_id.strip(),
            leave_shown_urls=leave_shown_urls,
            opens=opens,
            list_unsubscribe=list_unsubscribe,
        )
        _check(wished)
        if template is None:
            return await store.add_campaign(wished), []
        return await _add_with_links(config, store, wished, template, charset=charset, notes=notes)

    made, links = with_store(work)
    notes.show()
    click.echo(f"Campaign {made.name}: {made.kind}, links at {made.base_url}, links: {len(links)}.")
    _say_doubts(made, notes)


def _say_doubts(made: Campaign, notes: Notes) -> None:
    """Say what nobody would notice before the mail is out; a campaign keeps its base URL for good."""
    from linkproxy.server.relay.admission import is_loopback

    if is_loopback(urlsplit(made.base_url).hostname or ""):
        notes.remark(
            f"Only this machine reaches {made.base_url}. For mail to others set [server] base_url to your "
            "tracking host, or give --base-url, and make the campaign under another name."
        )
    if made.list_unsubscribe and not made.base_url.startswith("https:"):
        notes.remark("Its messages get no List-Unsubscribe, since its links are not https (RFC 8058).")


def _check(wished: Campaign) -> None:
    from linkproxy.server.campaigns import base_url_fault, click_id_fault, name_fault

    found = {
        "campaign name": name_fault(wished.name),
        "base URL": base_url_fault(wished.base_url),
        "click id": click_id_fault(wished.click_id),
    }
    faults = [f"{what} {fault}" for what, fault in found.items() if fault]
    if faults:
        raise LinkproxyError("\n".join(faults))


async def _add_with_links(
    config: Config, store: Store, wished: Campaign, template: Path, *, charset: str | None, notes: Notes
) -> tuple[Campaign, list[Link]]:
    """Store a campaign and its template's links; what can be wrong with keys and template is found first."""
    from linkproxy.server.wiring import rewriter as rewriter_of

    rewriter = await rewriter_of(config, store)
    html = read_mail(template, config.limits.mail_bytes)
    made = await store.add_campaign(wished)
    compiled = await rewriter.prepare(made, html, charset=charset or declared(html))
    notes.add(str(template), compiled.notes)
    return made, await store.list_links(made.id)


@campaign.command("list")
@click.option("--archived", is_flag=True, help="Archived ones, too.")
@json_option
def list_(*, archived: bool, as_json: bool) -> None:
    """List the campaigns.

    \b
    Examples:
      linkproxy campaign list
      linkproxy campaign list --archived
    """
    every = with_store(lambda _config, store: store.list_campaigns())
    campaigns = [item for item in every if archived or item.archived_at is None]
    left_out = len(every) - len(campaigns)
    if as_json:
        from linkproxy.server.campaigns import campaign_record

        print_json({"campaigns": [campaign_record(item) for item in campaigns]})
    elif campaigns:
        columns = ["Campaign", "Kind", "Links at", "Bait", "Made (UTC)"] + ["Archived (UTC)"] * archived
        print_table(columns, [_listed(item)[: len(columns)] for item in campaigns])
    elif not left_out:
        say("No campaigns. `linkproxy campaign add NAME` makes one.")
    if left_out and not as_json:
        say(f"Archived: {left_out}. `linkproxy campaign list --archived` shows them, too.")


def _listed(item: Campaign) -> list[str]:
    put_away = "-" if item.archived_at is None else short_time(item.archived_at)
    return [item.name, item.kind, item.base_url, item.bait_style, short_time(item.created_at), put_away]


@campaign.command("rename")
@click.argument("name")
@click.argument("new_name")
def rename(name: str, new_name: str) -> None:
    """Give a campaign another name. Links of sent mail, clicks and figures stay as they are.

    \b
    Example:
      linkproxy campaign rename sprign spring
    """
    from linkproxy.server.campaigns import name_fault

    if fault := name_fault(new_name):
        raise LinkproxyError(f"campaign name {fault}")

    async def work(config: Config, store: Store) -> bool:
        found = await need_campaign(store, name)
        await store.change_campaign(found, replace(found, name=new_name))
        return any(rule.campaign == name for rule in config.relay.rules)

    is_ruled = with_store(work)
    click.echo(f"Campaign {name} is {new_name} from now on.")
    if is_ruled:
        say(f"[[relay.rules]] names {name} still: set campaign to {new_name} there, and restart the relay.")


@campaign.command("archive")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def archive(names: tuple[str, ...]) -> None:
    """Leave campaigns out of lists. Their links go on leading to their targets, and are counted.

    \b
    Example:
      linkproxy campaign archive trial "another trial"
    """
    _put(names, time.time())
    click.echo(f"Archived: {', '.join(names)}. Links of mail that is out work as before.")


@campaign.command("unarchive")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def unarchive(names: tuple[str, ...]) -> None:
    """Show archived campaigns in lists again.

    \b
    Example:
      linkproxy campaign unarchive trial
    """
    _put(names, None)
    click.echo(f"In lists again: {', '.join(names)}.")


def _put(names: tuple[str, ...], archived_at: float | None) -> None:
    """Archive campaigns, or no longer; one that is not there stops it before the first is changed."""

    async def work(_config: Config, store: Store) -> None:
        for found in [await need_campaign(store, name) for name in names]:
            if (found.archived_at is None) is not (archived_at is None):
                await store.change_campaign(found, replace(found, archived_at=archived_at))

    with_store(work)


@campaign.command("show")
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show a campaign and its link table.

    \b
    Examples:
      linkproxy campaign show spring
      linkproxy campaign show spring --json
    """

    async def work(_config: Config, store: Store) -> tuple[Campaign, list[Link]]:
        found = await need_campaign(store, name)
        return found, await store.list_links(found.id)

    found, links = with_store(work)
    if as_json:
        from linkproxy.server.campaigns import campaign_record, link_record

        print_json(campaign_record(found) | {"links": [link_record(link) for link in links]})
        return
    click.echo(_headline(found))
    print_table(
        ["Key", "Kind", "Role", "Position", "Target"],
        [[link.key, link.kind, link.role, str(link.position), link.target or "-"] for link in links],
    )


def _headline(found: Campaign) -> str:
    utm = ", ".join(f"{name}={value}" for name, value in found.utm.items())
    parts = [
        f"{found.name}: {found.kind}",
        f"links at {found.base_url}",
        f"bait {found.bait_style} ({found.bait_places})",
        f"machines get {found.machine_answer}",
    ]
    parts += [f"click id {found.click_id}"] * bool(found.click_id) + ["opens are told"] * found.opens
    parts += ["messages get List-Unsubscribe"] * found.list_unsubscribe
    parts += [] if found.archived_at is None else [f"archived {short_time(found.archived_at)}"]
    return "; ".join(parts + [utm] * bool(utm))
