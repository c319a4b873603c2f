import random
import string
from collections import Counter
from hashlib import sha256
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.campaign.links import (
    KEY_ALPHABET,
    KEYS_PER_CAMPAIGN,
    TARGET_CHARACTERS,
    add_parameters,
    authority_fault,
    new_keys,
    read_usual,
    shape,
    target_fault,
)
from linkproxy.model import LinkKey, LinkproxyError, Utm

UTM = Utm(source="nl", medium="email", campaign="autumn sale & more")
ADDED = "utm_source=nl&utm_medium=email&utm_campaign=autumn%20sale%20%26%20more"


# --- keys --------------------------------------------------------------------------------------


def test_keys_are_four_base62_characters_and_unique():
    keys = new_keys(5000, [])
    assert len(set(keys)) == 5000
    assert {len(key) for key in keys} == {4}
    assert {character for key in keys for character in key} == set(KEY_ALPHABET)


def drawn_for(key):
    """The drawn bytes that make a key."""
    return bytes(map(KEY_ALPHABET.index, key))


def test_a_key_that_is_taken_is_not_drawn_again():
    drawn = iter([drawn_for("aaaa") + drawn_for("aaab"), drawn_for("aaab"), drawn_for("aaac")])
    assert new_keys(2, [LinkKey("aaaa")], lambda _: next(drawn)) == ["aaab", "aaac"]


def test_bytes_beyond_the_last_whole_alphabet_are_not_used_so_that_all_keys_are_equally_likely():
    drawn = iter([bytes(range(248, 256)), drawn_for("zzzz")])
    assert new_keys(1, [], lambda _: next(drawn)) == ["zzzz"]
    characters = Counter(new_keys(1, [], lambda _, byte=byte: bytes([byte] * 4))[0][0] for byte in range(248))
    assert characters == dict.fromkeys(KEY_ALPHABET, 4)


def test_keys_can_be_drawn_from_a_seeded_source():
    first, second = (new_keys(3, [], random.Random(7).randbytes) for _ in range(2))  # noqa: S311 (a seed is the point)
    assert first == second


def test_a_table_that_is_too_full_is_refused_with_advice():
    with pytest.raises(LinkproxyError, match="start another campaign"):
        new_keys(KEYS_PER_CAMPAIGN + 1, [])


