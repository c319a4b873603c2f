"""Moving from SQLite to PostgreSQL while people follow links: nobody is stopped, no visit is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from claims.crewed import PEOPLE, Crewed, until
from claims.postgres import NoServerError, Server, server

from bench.database import empty_database
from bench.durability.home import furnish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "linkproxy_moved"


@pytest.fixture
def database() -> Iterator[Server]:
    """Return a server at whose URL is an empty database."""
    try:
        with server() as found, empty_database(found.url, NAME):
            yield replace(found, url=found.database(NAME))
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture
def crewed(installation, tmp_path: Path) -> Iterator[Crewed]:
    made = Crewed(installation, tmp_path / "log", furnish(installation.folder, PEOPLE))
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def test_an_installation_moves_to_postgresql_while_people_follow_links(
    crewed: Crewed, database: Server
) -> None:
    crewed.installation.settings["LINKPROXY__STORE__COMMIT_SECONDS"] = "0.5"
    crewed.start(2)
    config = crewed.installation.folder / "config.toml"

    def copy() -> None:
        assert "compared them" in crewed.installation.run("store", "copy", "--live", "--to", database.url)

    def take_the_copy() -> None:
        config.write_text(config.read_text().replace("\n[store]\n", f'\n[store]\nurl = "{database.url}"\n'))
        crewed.hang_up()

    asyncio.run(crewed.under_load(copy, take_the_copy, lambda: None, clients=4))
    assert crewed.failures == []
    assert len(crewed.logged("server.reloaded")) == 1
    with closing(sqlite3.connect(crewed.home.database)) as db:
        before = db.execute("SELECT count(*) FROM visit").fetchone()[0]
    assert 0 < before < len(crewed.answered)
    crewed.home = replace(crewed.home, postgres=database)
    until(lambda: crewed.missing() == set())
    assert crewed.stop() == 0
    assert set(crewed.home.journal().values()) == {1}
