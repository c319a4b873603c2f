"""Claims about ``linkproxy webhooks``."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from claims.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claims.receiver import Receiver

    from tests.cli.conftest import Installation


@contextmanager
def running() -> Iterator[Receiver]:
    """Run a receiver beside commands, which have event loops of their own."""
    up, found = threading.Event(), []

    async def serve() -> None:
        async with receiving() as receiver:
            end = asyncio.Event()
            found.extend([receiver, asyncio.get_running_loop(), end])
            up.set()
            await end.wait()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    up.wait()
    receiver, loop, end = found
    yield receiver
    loop.call_soon_threadsafe(end.set)
    thread.join()


def listed(here: Installation) -> list[dict[str, object]]:
    return here.ok("webhooks", "list", "--format", "jsonl").lines


def test_a_webhook_is_added_with_a_secret_that_is_shown_once(here: Installation) -> None:
    made = here.ok("webhooks", "add", "crm", "https://user:hush@crm.example/hook?key=hush")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", made.text)
    assert "not shown again" in made.err
    (webhook,) = listed(here)
    assert (webhook["name"], webhook["url"]) == ("crm", "https://crm.example/...")
    assert (webhook["state"], webhook["behind"], webhook["campaign"]) == ("new", 0, None)
    for form in ("table", "csv", "jsonl"):
        shown = here.ok("webhooks", "list", "--format", form).text
        assert made.text.strip() not in shown
        assert "hush" not in shown
    assert "is there already" in here.fails("webhooks", "add", "crm", "https://crm.example/")


def test_a_webhook_begins_now_or_at_the_beginning_and_is_of_one_campaign_or_all(here: Installation) -> None:
    [cta] = {here.path_to("https://www.brand.example/spring", here.mail())}
    here.ok("deliveries", "add", "spring", "--at", "-10m")
    here.visit([cta], time.time() - 300)
    here.ok("settle")
    here.ok("webhooks", "add", "now", "https://crm.example/")
    here.ok("webhooks", "add", "beginning", "https://crm.example/", "--from-beginning")
    here.ok("campaign", "add", "other")
    here.ok("webhooks", "add", "of other", "https://crm.example/", "--from-beginning", "--campaign", "other")
    behind = {webhook["name"]: webhook["behind"] for webhook in listed(here)}
    assert behind == {"now": 0, "beginning": 1, "of other": 0}
    assert "there is no campaign 'no'" in here.fails(
        "webhooks", "add", "x", "https://a.example/", "--campaign", "no"
    )


@pytest.mark.parametrize("url", ["http://crm.example/", "crm.example", "https://", "https://crm.example/#x"])
def test_an_address_where_clicks_would_be_read_on_the_way_is_refused(here: Installation, url: str) -> None:
    assert "URL: it " in here.fails("webhooks", "add", "crm", url)
    assert listed(here) == []


def test_http_elsewhere_needs_an_option(here: Installation) -> None:
    here.ok("webhooks", "add", "crm", "http://crm.internal/hook", "--allow-http")
    assert "--allow-http" in here.fails("webhooks", "set-url", "crm", "http://crm.other/hook")


def test_a_test_message_tells_nothing_and_says_what_came_back(here: Installation) -> None:
    with running() as receiver:
        receiver.secret = here.ok("webhooks", "add", "crm", receiver.url).text.strip()
        at = f"crm at {receiver.url.rpartition('/')[0]}/..."
        assert here.ok("webhooks", "test", "crm").text == f"{at}: answered 204\n"
        (message,) = receiver.got
        assert message.json["type"] == "webhook.test"
        assert message.json["data"] == {"webhook": "crm", "feed": []}
        receiver.status, receiver.text = 403, "no\x1b[31m such\nhook" + "x" * 5000
        failed = here.run("webhooks", "test", "crm")
        assert failed.code == 1
        assert failed.text.startswith(f"{at}: answered 403\nIt begins: no\ufffd[31m such hook")
        assert len(failed.text) < 300
    gone = here.run("webhooks", "test", "crm")
    assert (gone.code, gone.text) == (1, f"{at}: it cannot be connected to\n")
    assert listed(here)[0]["state"] == "new"


def test_a_replaced_secret_signs_beside_the_new_one(here: Installation) -> None:
    with running() as receiver:
        before = here.ok("webhooks", "add", "crm", receiver.url).text.strip()
        after = here.ok("webhooks", "rotate", "crm").text.strip()
        here.ok("webhooks", "test", "crm")
        (message,) = receiver.got
        assert before != after
        assert receiver.is_signed(message, before)
        assert receiver.is_signed(message, after)


def test_a_webhook_is_paused_resumed_moved_and_removed(here: Installation) -> None:
    here.ok("webhooks", "add", "crm", "https://crm.example/")
    here.ok("webhooks", "pause", "crm")
    assert (listed(here)[0]["state"], listed(here)[0]["pause"]) == ("paused", "operator")
    moved = here.ok("webhooks", "set-url", "crm", "https://old.example/")
    assert "It is paused: `linkproxy webhooks resume crm`" in moved.err
    here.ok("webhooks", "resume", "crm")
    assert here.ok("webhooks", "set-url", "crm", "https://new.example/").err == ""
    assert (listed(here)[0]["state"], listed(here)[0]["url"]) == ("new", "https://new.example/")
    here.ok("webhooks", "remove", "crm")
    assert listed(here) == []
    for command in (["test"], ["pause"], ["resume"], ["rotate"], ["remove"], ["set-url"]):
        url = ["https://new.example/"] if command == ["set-url"] else []
        assert "there is no webhook 'crm'" in here.fails("webhooks", *command, "crm", *url)
