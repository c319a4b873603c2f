"""Claims about moving a store from SQLite to PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from math import inf

import pytest
from store.contract_afterlife import tell, telling
from store.contract_rollups import Story, run, two_mails
from store.contract_sources import judged_twice
from store.contract_webhooks import webhook
from store.world import NOW, Mail, clicks, ids, send, visits

from linkproxy.model import NOBODY, Delivery, DeliverySource, Right, StrayReason
from linkproxy.store.api import ApiKey, Cutoffs, DeliveryDraft, Filter, RecipientDraft, StoreError
from linkproxy.store.copy import StoreCopy, count, reading
from linkproxy.store.copy_tables import OF_SQLITE, TABLES
from linkproxy.store.gateways import DomainGateway, LookupOutcome
from linkproxy.store.postgres import PostgresStore
from linkproxy.store.postgres_database import ServerSettings
from linkproxy.store.sqlite import SqliteStore
from linkproxy.store.webhooks import Progress


@pytest.fixture
async def lived(path, privacy):
    """Return a mailing in a file in which much has happened, closed again."""
    store = SqliteStore(path, privacy=privacy)
    await store.open()
    story = Story(store, await two_mails(store), 5)
    await run(story, 4)
    mail = story.mails[0]
    odd = await telling(store)
    (judged,) = await odd.visited(odd.visit())
    await tell(store, judged)
    await mail.append(mail.stray(1), mail.stray(2, target="/\x00", reason=StrayReason.MALFORMED))
    await mail.visited(mail.visit(0, recipient_id=NOBODY, reference="r-9"))
    await store.add_deliveries([DeliveryDraft(mail.campaign.id, NOBODY, Delivery(NOW, DeliverySource.MX))])
    await mail.opt_out(one_click=True)
    await store.set_track("@b.example", track=False)
    await store.add_api_key(ApiKey("ci", b"\x00" * 32, NOW, Right.DELIVER))
    await store.add_webhook(webhook(campaign_id=mail.campaign.id, progress=Progress(7, 9, "msg_1", 2, NOW)))
    await store.note_signing_key(mail.campaign.id, 3, b"12345678")
    key = mail.links[0].key
    await store.set_target(mail.campaign.id, key, "https://new.example/", who="op", at=NOW)
    await store.put_gateways([DomainGateway("a.example", "g", ("mx",), LookupOutcome.FOUND, NOW, NOW + 1)])
    (gone,) = await store.register_recipients([RecipientDraft("gone@z.example")])
    await store.erase_recipient(gone.id)
    await store.purge(Cutoffs(clicks=NOW + 10))
    await store.list_due(last_before=inf, first_before=inf, limit=1)
    await store.close()
    return mail


async def copy(path, url, privacy, copied=lambda _rows: None) -> int:
    with reading(path) as source:
        job = StoreCopy(source, ServerSettings(url), privacy)
        return await job.run(time.time(), copied, lambda _rows: None)


async def both(path, url, privacy):
    stores = SqliteStore(path, privacy=privacy), PostgresStore(ServerSettings(url), privacy=privacy)
    for store in stores:
        await store.open()
    return stores


async def told(store, mail):
    """Return what a store says to every question there is about a mailing and a person."""
    found = [await store.campaign_sums(campaign.id) for campaign in await store.list_campaigns()]
    exported = await store.export_recipient(mail.ann.id)
    return {
        "campaigns": await store.list_campaigns(),
        "links": await store.list_links(mail.campaign.id),
        "message links": await store.list_message_links(mail.campaign.id, mail.ann.id),
        "visits": await visits(store),
        "clicks": await clicks(store, provisional=True),
        "retractions": [row async for row in store.retractions(Filter())],
        "feed": [row async for row in store.feed(Filter())],
        "ends": (await store.ends()).feed,
        "opt-outs": [row async for row in store.unsubscribes(Filter())],
        "audit": await store.list_audit(mail.campaign.id),
        "webhooks": await store.list_webhooks(),
        "keys": (await store.list_api_keys(), await store.list_signing_key_campaigns(3)),
        "gateways": await store.list_gateways(),
        "strays": await store.count_strays(since=0.0),
        "replays": await store.list_replays(),
        "sums": [(item.sums, item.possible, sorted(map(repr, item.open))) for item in found],
        "recipients": [await store.find_recipient(who) for who in ("ann@a.example", "r-9", "gone@z.example")],
        "engagement": exported["engagement"],
    }


async def test_a_copy_answers_every_question_as_the_original_does(path, database, privacy, lived):
    with reading(path) as source:
        rows = count(source)
    assert await copy(path, database, privacy) == rows > 150
    original, copied = await both(path, database, privacy)
    assert await told(copied, lived) == await told(original, lived)
    for store in (original, copied):
        await store.close()


async def test_a_copy_tells_where_weights_come_from(path, database, privacy):
    original = SqliteStore(path, privacy=privacy)
    await original.open()
    visit_id, first, second = await judged_twice(await send(original))
    await original.close()
    await copy(path, database, privacy)
    original, copied = await both(path, database, privacy)
    entry = (await copied.get_visit(visit_id)).entry
    assert (entry.verdict.evidence, entry.settled.evidence) == (first, second)
    for store in (original, copied):
        await store.close()


async def test_life_goes_on_in_a_copy_and_no_id_is_given_out_twice(path, database, privacy, lived):
    await copy(path, database, privacy)
    original, store = await both(path, database, privacy)
    mail = Mail(store, lived.campaign, lived.links, lived.recipients)
    newest = (await ids(store))[-1]
    (judged,) = await mail.visited(mail.visit(7_000))
    assert judged.visit_id > newest
    (again,) = await original.register_recipients([RecipientDraft("gone@z.example")])
    (fresh,) = await store.register_recipients([RecipientDraft("gone@z.example")])
    assert fresh.id == again.id > max(who.id for who in lived.recipients)
    assert (await store.add_campaign(replace(lived.campaign, name="later"))).id > lived.campaign.id
    await mail.settle()
    await store.erase_recipient(mail.ann.id)
    assert not any((await store.export_recipient(mail.ann.id)).values())
    for one in (original, store):
        await one.close()


async def test_an_interrupted_copy_goes_on_and_nobody_uses_it_before(path, database, privacy, lived):
    steps = []

    def interrupt(rows):
        steps.append(rows)
        if len(steps) == 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await copy(path, database, privacy, interrupt)
    half = PostgresStore(ServerSettings(database), privacy=privacy)
    with pytest.raises(StoreError, match="part of another store; finish it"):
        await half.open()
    with reading(path) as source:
        rows = count(source)
    done = []
    assert await copy(path, database, privacy, done.append) == rows
    assert sum(done) == rows
    original, copied = await both(path, database, privacy)
    assert await told(copied, lived) == await told(original, lived)
    for store in (original, copied):
        await store.close()


async def test_a_store_that_has_rows_is_not_copied_over(path, database, privacy, lived):
    await copy(path, database, privacy)
    with pytest.raises(StoreError, match="it is a store already"):
        await copy(path, database, privacy)


async def test_a_file_that_changes_between_two_parts_of_a_copy_is_noticed(path, database, privacy, lived):
    def interrupt(_rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await copy(path, database, privacy, interrupt)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE campaign SET utm_source = 'other' WHERE id = 1")
    with pytest.raises(StoreError, match=r"table campaign: .* differ"):
        await copy(path, database, privacy)


async def test_every_table_of_a_file_is_copied_or_is_the_files_own(path, privacy, lived):
    with closing(sqlite3.connect(path)) as file:
        found = {name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    copied = {table.name for table in TABLES} - {"recipient_hash", "campaign_delivery"}
    assert found - {"sqlite_sequence", "sqlite_stat1"} == copied | OF_SQLITE
