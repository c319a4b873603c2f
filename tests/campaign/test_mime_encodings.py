"""Encoded bodies: what they decode to, and that a token can be put into them by one join."""

from __future__ import annotations

import base64
import binascii
import quopri

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.campaign.mime_body import ENCODED_LINE, MOST_LINE, Draft, Splice
from linkproxy.campaign.mime_encodings import ENCODINGS, Base64, QuotedPrintable
from linkproxy.campaign.token_forms import TokenForms

TOKENS = (b"AbCdEfGhIjKlMnOpQrSt-_09", b"~" * 24)
ROOT = b"https://click.brand.example/"


def encode(name, content, eol=b"\n", width=76):
    if name == "quoted-printable":
        return quopri.encodestring(content).replace(b"\n", eol)
    if name == "base64":
        text = base64.b64encode(content)
        return b"".join(text[start : start + width] + eol for start in range(0, len(text), width))
    return content


def decode(name, encoded):
    if name == "quoted-printable":
        return binascii.a2b_qp(encoded)
    return base64.b64decode(encoded) if name == "base64" else encoded


def spliced(body, splices, token=TOKENS[0]):
    draft = Draft()
    body.write(splices, draft)
    draft.finish()
    return TokenForms(draft.forms).fill(draft.segments, token) if draft.forms else draft.segments[0]


def expected(content, splices, token):
    pieces, position = [], 0
    for splice in splices:
        pieces += (
            content[position : splice.start],
            splice.before,
            splice.root,
            token,
            splice.key,
            splice.tag,
            splice.after,
        )
        position = splice.end
    return b"".join([*pieces, content[position:]])


contents = st.lists(
    st.sampled_from([b"x", b"=", b" ", b"\n", b'<a href="https://x.example/">', b"\xe3\x81\x82", b"word " * 20, b"y" * 90, b"\t", b"."])
).map(b"".join) | st.binary(max_size=300)  # fmt: skip


@st.composite
def cases(draw):
    content = draw(contents).replace(b"\r", b"")
    places = sorted(draw(st.lists(st.integers(0, len(content)), max_size=8)))
    splices = []
    for start, end in zip(places[::2], places[1::2], strict=False):
        root = draw(
            st.sampled_from(
                [
                    ROOT,
                    b"http://a.example/",
                    b"https://" + b"long." * 15 + b"example/",
                    b"https://ab.example/",
                ]
            )
        )
        before, after = draw(
            st.sampled_from([(b"", b""), (b'<rp><a href="', b'" hidden tabindex="-1"></a></rp>')])
        )
        tag = draw(st.sampled_from([b"", b"/{{ id }}", b"/<%= x %>"]))
        splices.append(Splice(start, end, root, b"/Key4", tag, before, after))
    return content, splices


@settings(max_examples=200)
@given(cases(), st.sampled_from(["7bit", "quoted-printable", "base64"]), st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([76, 64, 72, 61, 40, 4, 998]))  # fmt: skip
def test_a_body_decodes_to_the_same_text_with_other_urls_for_every_token(case, name, eol, width):
    content, splices = case
    encoded = encode(name, content, eol, width)
    body = ENCODINGS[name](encoded, eol)
    assert body.content == decode(name, encoded)
    outcomes = [spliced(body, splices, token) for token in TOKENS]
    for token, outcome in zip(TOKENS, outcomes, strict=True):
        assert decode(name, outcome) == expected(body.content, splices, token)
    if name != "7bit":
        longest = max(ENCODED_LINE, width if name == "base64" else 0, *map(len, encoded.split(eol)))
        assert all(len(line) <= longest for outcome in outcomes for line in outcome.splitlines())
    if not splices:
        assert outcomes[0] == encoded


@pytest.mark.parametrize("behind", [b"", b"\r\n", b"\r\n \r\n\r\n"])
def test_what_stands_behind_base64_stays(behind):
    encoded = base64.b64encode(b"before URL behind") + behind
    outcome = spliced(Base64(encoded, b"\r\n"), [Splice(7, 10, ROOT, b"/Key4")])
    assert outcome.removeprefix(outcome.rstrip()) == behind


@pytest.mark.parametrize("size", range(13))
def test_a_token_in_base64_may_begin_anywhere_in_a_group(size):
    content = b"a" * size + b"URL" + b"z" * size
    body = Base64(base64.b64encode(content), b"\n")
    splice = Splice(size, size + 3, ROOT, b"/Key4")
    for token in TOKENS:
        assert base64.b64decode(spliced(body, [splice], token)) == expected(content, [splice], token)


