from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkproxy.model import LinkproxyError
from linkproxy.store.privacy import Privacy, domain_of, is_address, normal_address

KEY = bytes(range(32))
FULL = Privacy("full", "full", KEY)
TRUNCATED = Privacy("truncated", "truncated", KEY)
HASHED = Privacy("hashed", "hashed", KEY)


@pytest.mark.parametrize(
    ("client", "network", "stored"),
    [
        ("192.0.2.77", "192.0.2.0/24", ("192.0.2.0/24", "192.0.2.0/24")),
        ("2001:db8:aa:bb::1", "2001:db8:aa:bb::/64", ("2001:db8:aa::/48", "2001:db8:aa::/48")),
        ("", "192.0.2.0/24", ("", "192.0.2.0/24")),
        ("", "", ("", "")),
        ("not an address", "", ("", "")),
    ],
)
def test_truncating_a_client_leaves_its_network(client, network, stored):
    assert TRUNCATED.pseudonym(client, network) == stored


def test_hashes_of_clients_and_networks_are_sixteen_bytes_and_of_different_families():
    client, network = HASHED.pseudonym("192.0.2.7", "192.0.2.7")
    assert len(bytes.fromhex(client)) == len(bytes.fromhex(network)) == 16
    assert client != network


def test_another_key_gives_other_hashes():
    other = Privacy("hashed", "hashed", bytes(32))
    assert other.pseudonym("192.0.2.7", "") != HASHED.pseudonym("192.0.2.7", "")
    assert other.address_hash("ann@example.com") != HASHED.address_hash("ann@example.com")
    assert other.check() != HASHED.check()


@pytest.mark.parametrize(
    ("privacy", "address", "stored"),
    [
        (FULL, " Ann@Example.com ", "Ann@Example.com"),
        (TRUNCATED, "Ann@Example.com", "A***@example.com"),
        (TRUNCATED, "", ""),
        (HASHED, "", ""),
    ],
)
def test_addresses_are_stored_as_the_setting_says(privacy, address, stored):
    assert privacy.address(address) == stored


def test_a_hashed_address_is_the_same_however_it_is_spelt():
    assert HASHED.address("Ann@Example.com") == HASHED.address(" ann@example.COM.")
    assert "ann" not in HASHED.address("ann@example.com")


def test_references_stay_whole_unless_they_are_hashed():
    assert FULL.reference("r-1") == TRUNCATED.reference("r-1") == "r-1"
    assert len(HASHED.reference("r-1")) == 32


def test_of_a_stray_references_are_hashed_and_nothing_else():
    path = "/token/aB3x/r-7//~nonce"
    assert TRUNCATED.stray_target(path) == path
    assert HASHED.stray_target(path) == f"/token/aB3x/{HASHED.reference('r-7')}//~nonce"
    assert HASHED.stray_target("/token/aB3x") == "/token/aB3x"


def test_addresses_and_references_of_the_same_text_are_different_people():
    assert FULL.address_hash("x") != FULL.reference_hash("x")
    assert FULL.hashes_of("a@b.example") == (FULL.address_hash("A@b.example"),)
    assert FULL.hashes_of("A1") == (FULL.reference_hash("A1"),)
    assert FULL.hashes_of("") == ()


def test_a_domain_is_what_follows_the_last_at_sign():
    assert domain_of('"a@b"@Example.COM') == "example.com"
    assert domain_of("@Example.com") == "example.com"
    assert domain_of("reference") == ""
    assert is_address("a@b.example")
    assert not is_address("r-1")


@pytest.mark.parametrize("size", [0, 15, 65])
def test_a_key_of_the_wrong_size_is_refused_in_words(size):
    with pytest.raises(LinkproxyError, match=r"privacy.key has \d+ bytes; it must have 16 to 64"):
        Privacy("full", "full", bytes(size))


@given(st.text())
def test_whatever_the_text_something_is_stored_and_found_again(text):
    for privacy in (FULL, TRUNCATED, HASHED):
        privacy.pseudonym(text, text)
        privacy.address(text)
        assert privacy.hashes_of(text) == privacy.hashes_of(text)
    assert normal_address(normal_address(text)) == normal_address(text)


@given(st.characters(categories=["Cs"]))
def test_bytes_that_were_no_utf8_can_be_hashed(character):
    assert len(HASHED.reference(character)) == 32
