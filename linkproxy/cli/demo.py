"""``linkproxy demo``: the whole path once, on one machine, over real HTTP."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import socket
import sys
import time
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from linkproxy.config import Config
    from linkproxy.demo.play import Clock
    from linkproxy.server.app import Addresses, Server
    from linkproxy.store.api import Store

CAMPAIGN = "autumn-letter"
MARKER = ".linkproxy-demo"
STORY_SECONDS = 1800.0
"""How long ago the newsletter was delivered: the story ends, and settles, before now."""

_BUSY = "127.0.0.1"


@click.command("demo")
@click.option("--once", is_flag=True, help="End after the story instead of leaving the server up.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Where to make it; an earlier demonstration there is replaced.",
)
def demo(*, once: bool, folder: Path) -> None:
    """Play a newsletter's first minutes: scanners and people visit, and the log tells them apart.

    Makes a folder with its own configuration, SQLite file and rewritten mails, serves them on
    loopback, and sends real HTTP requests with the server's clock set to the story's time. The
    requests meet the same judge as anyone's.

    \b
    Examples:
      linkproxy demo
      linkproxy demo --once --folder /tmp/linkproxy-demo
    """
    _fresh(folder)
    with _claimed(folder):
        config = _configure(folder)
        try:
            asyncio.run(_run(config, folder, once=once))
        except KeyboardInterrupt:
            click.echo("\nStopped.")


def _fresh(folder: Path) -> None:
    """Make the folder anew, but never delete one that is not a demonstration's, or whose still runs."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise LinkproxyError(f"{folder} is no demo's folder, so it stays; choose another with --folder.")
        with _claimed(folder):
            shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Hold a demonstration's folder; raise LinkproxyError if one that still runs does."""
    with (folder / MARKER).open("a") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LinkproxyError(
                f"{folder} belongs to a demonstration that still runs; stop that one with Ctrl-C, or choose "
                "another with --folder."
            ) from None
        yield


def _configure(folder: Path) -> Config:
    from linkproxy.cli.init import installation
    from linkproxy.config import load

    for name, text in installation().items():
        path = folder / name
        path.touch(0o600)
        path.write_text(text, "utf-8")
    public, private = _free_port(8080), _free_port(8081)
    changes = {
        "LINKPROXY__SERVER__PUBLIC_HOST": "127.0.0.1",
        "LINKPROXY__SERVER__PUBLIC_PORT": str(public),
        "LINKPROXY__SERVER__PRIVATE_PORT": str(private),
        "LINKPROXY__SERVER__BASE_URL": f"http://127.0.0.1:{public}",
        "LINKPROXY__BRAND__NAME": "Kestrel Supply",
        "LINKPROXY__LOG__LEVEL": "error",
    }
    return load(folder / "config.toml", changes)


def _free_port(wanted: int) -> int:
    """Return a port if it is free, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind((_BUSY, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise LinkproxyError("no free port on 127.0.0.1.")


async def _run(config: Config, folder: Path, *, once: bool) -> None:
    from linkproxy.demo.play import Clock
    from linkproxy.logs import configure_logging
    from linkproxy.server.app import running

    configure_logging(config.log.level, config.log.format)
    clock = Clock(time.time() - STORY_SECONDS)
    async with running(config, clock=clock) as server:
        await _tell(folder, server, clock)
    if once:
        return
    # The server that stays up runs by the real clock.
    async with running(config) as server:
        _invite(server.addresses, folder, await _new_key(server.services.store))
        await asyncio.Event().wait()


async def _tell(folder: Path, server: Server, clock: Clock) -> None:
    from linkproxy.demo.play import Stage
    from linkproxy.demo.report import print_report
    from linkproxy.demo.story import RECIPIENTS, SCENES
    from linkproxy.model import NOBODY, Campaign, CampaignId, Delivery, DeliverySource
    from linkproxy.server.rewriter import Rewriter
    from linkproxy.server.settler import settle_due
    from linkproxy.store.api import DeliveryDraft, RecipientDraft

    store, keyring = server.services.store, server.services.keyring
    delivered_at = clock.now
    campaign = await store.add_campaign(
        Campaign(CampaignId(0), CAMPAIGN, base_url=server.addresses.public, created_at=delivered_at)
    )
    rewriter = Rewriter(store, keyring, clock)
    html = (resources.files("linkproxy.demo") / "newsletter.html").read_bytes()
    compiled = await rewriter.prepare(campaign, html)
    recipients = await rewriter.register([RecipientDraft(who) for who in RECIPIENTS])
    mail = folder / "mail"
    mail.mkdir()
    for recipient in recipients:
        stamped = rewriter.stamp(compiled, campaign, recipient.id)
        (mail / f"{recipient.address}.html").write_bytes(stamped)
    await store.add_deliveries(
        [
            DeliveryDraft(campaign.id, item.id, Delivery(delivered_at, DeliverySource.SMARTHOST))
            for item in recipients
        ]
        + [DeliveryDraft(campaign.id, NOBODY, Delivery(delivered_at, DeliverySource.CAMPAIGN))]
    )
    links = await store.list_links(campaign.id)
    click.echo(f"Campaign {campaign.name}: {len(links)} links, rewritten for {len(recipients)} recipients.")
    click.echo(f"Playing {len(SCENES)} scenes over HTTP ...\n")
    tokens = {item.address: rewriter.token(campaign, item.id).decode() for item in recipients}
    played = await Stage(server.addresses.public, tokens, links, clock, delivered_at).play(_progress)
    clock.now = time.time()
    await settle_due(store, server.services.policy, clock.now, tokens=server.services.keyring.tokens_of)
    await print_report(store, played, campaign)


def _progress(title: str) -> None:
    click.echo(f"  {title}")


async def _new_key(store: Store) -> str:
    from linkproxy.server.keys import hash_key, new_key
    from linkproxy.store.api import ApiKey

    key = new_key()
    await store.add_api_key(ApiKey("demo", hash_key(key), time.time()))
    return key


def _invite(addresses: Addresses, folder: Path, key: str) -> None:
    program = "linkproxy" if shutil.which("linkproxy") else sys.argv[0]
    command = f"{program} --config {folder / 'config.toml'}"
    first = min((folder / "mail").iterdir()).resolve()
    click.echo(
        f"""
The server stays up: {addresses.public} (tracked links), {addresses.private} (API, metrics). Ctrl-C stops.

  Open in a browser   {first.as_uri()}
                      and click a link of that mail, then look at your own visit:
  The dashboard       {addresses.private}/
                      sign in with the key {key}
  Every request       {command} visits
  People's clicks     {command} clicks --provisional
  Why                 {command} explain 1
  The link table      {command} campaign show {CAMPAIGN}
"""
    )
