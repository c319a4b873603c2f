"""Which mail is tracked, and what becomes of mail that cannot be."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.config_relay import RelayRule
from linkproxy.model import Campaign, CampaignId, CampaignKind, Delivery, DeliverySource, RecipientId
from linkproxy.server.relay.choice import choose
from linkproxy.server.relay.deliveries import Deliveries
from linkproxy.store.api import DeliveryDraft

SIGNATURE = b"DKIM-Signature: v=1; a=rsa-sha256; d=brand.example; h=from:subject; bh=x; b=y\r\n"


# --- the header ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "campaign", "content"),
    [
        (b"X-LinkProxy-Campaign: spring\r\nA: b\r\n\r\nx", "spring", b"A: b\r\n\r\nx"),
        (b"A: b\r\nx-linkproxy-CAMPAIGN:spring\r\n\r\nx", "spring", b"A: b\r\n\r\nx"),
        (
            b"A: b\r\nX-LinkProxy-Campaign:\r\n spring\r\n 2026 \r\nC: d\r\n\r\n",
            "spring 2026",
            b"A: b\r\nC: d\r\n\r\n",
        ),
        (
            b"X-LinkProxy-Campaign: a\nA: b\n\nX-LinkProxy-Campaign: c\n",
            "a",
            b"A: b\n\nX-LinkProxy-Campaign: c\n",
        ),
        (b"X-LinkProxy-Campaign: a\r\nX-LinkProxy-Campaign: a\r\n\r\n", "a", b"\r\n"),
        (b"X-LinkProxy-Campaign: a\r\nX-LinkProxy-Campaign: b\r\n\r\n", "a or b", b"\r\n"),
        ("X-LinkProxy-Campaign: früh\r\n\r\n".encode(), "früh", b"\r\n"),
        (b"X-LinkProxy-Campaign: =?utf-8?q?fr=C3=BCh?=\r\n =?utf-8?q?ling?=\r\n\r\n", "frühling", b"\r\n"),
        (b"X-LinkProxy-Campaign: =?broken?=\r\n\r\n", "=?broken?=", b"\r\n"),
        (b"X-LinkProxy-Campaign:\r\n\r\n", "", b"\r\n"),
        (b"X-LinkProxy-Campaign: spring", "spring", b""),
        (
            b"A: b\r\n\r\nX-LinkProxy-Campaign: spring\r\n",
            "",
            b"A: b\r\n\r\nX-LinkProxy-Campaign: spring\r\n",
        ),
        (
            b"A: b\r\n X-LinkProxy-Campaign: spring\r\n\r\n",
            "",
            b"A: b\r\n X-LinkProxy-Campaign: spring\r\n\r\n",
        ),
        (b"", "", b""),
    ],
)
def test_the_header_names_the_campaign_and_goes(raw, campaign, content):
    found = choose(raw, [])
    assert (found.campaign, found.content) == (campaign, content)


@settings(max_examples=200)
@given(st.binary(max_size=300) | st.text("XxLinkProxyCampaign-: \r\nab", max_size=300).map(str.encode))
def test_a_message_without_the_header_is_never_touched(raw):
    found = choose(raw, [RelayRule(subject="*", campaign="spring")])
    assert len(found.content) <= len(raw)
    if b"linkproxy" not in raw.lower():
        assert found.content == raw
    assert 0 <= found.header_end <= len(raw)


def test_a_header_that_a_signature_covers_stays():
    raw = b"DKIM-Signature: v=1; h=from:x-linkproxy-campaign; b=y\r\nX-LinkProxy-Campaign: a\r\n\r\n"
    assert choose(raw, []).content == raw


# --- the rules -----------------------------------------------------------------------------------

RULES = [
    RelayRule(from_address="private@news.brand.example", campaign=""),
    RelayRule(from_address="*@news.brand.example", subject="*sale*", campaign="sale"),
    RelayRule(from_address="*@news.brand.example", campaign="news"),
    RelayRule(list_id="*.lists.brand.example", campaign="lists"),
    RelayRule(subject="Grüße*", campaign="greetings"),
]


@pytest.mark.parametrize(
    ("head", "campaign"),
    [
        (b"From: The News <Hello@News.Brand.example>", "news"),
        (b"From: hello@news.brand.example\r\nSubject: Big SALE today", "sale"),
        (b"From: hello@news.brand.example\r\nSubject: =?utf-8?b?QmlnIHNhbGU=?=", "sale"),
        (b"From: private@news.brand.example", ""),
        (b'From: "hello@news.brand.example" <x@other.example>', ""),
        (b"From: x@other.example, hello@news.brand.example", "news"),
        (b"List-Id: Weekly <weekly.lists.brand.example>", "lists"),
        (b"List-Id: weekly.lists.brand.example", "lists"),
        ("Subject: Grüße aus Kiel".encode(), "greetings"),
        (b"Subject: =?iso-8859-1?q?Gr=FC=DFe?=", "greetings"),
        (b"Subject: =?nonsense?q?Gr?=", ""),
        (b"Subject: other", ""),
        (b"X-LinkProxy-Campaign: own\r\nFrom: hello@news.brand.example", "own"),
        (b"X-LinkProxy-Campaign:\r\nFrom: hello@news.brand.example", ""),
    ],
)
def test_without_a_header_the_first_rule_that_fits_names_the_campaign(head, campaign):
    assert choose(head + b"\r\n\r\nbody", RULES).campaign == campaign


async def test_a_rule_of_the_configuration_tracks_mail_that_says_nothing(post, letter, untracked, url):
    rules = [{"from_address": "*@brand.example", "campaign": "spring"}]
    found = await post(rules=rules)
    await found.send(letter(campaign=None))
    assert url.search(found.last)
    assert untracked(found.last) == letter(campaign=None)


# --- mail that cannot be tracked -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "code"), [("defer", "451 4.3.5 "), ("refuse", "550 5.3.5 "), ("pass", "250 ")]
)
async def test_mail_of_a_campaign_that_is_not_there_goes_as_the_setting_says(post, letter, setting, code):
    found = await post(unknown_campaign=setting)
    reply = await found.send(letter(campaign="sprung"))
    assert reply.startswith(code)
    assert setting == "pass" or "there is no campaign 'sprung'" in reply
    assert [mail.content for mail in found.upstream.received] == [letter(campaign=None)] * (setting == "pass")
    assert await found.deliveries() == []


async def test_signed_mail_passes_untouched_but_for_the_header(post, letter):
    found = await post()
    assert await found.send(SIGNATURE + letter()) == "250 2.0.0 taken as 4711"
    assert found.last == SIGNATURE + letter(campaign=None)
    assert found.metric("messages_total", treatment="signed", answer="accepted") == 1


async def test_signed_mail_is_refused_when_the_setting_says_so_and_unsigned_is_not(post, letter):
    found = await post({"mail": {"signed": "refuse"}})
    assert (await found.send(SIGNATURE + letter())).startswith("550 5.7.7 the message is signed already")
    assert await found.send(SIGNATURE + letter(campaign=None)) == "250 2.0.0 taken as 4711"
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"
    assert len(found.upstream.received) == 2


async def test_when_the_store_fails_mail_passes_untracked(post, letter, locked):
    found = await post({"store": {"commit_seconds": 0.05}})
    with locked():
        assert await found.send(letter()) == "250 2.0.0 taken as 4711"
    assert found.last == letter(campaign=None)
    assert found.metric("messages_total", treatment="failed", answer="accepted") == 1
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"
    assert found.metric("messages_total", treatment="rewritten", answer="accepted") == 1


async def test_when_the_store_fails_mail_waits_if_the_setting_says_so(post, letter, locked):
    found = await post({"store": {"commit_seconds": 0.05}}, on_failure="defer")
    with locked():
        assert (await found.send(letter())).startswith("451 4.3.0 ")
        assert await found.send(letter(campaign=None)) == "250 2.0.0 taken as 4711"
    assert len(found.upstream.received) == 1


async def test_mail_to_a_known_recipient_with_known_links_needs_nothing_written(post, letter, locked, url):
    found = await post({"store": {"commit_seconds": 0.05}}, on_failure="defer")
    await found.send(letter())
    first = url.search(found.last)[0]
    await found.deliveries()
    with locked():
        assert await found.send(letter()) == "250 2.0.0 taken as 4711"
        assert (await found.send(letter(), to="new@example.com")).startswith("451 4.3.0 ")
    assert url.search(found.last)[0] == first


async def test_a_store_that_hangs_holds_mail_up_for_so_long_only(post, letter, locked):
    found = await post({"store": {"commit_seconds": 30}}, rewrite_seconds=0.1)
    with locked():
        assert await found.send(letter()) == "250 2.0.0 taken as 4711"
    assert found.last == letter(campaign=None)


async def test_a_campaign_whose_base_url_is_broken_loses_no_mail(post, letter):
    found = await post()
    await found.store.add_campaign(Campaign(CampaignId(0), "broken", base_url=""))
    assert await found.send(letter(campaign="broken")) == "250 2.0.0 taken as 4711"
    assert found.last == letter(campaign=None)


@pytest.mark.parametrize("to", ["postmaster", '"a b"@example.com'])
async def test_a_recipient_whom_no_link_can_stand_for_gets_the_mail_untracked(post, letter, to):
    found = await post()
    assert await found.send(letter(), to=to) == "250 2.0.0 taken as 4711"
    assert found.upstream.received[0].recipients == [to]
    assert found.last == letter(campaign=None)
    assert found.metric("messages_total", treatment="unaddressed", answer="accepted") == 1


async def test_mail_above_what_is_rewritten_passes_untracked(post, letter):
    found = await post({"limits": {"mail_bytes": 1024}})
    big = [b"x" * 900, b"y" * 900]
    assert await found.send(letter(*big)) == "250 2.0.0 taken as 4711"
    assert found.last == letter(*big, campaign=None)
    assert found.metric("messages_total", treatment="oversize", answer="accepted") == 1


async def test_mail_of_too_many_parts_passes_untracked_and_the_log_says_why(post, letter, capfd):
    found = await post()
    head = b"Content-Type: multipart/mixed; boundary=b\r\n"
    parts = [b"--b", b"", b"https://shop.example/"] * 1025
    assert await found.send(head + letter(*parts)) == "250 2.0.0 taken as 4711"
    assert found.last == head + letter(*parts, campaign=None)
    assert found.metric("messages_total", treatment="oversize", answer="accepted") == 1
    assert await found.deliveries() == []
    assert "more than 1,024 MIME parts" in "".join(capfd.readouterr())


async def test_mail_that_grew_above_what_upstream_takes_passes_as_it_came(post, letter):
    found = await post()
    plain = letter(campaign=None)
    found.upstream.answers["EHLO"] = f"250-upstream.example\r\n250 SIZE {len(plain)}"
    assert await found.send(letter()) == "250 2.0.0 taken as 4711"
    assert found.last == plain
    assert await found.deliveries() == []


# --- what is stored, and when ----------------------------------------------------------------------


async def test_links_are_stored_before_the_message_is_passed_on(post, letter, url):
    found = await post()
    await found.send(letter())
    found.upstream.answers["END"] = "550 5.7.1 no"
    await found.send(letter(b"Yours: https://shop.example/you?u=8347"))
    # Upstream has seen the links, whatever it says of the message, so they must lead somewhere.
    assert found.rows("SELECT target FROM link WHERE target <> ''") == [("https://shop.example/spring?c=7",)]
    assert found.rows("SELECT target FROM message_link") == [("https://shop.example/you?u=8347",)]


async def test_a_store_that_fails_after_the_acceptance_is_no_fault_of_the_mail(post, letter, locked):
    found = await post({"store": {"commit_seconds": 0.05}})
    found.upstream.hold = asyncio.Event()
    mailer = await found.mailer()
    await mailer.begin()
    await mailer.say("DATA")
    mailer.writer.write(letter() + b".\r\n")
    await found.upstream.began_end.wait()
    with locked():
        found.upstream.hold.set()
        assert await mailer.hear() == "250 2.0.0 taken as 4711"
    assert [who for who, _, _ in await found.deliveries()] == ["anna@example.com"]


async def test_a_delivery_that_cannot_be_recorded_before_the_end_is_counted_as_lost(post, letter, locked):
    found = await post({"store": {"commit_seconds": 0.05}})
    await found.send(letter())
    await found.running.relay.deliveries.settled()
    [recipient] = found.rows("SELECT id FROM recipient")
    deliveries = Deliveries(found.store, found.running.relay.metrics, pause_seconds=0.01)
    with locked():
        later = Delivery(1_780_000_100.0, DeliverySource.SMARTHOST)
        deliveries.add(DeliveryDraft(found.campaign.id, RecipientId(recipient[0]), later))
        await deliveries.close()
    assert found.metric("lost_deliveries_total") == 1


@pytest.mark.parametrize(
    ("setting", "kind", "wish", "added"),
    [
        ({}, CampaignKind.MARKETING, False, False),
        ({}, CampaignKind.TRANSACTIONAL, True, True),
        ({"list_unsubscribe": "never"}, CampaignKind.MARKETING, True, False),
        ({"list_unsubscribe": "marketing"}, CampaignKind.MARKETING, False, True),
        ({"list_unsubscribe": "marketing"}, CampaignKind.TRANSACTIONAL, True, False),
        ({"list_unsubscribe": "always"}, CampaignKind.TRANSACTIONAL, False, True),
    ],
)
async def test_list_unsubscribe_is_added_where_the_campaign_wants_it_or_the_setting_overrules(
    post, letter, setting, kind, wish, added
):
    found = await post(**setting)
    secure = Campaign(
        CampaignId(0), "secure", kind=kind, base_url="https://click.brand.example", list_unsubscribe=wish
    )
    await found.store.add_campaign(secure)
    await found.send(letter(campaign="secure"))
    head = found.last.partition(b"\r\n\r\n")[0]
    assert (b"List-Unsubscribe: <https://click.brand.example/" in head) == added
    assert (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in head) == added
