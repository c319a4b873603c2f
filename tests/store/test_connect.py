from __future__ import annotations

import pytest
from store.world import send

from linkproxy import config as configs
from linkproxy.model import LinkproxyError
from linkproxy.store.connect import connect


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