# --- targets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "https://example.com/",
        "HTTPS://EXAMPLE.COM/Path?q=1#f",
        "https://example.com:8443/a;b?x={y}",
        "https://example.com:/",
        "https://example.com./",
        "https://exämple.example/ä?ö=ü",
        "https://xn--exmple-cua.example/",
        "https://例え.example/",
        "https://ex%61mple.com/",
        "https://my_host.example.com/",
        "https://example.com/?redirect=https://user@other.example/",
        "https://example.com/#@",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://0x7f.0.0.1/",
        "http://0x/",
        "http://2130706433/",
        "http://192.168.0.1.:80/",
        "http://[::1]/",
        "http://[2001:db8::1]:8080/x",
        "http://[::ffff:192.0.2.1]/",
        "http://localhost/",
        "https://example.com/" + "a" * (TARGET_CHARACTERS - 20),
    ],
)
def test_a_link_that_clients_follow_can_be_a_target(url):
    assert target_fault(url) is None


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", "no absolute URL"),
        (" https://example.com/", "blanks or control"),
        ("https://example.com/\n", "blanks or control"),
        ("/path", "no absolute URL"),
        ("//example.com/", "no absolute URL"),
        ("example.com", "no absolute URL"),
        ("#top", "no absolute URL"),
        ("{{action_url}}", "no absolute URL"),
        ("mailto:a@example.com", "mailto:, not http"),
        ("javascript:alert(1)", "javascript:, not http"),
        ("JavaScript:alert(1)", "javascript:, not http"),
        ("data:text/html,x", "data:, not http"),
        ("ftp://example.com/", "ftp:, not http"),
        ("hhttp://example.com/", "hhttp:, not http"),
        ("tel:+491", "tel:, not http"),
        ("https:example.com", "no // after"),
        ("https:/example.com", "no // after"),
        ("https:\\\\example.com", "no // after"),
        ("http://", "no host"),
        ("http:///path", "no host"),
        ("https://?x", "no host"),
        ("https://:80/", "no host"),
        ("https://./", "no host"),
        ("https://user@example.com/", "user name"),
        ("https://user:pass@example.com/", "user name"),
        ("https://example.com@evil.example/", "user name"),
        ("https://@example.com/", "user name"),
        ("https://good.example\\@evil.example/", "user name"),
        ("https://good.example\\.evil.example/", "backslash"),
        ("http://209.163187.54/", "no IPv4 address"),
        ("http://256.0.0.1/", "no IPv4 address"),
        ("http://1.2.3.4.5/", "no IPv4 address"),
        ("http://1..2/", "no IPv4 address"),
        ("http://example.1/", "no IPv4 address"),
        ("http://08.0.0.1/", "no IPv4 address"),
        ("http://4294967296/", "no IPv4 address"),
        ("http://[::1/", "no IPv6 address"),
        ("http://[::g]/", "no IPv6 address"),
        ("http://[1.2.3.4]/", "no IPv6 address"),
        ("http://[fe80::1%25eth0]/", "no IPv6 address"),
        ("http://[::1]x/", "no IPv6 address"),
        ("http://example.com:99999/", "port"),
        ("http://example.com:8o/", "port"),
        ("http://example.com:-1/", "port"),
        ("http://a..b/", "empty label"),
        ("http://.example.com/", "empty label"),
        ("http://exa mple.com/", "blanks or control"),
        ("http://example.com/a b", "blanks or control"),
        ("http://example.com/\x00", "blanks or control"),
        ("http://example.com/\r\nSet-Cookie: a=b", "blanks or control"),
        ("http://example.com/\x85", "blanks or control"),
        ("http://example.com/\ud800", "blanks or control"),
        ("http://exa<mple.com/", "characters that no host has"),
        ("http://ex%2fample.com/", "characters that no host has"),
        ("http://ex%00ample.com/", "characters that no host has"),
        ("http://ex%ffample.com/", "characters that no host has"),
        ("http://a℀b.example/", "characters that no host has"),
        ("http://{{host}}/", "characters that no host has"),
        ("http://" + "a" * 64 + ".example/", "longer than DNS"),
        ("http://" + "ä" * 63 + ".example/", "longer than DNS"),
        ("http://" + "a." * 130 + "example/", "longer than DNS"),
        ("https://example.com/" + "a" * TARGET_CHARACTERS, "longer than 8192"),
    ],
)
def test_what_clients_read_differently_or_cannot_follow_is_no_target(url, fault):
    assert fault in (target_fault(url) or "")


def test_a_fault_is_one_line_whatever_the_url():
    for url in ("http://exa\nmple/", "http://ex%0Aample/", "x\n:y"):
        assert "\n" not in (target_fault(url) or "")


@settings(max_examples=200)
@given(st.text(max_size=60) | st.text(string.printable, max_size=60).map("https://".__add__))
def test_no_text_makes_the_target_check_fail(text):
    fault = target_fault(text)
    assert fault is None or fault


@given(st.from_regex(r"https?://[a-z]{1,20}\.example(:[0-9]{1,4})?/[a-z0-9/]{0,20}", fullmatch=True))
def test_every_plain_link_is_a_target(url):
    assert target_fault(url) is None


usual_urls = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https", "HTTPS", "ftp"]),
    st.text("aZ.-0:@%", max_size=12)
    | st.sampled_from(["x.example", "WWW.x.example", "x..example", "1.2.3", ""]),
    st.text("/aZ0._%&{", max_size=12),
    st.text("?aZ0=&;#\u212a", max_size=12),
)


