"""Who scans for a domain, by its mail servers, and what that says beforehand."""

from __future__ import annotations

import pytest
from claims.browsers import CHROME

from linkproxy.model import CampaignKind
from linkproxy.store.gateways import DomainGateway, LookupOutcome
from linkproxy.visit import policy
from linkproxy.visit.gateways import GatewayRole
from linkproxy.visit.policy import PolicyError


@pytest.mark.parametrize(
    ("mx", "name", "role"),
    [
        (["customer-example.mail.protection.outlook.com"], "microsoft-365", GatewayRole.HOSTER),
        (["customer-example.c-v1.mx.microsoft"], "microsoft-365", GatewayRole.HOSTER),
        (["outlook-com.olc.protection.outlook.com"], "outlook-com", GatewayRole.FREEMAIL),
        (["aspmx.l.google.com", "alt1.aspmx.l.google.com"], "google-workspace", GatewayRole.HOSTER),
        (["smtp.google.com"], "google-workspace", GatewayRole.HOSTER),
        (["gmail-smtp-in.l.google.com"], "gmail", GatewayRole.FREEMAIL),
        (["mx0a-00000000.pphosted.com"], "proofpoint", GatewayRole.FILTER),
        (["eu-smtp-inbound-1.mimecast.com"], "mimecast", GatewayRole.FILTER),
        (["d000000a.ess.barracudanetworks.com"], "barracuda", GatewayRole.FILTER),
        (["mx1.customer.iphmx.com"], "cisco", GatewayRole.FILTER),
        (["cluster1.eu.messagelabs.com"], "symantec", GatewayRole.FILTER),
        (["customer.in.tmes.trendmicro.eu"], "trend-micro", GatewayRole.FILTER),
        (["mx-01-eu-central-1.prod.hydra.sophos.com"], "sophos", GatewayRole.FILTER),
        (["mx01.hornetsecurity.com"], "hornetsecurity", GatewayRole.FILTER),
        (["cust1-s.in.mailcontrol.com"], "forcepoint", GatewayRole.FILTER),
        (["customer.fortimailcloud.com"], "fortinet", GatewayRole.FILTER),
        (["MX00.IONOS.DE."], "ionos", GatewayRole.HOSTER),
    ],
)
def test_mail_servers_tell_the_gateway(mx, name, role):
    found = policy.load().gateways.find(mx)
    assert (found.name, found.role) == (name, role)


@pytest.mark.parametrize(
    "mx", [[], [""], ["mx.customer.example"], ["notmimecast.com"], ["mimecast.com.attacker.example"], ["com"]]
)
def test_other_mail_servers_tell_nothing(mx):
    assert policy.load().gateways.find(mx) is None


def test_the_most_preferred_mail_server_counts():
    find = policy.load().gateways.find
    assert find(["eu-smtp-inbound-1.mimecast.com", "x.mail.protection.outlook.com"]).name == "mimecast"
    assert find(["mx.customer.example", "x.mail.protection.outlook.com"]).name == "microsoft-365"


def test_every_gateway_says_where_it_comes_from_and_has_a_suffix_of_its_own():
    rules = policy.load().gateways
    assert all(len(row.source) > 20 for row in rules.by_name.values())
    assert {row.name for row in rules.by_suffix.values()} == set(rules.by_name)


def test_an_operator_can_name_gateways_of_their_own():
    text = """
    [gateways.house-filter]
    role = "filter"
    suffixes = [".filter.brand.example"]
    [prior.gateway]
    house-filter = 4
    """
    rules = policy.load(text)
    assert rules.gateways.find(["mx1.filter.brand.example"]).name == "house-filter"
    assert rules.gateway_prior["house-filter"] == 4.0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            '[gateways.mine]\nsuffixes = ["a.example"]',
            "gateways.mine.role must be one of filter, hoster, freemail",
        ),
        ('[gateways.mine]\nrole = "filter"\nsuffixes = [""]', "gateways.mine.suffixes: '' is no end"),
        ('[gateways.mine]\nrole = "filter"\nsuffixes = [7]', "gateways.mine.suffixes: 7 is no end"),
        ("[prior.gateway]\nnobody = 2", "prior.gateway.nobody is no gateway"),
        ('[prior.gateway]\nmimecast = "much"', "prior.gateway.mimecast must be a number"),
        ('[prior.gateway]\nmine = "much"', "prior.gateway.mine is no setting"),
    ],
)
def test_a_bad_gateway_is_refused_with_what_is_wrong(text, fault):
    with pytest.raises(PolicyError, match=fault):
        policy.load(text)


async def learn(world, name: str) -> None:
    await world.store.put_gateways(
        [DomainGateway("customer.example", name, ("mx.example",), LookupOutcome.FOUND, 1.0, 2.0)]
    )


async def test_the_prior_of_a_visit_counts_the_gateway_and_is_frozen_with_it(world):
    before = await world.judged(headers=CHROME)
    await learn(world, "mimecast")
    after = await world.judged(headers=CHROME)
    assert (before.facts.gateway, after.facts.gateway) == ("", "mimecast")
    shift = world.policy.gateway_prior["mimecast"]
    assert after.verdict.prior == before.verdict.prior + shift
    await learn(world, "gmail")
    await world.settle()
    row = await world.store.get_visit(after.visit_id)
    assert row.entry.facts.gateway == "mimecast"
    assert row.entry.settled.prior == after.verdict.prior


async def test_a_gateway_that_the_policy_does_not_weigh_adds_nothing(world):
    await learn(world, "zoho")
    judged = await world.judged(headers=CHROME)
    assert judged.verdict.prior == world.policy.prior[CampaignKind.MARKETING]


@pytest.mark.parametrize("name", sorted(policy.load().gateway_prior))
async def test_no_gateway_alone_keeps_an_ordinary_person_from_being_counted(world, name):
    await learn(world, name)
    judged = await world.judged(headers=CHROME, at=1200.0)
    assert judged.verdict.kind == "human", judged.verdict
