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
