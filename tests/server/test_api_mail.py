"""POST /api/v1/rewrite over real sockets: one mail in, the same mail out."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pytest
from claims.api import assert_fault, call

from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey

if TYPE_CHECKING:
    from tests.server.conftest import Site, Start

HTML = '<p><a href="https://shop.example/spring?a=1&amp;b=2#top">Spring</a> <a href="https://new.example/">New</a></p>'


@pytest.fixture
async def summer(site: Site, key: str) -> None:
    """A campaign that has no links yet."""
    await call(site, key, "/api/v1/campaigns", {"name": "summer"})


async def test_mail_for_one_recipient_comes_back_with_links_that_lead_to_their_targets(
    site: Site, key: str, summer: None
) -> None:
    body = {"campaign": "summer", "html": HTML, "recipient": "cleo@example.com"}
    status, answer = await call(site, key, "/api/v1/rewrite", body)
    assert status == 200, answer
    assert "https://shop.example" not in answer["html"]
    spring = re.search(r'href="http://click\.example(/[^"]+)">Spring', answer["html"])
    assert spring
    response = await site.ask(site.server.addresses.public + spring[1])
    assert response.headers["Location"] == site.TARGET
    (row,) = await site.visits()
    assert row.entry.recipient.address == "cleo@example.com"


async def test_a_template_that_has_changed_keeps_its_links_and_gets_new_ones(
    site: Site, key: str, summer: None
) -> None:
    body = {"campaign": "summer", "html": HTML, "merge_tag": "{{id}}"}
    _, first = await call(site, key, "/api/v1/rewrite", body)
    changed = HTML.replace("<p>", '<p><a href="https://third.example/">Third</a> ')
    _, second = await call(site, key, "/api/v1/rewrite", {**body, "html": changed})
    spring = re.compile(r'href="([^"]+)">Spring')
    assert spring.findall(first["html"]) == spring.findall(second["html"]) != []
    _, shown = await call(site, key, "/api/v1/campaigns/summer")
    targets = sorted(link["target"] for link in shown["links"] if link["kind"] == "content")
    assert targets == ["https://new.example/", site.TARGET, "https://third.example/"]


async def test_mail_for_many_comes_back_once_for_each(site: Site, key: str, summer: None) -> None:
    body = {"campaign": "summer", "html": HTML, "recipients": ["cleo@example.com", "customer-17"]}
    status, answer = await call(site, key, "/api/v1/rewrite", body)
    assert status == 200
    assert [message["recipient"] for message in answer["messages"]] == body["recipients"]
    assert answer["messages"][0]["html"] != answer["messages"][1]["html"]


MESSAGE = (
    "From: us@shop.example\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"
    f"Content-Transfer-Encoding: 8bit\r\n\r\n{HTML}"
)


async def test_a_message_comes_back_as_it_was_given_and_its_links_lead_to_their_targets(
    site: Site, key: str, summer: None
) -> None:
    plain = {"campaign": "summer", "message": MESSAGE, "recipient": "cleo@example.com"}
    coded = {**plain, "message": base64.encodebytes(MESSAGE.encode()).decode()}
    status, answer = await call(site, key, "/api/v1/rewrite", plain)
    assert status == 200, answer
    head, _, html = answer["message"].partition("\r\n\r\n")
    assert head == MESSAGE.partition("\r\n\r\n")[0]
    spring = re.search(r'href="http://click\.example(/[^"]+)">Spring', html)
    assert spring
    response = await site.ask(site.server.addresses.public + spring[1])
    assert response.headers["Location"] == site.TARGET
    _, again = await call(site, key, "/api/v1/rewrite", coded)
    assert base64.b64decode(again["message"]).decode() == answer["message"]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"message": MESSAGE, "html": HTML}, "html: give one of html, text, message"),
        ({"message": "neither"}, "message: is neither a message, which has a header, nor base64"),
        ({"html": HTML, "list_unsubscribe": True}, "list_unsubscribe: is of messages"),
        ({"message": MESSAGE, "list_unsubscribe": 1}, "list_unsubscribe: is neither true nor false"),
    ],
)
async def test_what_is_wrong_with_a_message_is_said(
    site: Site, key: str, summer: None, fields: dict[str, object], fault: str
) -> None:
    body = {"campaign": "summer", "recipient": "cleo@example.com", **fields}
    assert_fault(await call(site, key, "/api/v1/rewrite", body), 400, fault)


async def test_a_message_for_many_and_one_with_a_merge_tag(site: Site, key: str, summer: None) -> None:
    body = {"campaign": "summer", "message": MESSAGE}
    _, many = await call(site, key, "/api/v1/rewrite", {**body, "recipients": ["cleo@example.com", "c-17"]})
    one, other = (message["message"] for message in many["messages"])
    assert one != other
    assert len(one) == len(other)
    _, tagged = await call(site, key, "/api/v1/rewrite", {**body, "merge_tag": "{{ id }}"})
    assert tagged["message"].count("/{{ id }}") > 1


async def test_a_template_for_the_senders_own_mailer_carries_its_tag(
    site: Site, key: str, summer: None
) -> None:
    body = {"campaign": "summer", "html": HTML, "merge_tag": "{{ .Subscriber.UUID }}"}
    status, answer = await call(site, key, "/api/v1/rewrite", body)
    assert status == 200
    assert "/{{ .Subscriber.UUID }}" in answer["html"]


@pytest.mark.parametrize("whom", [{}, {"recipient": "a@example.com", "merge_tag": "x"}])
async def test_it_must_be_clear_whom_the_mail_is_for(
    site: Site, key: str, summer: None, whom: dict[str, str]
) -> None:
    body = {"campaign": "summer", "html": HTML, **whom}
    assert_fault(await call(site, key, "/api/v1/rewrite", body), 400, "give one of")


async def test_signed_references_are_those_of_a_merge_tag(site: Site, key: str, summer: None) -> None:
    body = {"campaign": "summer", "html": HTML, "recipient": "a@example.com", "signed": True}
    assert_fault(await call(site, key, "/api/v1/rewrite", body), 400, "signed: is about the references")


async def test_an_unknown_campaign_or_recipient_that_is_none_is_told(
    site: Site, key: str, summer: None
) -> None:
    body = {"campaign": "none", "html": HTML, "recipient": "a@example.com"}
    assert_fault(await call(site, key, "/api/v1/rewrite", body), 400, "campaign: there is none named 'none'")
    body = {"campaign": "summer", "html": HTML, "recipient": "not an address@"}
    assert_fault(await call(site, key, "/api/v1/rewrite", body), 400, "recipient")


TEXT = "Spring: https://shop.example/spring?a=1&b=2#top\nGrüße https://new.example/.\n"


async def test_a_plain_text_by_itself_gets_tracked_urls_and_nothing_else(
    site: Site, key: str, summer: None
) -> None:
    body = {"campaign": "summer", "text": TEXT, "recipient": "cleo@example.com"}
    status, answer = await call(site, key, "/api/v1/rewrite", body)
    assert status == 200, answer
    spring, new = re.findall(r"http://click\.example(/[A-Za-z0-9_-]{24}/[A-Za-z0-9]{4})", answer["text"])
    assert answer["text"] == f"Spring: http://click.example{spring}\nGrüße http://click.example{new}.\n"
    response = await site.ask(site.server.addresses.public + spring)
    assert response.headers["Location"] == site.TARGET
    _, tagged = await call(
        site, key, "/api/v1/rewrite", {"campaign": "summer", "text": TEXT, "merge_tag": "{{id}}"}
    )
    assert tagged["text"].count("/{{id}}") == 2


@pytest.mark.parametrize("field", ["html", "text", "message"])
async def test_an_empty_mail_comes_back_empty(site: Site, key: str, summer: None, field: str) -> None:
    """Half of a mail may be empty: its other half is tracked all the same."""
    body = {"campaign": "summer", field: "", "recipient": "cleo@example.com"}
    status, answer = await call(site, key, "/api/v1/rewrite", body)
    assert (status, answer[field]) == (200, "")


@pytest.mark.parametrize(("said", "added"), [({}, True), ({"list_unsubscribe": False}, False)])
async def test_list_unsubscribe_is_the_campaigns_choice_unless_the_call_has_its_own(
    site: Site, key: str, said: dict[str, bool], *, added: bool
) -> None:
    wished = {"name": "leaving", "base_url": "https://click.example", "list_unsubscribe": True}
    _, made = await call(site, key, "/api/v1/campaigns", wished)
    assert made["campaign"]["list_unsubscribe"] is True
    body = {"campaign": "leaving", "recipient": "cleo@example.com"}
    _, answer = await call(site, key, "/api/v1/rewrite", {**body, "message": MESSAGE, **said})
    assert ("\r\nList-Unsubscribe: <https://click.example/" in answer["message"]) is added
    status, answer = await call(site, key, "/api/v1/rewrite", {**body, "text": TEXT})
    assert (status, answer["notes"]) == (200, [])


async def test_a_message_of_too_many_parts_comes_back_as_it_was_and_a_note_says_so(
    site: Site, key: str, summer: None
) -> None:
    raw = "Content-Type: multipart/mixed; boundary=b\n\n" + f"--b\n\n{TEXT}" * 1025
    body = {"campaign": "summer", "message": raw, "merge_tag": "{{id}}"}
    _, answer = await call(site, key, "/api/v1/rewrite", body)
    assert answer["message"] == raw
    assert answer["notes"] == [{"reason": "too_many_parts", "value": "", "position": -1}]


SIGNED = "DKIM-Signature: v=1; d=shop.example\r\nARC-Seal: i=1\r\n" + MESSAGE


@pytest.mark.parametrize("whom", [{"recipient": "cleo@example.com"}, {"merge_tag": "{{id}}"}])
async def test_a_message_that_is_signed_already_is_passed_on_as_it_came_and_the_answer_says_so(
    site: Site, key: str, summer: None, whom: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    body = {"campaign": "summer", "message": SIGNED, "list_unsubscribe": True, **whom}
    status, answer = await call(site, key, "/api/v1/rewrite", body)
    assert (status, answer["message"]) == (200, SIGNED)
    signatures = [(note["reason"], note["value"]) for note in answer["notes"]]
    assert signatures == [("signed", "DKIM-Signature"), ("signed", "ARC-Seal")]
    assert (await call(site, key, "/api/v1/campaigns/summer"))[1]["links"] == []
    assert "mail.signed" in "".join(capfd.readouterr())


async def test_a_message_that_is_signed_already_is_refused_where_the_configuration_says_so(
    start: Start,
) -> None:
    site = await start(mail={"signed": "refuse"})
    made = new_key()
    await site.store.add_api_key(ApiKey("test", hash_key(made), site.START))
    body = {"campaign": "spring", "message": SIGNED, "recipients": ["cleo@example.com"]}
    answer = await call(site, made, "/api/v1/rewrite", body)
    assert_fault(answer, 400, "message: the message is signed already (DKIM-Signature, ARC-Seal)")
    status, _ = await call(site, made, "/api/v1/rewrite", {**body, "message": MESSAGE})
    assert status == 200