@pytest.mark.parametrize("gap", range(4))
def test_two_tokens_in_base64_have_a_form_each(gap):
    content = b"URL" + b"a" * gap + b"URL"
    body = Base64(base64.b64encode(content), b"\n")
    splices = [Splice(0, 3, ROOT, b"/Key4"), Splice(3 + gap, 6 + gap, ROOT, b"/Key5")]
    assert base64.b64decode(spliced(body, splices)) == expected(content, splices, TOKENS[0])


def test_before_the_first_url_base64_stays_as_it_was_written():
    content = bytes(range(256)) * 4 + b"URL"
    encoded = encode("base64", content)
    outcome = spliced(Base64(encoded, b"\n"), [Splice(1024, 1027, ROOT, b"/Key4")])
    assert outcome.startswith(encoded[: 1024 // 57 * 77])


def test_a_value_split_by_soft_line_breaks_is_found_whole_and_replaced_whole():
    body = QuotedPrintable(b'<a href=3D"https://x.ex=\r\nample/?a=3D1=\r\n">two</a>', b"\r\n")
    start, end = body.content.index(b"https"), body.content.index(b'">')
    assert body.content[start:end] == b"https://x.example/?a=1"
    outcome = spliced(body, [Splice(start, end, b"https://c.example/", b"/Key4")])
    assert outcome == b'<a href=3D"https://c.example/AbCdEfGhIjKlMnOpQrSt-_09/Key4=\r\n">two</a>'


def test_a_url_that_does_not_fit_begins_a_line_and_what_follows_another():
    line = b"x" * 30 + b" https://x.example/ " + b"y" * 20
    start = line.index(b"https")
    outcome = spliced(QuotedPrintable(line, b"\n"), [Splice(start, start + 18, ROOT, b"/Key4")])
    assert outcome.split(b"\n") == [b"x" * 30 + b" =", ROOT + TOKENS[0] + b"/Key4=", b" " + b"y" * 20]


def test_what_is_added_at_the_end_stands_before_a_soft_break_that_only_the_boundary_ends():
    body = QuotedPrintable(b"<p>x</p>=", b"\n")
    outcome = spliced(body, [Splice(8, 8, ROOT, b"/Key4")])
    assert outcome == b"<p>x</p>" + ROOT + TOKENS[0] + b"/Key4="


@pytest.mark.parametrize("bad", [b"a=b", b"=", b"= \nx", b"=G0", b"=\rx", b"a=3", b"=="])
def test_quoted_printable_that_programs_decode_differently_is_refused(bad):
    if bad == b"=":
        assert QuotedPrintable(bad, b"\n").content == b""  # a soft break before the boundary
        return
    with pytest.raises(ValueError, match="nothing"):
        QuotedPrintable(bad + b"zz", b"\n")


@pytest.mark.parametrize(
    "bad", [b"QQ", b"QQ=", b"Q", b"QQ==QQ==", b"QQ-_", b"QUJD=", b"QQ==x", "é".encode(), b"=QQ="]
)
def test_broken_base64_is_refused(bad):
    with pytest.raises(ValueError, match=r"\w"):
        Base64(bad, b"\n")


def test_a_plain_line_does_not_become_longer_than_mail_may_have():
    size = 60
    for length, dropped in (
        (MOST_LINE - size, set()),
        (MOST_LINE - size + 1, {0}),
        (MOST_LINE + 1, set()),
    ):
        line = b"x" * length
        for eol in (b"\n", b"\r\n"):
            body = ENCODINGS["8bit"](b"short\n" + line + eol + b"short", b"\n")
            behind = len(body.content) - 1
            assert body.overlong([(8, 8, size)]) == dropped
            assert body.overlong([(8, 8, size), (behind, behind, size)]) == dropped
            assert body.overlong([(8, 8, size - 9), (9, 9, 9)]) == {1 for _ in dropped}


@pytest.mark.timeout(10)
def test_linear_on_input_made_to_be_slow():
    for piece in (b"=\n", b"=3D", b"x", b"\n", b"=\r\n", b"x=\n"):
        body = QuotedPrintable(piece * 100_000, b"\n")
        places = range(0, len(body.content), 10)
        spliced(body, [Splice(place, place + 1, ROOT, b"/Key4") for place in places])
    for piece in (b"x", b"\n"):
        body = ENCODINGS["7bit"](piece * 200_000, b"\n")
        splices = [Splice(place, place + 1, ROOT, b"/Key4") for place in range(0, 200_000, 10)]
        body.overlong((splice.start, splice.end, 60) for splice in splices)
        spliced(body, splices)


def test_a_quoted_line_between_two_urls_leaves_room_for_its_soft_break():
    body = QuotedPrintable(b"=00=00=00=00    =00", b"\n")
    splices = [Splice(at, at, ROOT, b"/Key4") for at in (0, 0, 9)]
    assert max(map(len, spliced(body, splices).splitlines())) <= ENCODED_LINE