@settings(max_examples=200)
@given(url=usual_urls)
def test_the_parts_of_a_usual_url_are_those_of_any_url_and_its_host_tells_whether_it_can_be_a_target(url):
    parts = read_usual(url)
    if parts is None:
        return
    split = urlsplit(url.lower())
    assert parts == (split.netloc, split.path, split.query)
    assert bool(authority_fault(parts[0])) == bool(target_fault(url))


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://x.example", ("x.example", "", "")),
        ("https://X.Example/A/b?C=1&d=2", ("x.example", "/a/b", "c=1&d=2")),
        ("https://x.example?q", ("x.example", "", "q")),
        ("https://x.example:8080/", None),
        ("https://user@x.example/", None),
        ("https://x.example/*|EMAIL|*", None),
        ("https://x.example/%C3%A9", None),
        ("https://x.example/\u212a", None),  # whose lower case is ASCII
        ("https://x.example/#part", None),
        ("https://x.example/" + TARGET_CHARACTERS * "a", None),
        ("/relative", None),
    ],
)
def test_urls_that_are_usual(url, parts):
    assert read_usual(url) == parts


# --- UTM ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://e.example", f"https://e.example?{ADDED}"),
        ("https://e.example/", f"https://e.example/?{ADDED}"),
        ("https://e.example/?", f"https://e.example/?{ADDED}"),
        ("https://e.example/?a=1", f"https://e.example/?a=1&{ADDED}"),
        ("https://e.example/?a=1&", f"https://e.example/?a=1&{ADDED}"),
        ("https://e.example/?a=1&&", f"https://e.example/?a=1&&{ADDED}"),
        ("https://e.example/#top", f"https://e.example/?{ADDED}#top"),
        ("https://e.example/#", f"https://e.example/?{ADDED}#"),
        ("https://e.example/#a?b#c", f"https://e.example/?{ADDED}#a?b#c"),
        ("https://e.example/?a=1#top", f"https://e.example/?a=1&{ADDED}#top"),
        ("https://e.example/?a=1;b=2", f"https://e.example/?a=1;b=2&{ADDED}"),
        ("https://e.example/?a=1;", f"https://e.example/?a=1;&{ADDED}"),
        ("https://e.example/?flag", f"https://e.example/?flag&{ADDED}"),
        ("https://e.example/?u=a?b", f"https://e.example/?u=a?b&{ADDED}"),
        ("https://e.example/%7Ea;v=1?x=%2F%zz", f"https://e.example/%7Ea;v=1?x=%2F%zz&{ADDED}"),
    ],
)
def test_utm_parameters_stand_behind_the_query_and_before_the_fragment(url, expected):
    assert add_parameters(url, UTM.items()) == expected


@pytest.mark.parametrize(
    "present",
    [
        "utm_source=own",
        "UTM_SOURCE=own",
        "Utm_Source=own",
        "utm%5Fsource=own",
        "utm%5fsource=own",
        "%75tm_source=own",
        "utm_source=",
        "utm_source",
        "a=1;utm_source=own",
        "utm_source=own;a=1",
    ],
)
def test_a_utm_parameter_that_is_there_is_never_overwritten(present):
    url = f"https://e.example/?{present}"
    assert add_parameters(url, Utm(source="nl").items()) == url
    assert (
        add_parameters(url, UTM.items()) == f"{url}&utm_medium=email&utm_campaign=autumn%20sale%20%26%20more"
    )


def test_no_utm_parameters_change_nothing():
    assert add_parameters("https://e.example/?", Utm().items()) == "https://e.example/?"


def test_a_similar_name_or_a_value_is_not_a_utm_parameter():
    assert "utm_source=nl" in add_parameters(
        "https://e.example/?my_utm_source=1&x=utm_source", Utm(source="nl").items()
    )


url_text = st.text(string.ascii_letters + string.digits + "/?&;=%._~-+!$'()*,:@äß", max_size=40)


