"""``linkproxy store restore-links``: links that a restored backup does not know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from linkproxy.cli.output import say
from linkproxy.cli.session import current_config, with_store
from linkproxy.model import LinkproxyError
from linkproxy.query.export import printable

if TYPE_CHECKING:
    from linkproxy.config import Config
    from linkproxy.store.api import Store
    from linkproxy.store.registered import BroughtBack, Registered


@click.command("restore-links")
@click.argument(
    "folder",
    required=False,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="[FOLDER]",
)
def restore_links(folder: Path | None) -> int:
    """Bring back campaigns and links that a restored backup does not know, from link files.

    Run it after skip-ids and before the server starts; once more does no harm. What the store has
    stays as it is: where a file has another target, or another campaign of the same id, it is told,
    and the command ends with 1, each time until `link set-target` decides, or a server starts and the
    file takes over what the store has. A campaign of another installation, whose mail other signing
    keys have signed, is told and left. Without FOLDER that of [store] link_files is read.

    \b
    Examples:
      linkproxy store restore-links
      linkproxy store restore-links /mnt/other/linkproxy-links
    """
    from linkproxy.server.wiring import keyring
    from linkproxy.store.link_files import read_folder
    from linkproxy.store.registered import BroughtBack, left

    place = folder or Path(_folder(current_config()))
    lost = read_folder(place)

    async def work(config: Config, store: Store) -> list[BroughtBack]:
        ours, done = keyring(config).fingerprints, []
        for each in lost:
            faults = left(each, ours)
            done.append(BroughtBack(faults=faults) if faults else await store.bring_back(each))
        return done

    done = with_store(work)
    new, links = sum(each.is_new for each in done), sum(each.links for each in done)
    click.echo(f"Brought back: campaigns {new:,}, links {links:,}. Files read: {len(lost):,}.")
    return _tell_faults(lost, done)


def _folder(config: Config) -> str:
    if not config.store.link_files:
        raise LinkproxyError("no link files are kept here ([store] link_files is empty); name their FOLDER")
    return config.store.link_files


def _tell_faults(lost: list[Registered], done: list[BroughtBack]) -> int:
    for each, outcome in zip(lost, done, strict=True):
        for fault in outcome.faults:
            say(printable(f"{each.campaign.name}: {fault}"))
    return int(any(outcome.faults for outcome in done))
