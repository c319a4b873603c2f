"""Webhooks of providers over real sockets: who may send them, and what becomes of deliveries."""

from __future__ import annotations

import asyncio
import hmac
import json
import sqlite3
from base64 import b64encode
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from claims.provider_events import EVERY, SAMPLES, Sample
from structlog.testing import capture_logs

from linkproxy.inbound.base import CAMPAIGN, RECIPIENT, Outcome
from linkproxy.inbound.providers import PROVIDERS
from linkproxy.model import Campaign, CampaignId, Delivery, Right
from linkproxy.server.inbound import _TOGETHER
from linkproxy.server.keys import hash_key, new_key
from linkproxy.store.api import ApiKey, RecipientDraft

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.conftest import Site, Start

SPRING = {CAMPAIGN: "spring"}
NOTHING = {outcome.value: 0 for outcome in Outcome if outcome is not Outcome.FAILED}


@pytest.fixture
async def start(start: Start, tmp_path: Path) -> Start:
    """Start servers whose campaign was made an hour ago by their clock."""

    async def begin(**sections: dict[str, object]) -> Site:
        site = await start(**sections)
        made = f"UPDATE campaign SET created_at = {site.START - 3600}"
        await altered(tmp_path / "linkproxy.db", made)
        return site

    return begin


async def known(site: Site, *addresses: str) -> None:
    """Register people as the rewriting of their mails does."""
    await site.store.register_recipients([RecipientDraft(address) for address in addresses])


each = pytest.mark.parametrize("sample", EVERY.values(), ids=EVERY)


def basic(password: str, user: str = "linkproxy") -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


async def send(site: Site, key: str, sample: Sample, value: Any) -> tuple[int, dict[str, Any]]:
    """Send what a provider sends, with the key as the password in its URL."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    url = f"{site.server.addresses.private}/inbound/{sample.name}"
    # Amazon SNS says text/plain of its JSON.
    response = await site.ask(url, "POST", headers={**basic(key), "Content-Type": "text/plain"}, data=body)
    answer: dict[str, Any] = await response.json()
    return response.status, answer


def counted(**outcomes: int) -> tuple[int, dict[str, Any]]:
    return 200, {"ok": True, **NOTHING, **outcomes}


async def delivery_of(site: Site, reference: str) -> Delivery:
    """Return the delivery by which a visit to a recipient's link is judged."""
    await site.ask(site.reference_url(site.CONTENT, reference))
    return (await site.visits())[-1].entry.facts.delivery


@each
async def test_a_delivery_that_a_provider_tells_of_changes_how_a_visit_is_judged(
    sample: Sample, site: Site, key: str
) -> None:
    reference = site.server.services.keyring.sign_reference("4711")
    await site.ask(site.reference_url(site.CONTENT, reference))
    [before] = await site.visits()
    assert "timing.delay" not in before.entry.verdict.reasons
    at = int(site.START) - 30
    event = sample.delivered(SPRING | {RECIPIENT: reference}, "anna@example.com", at)
    assert await send(site, key, sample, event) == counted(recorded=1)
    assert await delivery_of(site, reference) == Delivery(at, PROVIDERS[sample.name].source)
    assert "timing.delay" in (await site.visits())[-1].entry.verdict.reasons


@each
async def test_the_same_events_again_change_nothing(sample: Sample, site: Site, key: str) -> None:
    people = "ben@example.com", "cleo@example.com"
    await known(site, *people)
    events = [sample.delivered(SPRING, who, int(site.START) - 60) for who in people]
    assert await send(site, key, sample, events) == counted(recorded=2)
    assert await send(site, key, sample, events) == counted(unchanged=2)
    count = await site.metric(
        "linkproxy_inbound_events_total", provider=sample.name, outcome=Outcome.UNCHANGED
    )
    assert count == 2