@given(url_text, st.none() | url_text, st.builds(Utm, source=st.text(min_size=1, max_size=8)))
def test_every_other_byte_of_a_target_stays(path, fragment, utm):
    url = f"https://e.example/{path}" + ("" if fragment is None else f"#{fragment}")
    changed = add_parameters(url, utm.items())
    before, hash_mark, after = url.partition("#")
    assert changed.startswith(before)
    assert changed.endswith(hash_mark + after)
    assert add_parameters(changed, utm.items()) == changed


@given(st.builds(Utm, *[st.text(st.characters(exclude_categories=["Cs"]), max_size=6)] * 5))
def test_utm_values_arrive_as_they_were_meant(utm):
    query = urlsplit(add_parameters("https://e.example/p?a=1", utm.items())).query
    assert parse_qsl(query)[1:] == list(utm.items())


# --- shape -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Shop.Example/Neu", "https://shop.example/Neu"),
        ("https://e.example", "https://e.example"),
        ("https://e.example/order/834712/items", "https://e.example/order/{n}/items"),
        ("https://e.example/order-834712.html", "https://e.example/order-{n}.html"),
        ("https://e.example/?u=8347&t=abc", "https://e.example/?u={}&t={}"),
        ("https://e.example/?u=&flag", "https://e.example/?u=&flag"),
        ("https://e.example/?a=1;b=2", "https://e.example/?a={};b={}"),
        ("https://e.example/?834712", "https://e.example/?{n}"),
        ("https://e.example/p#secret", "https://e.example/p#"),
        ("https://e.example/u/jane@example.com", "https://e.example/u/{address}"),
        ("https://e.example/u/jane%40example.com", "https://e.example/u/{address}"),
        ("https://e.example/v/8f14e45fceea167a5a36dedd4bea2543", "https://e.example/v/{id}"),
        ("https://e.example/v/3f2504e0-4f89-11d3-9a0c-0305e82c3301", "https://e.example/v/{id}"),
        ("https://e.example/v/dGhpcyBpcyBhIHRva2Vu", "https://e.example/v/{id}"),
        ("https://e.example/v/eyJhbGciOiJIUzI1NiJ9.eyJ1Ijo4M30.s5vQ9xT1", "https://e.example/v/{id}"),
        ("https://e.example/v/dQw4w9WgXcQ", "https://e.example/v/{id}"),
        ("https://e.example/r/ABCD2E3FGH7J4KLM", "https://e.example/r/{id}"),
    ],
)
def test_a_shape_has_the_values_of_a_target_taken_out(url, expected):
    assert shape(url) == expected


@pytest.mark.parametrize(
    "path",
    [
        "spring-sale-for-members-2026",
        "20-tips-for-b2b-teams-in-q3-2026.html",
        "iphone-15-pro-max-256gb",
        "TermsAndConditions",
        "uebersicht-ueber-die-neuen-funktionen",
        "les_ports_face_a_la_secheresse",
        "wp-content/uploads/report.pdf",
        "datenschutzerklaerung",
        "index.php",
    ],
)
def test_words_of_a_path_stay_in_its_shape(path):
    assert shape(f"https://e.example/{path}") == f"https://e.example/{path}"


def test_targets_of_one_template_have_one_shape():
    reset = {
        shape(f"https://app.example/reset/{sha256(bytes([seed])).hexdigest()}?u={seed}&s=a#x{seed}")
        for seed in range(200)
    }
    assert reset == {"https://app.example/reset/{id}?u={}&s={}#"}


@given(st.text(max_size=60))
def test_a_shape_keeps_no_value_of_the_query_or_the_fragment(value):
    value = "".join(character for character in value if character not in "&;#")
    assert shape(f"https://e.example/p?u=x{value}#{value}") == "https://e.example/p?u={}#"


@given(st.text(max_size=80))
def test_no_text_makes_the_shape_fail(text):
    assert isinstance(shape(text), str)
