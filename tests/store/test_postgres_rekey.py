"""A new privacy key for a database whose old one is lost."""

from __future__ import annotations

import pytest
from store.world import send

from linkproxy.store import postgres_rekey
from linkproxy.store.api import RecipientDraft, StoreError
from linkproxy.store.postgres import PostgresStore
from linkproxy.store.postgres_database import ServerSettings
from linkproxy.store.privacy import Privacy
from linkproxy.store.rekey import Rekeyed

NEW = Privacy("full", "full", b"another key of 32 bytes, or more")


async def test_whom_a_database_knows_in_the_clear_is_found_by_the_new_key(database, privacy, monkeypatch):
    monkeypatch.setattr(postgres_rekey, "_CHUNK", 2)
    store = PostgresStore(ServerSettings(database), privacy=privacy)
    await store.open()
    mail = await send(store, who=("ann@a.example", "bob@b.example", "cleo@c.example"))
    (dora,) = await store.register_recipients([RecipientDraft("dora@d.example", "4711")])
    await store.close()
    hashed = PostgresStore(ServerSettings(database), privacy=Privacy("full", "hashed", privacy.key))
    await hashed.open()
    (emil,) = await hashed.register_recipients([RecipientDraft("emil@e.example")])
    await hashed.close()

    again = PostgresStore(ServerSettings(database), privacy=NEW)
    with pytest.raises(StoreError, match="linkproxy store rekey"):
        await again.open()
    assert await postgres_rekey.rekey_database(ServerSettings(database), NEW) == Rekeyed(4, 1)
    await again.open()
    try:
        assert [await again.find_recipient(who.address) for who in mail.recipients] == mail.recipients
        assert await again.find_recipient("4711") == dora == await again.find_recipient("Dora@d.example")
        assert await again.find_recipient("emil@e.example") is None
        assert (await again.get_recipient(emil.id)).domain == "e.example"
        assert await again.register_recipients([RecipientDraft("bob@b.example")]) == [mail.bob]
        (new,) = await again.register_recipients([RecipientDraft("emil@e.example")])
        assert new.id != emil.id
    finally:
        await again.close()
