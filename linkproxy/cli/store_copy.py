"""``linkproxy store copy``: moving an installation from a SQLite file to PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from math import inf
from pathlib import Path

import click

from linkproxy.cli.progress import progress
from linkproxy.cli.session import current_config
from linkproxy.config_values import POSTGRES, SQLITE, store_url
from linkproxy.model import LinkproxyError


@click.command("copy")
@click.option("--from", "source", help="The store to copy. [default: store.url]")
@click.option("--to", "target", required=True, help="An empty PostgreSQL database.")
def copy(source: str | None, target: str) -> None:
    """Copy a whole store from a SQLite file to PostgreSQL.

    Stop linkproxy first: a file that another program has open is not copied. Ids stay as they are,
    so links in sent mail go on working. A copy that was interrupted goes on where it was when the
    command is given again. At the end every table is compared by count and checksum. The password
    is read as store.password says. When the copy is whole, set store.url to it.

    \b
    Examples:
      linkproxy store copy --to postgresql://linkproxy@db.brand.example/linkproxy
      linkproxy store copy --from sqlite:old.db --to postgresql://linkproxy@/linkproxy
    """
    config = current_config()
    url = source or config.store.url
    if not url.startswith(SQLITE) or not target.startswith(POSTGRES):
        raise LinkproxyError(
            "a store is copied from sqlite:FILE to postgresql://USER@HOST/DATABASE; check --from and --to"
        )
    try:
        store_url(target)
    except ValueError as error:
        raise LinkproxyError(f"--to {error}") from None
    path = Path(url.removeprefix(SQLITE))
    if not path.is_file():
        raise LinkproxyError(f"--from {path}: there is no such file")
    rows = asyncio.run(_copy(url, path, target))
    click.echo(f"Copied {rows:,} rows and compared them. Now set store.url to {target}")


async def _copy(url: str, path: Path, target: str) -> int:
    from linkproxy.store.connect import connect_to, postgres_settings, privacy

    config = current_config()
    settings = postgres_settings(target, config)  # says how to install the driver that a copy imports
    from linkproxy.store.copy import StoreCopy, count, reading

    store = connect_to(url, config)
    await store.open()  # brings the file up to date, and finds out whether the privacy key fits
    try:
        await store.list_due(last_before=inf, first_before=inf, limit=1)  # what is open is listed by now
    finally:
        await store.close()
    _check_unused(path)
    with reading(path) as source:
        total = count(source)
        with progress("Rows copied", total) as copied, progress("Rows compared", total) as compared:
            job = StoreCopy(source, settings, privacy(config))
            return await job.run(time.time(), copied, compared)


def _check_unused(path: Path) -> None:
    """Raise LinkproxyError when somebody else has the file open: the last to close it removes its log.

    See sqlite.org/wal.html, section 6.
    """
    file = path.resolve()
    if file.with_name(f"{file.name}-wal").exists():
        raise LinkproxyError(
            f"--from {path}: another program has this store open, and what it writes from now on would be "
            "left behind. Stop linkproxy (serve, relay), then repeat"
        )