@each
async def test_what_cannot_be_recorded_is_counted_and_never_an_error(
    sample: Sample, site: Site, key: str
) -> None:
    at = int(site.START) - 60
    await known(site, "ben@example.com")
    events = [
        *sample.others[:2],
        sample.delivered({}, "ben@example.com", at),
        sample.delivered({CAMPAIGN: "autumn"}, "ben@example.com", at),
        sample.delivered({CAMPAIGN: "autumn\0"}, "ben@example.com", at),
        sample.delivered(SPRING | {RECIPIENT: "{{lp}}"}, "ben@example.com", at),
        sample.delivered(SPRING, "ben@example.com", int(site.START) + 3600),
        sample.delivered(SPRING, "ben@example.com", at),
    ]
    with capture_logs() as logs:
        answer = await send(site, key, sample, events)
    assert answer == counted(other=2, no_campaign=1, unknown_campaign=2, malformed=2, recorded=1)
    assert [(line["event"], line.get("campaign") or line["error"]) for line in logs] == [
        ("inbound.campaign_unknown", "autumn"),
        ("inbound.campaign_unknown", "autumn\0"),
        ("inbound.malformed", "the recipient is neither an address nor a reference"),
        ("inbound.malformed", "its time cannot be, or is ahead of this machine's"),
    ]


@each
async def test_what_is_no_json_is_refused_and_logged_once_a_minute(
    sample: Sample, site: Site, key: str
) -> None:
    with capture_logs() as logs:
        assert (await send(site, key, sample, b"event=delivered"))[0] == 400
        assert (await send(site, key, sample, b"{"))[0] == 400
        site.clock.now += 61
        assert (await send(site, key, sample, b"{"))[0] == 400
    assert [line["event"] for line in logs] == ["inbound.malformed"] * 2


@each
async def test_a_store_that_fails_asks_the_provider_to_come_again(
    sample: Sample, site: Site, key: str, tmp_path: Path
) -> None:
    at = int(site.START) - 60
    refusing = "CREATE TRIGGER refuse BEFORE INSERT ON delivery BEGIN SELECT RAISE(ABORT, 'no'); END"
    await known(site, "ben@example.com")
    await altered(tmp_path / "linkproxy.db", refusing)
    event = sample.delivered(SPRING, "ben@example.com", at)
    status, answer = await send(site, key, sample, [event, sample.others[0], event])
    assert (status, answer["ok"]) == (PROVIDERS[sample.name].again, False)
    labels = {"provider": sample.name, "outcome": Outcome.FAILED}
    assert await site.metric("linkproxy_inbound_events_total", **labels) == 2
    await altered(tmp_path / "linkproxy.db", "DROP TRIGGER refuse")
    assert await send(site, key, sample, event) == counted(recorded=1)


async def altered(path: Path, statement: str) -> None:
    """Change the server's database behind its back."""

    def alter() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute(statement)

    await asyncio.to_thread(alter)


SENDGRID = SAMPLES["sendgrid"]


async def test_thousands_of_events_in_one_request_are_all_recorded(site: Site, key: str) -> None:
    at = int(site.START) - 60
    events = [
        SENDGRID.delivered(SPRING | {RECIPIENT: f"r{number}"}, "anna@example.com", at)
        for number in range(2 * _TOGETHER + 7)
    ]
    assert await send(site, key, SENDGRID, events) == counted(recorded=len(events))
    assert await delivery_of(site, f"r{len(events) - 1}") == Delivery(at, PROVIDERS["sendgrid"].source)


async def test_of_two_copies_the_later_one_counts_in_whatever_order_they_are_told(
    site: Site, key: str
) -> None:
    at = int(site.START) - 60
    copies = [SENDGRID.delivered(SPRING | {RECIPIENT: "r1"}, "", when) for when in (at, at - 30)]
    assert await send(site, key, SENDGRID, copies) == counted(recorded=2)
    assert (await delivery_of(site, "r1")).delivered_at == at


async def test_a_time_that_cannot_have_been_is_never_recorded(site: Site, key: str) -> None:
    times = ["NaN", "Infinity", "-Infinity", "1e400", "0", "-1", "1" * 30, str(int(site.START) * 1000)]
    event = json.dumps(SENDGRID.delivered(SPRING, "ben@example.com", 5))
    body = "[" + ", ".join(event.replace('"timestamp": 5', f'"timestamp": {at}') for at in times) + "]"
    assert await send(site, key, SENDGRID, body.encode()) == counted(malformed=len(times))
    assert await site.store.find_recipient("ben@example.com") is None


