"""What a person may ask for, by the API: their data, its end, no tracking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from claims.api import assert_fault, call

from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey, RecipientDraft

if TYPE_CHECKING:
    from tests.server.conftest import Site, Start

ANNA = {"recipient": "anna@example.com"}


@pytest.fixture
async def site(start: Start) -> Site:
    """A server whose configuration lets keys of the API erase people."""
    return await start(privacy={"erase_by_api": True})


async def test_no_key_erases_anybody_unless_the_configuration_says_so(start: Start) -> None:
    careful = await start()
    key = new_key()
    await careful.store.add_api_key(ApiKey("shop", hash_key(key), careful.START))
    answer = await call(careful, key, "/api/v1/recipients/erase", ANNA | {"yes": True})
    assert_fault(answer, 403, "[privacy] erase_by_api = true lets keys do it that may everything")
    assert await careful.store.find_recipient("anna@example.com") is not None


async def test_an_export_holds_what_the_store_has_of_a_person(site: Site, key: str) -> None:
    await site.ask(site.url())
    status, told = await call(site, key, "/api/v1/recipients/export", {"recipient": " Anna@EXAMPLE.com "})
    assert status == 200
    assert told["tables"] == await site.store.export_recipient(site.recipient.id)
    assert [row["key"] for row in told["tables"]["visit"]] == [site.CONTENT]


async def test_who_is_erased_is_gone_and_is_sent_on_without_a_trace(site: Site, key: str) -> None:
    await site.ask(site.url())
    status, told = await call(site, key, "/api/v1/recipients/erase", ANNA | {"yes": True})
    assert (status, told["erased"]["visit"], told["erased"]["recipient"]) == (200, 1, 1)
    answer = await site.ask(site.url())
    assert (answer.status, answer.headers["Location"]) == (302, site.TARGET)
    assert await site.visits() == []
    again = await call(site, key, "/api/v1/recipients/erase", ANNA | {"yes": True})
    assert_fault(again, 404, "recipient: there is none 'anna@example.com'")


@pytest.mark.parametrize("more", [{}, {"yes": False}, {"yes": None}])
async def test_nobody_is_erased_without_saying_that_it_is_meant(
    site: Site, key: str, more: dict[str, object]
) -> None:
    assert_fault(await call(site, key, "/api/v1/recipients/erase", ANNA | more), 400, "yes: must be true")
    assert await site.store.find_recipient("anna@example.com") is not None


async def test_the_log_tells_which_key_erased_and_not_whom(
    site: Site, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await call(site, key, "/api/v1/recipients/erase", ANNA | {"yes": True})
    out = "".join(capsys.readouterr())
    (line,) = [line for line in out.splitlines() if "recipient.erased" in line]
    assert "key=test" in line
    assert "anna" not in out


async def test_who_is_not_tracked_is_not_journalled(site: Site, key: str) -> None:
    told = await call(site, key, "/api/v1/recipients/track", ANNA | {"track": False})
    assert told == (200, {"ok": True, "recipients": 1})
    await site.ask(site.url())
    assert await site.visits() == []
    await call(site, key, "/api/v1/recipients/track", ANNA | {"track": True})
    await site.ask(site.url())
    assert len(await site.visits()) == 1


async def test_a_domain_that_is_not_tracked_keeps_later_recipients_out_too(site: Site, key: str) -> None:
    told = await call(site, key, "/api/v1/recipients/track", {"domain": "@New.example", "track": False})
    assert told == (200, {"ok": True, "recipients": 0})
    (later,) = await site.store.register_recipients([RecipientDraft("zoe@new.example")])
    await site.ask(site.url(recipient=later))
    assert await site.visits() == []


@pytest.mark.parametrize(
    ("call_name", "body", "status", "fault"),
    [
        ("export", {"recipient": "nobody@example.com"}, 404, "recipient: there is none 'nobody@example.com'"),
        ("export", {"recipient": "an na@example.com"}, 400, "recipient: 'an na@example.com' is not a mail"),
        ("erase", {"recipient": "nobody@example.com", "yes": True}, 404, "recipient: there is none"),
        ("track", {"recipient": "nobody@example.com", "track": False}, 404, "recipient: there is none"),
        ("track", {"recipient": "anna@example.com"}, 400, "track: is missing"),
        ("track", {"track": True}, 400, "recipient: give recipient or domain, one of them"),
        ("track", {"recipient": "a@b.example", "domain": "b.example", "track": True}, 400, "recipient: give"),
        ("track", {"domain": "no domain", "track": True}, 400, "domain: 'no domain' is not a mail domain"),
    ],
)
async def test_what_cannot_be_done_for_a_person_is_told(
    site: Site, key: str, call_name: str, body: dict[str, object], status: int, fault: str
) -> None:
    assert_fault(await call(site, key, f"/api/v1/recipients/{call_name}", body), status, fault)
