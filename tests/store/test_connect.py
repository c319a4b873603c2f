from __future__ import annotations

import sys

import pytest
from store.world import send

from linkproxy import config as configs
from linkproxy.model import LinkproxyError
from linkproxy.store.connect import connect, postgres_settings


def write(tmp_path, *lines):
    (tmp_path / "privacy-key.txt").write_text("ab" * 32 + "\n")
    file = tmp_path / "config.toml"
    file.write_text("\n".join(lines))
    return configs.load(file, {})


async def test_a_configured_store_is_beside_its_configuration(tmp_path):
    store = connect(write(tmp_path, "[store]", 'url = "sqlite:data.db"'))
    assert not (tmp_path / "data.db").exists()
    await store.open()
    await store.ping()
    await store.close()
    assert (tmp_path / "data.db").exists()


async def test_the_privacy_setting_reaches_what_is_stored(tmp_path):
    store = connect(write(tmp_path, "[privacy]", 'recipient_address = "truncated"'))
    await store.open()
    mail = await send(store)
    await store.close()
    assert mail.ann.address == "a***@a.example"


def test_a_missing_privacy_key_is_a_clear_fault(tmp_path):
    config = write(tmp_path)
    (tmp_path / "privacy-key.txt").unlink()
    with pytest.raises(LinkproxyError, match="privacy"):
        connect(config)


def test_a_database_is_named_by_its_url_and_the_password_is_read_from_its_file(tmp_path):
    (tmp_path / "password.txt").write_text("s3cret word\n")
    url = "postgresql://me@db.brand.example:5433/clicks?sslmode=require"
    lines = [f'url = "{url}"', 'password_file = "password.txt"', "pooler = true", 'synchronous = "normal"']
    config = write(tmp_path, "[store]", *lines)
    settings = postgres_settings(config.store.url, config)
    assert (settings.url, settings.password, settings.where) == (
        url,
        "s3cret word",
        "db.brand.example:5433/clicks",
    )
    assert (settings.pooler, settings.synchronous, settings.lock_seconds) == (True, "off", 2.0)
    assert type(connect(config)).__name__ == "PostgresStore"


def test_a_database_without_a_password_has_none(tmp_path):
    config = write(tmp_path, "[store]", 'url = "postgresql:///clicks"')
    assert postgres_settings(config.store.url, config).password == ""


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("postgresql://me:s3cret@db/clicks", "holds a password"),
        ("postgresql://me@db/clicks?password=s3cret", "holds a password"),
        ("postgresql://me@db", "names no database"),
        ("postgresql://me@db1:1,db2:2/clicks", "host=one,two&port=5432,5432 for several hosts"),
        ("postgresql://me@db:port/clicks", "is no URL"),
        ("mysql://me@db/clicks", "is not a store"),
    ],
)
def test_a_url_that_is_none_or_shows_a_secret_is_a_fault_of_the_configuration(tmp_path, url, fault):
    with pytest.raises(LinkproxyError, match=fault):
        write(tmp_path, "[store]", f'url = "{url}"')


def test_without_the_driver_the_extra_is_named(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("linkproxy.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(LinkproxyError, match=r"pip install 'linkproxy\[postgres\]'"):
        connect(write(tmp_path, "[store]", 'url = "postgresql://me@db/clicks"'))


async def test_a_url_that_the_driver_does_not_take_is_no_lost_connection(tmp_path):
    store = connect(write(tmp_path, "[store]", 'url = "postgresql://u@127.0.0.1:1/d?sslmode=maybe"'))
    with pytest.raises(
        LinkproxyError, match=r"\[store\] url is not as PostgreSQL's driver takes it.*sslmode"
    ):
        await store.open()
