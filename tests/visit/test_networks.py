"""Finding the zone of an address."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.visit import policy
from linkproxy.visit.networks import Prefixes, catalogue
from linkproxy.visit.policy import PolicyError

ADDRESSES = st.one_of(
    # A small corner of each space, so that networks meet.
    st.integers(0, 1023).map(lambda low: ipaddress.IPv4Address(0xC0000000 + low)),
    st.integers(0, 1023).map(lambda low: ipaddress.IPv6Address((0x20010DB8 << 96) + low)),
)


@st.composite
def networks(draw):
    address = draw(ADDRESSES)
    length = draw(st.integers(address.max_prefixlen - 12, address.max_prefixlen))
    return ipaddress.ip_network((address, length), strict=False)


@settings(max_examples=200)
@given(st.lists(networks(), max_size=30, unique=True), ADDRESSES)
def test_look_up_finds_what_a_search_through_all_networks_finds(known, address):
    around = [network for network in known if network.version == address.version and address in network]
    longest = max(around, key=lambda network: network.prefixlen, default=None)
    found = Prefixes.of((network, str(network)) for network in known).find(address)
    assert found == (None if longest is None else (str(longest), longest.prefixlen))


@settings(max_examples=200)
@given(st.lists(networks(), max_size=30, unique=True), ADDRESSES)
def test_the_quick_look_up_of_ipv4_finds_what_the_one_by_prefixes_finds(known, address):
    cidrs = {
        str(network): {"role": "cloud", "certainty": "certain", "source": "", "cidrs": [str(network)]}
        for network in known
    }
    zones = catalogue({name: table | {"asns": []} for name, table in cidrs.items()})
    found = zones.prefixes.find(address)
    assert zones.find(str(address)) == (found[0] if found else None)


@pytest.mark.parametrize(
    ("cidr", "last", "beyond"),
    [
        ("10.0.0.0/7", "11.255.255.255", "12.0.0.0"),
        ("0.0.0.0/8", "0.255.255.255", "1.0.0.0"),
        ("192.0.2.0/25", "192.0.2.127", "192.0.2.128"),
        ("255.255.255.255/32", "255.255.255.255", "254.255.255.255"),
    ],
)
def test_a_network_reaches_to_its_last_address_and_no_further(cidr, last, beyond):
    table = {"role": "cloud", "certainty": "certain", "source": "", "cidrs": [cidr], "asns": [64500]}
    zones = catalogue({"here": table})
    assert (zones.find(last), zones.find(beyond)) == (zones.systems[64500], None)
    assert zones.find(beyond, 64500) == zones.systems[64500]


@pytest.mark.parametrize("text", ["", "192.0.2", "192.0.2.1.1", "192.0.2.256", " 192.0.2.1", "192.0.2.0/24"])
def test_what_is_spelt_unlike_an_address_is_in_no_zone(text):
    everywhere = {"role": "cloud", "certainty": "certain", "source": "", "cidrs": ["0.0.0.0/0"], "asns": []}
    zones = catalogue({"all": everywhere})
    assert zones.find("192.0.2.1") is not None
    assert zones.find(text) is None


@pytest.mark.parametrize(
    ("client", "asn", "rule"),
    [
        ("40.107.218.12", 8075, "40.107.0.0/16"),
        ("2a01:111:f400::7", 0, "2a01:111:f400::/48"),
        ("203.0.113.9", 26211, "AS26211"),
        ("", 26211, "AS26211"),
    ],
)
def test_the_rule_that_matched_is_told_with_its_source(client, asn, rule):
    shipped = policy.load().networks
    match = shipped.match(client, asn)
    assert (match.rule, match.zone) == (rule, shipped.find(client, asn))
    assert len(match.source) > 20


@pytest.mark.parametrize(("client", "asn"), [("203.0.113.9", 0), ("", 0), ("nonsense", 64496)])
def test_nothing_known_is_no_match(client, asn):
    assert policy.load().networks.match(client, asn) is None


def test_an_empty_catalogue_knows_nothing():
    assert catalogue({}).find("192.0.2.1", 64496) is None


@pytest.mark.parametrize(
    ("asns", "shown"),
    [('["AS1"]', "'AS1'"), ("[-1]", "-1"), ("[4294967296]", "4294967296"), ("[true]", "True")],
)
def test_what_is_no_system_is_refused(asns, shown):
    text = f'[networks.mine]\nrole = "cloud"\nasns = {asns}'
    with pytest.raises(
        PolicyError, match=f"networks.mine.asns: {shown} is no number of an autonomous system"
    ):
        policy.load(text)
