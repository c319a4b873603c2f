"""``linkproxy store copy``: moving an installation from a SQLite file to PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, nullcontext
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from linkproxy.cli.output import say
from linkproxy.cli.progress import progress
from linkproxy.cli.session import current_config
from linkproxy.config_values import POSTGRES, SQLITE, store_url
from linkproxy.model import LinkproxyError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TURN_SECONDS: Final = 30.0
"""How long to wait for another write, such as a step of a purge; they take turns."""


@click.command("copy")
@click.option("--from", "source", help="The store to copy. [default: store.url]")
@click.option("--to", "target", required=True, help="An empty PostgreSQL database.")
@click.option("--live", is_flag=True, help="While a server runs: it sends people on, and its visits wait.")
def copy(source: str | None, target: str, *, live: bool) -> None:
    """Copy a whole store from a SQLite file to PostgreSQL.

    Ids stay as they are, so links in sent mail go on working. At the end every table is compared by
    count and checksum. The password is read as store.password says. When the copy is whole, set
    store.url to it.

    Stop linkproxy first, or give --live: nothing is written to the file from then on. A server sends
    people on from memory, and spills their visits; it goes on so when the copy is whole, until it is
    restarted with the new store.url and reads them back. The file stays, read-only.

    A copy that was interrupted goes on where it was when the command is given again; not with --live,
    since the server has gone on as well: then empty the database first.

    \b
    Examples:
      linkproxy store copy --to postgresql://linkproxy@db.brand.example/linkproxy
      linkproxy store copy --live --to postgresql://linkproxy@db.brand.example/linkproxy
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
    if live and config.store.on_failure == "refuse":
        raise LinkproxyError(
            '--live needs [store] on_failure = "redirect": people would get a 503 all the while'
        )
    rows = asyncio.run(_copy(url, path, target, live=live))
    click.echo(f"Copied {rows:,} rows and compared them. Now set store.url to {target}")
    if live:
        say(f"Then restart linkproxy: what waits in the spill file is read back. {path} is read-only now.")


async def _copy(url: str, path: Path, target: str, *, live: bool) -> int:
    from linkproxy.store.connect import connect_to, postgres_settings, privacy

    config = current_config()
    settings = postgres_settings(target, config)  # says how to install the driver that a copy imports
    from linkproxy.store.copy import StoreCopy, count, reading
    from linkproxy.store.sqlite_connect import retire

    store = connect_to(url, config)
    await store.open()  # brings the file up to date, and finds out whether the privacy key fits
    try:
        await store.list_due(last_before=inf, first_before=inf, limit=1)  # what is open is listed by now
    finally:
        await store.close()
    if not live:
        _check_unused(path)
    with _alone(path) if live else nullcontext(), reading(path) as source:
        total = count(source)
        with progress("Rows copied", total) as copied, progress("Rows compared", total) as compared:
            job = StoreCopy(source, settings, privacy(config))
            rows = await job.run(time.time(), copied, compared)
        if live:
            retire(path)
    return rows


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Have the writers' turn all the while: a server then goes on as when its store fails."""
    from linkproxy.store.sqlite_lock import FileLock

    lock = FileLock(path)
    lock.acquire_within(_TURN_SECONDS)
    try:
        yield
    finally:
        lock.close()


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
