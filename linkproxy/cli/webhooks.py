"""``linkproxy webhooks``: whom the server tells of clicks."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from linkproxy.cli.group import Group
from linkproxy.cli.output import chosen_format, format_option, print_rows, say
from linkproxy.cli.session import need_campaign, with_store
from linkproxy.model import LinkproxyError
from linkproxy.query.webhooks import WEBHOOK_COLUMNS, webhook_states
from linkproxy.store.webhooks import MOST_CHANGES, Pause, Progress, Webhook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from linkproxy.config import Config
    from linkproxy.outbound.retry import Answer
    from linkproxy.query.webhooks import WebhookState
    from linkproxy.store.api import Store

_OVERLAP_SECONDS = 86_400.0
"""How long the secret before signs too: until then the receiver has to know the new one."""

_allow_http = click.option(
    "--allow-http", is_flag=True, help="Take http:// on other machines too: recipients go in the clear."
)


@click.group("webhooks", cls=Group)
def webhooks() -> None:
    """Whom the server tells of clicks and retractions, signed, in the order of the feed.

    \b
    Example:
      linkproxy webhooks add crm https://crm.example/hooks/clicks
    """


@webhooks.command("add")
@click.argument("name")
@click.argument("url")
@click.option("--campaign", metavar="NAME", help="Tell of this campaign alone. [default: of all]")
@click.option(
    "--changes",
    type=click.IntRange(1, 1000),
    default=MOST_CHANGES,
    help=f"The most that one message tells. [default: {MOST_CHANGES}]",
)
@click.option(
    "--from-beginning", is_flag=True, help="Tell all of the click log, not only what comes from now on."
)
@_allow_http
def add(
    name: str, url: str, campaign: str | None, changes: int, *, from_beginning: bool, allow_http: bool
) -> None:
    """Add a webhook and print its secret, once.

    \b
    Examples:
      linkproxy webhooks add crm https://crm.example/hooks/clicks
      linkproxy webhooks add spring https://crm.example/hooks/spring --campaign spring --from-beginning
    """
    from linkproxy.outbound.signature import new_secret
    from linkproxy.server.campaigns import name_fault

    name = name.strip()
    if fault := name_fault(name):
        raise LinkproxyError(f"NAME: {fault}")
    url = _checked(url, allow_http=allow_http)
    secret = new_secret()

    async def work(_config: Config, store: Store) -> None:
        of = await need_campaign(store, campaign) if campaign else None
        after = 0 if from_beginning else (await store.ends()).feed
        await store.add_webhook(
            Webhook(
                name, url, secret, time.time(), Progress(after),
                campaign_id=of.id if of else None, changes=changes,
            )
        )  # fmt: skip

    with_store(work)
    click.echo(secret)
    say(
        f"Keep it now: it is not shown again. A first message: `linkproxy webhooks test {shlex.quote(name)}`."
    )


@webhooks.command("list")
@format_option
def list_(*, form: str | None) -> None:
    """List the webhooks, how it goes with them, and how many changes each has not been told of.

    \b
    Examples:
      linkproxy webhooks list
      linkproxy webhooks list --format jsonl
    """

    async def work(_config: Config, store: Store) -> int:
        states = await webhook_states(store)
        return await print_rows(_each(states), WEBHOOK_COLUMNS, chosen_format(form), len(states))

    if not with_store(work):
        say("No webhooks. `linkproxy webhooks add NAME URL` makes one.")


async def _each(states: Sequence[WebhookState]) -> AsyncIterator[WebhookState]:
    for state in states:
        yield state


@webhooks.command("test")
@click.argument("name")
def test(name: str) -> int:
    """Send a message that tells of nothing, now and from here, and say what came back.

    Ends with 1 unless the receiver takes it. What the webhook was told by the server stays as it is.

    \b
    Example:
      linkproxy webhooks test crm
    """

    async def work(_config: Config, store: Store) -> tuple[str, Answer]:
        webhook = await _need(store, name)
        return webhook.shown_url, await _sent(webhook)

    url, answer = with_store(work)
    click.echo(f"{name} at {url}: {answer.told or f'answered {answer.status}'}")
    if text := " ".join(answer.text.split()):
        click.echo(f"It begins: {_shown(text)}")
    return 0 if answer.accepted else 1


def _shown(text: str) -> str:
    from linkproxy.query.export import printable

    return printable(text[:200])


async def _sent(webhook: Webhook) -> Answer:
    from linkproxy.outbound.post import Poster
    from linkproxy.outbound.sending import signed_headers
    from linkproxy.outbound.signature import new_message_id
    from linkproxy.server.webhooks import trial_body

    poster, now = Poster(time.time), time.time()
    body = trial_body(webhook, now)
    try:
        return await poster.post(
            webhook.url, signed_headers(webhook, new_message_id(), body, now), body, listen=True
        )
    finally:
        await poster.close()


@webhooks.command("pause")
@click.argument("name")
def pause(name: str) -> None:
    """Tell a webhook nothing until `resume`. What it lacks is kept as long as the click log is.

    \b
    Example:
      linkproxy webhooks pause crm
    """
    _pause(name, Pause.OPERATOR)
    click.echo(f"Paused webhook {name}.")


@webhooks.command("resume")
@click.argument("name")
def resume(name: str) -> None:
    """Go on with a webhook that is paused or fails, at once and where it was.

    \b
    Example:
      linkproxy webhooks resume crm
    """
    _pause(name, Pause.NONE)
    click.echo(f"Resumed webhook {name}.")


def _pause(name: str, why: Pause) -> None:
    async def work(_config: Config, store: Store) -> None:
        await _need(store, name)
        await store.pause_webhook(name, why, time.time())

    with_store(work)


@webhooks.command("set-url")
@click.argument("name")
@click.argument("url")
@_allow_http
def set_url(name: str, url: str, *, allow_http: bool) -> None:
    """Send a webhook's messages elsewhere from now on; it goes on where it was.

    \b
    Example:
      linkproxy webhooks set-url crm https://new.crm.example/hooks/clicks
    """
    url = _checked(url, allow_http=allow_http)

    async def work(_config: Config, store: Store) -> Webhook:
        before = await _need(store, name)
        await store.change_webhook(replace(before, url=url))
        return before

    before = with_store(work)
    click.echo(f"Webhook {name} is sent there from the next message on.")
    waits = "paused" if before.pause is not Pause.NONE else "failing" if before.progress.failures else ""
    if waits:
        say(f"It is {waits}: `linkproxy webhooks resume {shlex.quote(name)}` goes on with it at once.")


@webhooks.command("rotate")
@click.argument("name")
def rotate(name: str) -> None:
    """Give a webhook a new secret and print it, once. For 24 hours the one before signs too.

    \b
    Example:
      linkproxy webhooks rotate crm
    """
    from linkproxy.outbound.signature import new_secret

    secret = new_secret()

    async def work(_config: Config, store: Store) -> None:
        before = await _need(store, name)
        until = time.time() + _OVERLAP_SECONDS
        await store.change_webhook(
            replace(before, secret=secret, old_secret=before.secret, old_secret_until=until)
        )

    with_store(work)
    click.echo(secret)
    say("Keep it now: it is not shown again. The one before signs too for 24 hours.")


@webhooks.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Remove a webhook; it is told nothing more, and where it was is forgotten.

    \b
    Example:
      linkproxy webhooks remove crm
    """

    async def work(_config: Config, store: Store) -> None:
        await _need(store, name)
        await store.remove_webhook(name)

    with_store(work)
    click.echo(f"Removed webhook {name}.")


def _checked(url: str, *, allow_http: bool) -> str:
    from linkproxy.outbound.address import url_fault

    url = url.strip()
    if fault := url_fault(url, allow_http=allow_http):
        raise LinkproxyError(f"URL: it {fault}")
    return url


async def _need(store: Store, name: str) -> Webhook:
    for webhook in await store.list_webhooks():
        if webhook.name == name:
            return webhook
    raise LinkproxyError(f"there is no webhook {name!r}; `linkproxy webhooks list` shows all")
