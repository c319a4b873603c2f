from __future__ import annotations

import pytest

from linkproxy.outbound.address import url_fault


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example/hook",
        "HTTPS://user:secret@crm.example:8443/hook?key=1",
        "https://user:s%5Bcret@crm.example/hook",
        "https://[2001:db8::1]/",
        "http://localhost:9000/",
        "http://crm.localhost/",
        "http://127.0.0.1:9000/a",
        "http://[::1]:9000/a",
    ],
)
def test_https_anywhere_and_http_on_this_machine_are_taken(url: str) -> None:
    assert url_fault(url) is None


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://crm.example/hook", "is http"),
        ("http://127.0.0.1.crm.example/", "is http"),
        ("http://localhost@crm.example/", "is http"),
        ("http://10.0.0.1/", "is http"),
        ("ftp://crm.example/", "does not begin with"),
        ("crm.example/hook", "does not begin with"),
        ("", "does not begin with"),
        ("https://", "has no host"),
        ("https://user@/x", "has no host"),
        ("https://crm.example:0x/", "port"),
        ("https://crm.example:99999/", "port"),
        ("https://crm.example/#part", "fragment"),
        ("https://crm.example/a b", "blanks"),
        ("https://crm.example/\r\nX: y", "blanks"),
        ("https://crm.example\\@evil.example/", "backslashes"),
        ("https://crm.example/" + "a" * 2000, "2,000"),
        # Python's own parser raises ValueError for these, and would wherever webhooks are listed.
        ("https://user:s[cret@crm.example/", "a login with"),
        ("https://user:secret]@crm.example/", "a login with"),
        ("https://user:\u2100@crm.example/", "a login with"),
        ("https://user@mail.example@crm.example/", "a login with"),
        ("https://user:100%@crm.example/", "a login with"),
    ],
)
def test_what_would_be_read_on_the_way_or_is_no_address_is_refused(url: str, fault: str) -> None:
    assert fault in (url_fault(url) or "")


def test_http_elsewhere_is_taken_by_who_asks_for_it() -> None:
    assert url_fault("http://crm.internal/hook", allow_http=True) is None
