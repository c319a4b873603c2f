"""What is no tracked URL leaves as it came, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LETTER_HEAD = b"From: news@brand.example\r\nSubject: Spring\r\n"
LINE = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b".", b"..", b". a", b"", b"\xff" * 1200, b"x" * 40_000, b"a\nb", b"a\rb", b"\x00"]),
    st.builds(lambda lead: lead + b"https://shop.example/" + b"y" * 5 + b" .", st.binary(max_size=5)),
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINE, max_size=12))
async def test_bytes_outside_tracked_urls_are_the_bytes_that_came(post, url, lines):
    found = getattr(post, "found", None) or await post()
    post.found = found
    body = b"\r\n".join([*lines, b""])
    mails = {
        campaign: LETTER_HEAD + campaign + b"\r\n" + body
        for campaign in (b"", b"X-LinkProxy-Campaign: spring\r\n")
    }
    mailer = await found.mailer()
    found.upstream.received.clear()
    words = [await mailer.send(mail) for mail in mails.values()]
    mailer.close()
    if any(mark in body.replace(b"\r\n", b"\x01") for mark in (b"\n.", b"\r.")):
        assert all(word.startswith("550 5.6.0 ") for word in words)
        return
    assert words == ["250 2.0.0 taken as 4711"] * 2
    plain, tracked = (mail.content for mail in found.upstream.received)
    assert plain == LETTER_HEAD + b"\r\n" + body
    assert url.sub(b"https://shop.example/yyyyy", tracked) == plain


@pytest.mark.parametrize("bare", [b"\n", b"\r"], ids=["LF", "CR"])
async def test_a_bare_line_end_passes_as_it_is(post, bare):
    found = await post()
    mail = LETTER_HEAD + b"\r\none" + bare + b"two\r\n"
    assert await found.send(mail) == "250 2.0.0 taken as 4711"
    assert found.last == mail


@pytest.mark.parametrize("smuggled", [b"\n.\r\n", b"\n.\n", b"\r.\r\n", b"\r.\r", b"\n.\rMAIL FROM:<>"])
async def test_a_dot_that_some_servers_would_take_for_the_end_is_refused(post, smuggled):
    found = await post()
    reply = await found.send(LETTER_HEAD + b"\r\none" + smuggled + b"MAIL FROM:<x@example.org>\r\n")
    assert reply.startswith("550 5.6.0 a dot behind a bare CR or LF")
    assert found.upstream.received == []
