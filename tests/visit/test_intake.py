"""What intake makes of requests as they are on the wire."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from linkproxy.campaign.tokens import Keyring, SigningKey
from linkproxy.model import (
    CampaignId,
    RawRequest,
    RecipientId,
    Stray,
    StrayReason,
    TokenForm,
    Visit,
)
from linkproxy.visit.intake import Gate, locate, read

KEYRING = Keyring([SigningKey(1, bytes(range(32)))])
TOKEN = KEYRING.sign(CampaignId(7), RecipientId(99))
MERGED = KEYRING.sign(CampaignId(7), RecipientId(0), TokenForm.REFERENCE)
GATE = Gate(KEYRING)


def request(target: str, *headers: tuple[str, str], peer: str = "203.0.113.9", **more: object) -> RawRequest:
    return RawRequest(
        method=str(more.get("method", "GET")),
        target=target,
        headers=headers,
        peer=peer,
        time=1000.0,
        http_version=str(more.get("http_version", "1.1")),
        body=more.get("body", b""),  # type: ignore[arg-type]
    )


def visit(target: str, *headers: tuple[str, str], gate: Gate = GATE, **more: object) -> Visit:
    found = read(request(target, *headers, **more), gate)  # type: ignore[arg-type]
    assert isinstance(found, Visit)
    return found


def stray(target: str) -> StrayReason:
    found = read(request(target), GATE)
    assert isinstance(found, Stray)
    return found.reason


def proxied(*networks: str, header: str = "x-forwarded-for") -> Gate:
    return Gate(KEYRING, tuple(ip_network(text) for text in networks), client_header=header)


def test_a_tracked_url_says_campaign_recipient_and_link():
    found = visit(f"/{TOKEN}/aB3x")
    assert (found.campaign_id, found.recipient_id, found.key) == (7, 99, "aB3x")


@pytest.mark.parametrize("tail", ["?utm_source=x", "?fbclid=1&a=b", ""])
def test_a_query_that_others_append_changes_nothing(tail):
    assert visit(f"/{TOKEN}/aB3x{tail}").key == "aB3x"


@pytest.mark.parametrize("end", [".", ",", ")", "),", "!", "]", ">", "%3E", "%5d", ".?fbclid=1", "*", "**", "*.", "%2a",
                                 "%E3%80%82", "%E3%80%8d%e3%81%AB,", "\u3002", "%D8%8C", "%E2%80%9D.", "%F0%9F%94%A5",
                                 "`", "_", "%20", "%0D%0A", "%09", "=", "%7C", "%3C", "%5C", "-", "|", "}", "~~",
                                 "&utm_source=x", ".&email=anna@example.com", "/", "/?fbclid=1"])  # fmt: skip
def test_what_was_taken_along_from_the_text_around_a_link_changes_nothing(end):
    assert visit(f"/{TOKEN}/aB3x{end}") == visit(f"/{TOKEN}/aB3x")


@pytest.mark.parametrize("end", [".aB3x", "%2E", "./", "'", "%27", "%22", ".~x", "%20or", "%E3%80%82a", "%00", "x", "1",
                                 "//", "-admin", "_x", ".php"])  # fmt: skip
def test_what_could_be_another_link_or_a_scanners_try_is_no_link(end):
    assert stray(f"/{TOKEN}/aB3x{end}") is StrayReason.MALFORMED


def test_a_reference_keeps_the_point_at_its_end():
    assert visit(f"/{MERGED}/aB3x/jo.").reference == "jo."


@pytest.mark.parametrize("end", [".", ",", ")", "),", "!", "%5d", ".?fbclid=1", "**"])
def test_the_point_of_the_sentence_behind_a_signed_reference_changes_nothing(end):
    signed = f"/{MERGED}/aB3x/{KEYRING.sign_reference('u-8347')}"
    assert visit(signed + end) == visit(signed)


@pytest.mark.parametrize("end", [",", ")", ".)", "!", "%3E", "*"])
def test_what_no_reference_can_end_with_is_the_sentences(end):
    assert visit(f"/{MERGED}/aB3x/jo{end}").reference == "jo"


def test_a_request_target_in_absolute_form_is_read():
    assert visit(f"http://click.example/{TOKEN}/aB3x").key == "aB3x"


def test_a_reference_needs_a_token_of_its_own_form():
    assert visit(f"/{MERGED}/aB3x/u-8347").reference == "u-8347"
    assert stray(f"/{TOKEN}/aB3x/u-8347") is StrayReason.BAD_MAC


def test_a_signed_reference_is_verified_and_a_plain_one_is_not():
    assert visit(f"/{MERGED}/aB3x/{KEYRING.sign_reference('u-8347')}").verified
    assert not visit(f"/{MERGED}/aB3x/u-8347").verified


@pytest.mark.parametrize("tag", ["*%7CUNIQID%7C*", "ann@example.com", "ann%40example.com", "%7B%7Bid%7D%7D"])
def test_an_unfilled_tag_or_a_mail_address_is_nobodys_reference(tag):
    found = visit(f"/{MERGED}/aB3x/{tag}")
    assert (found.reference, found.recipient_id, found.verified) == ("", 0, False)


@pytest.mark.parametrize("end", ["/", "/?fbclid=1", "/.", "", "?fbclid=1"])
def test_who_has_nothing_in_the_field_that_a_tag_stands_for_is_nobody(end):
    found = visit(f"/{MERGED}/aB3x{end}")
    assert (found.reference, found.recipient_id, found.verified) == ("", 0, False)


def test_a_name_that_a_tag_filled_in_is_nobodys_reference():
    """Not even that of another person, whose reference is how the name begins."""
    assert visit(f"/{MERGED}/aB3x/Andr%C3%A9").reference == ""


def test_the_form_of_the_extra_hop_leads_straight_on():
    assert visit(f"/{TOKEN}/aB3x/~abcdef").key == "aB3x"


def _mutations() -> list[str]:
    flipped = ("A" if TOKEN[5] != "A" else "B").join((TOKEN[:5], TOKEN[6:]))
    return [f"/{flipped}/aB3x", f"/{TOKEN.swapcase()}/aB3x"]


@pytest.mark.parametrize("target", _mutations())
def test_a_changed_token_is_a_bad_mac(target):
    assert stray(target) is StrayReason.BAD_MAC


@pytest.mark.parametrize(
    "target",
    [
        f"/{TOKEN}",
        f"/{TOKEN[:-1]}/aB3x",
        f"/{TOKEN}/aB3x%27/",
        f"/{TOKEN}'/aB3x",
        f"/{TOKEN}/aB3",
        f"/{TOKEN}//aB3x",
    ],
)
def test_a_token_in_a_wrong_shape_is_malformed(target):
    assert stray(target) is StrayReason.MALFORMED


@pytest.mark.parametrize(
    ("behind", "kept"),
    [
        ("/aB3x/anna@example.com/", "/aB3x/-/"),
        ("/aB3x/anna%40example.com/b", "/aB3x/-/b"),
        ("/aB3x/r-7//anna@example.com", "/aB3x/r-7//-"),
        ("/anna@example.com", "/-"),
        ("/anna%40example.com", "/-"),
        ("/aB3x?email=anna@example.com", "/aB3x"),
        ("/aB3x%27--", "/aB3x-"),
        ("/aB3xx", "/aB3xx"),
        ("/aB3", "/aB3"),
    ],
)
def test_of_a_stray_nothing_is_kept_that_may_be_a_mail_address(behind, kept):
    token = TOKEN.swapcase()
    for asked in (f"/{token}{behind}", f"http://click.example/{token}{behind}"):
        found = read(request(asked), GATE)
        assert isinstance(found, Stray)
        assert found.target == f"/{token}{kept}"


@pytest.mark.parametrize(
    "target", ["/", "/robots.txt", "/favicon.ico", "/healthz", "/.well-known/security.txt", "*"]
)
def test_other_paths_are_nobodys_business(target):
    assert read(request(target), GATE) is None


def test_the_peer_is_the_client_when_no_proxy_is_trusted():
    found = visit(f"/{TOKEN}/aB3x", ("X-Forwarded-For", "198.51.100.7"), peer="203.0.113.9")
    assert (found.client, found.network) == ("203.0.113.9", "203.0.113.0/24")


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("192.0.2.1, 198.51.100.7", "198.51.100.7"),  # the left one is the client's own claim
        ("198.51.100.7, 10.0.0.2", "198.51.100.7"),  # two trusted proxies
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("198.51.100.7:51123", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("unknown", ""),
        ("", ""),
        ("not an address, 10.0.0.2", ""),
    ],
)
def test_forwarded_addresses_are_read_from_the_right_past_trusted_proxies_only(forwarded, client):
    gate = proxied("10.0.0.0/8")
    assert (
        visit(f"/{TOKEN}/aB3x", ("X-Forwarded-For", forwarded), gate=gate, peer="10.0.0.1").client == client
    )


def test_several_forwarding_headers_are_one_list():
    headers = (("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-For", "10.0.0.2"))
    assert (
        visit(f"/{TOKEN}/aB3x", *headers, gate=proxied("10.0.0.0/8"), peer="10.0.0.1").client
        == "198.51.100.7"
    )


@pytest.mark.parametrize(
    ("forwarded", "client", "secure"),
    [
        ("for=198.51.100.7;proto=https", "198.51.100.7", True),
        ('for="[2001:db8::1]:4711";proto=http', "2001:db8::1", False),
        ("for=192.0.2.1, for=198.51.100.7;proto=https", "198.51.100.7", True),
        ("for=_hidden", "", False),
        ("FOR=198.51.100.7 ; Proto=https", "198.51.100.7", True),
    ],
)
def test_the_forwarded_header_of_rfc_7239_is_read_when_it_is_the_one_that_counts(forwarded, client, secure):
    gate = proxied("10.0.0.0/8", header="forwarded")
    found = visit(f"/{TOKEN}/aB3x", ("Forwarded", forwarded), gate=gate, peer="10.0.0.1")
    assert (found.client, found.secure) == (client, secure)


def test_a_forwarded_header_that_no_proxy_sets_is_not_believed():
    headers = (("Forwarded", "for=192.0.2.66"), ("X-Forwarded-For", "198.51.100.7"))
    assert (
        visit(f"/{TOKEN}/aB3x", *headers, gate=proxied("10.0.0.0/8"), peer="10.0.0.1").client
        == "198.51.100.7"
    )


def test_tls_at_a_trusted_front_is_tls():
    headers = (("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-Proto", "https"))
    assert visit(f"/{TOKEN}/aB3x", *headers, gate=proxied("10.0.0.0/8"), peer="10.0.0.1").secure
    assert not visit(f"/{TOKEN}/aB3x", *headers, peer="10.0.0.1").secure


def test_the_http_version_of_a_front_is_not_the_clients():
    behind = visit(f"/{TOKEN}/aB3x", gate=proxied("10.0.0.0/8"), peer="10.0.0.1", http_version="1.0")
    assert (visit(f"/{TOKEN}/aB3x", http_version="1.0").http_version, behind.http_version) == ("1.0", "")


def test_a_profile_keeps_what_tells_clients_apart_and_nothing_personal():
    found = visit(
        f"/{TOKEN}/aB3x",
        ("User-Agent", "Mozilla/5.0 (X11)"),
        ("Cookie", "id=1"),
        ("Referer", "https://mail.example/inbox/ann"),
        ("X-Request-Id", "77"),
        ("Sec-Fetch-Mode", "navigate"),
    )
    assert found.profile.headers == (("user-agent", "Mozilla/5.0 (X11)"), ("sec-fetch-mode", "navigate"))


def test_a_profile_stays_small_whatever_names_a_client_invents():
    agent = ("User-Agent", "Mozilla/5.0 (X11)")
    long = visit(f"/{TOKEN}/aB3x", agent, *((f"Sec-{place}-{'x' * 7000}", "a") for place in range(48)))
    many = visit(f"/{TOKEN}/aB3x", agent, *((f"Sec-{place}-{'x' * 50}", "a" * 600) for place in range(48)))
    assert long.profile.headers == (("user-agent", "Mozilla/5.0 (X11)"),)
    assert sum(len(name) + len(value) for name, value in many.profile.headers) <= 4096


def test_a_missing_agent_is_an_empty_one():
    assert visit(f"/{TOKEN}/aB3x").profile.agent == ""


def test_a_one_click_post_is_known_by_its_body():
    assert visit(f"/{TOKEN}/aB3x", method="POST", body=b"List-Unsubscribe=One-Click").one_click
    assert not visit(f"/{TOKEN}/aB3x", method="POST", body=b"x=1").one_click
    assert not visit(f"/{TOKEN}/aB3x", method="GET", body=b"List-Unsubscribe=One-Click").one_click


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("198.51.100.77", "198.51.100.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("999.1.1.1", ""),
        ("20.0.0.0/8", ""),
    ],
)
def test_a_network_is_a_24_or_a_64(text, network):
    assert locate(text)[1] == network


@given(st.ip_addresses())
@example(ip_address("::ffff:203.0.113.9"))
@example(ip_address("2001:db8:0:1::"))
def test_an_address_is_told_as_the_library_writes_it(address):
    plain = getattr(address, "ipv4_mapped", None) or address
    network = ip_network((plain, 24 if plain.version == 4 else 64), strict=False)
    for text in (
        str(address),
        address.exploded,
        f"[{address}]:443" if address.version == 6 else f"{address}:443",
    ):
        assert locate(text) == (str(plain), str(network))


@given(
    st.lists(st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), max_size=3),
    st.ip_addresses(v=4),
    st.sampled_from(["{}", "::ffff:{}", "{}:443"]),
)
def test_who_is_trusted_is_who_is_in_a_network_of_fronts(fronts, address, spelt):
    networks = tuple(ip_network(front, strict=False) for front in fronts)
    found = read(
        request(f"/{TOKEN}/aB3x", ("X-Forwarded-For", "192.0.2.1"), peer=spelt.format(address)),
        Gate(KEYRING, networks),
    )
    trusted = any(address in network for network in networks)
    assert isinstance(found, Visit)
    assert found.client == ("192.0.2.1" if trusted else str(address))


@given(
    st.text(max_size=80),
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=6),
    st.text(max_size=30),
)
def test_no_request_breaks_intake(target, headers, peer):
    raw = RawRequest("GET", target, tuple(headers), peer, 0.0)
    assert not isinstance(read(raw, proxied("0.0.0.0/0", "::/0")), Visit)
