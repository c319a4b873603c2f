"""``linkproxy networks check``: everything that is known of an address."""

from __future__ import annotations

import time

import pytest
from claims.mmdb import GEOLITE2, mmdb


@pytest.fixture
def known(here):
    """An installation with a network database and rows of its own."""
    here.write("asn.mmdb", mmdb(GEOLITE2))
    here.write(
        "policy.toml",
        '[operator.office]\nsays = "person"\nasns = [1221]\nnote = "our own office"\n'
        '[operator.branch]\nsays = "not-scanner"\ncidrs = ["40.107.218.0/24"]\n'
        '[operator.shop]\nsays = "machine"\ncidrs = ["1.128.0.0/11"]\nagents = ["shop"]\n',
    )
    config = here.folder / "config.toml"
    config.write_text('[networks]\nasn_files = ["asn.mmdb"]\n[judge]\npolicy_file = "policy.toml"\n')
    return here


def test_an_address_of_a_vendor_is_told_with_rule_source_and_weight(here):
    found = here.ok("networks", "check", "40.107.218.12", "--json").json
    assert found["zone"] == "microsoft-eop"
    assert (found["role"], found["certainty"], found["rule"]) == ("scanner", "certain", "40.107.0.0/16")
    assert "EOPExternalPublishedIPs" in found["source"]
    assert found["signals"] == [
        {"name": "network.scanner", "weight": 25.0, "counted": True, "decisive": False}
    ]
    assert (found["asn"], found["asn_file"], found["operator_rows"]) == (None, None, [])
    shown = here.ok("networks", "check", "40.107.218.12").text
    for part in (
        "not known",
        "microsoft-eop",
        "scanner (certain)",
        "40.107.0.0/16",
        "network.scanner +25.0 (counts)",
    ):
        assert part in shown


@pytest.mark.parametrize("spelt", ["::ffff:40.107.218.12", "[::ffff:286b:da0c]", "40.107.218.12:443"])
def test_an_address_is_looked_up_as_that_of_a_visit_however_a_log_spells_it(here, spelt):
    found = here.ok("networks", "check", spelt, "--json").json
    assert (found["address"], found["zone"]) == ("40.107.218.12", "microsoft-eop")


def test_a_system_of_a_vendor_weighs_as_what_is_probable(known):
    found = known.ok("networks", "check", "198.51.100.9", "--json").json
    assert (found["asn"], found["organisation"]) == (26211, "Proofpoint, Inc.")
    assert found["asn_file"].endswith("asn.mmdb")
    assert (found["zone"], found["rule"], found["certainty"]) == ("proofpoint", "AS26211", "probable")
    assert found["signals"][0]["weight"] == 10.0
    assert "AS26211 Proofpoint, Inc." in known.ok("networks", "check", "198.51.100.9").text


def test_rows_that_go_by_network_alone_are_counted_and_others_are_not(known):
    found = known.ok("networks", "check", "1.128.0.7", "--json").json
    assert found["operator_rows"] == ["office"]
    assert [item["name"] for item in found["signals"]] == ["operator.person"]
    assert "operator.office" in known.ok("networks", "check", "1.128.0.7").text


def test_what_a_row_of_the_operator_silences_is_shown_as_silenced(known):
    found = known.ok("networks", "check", "40.107.218.12", "--json").json
    counted = {item["name"]: item["counted"] for item in found["signals"]}
    assert counted["network.scanner"] is False
    assert "network.scanner +25.0 (silenced)" in known.ok("networks", "check", "40.107.218.12").text


def test_an_unknown_address_is_told_to_be_unknown(here):
    found = here.ok("networks", "check", "2001:db8::7", "--json").json
    assert (found["zone"], found["asn"], found["signals"]) == (None, None, [])
    assert "nothing speaks for or against it" in here.ok("networks", "check", "[2001:db8::7]").text


@pytest.mark.parametrize("text", ["", "brand.example", "10.0.0.0/8", "300.1.1.1"])
def test_what_is_no_address_is_refused(here, text):
    assert "is not an IP address such as 192.0.2.7" in here.fails("networks", "check", text)


def test_a_missing_database_is_named_with_what_to_do(here):
    (here.folder / "config.toml").write_text('[networks]\nasn_files = ["gone.mmdb", "also.mmdb"]\n')
    told = here.fails("networks", "check", "192.0.2.7").splitlines()
    assert len(told) == 2
    assert "[networks] asn_files: there is no file" in told[0]
    assert "gone.mmdb" in told[0]


def test_requests_that_were_never_received_are_looked_up_too(known):
    known.write(
        "requests.jsonl",
        '{"id": "one", "ip": "198.51.100.9"}\n{"id": "two", "ip": "198.51.100.9", "asn": 64500}\n',
    )
    first, second = known.ok("explain", "--requests", "requests.jsonl", "--json").lines
    assert "network.scanner" in {item["name"] for item in first["signals"]}
    assert second["signals"] == []


def test_explain_says_where_a_visit_came_from(known):
    html = known.mail()
    known.visit(known.paths(html)[:1], time.time(), peer="198.51.100.9")
    told = known.ok("explain", "1", "--json").json
    assert (told["asn"], told["zone"], told["gateway"]) == (26211, "proofpoint", None)
    assert "26211" in known.ok("explain", "1").text
