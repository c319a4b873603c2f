"""What most commands need: the configuration, an open store, an event loop to use it in."""

from __future__ import annotations

import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import click

from linkproxy.cli.main import Invocation
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from linkproxy.config import Config
    from linkproxy.model import Campaign, Recipient
    from linkproxy.store.api import Store

Result = TypeVar("Result")

_COLLECT_AFTER: Final = 1_000_000
"""Rows make no cycles; a collection for every 700 new values takes a quarter of a large report's time."""


def current_config() -> Config:
    """Return the configuration that ``--config`` and the environment stand for; raise ConfigError."""
    return click.get_current_context().ensure_object(Invocation).config


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[Store]:
    """Open the configured store, and close it whatever happens."""
    from linkproxy.cli.output import say
    from linkproxy.store.connect import connect

    store = connect(config, say)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def with_store(work: Callable[[Config, Store], Awaitable[Result]]) -> Result:
    """Run ``work`` in an event loop with the configuration and an open store."""
    import asyncio

    gc.set_threshold(_COLLECT_AFTER)
    config = current_config()

    async def whole() -> Result:
        async with opened(config) as store:
            return await work(config, store)

    return asyncio.run(whole())


async def need_campaign(store: Store, name: str) -> Campaign:
    """Return a campaign by name; the error for an unknown one names those there are."""
    campaign = await store.find_campaign(name)
    if campaign is not None:
        return campaign
    raise LinkproxyError(f"there is no campaign {name!r}. {_known(name, await store.list_campaigns())}")


def _known(name: str, campaigns: Sequence[Campaign]) -> str:
    import difflib

    near = difflib.get_close_matches(name, [known.name for known in campaigns], n=1)
    if near:
        return f"Did you mean {near[0]}? `linkproxy campaign list` shows all."
    names = [known.name for known in campaigns if known.archived_at is None]
    if not names:
        return f"Make it with `linkproxy campaign add {name}`."
    shown = ", ".join(sorted(names)[:8]) + (", ..." if len(names) > 8 else "")
    return f"There are: {shown}. `linkproxy campaign add` makes one."


async def need_recipient(store: Store, who: str) -> Recipient:
    """Return a recipient by address or reference; raise LinkproxyError for an unknown one."""
    from linkproxy.server.recipients import read_recipient

    draft = read_recipient(who)
    recipient = await store.find_recipient(draft.address or draft.reference)
    if recipient is None:
        raise LinkproxyError(f"there is no recipient {who!r}; give the address or reference that was mailed")
    return recipient


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be taken back; raise LinkproxyError unless it is agreed to."""
    if yes:
        return
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        raise LinkproxyError("nothing changed: no answer. Give --yes where nobody can be asked") from None
    if not agreed:
        raise LinkproxyError("nothing changed.")


def user_name() -> str:
    """Return who runs the command; "unknown" for an id without a name, as containers have it."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