async def test_a_time_from_before_the_campaign_was_made_is_of_another_unit_or_zone(
    site: Site, key: str
) -> None:
    await site.store.add_campaign(Campaign(CampaignId(0), "summer", created_at=site.START - 60))
    await known(site, "ben@example.com")
    brevo = SAMPLES["brevo"].delivered({CAMPAIGN: "summer"}, "ben@example.com", int(site.START) - 30)
    assert await send(site, key, SAMPLES["brevo"], brevo | {"ts_epoch": site.START}) == counted(malformed=1)
    early = SENDGRID.delivered({CAMPAIGN: "summer"}, "ben@example.com", int(site.START) - 90_000)
    assert await send(site, key, SENDGRID, early) == counted(malformed=1)
    assert await send(site, key, SAMPLES["brevo"], brevo) == counted(recorded=1)


async def test_an_attached_reference_leaves_no_address_in_the_store(site: Site, key: str) -> None:
    event = SENDGRID.delivered(SPRING | {RECIPIENT: "r1"}, "dora@example.com", int(site.START) - 60)
    assert await send(site, key, SENDGRID, event) == counted(recorded=1)
    assert await site.store.find_recipient("dora@example.com") is None


async def test_a_late_delivery_brings_no_erased_reference_back(site: Site, key: str) -> None:
    event = SENDGRID.delivered(SPRING | {RECIPIENT: "r1"}, "dora@example.com", int(site.START) - 60)
    assert await send(site, key, SENDGRID, event) == counted(recorded=1)
    known = await site.store.find_recipient("r1")
    assert known is not None
    await site.store.erase_recipient(known.id)
    assert await send(site, key, SENDGRID, event) == counted(erased=1)
    other = SENDGRID.delivered(SPRING | {RECIPIENT: "r2"}, "emil@example.com", int(site.START) - 60)
    assert await send(site, key, SENDGRID, [event, other]) == counted(erased=1, recorded=1)
    assert await site.store.find_recipient("r1") is None


@each
async def test_a_late_delivery_brings_no_erased_address_back(sample: Sample, site: Site, key: str) -> None:
    await known(site, "dora@example.com", "emil@example.com")
    at = int(site.START) - 60
    dora, emil = (sample.delivered(SPRING, f"{who}@Example.com", at) for who in ("Dora", "emil"))
    assert await send(site, key, sample, dora) == counted(recorded=1)
    person = await site.store.find_recipient("dora@example.com")
    assert person is not None
    await site.store.erase_recipient(person.id)
    with capture_logs() as logs:
        answer = await send(site, key, sample, [dora, emil, dora])
    assert answer == counted(unknown_recipient=2, recorded=1)
    assert [(line["event"], line["campaign"]) for line in logs] == [("inbound.recipient_unknown", "spring")]
    assert await site.store.find_recipient("dora@example.com") is None


async def test_a_key_is_taken_as_password_or_bearer_and_nothing_else(site: Site, key: str) -> None:
    url = f"{site.server.addresses.private}/inbound/sendgrid"
    wrong: list[dict[str, str]] = [
        basic("lpk_wrong"),
        basic("", user=key),
        {"Authorization": f"Basic {key}"},
        {"Authorization": "Basic " + b64encode(key.encode()).decode()},
        {"Authorization": "Basic \xff"},
        {"Authorization": f"Digest {key}"},
        {"Authorization": "Bearer lpk_wrong"},
    ]
    for headers in wrong:
        with capture_logs() as logs:
            response = await site.ask(url, "POST", headers=headers, data=b"[]")
        assert (response.status, [line["event"] for line in logs]) == (401, ["api.refused"])
    for headers in (basic(key), basic(key, user=""), {"Authorization": f"Bearer {key}"}):
        assert (await site.ask(url, "POST", headers=headers, data=b"[]")).status == 200
    campaigns = f"{site.server.addresses.private}/api/v1/campaigns"
    assert (await site.ask(campaigns, headers=basic(key))).status == 401


