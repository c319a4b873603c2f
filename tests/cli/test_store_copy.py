"""``linkproxy store copy``, and the command line on PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from claims.postgres import NoServerError, server
from store.postgres_fixtures import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.conftest import Installation


@pytest.fixture
def url() -> Iterator[str]:
    """Return the URL of an empty database."""
    try:
        with server() as found:
            name = "linkproxy_copied"
            wanted = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
            asyncio.run(command(found.url, wanted, f"CREATE DATABASE {name}"))
            yield found.database(name)
            asyncio.run(command(found.url, wanted))
    except NoServerError as error:
        pytest.skip(str(error))


def answers(here: Installation) -> list[object]:
    report = here.ok("report", "spring", "--json").json
    report.pop("at", None)
    return [
        report,
        here.ok("clicks", "--format", "jsonl").out,
        here.ok("visits", "--format", "jsonl").out,
        here.ok("campaign", "show", "spring", "--json").json,
        here.ok("recipients", "export", "anna@example.com").json["recipient"],
    ]


def test_an_installation_is_moved_to_postgresql_and_goes_on_there(here, url, monkeypatch):
    anna = here.mail("anna@example.com")
    here.ok("deliveries", "add", "spring", "--at", "-2h", "--source", "provider")
    here.visit(here.paths(anna)[1:2], time.time() - 6000)
    here.ok("settle")
    before = answers(here)
    said = here.ok("store", "copy", "--to", url).text
    assert "rows and compared them. Now set store.url to postgresql://" in said
    monkeypatch.setenv("LINKPROXY__STORE__URL", url)
    assert answers(here) == before
    here.visit(here.paths(anna)[1:2], time.time())
    assert len(here.ok("visits", "--format", "jsonl").lines) == 2
    assert here.mail("berta@example.com")
    assert json.loads(before[1].splitlines()[0])["campaign"] == "spring"


def test_progress_is_shown_on_a_terminal(here, url):
    here.mail()
    shown = here.on_terminal("stderr", "store", "copy", "--to", url)
    assert "Rows copied" in shown
    assert "Rows compared" in shown


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--to", "sqlite:other.db"), "from sqlite:FILE to postgresql://"),
        (("--from", "postgresql://a@b/c", "--to", "postgresql://a@b/c"), "from sqlite:FILE to postgresql://"),
        (("--to", "postgresql://a:secret@b/c"), "write it into store.password_file"),
        (("--to", "postgresql://a@b"), "names no database"),
        (("--from", "sqlite:missing.db", "--to", "postgresql://a@b/c"), "missing.db: there is no such file"),
    ],
)
def test_what_cannot_be_copied_is_said_in_a_sentence(here, arguments, fault):
    said = here.fails("store", "copy", *arguments)
    assert fault in said
    assert "secret" not in said


def test_without_the_driver_the_extra_is_named(here, monkeypatch):
    for name in [
        name for name in sys.modules if name.startswith(("linkproxy.store.postgres", "linkproxy.store.copy"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    here.mail()
    said = here.fails("store", "copy", "--to", "postgresql://a@b/c")
    assert "pip install 'linkproxy[postgres]'" in said


def test_a_store_that_a_server_has_open_is_not_copied(here):
    """Visits that came meanwhile would stay behind."""
    here.mail()
    environ = {"LINKPROXY__SERVER__PUBLIC_PORT": "0", "LINKPROXY__SERVER__PRIVATE_PORT": "0"}
    process = here.start("serve", environ=environ, stderr=subprocess.PIPE)
    try:
        assert next(line for line in process.stderr if "Tracked links at" in line)
        said = here.fails("store", "copy", "--to", "postgresql://a@127.0.0.1:1/c")
        assert "linkproxy.db: another program has this store open" in said
        assert "Stop linkproxy" in said
    finally:
        process.kill()
        process.communicate()
    assert "it cannot be reached" in here.fails("store", "copy", "--to", "postgresql://a@127.0.0.1:1/c")


def test_after_a_live_copy_nobody_writes_to_the_file_by_mistake(here, url):
    """Who starts the server again with the old store.url would else split the journal in two."""
    anna = here.mail("anna@example.com")
    said = here.ok("store", "copy", "--live", "--to", url)
    assert "linkproxy.db is read-only now" in said.err
    assert here.ok("campaign", "show", "spring", "--json").json["name"] == "spring"
    refused = here.fails("campaign", "add", "autumn")
    assert "it is read-only, as `store copy --live` leaves it" in refused
    assert refused.strip().endswith("linkproxy.db*")  # what SQLite makes beside it has its mode
    (here.folder / "linkproxy.db").chmod(0o600)
    here.ok("campaign", "add", "autumn")
    assert here.mail("anna@example.com") == anna


def test_a_live_copy_is_refused_where_people_would_be_refused_meanwhile(here, monkeypatch):
    here.mail()
    monkeypatch.setenv("LINKPROXY__STORE__ON_FAILURE", "refuse")
    said = here.fails("store", "copy", "--live", "--to", "postgresql://a@b/c")
    assert '--live needs [store] on_failure = "redirect"' in said


def test_a_live_copy_that_fails_leaves_the_file_as_it_is(here):
    here.mail()
    said = here.fails("store", "copy", "--live", "--to", "postgresql://a@127.0.0.1:1/c")
    assert "it cannot be reached" in said
    here.ok("campaign", "add", "autumn")


def test_a_database_that_cannot_be_reached_is_said_in_a_sentence(here):
    here.mail()
    said = here.fails("store", "copy", "--to", "postgresql://a@127.0.0.1:1/c")
    assert "127.0.0.1:1/c: it cannot be reached" in said
