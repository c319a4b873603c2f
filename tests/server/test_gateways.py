"""Mail servers asked for at a name server of our own, and what becomes of the answers."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from claims.nameserver import BROKEN, EMPTY, SILENT, name_server

from linkproxy.config import ConfigError
from linkproxy.config_values import name_server as read_name_server
from linkproxy.logs import configure_logging
from linkproxy.server.gateways import (
    AT_ONCE,
    DAY_SECONDS,
    FAILED_SECONDS,
    LEAST_SECONDS,
    GatewayFinder,
    look_up,
    look_up_due,
    name_again,
)
from linkproxy.server.mx import MxAnswer, MxResolver
from linkproxy.store.api import RecipientDraft, StoreError
from linkproxy.store.gateways import MOST_SECONDS, DomainGateway, LookupOutcome
from linkproxy.telemetry import Metrics
from linkproxy.visit import policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from claims.nameserver import NameServer

    from tests.server.conftest import Site, Start

NOW = 1_790_000_000.0
RECORDS = {
    "filtered.example": ["20 backup.filtered.example.", "10 EU-SMTP-INBOUND-1.mimecast.com."],
    "hosted.example": ["0 hosted-example.mail.protection.outlook.com."],
    "own.example": ["10 mx.own.example."],
    "nomail.example": ["0 ."],
    "xn--mnchen-3ya.example": ["10 mx00.ionos.de."],
    "bare.example": EMPTY,
    "broken.example": BROKEN,
    "silent.example": SILENT,
}


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    async with name_server(dict(RECORDS)) as running:
        yield running


@pytest.fixture
def resolver(server: NameServer) -> MxResolver:
    return MxResolver([server.address], timeout_seconds=30)


@pytest.mark.parametrize(
    ("domain", "outcome", "mx"),
    [
        ("filtered.example", "found", ("eu-smtp-inbound-1.mimecast.com", "backup.filtered.example")),
        ("Hosted.Example.", "found", ("hosted-example.mail.protection.outlook.com",)),
        ("münchen.example", "found", ("mx00.ionos.de",)),
        ("nomail.example", "none", ()),
        ("bare.example", "none", ()),
        ("unknown.example", "none", ()),
        ("broken.example", "failed", ()),
        ("[192.0.2.1]", "none", ()),
        ("a..example", "none", ()),
        (f"{'a' * 64}.example", "none", ()),
        ("\udcff.example", "none", ()),
    ],
)
async def test_whatever_the_dns_says_is_an_outcome(resolver, domain, outcome, mx):
    answer = await resolver.ask(domain)
    assert (answer.outcome, answer.mx) == (outcome, mx)


async def test_a_name_server_that_is_silent_is_a_failed_look_up_when_the_time_is_over(server):
    assert (await MxResolver([server.address], 0.2).ask("silent.example")).outcome is LookupOutcome.FAILED


async def test_a_name_server_that_is_not_there_is_a_failed_look_up():
    async with name_server({}) as gone:
        address = gone.address
    assert (await MxResolver([address], 0.2).ask("own.example")).outcome is LookupOutcome.FAILED


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
    ],
)
def test_name_servers_are_addresses_with_or_without_a_port(text, found):
    assert read_name_server(text) == found


@pytest.mark.parametrize(
    "text", ["", "dns.example", "192.0.2.53:", "192.0.2.53:0", "192.0.2.53:99999", "x:53"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match=r"port|address|literal"):
        read_name_server(text)


# --- what is kept, and for how long ---------------------------------------------------------------


async def learnt(domain: str, server: NameServer, **before: object) -> DomainGateway:
    known = DomainGateway(domain, **before)  # type: ignore[arg-type]
    resolver = MxResolver([server.address], 30)
    (row,) = await look_up([known], resolver, policy.load().gateways, NOW)
    return row


async def test_an_answer_names_the_gateway_and_is_kept_for_a_week_at_least(server):
    row = await learnt("filtered.example", server)
    assert (row.name, row.outcome, row.looked_up_at) == ("mimecast", "found", NOW)
    assert row.expires_at == NOW + LEAST_SECONDS


async def test_an_answer_is_kept_as_long_as_it_says_but_not_for_ever(server):
    server.ttl_seconds = 10 * 86_400
    assert (await learnt("own.example", server)).expires_at == NOW + 10 * DAY_SECONDS
    server.ttl_seconds = 365 * 86_400
    assert (await learnt("own.example", server)).expires_at == NOW + MOST_SECONDS


async def test_mail_servers_of_nobody_known_are_kept_without_a_name(server):
    row = await learnt("own.example", server)
    assert (row.name, row.mx, row.outcome) == ("", ("mx.own.example",), "found")


async def test_a_domain_without_mail_servers_is_asked_again_tomorrow(server):
    row = await learnt("bare.example", server, name="mimecast", mx=("a.mimecast.com",))
    assert (row.name, row.mx, row.outcome, row.expires_at) == ("", (), "none", NOW + DAY_SECONDS)


async def test_a_failed_look_up_keeps_what_was_known_and_is_tried_again_in_an_hour(server):
    row = await learnt("broken.example", server, name="mimecast", mx=("a.mimecast.com",))
    assert (row.name, row.mx) == ("mimecast", ("a.mimecast.com",))
    assert (row.outcome, row.expires_at) == ("failed", NOW + FAILED_SECONDS)


async def test_only_a_few_domains_are_asked_at_a_time():
    class Counting:
        open = most = 0

        async def ask(self, _domain: str) -> MxAnswer:
            self.open += 1
            self.most = max(self.most, self.open)
            await asyncio.sleep(0)
            self.open -= 1
            return MxAnswer(LookupOutcome.NONE)

    counting = Counting()
    domains = [DomainGateway(f"d{number}.example") for number in range(100)]
    rows = await look_up(domains, counting, policy.load().gateways, NOW)
    assert [row.domain for row in rows] == [row.domain for row in domains]
    assert counting.most == AT_ONCE


# --- behind a server ------------------------------------------------------------------------------


async def register(site: Site, *domains: str) -> None:
    await site.store.register_recipients([RecipientDraft(address=f"anna@{domain}") for domain in domains])


async def names(site: Site) -> dict[str, str]:
    return {row.domain: row.name for row in await site.store.list_gateways()}


async def test_domains_of_recipients_are_looked_up_once_until_they_expire(
    site: Site, server, resolver
) -> None:
    await register(site, "filtered.example", "Hosted.example", "filtered.example")
    rules, metrics = policy.load().gateways, Metrics()
    outcomes = await look_up_due(site.store, resolver, rules, NOW, metrics)
    assert outcomes == {"found": 2, "none": 1}
    assert await names(site) == {
        "filtered.example": "mimecast",
        "hosted.example": "microsoft-365",
        "example.com": "",
    }
    assert sorted(server.asked) == ["example.com", "filtered.example", "hosted.example"]
    assert not await look_up_due(site.store, resolver, rules, NOW + DAY_SECONDS - 1)
    assert await look_up_due(site.store, resolver, rules, NOW + DAY_SECONDS) == {"none": 1}
    assert (await look_up_due(site.store, resolver, rules, NOW + LEAST_SECONDS))["found"] == 2
    count = metrics.registry.get_sample_value
    assert count("linkproxy_gateway_lookups_total", {"outcome": "found"}) == 2


async def test_more_domains_than_one_page_are_all_looked_up(site: Site, resolver) -> None:
    await register(site, *(f"d{number}.example" for number in range(250)))
    outcomes = await look_up_due(site.store, resolver, policy.load().gateways, NOW)
    assert outcomes == {"none": 251}


async def test_a_new_policy_names_known_mail_servers_again_without_asking(
    site: Site, server, resolver
) -> None:
    await register(site, "own.example")
    await look_up_due(site.store, resolver, policy.load().gateways, NOW)
    server.asked.clear()
    own = policy.load('[gateways.house]\nrole = "filter"\nsuffixes = ["own.example"]').gateways
    assert await name_again(site.store, own) == 1
    assert await name_again(site.store, own) == 0
    assert (await names(site))["own.example"] == "house"
    assert server.asked == []


async def test_a_running_server_learns_gateways_by_itself_and_judges_with_them(start: Start, server) -> None:
    server.records["example.com"] = ["10 eu-smtp-inbound-1.mimecast.com."]
    site: Site = await start(gateways={"lookup": True, "nameservers": [server.address]})
    await site.server.services.gateways.once()
    await site.ask(site.url())
    entry = (await site.visits())[0].entry
    assert entry.facts.gateway == "mimecast"
    shift = site.server.services.policy.gateway_prior["mimecast"]
    assert entry.verdict.prior == site.server.services.policy.prior[site.campaign.kind] + shift


async def test_by_default_nobody_is_asked(site: Site) -> None:
    assert site.config.gateways.lookup is False
    await site.ask(site.url())
    assert [row.outcome for row in await site.store.list_gateways()] == [LookupOutcome.UNASKED]


async def test_a_name_server_that_is_none_is_a_fault_of_the_configuration(start: Start) -> None:
    with pytest.raises(ConfigError, match=r"\[gateways\] nameservers.*dns\.example"):
        await start(gateways={"nameservers": ["dns.example"]})


async def test_a_pass_that_fails_is_logged_and_the_next_one_works(site: Site, resolver) -> None:
    await register(site, "filtered.example")
    log = io.StringIO()
    configure_logging("info", "json", log)

    class Failing:
        def __init__(self) -> None:
            self.fails = True

        async def list_gateways(self) -> list[DomainGateway]:
            if self.fails:
                raise StoreError("the disk is full")
            return await site.store.list_gateways()

        list_gateways_due = site.store.list_gateways_due
        put_gateways = site.store.put_gateways

    store = Failing()
    finder = GatewayFinder(
        store, resolver, policy.load().gateways, metrics=Metrics(), clock=lambda: NOW
    )  # fmt: skip
    await finder.once()
    assert '"event": "gateways.failed"' in log.getvalue()
    assert "the disk is full" in log.getvalue()
    store.fails = False
    await finder.once()
    assert (await names(site))["filtered.example"] == "mimecast"


async def test_an_answer_for_a_domain_that_was_erased_meanwhile_is_not_kept(site: Site, resolver) -> None:
    await register(site, "filtered.example")
    due = await site.store.list_gateways_due(now=NOW, limit=10)
    person = await site.store.find_recipient("anna@filtered.example")
    await site.store.erase_recipient(person.id)
    await site.store.put_gateways([replace(row, name="mimecast", expires_at=NOW) for row in due])
    assert "filtered.example" not in await names(site)