async def test_a_flood_of_wrong_keys_fills_no_log_and_keeps_no_provider_out(site: Site, key: str) -> None:
    await known(site, "ben@example.com")
    event = SENDGRID.delivered(SPRING, "ben@example.com", int(site.START) - 60)
    with capture_logs() as logs:
        for number in range(100):
            assert (await send(site, f"lpk_{number}", SENDGRID, event))[0] == 401
        assert await send(site, key, SENDGRID, event) == counted(recorded=1)
        assert (len(logs), {line["event"] for line in logs}) == (30, {"api.refused"})
        other = {"Host": "hooks.brand.example"}
        assert (await site.ask(f"{site.server.addresses.private}/", headers=other)).status == 421
        assert logs[30]["reason"] == "host"
        site.clock.now += 60
        assert (await send(site, "lpk_wrong", SENDGRID, event))[0] == 401
    assert len(logs) == 32


async def test_who_gives_no_key_is_asked_for_a_password_as_amazon_sns_needs_it(site: Site) -> None:
    with capture_logs() as logs:
        response = await site.ask(
            f"{site.server.addresses.private}/inbound/sendgrid", "POST", headers={}, data=b"[]"
        )
    assert (response.status, response.headers["WWW-Authenticate"]) == (401, 'Basic realm="linkproxy"')
    assert logs == []


async def test_a_provider_that_there_is_not_is_named(site: Site, key: str) -> None:
    response = await site.ask(
        f"{site.server.addresses.private}/inbound/pigeon", "POST", headers=basic(key), data=b"[]"
    )
    assert response.status == 404
    assert (await response.json())["error"].startswith("there is no such provider; there are: brevo, mailgun")


async def test_a_key_that_may_only_read_is_told_the_narrowest_that_would_do(site: Site) -> None:
    made = new_key()
    await site.store.add_api_key(ApiKey("dashboard", hash_key(made), site.START, Right.READ))
    status, answer = await send(site, made, SENDGRID, [])
    assert (status, answer["error"].partition("`")[2]) == (403, "linkproxy keys add NAME --may deliver`")


async def test_a_key_that_is_removed_opens_nothing_any_more(site: Site) -> None:
    made = new_key()
    await site.store.add_api_key(ApiKey("hooks", hash_key(made), site.START))
    assert await send(site, made, SENDGRID, []) == counted()
    await site.store.remove_api_key("hooks")
    assert (await send(site, made, SENDGRID, []))[0] == 401


async def test_the_log_tells_how_to_confirm_a_subscription_and_nothing_is_fetched(
    site: Site, key: str
) -> None:
    url = "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=t&Token=2336412f37f"
    asked = {"Type": "SubscriptionConfirmation", "TopicArn": "t", "SubscribeURL": url}
    with capture_logs() as logs:
        assert await send(site, key, SAMPLES["ses"], asked) == counted(other=1)
    [line] = logs
    assert (line["event"], line["topic"], line["url"]) == ("inbound.subscription", "t", url)


async def test_mailguns_events_must_be_signed_where_its_signing_key_is_configured(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "mailgun-key.txt").write_text("key-0123\n")
    site = await start(inbound={"mailgun_signing_key_file": "mailgun-key.txt"})
    made, at, token = new_key(), str(int(site.START)), "5" * 50
    await site.store.add_api_key(ApiKey("mailgun", hash_key(made), site.START))
    await known(site, "ben@example.com")
    event = SAMPLES["mailgun"].delivered(SPRING, "ben@example.com", int(site.START) - 60)
    with capture_logs() as logs:
        assert await send(site, made, SAMPLES["mailgun"], event) == counted(malformed=1)
    assert "mailgun_signing_key" in logs[0]["error"]
    signed = hmac.new(b"key-0123", (at + token).encode(), "sha256").hexdigest()
    event["signature"] = {"timestamp": at, "token": token, "signature": signed}
    assert await send(site, made, SAMPLES["mailgun"], event) == counted(recorded=1)


async def test_webhooks_that_come_together_are_all_recorded(site: Site, key: str) -> None:
    at = int(site.START) - 60
    answers = await asyncio.gather(
        *(
            send(site, key, SENDGRID, SENDGRID.delivered(SPRING | {RECIPIENT: f"r{number}"}, "", at))
            for number in range(20)
        )
    )
    assert answers == [counted(recorded=1)] * 20
