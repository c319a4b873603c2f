import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkproxy.server.location import location


def test_a_printable_ascii_target_is_not_touched() -> None:
    target = "https://example.com/a%20b;c=1?q=[x]&r={y}|z~'#frag!$"
    assert location(target) == target


def test_a_host_beyond_ascii_becomes_its_a_label_and_the_path_is_percent_encoded() -> None:
    assert location("https://bücher.example:8443/straße?q=ä#ö") == (
        "https://xn--bcher-kva.example:8443/stra%C3%9Fe?q=%C3%A4#%C3%B6"
    )


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("straße.example", "xn--strae-oqa.example"),
        ("βόλος.example", "xn--nxasmm1c.example"),
        ("\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example", "xn--mgba3gch31f060k.example"),
        ("KÖLN.Example:8443", "xn--kln-sna.example:8443"),
        ("日本語。example", "xn--wgv71a119e.example"),
        ("☃.example", "xn--n3h.example"),
        ("a_b.köln.example", "a_b.xn--kln-sna.example"),
    ],
)
def test_a_host_is_the_one_that_a_browser_asks_for(host: str, asked: str) -> None:
    """As Chromium's and Firefox' URL parsers have it, which follow UTS 46 without transition."""
    assert location(f"https://{host}/") == f"https://{asked}/"


def test_a_line_break_in_a_target_cannot_start_a_header() -> None:
    assert (
        location("https://example.com/\r\nSet-Cookie: a=b") == "https://example.com/%0D%0ASet-Cookie:%20a=b"
    )


def test_an_existing_percent_sign_is_not_encoded_twice() -> None:
    assert location("https://example.com/%C3%A4/ä") == "https://example.com/%C3%A4/%C3%A4"


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_whatever_the_target_the_location_is_printable_ascii(rest: str) -> None:
    made = location("https://" + rest)
    assert made.isascii()
    assert made.isprintable()
    assert " " not in made
