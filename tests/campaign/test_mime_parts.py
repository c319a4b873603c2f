"""Where the parts of a message stand, and which of them are left alone."""

from __future__ import annotations

import pytest
from claims.messages import PIECES, decoded, leaves, parsed, rewritten
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.campaign.mime_headers import HEADER_BYTES, content_type
from linkproxy.campaign.mime_parts import MOST_NESTING, MOST_PARTS, find_parts
from linkproxy.campaign.targets import NoteReason


def found(raw):
    return [
        (part.kind, raw[part.start : part.end], part.left_alone)
        for part in find_parts(raw.replace(b"\n", b"\r\n")).parts
    ] and [(part.kind, raw[part.start : part.end], part.left_alone) for part in find_parts(raw).parts]


def multipart(kind, *parts, boundary=b"b", extra=b""):
    body = b"".join(b"--%b\n%b\n" % (boundary, part) for part in parts)
    return b"Content-Type: %b; boundary=%b%b\n\n%b--%b--\n" % (kind, boundary, extra, body, boundary)


HTML = b"Content-Type: text/html\n\n<p>x</p>"
PLAIN = b"Content-Type: text/plain\n\nx"


def test_a_message_without_parts_is_one_text():
    assert found(b"From: a@b.example\n\nHello\n") == [("text/plain", b"Hello\n", None)]


def test_the_line_end_before_a_boundary_is_part_of_the_boundary():
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\none\r\n\r\n--b  \r\n\r\ntwo\r\n--b--\r\nepilogue"
    assert [raw[part.start : part.end] for part in find_parts(raw).parts] == [b"one\r\n", b"two"]


def test_parts_of_nested_multiparts_are_found_in_order():
    inner = multipart(b"multipart/alternative", PLAIN, HTML, boundary=b"c")
    assert [kind for kind, _, _ in found(multipart(b"multipart/mixed", inner, PLAIN))] == ["text/plain", "text/html", "text/plain"]  # fmt: skip


def test_an_outer_boundary_ends_an_inner_multipart_that_was_not_closed():
    inner = b"Content-Type: multipart/alternative; boundary=c\n\n--c\n\ninner"
    assert [body for _, body, _ in found(multipart(b"multipart/mixed", inner, PLAIN))] == [b"inner", b"x"]


def test_a_boundary_may_be_continued_and_encoded():
    raw = b'Content-Type: multipart/mixed;\n boundary*0="a b";\n boundary*1*=%20c\n\n--a b c\n\none\n--a b c--\n'
    assert found(raw) == [("text/plain", b"one", None)]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (multipart(b"multipart/signed", HTML, PLAIN), NoteReason.PROTECTED),
        (multipart(b"multipart/encrypted", HTML), NoteReason.PROTECTED),
        (b"Content-Type: application/pkcs7-mime\n\nx", NoteReason.PROTECTED),
        (multipart(b"multipart/report", HTML), NoteReason.ATTACHMENT),
        (b"Content-Type: message/rfc822\n\n" + HTML, NoteReason.ATTACHMENT),
        (multipart(b"multipart/digest", b"\nSubject: x\n\ny"), NoteReason.ATTACHMENT),
        (b"Content-Disposition: attachment\n" + HTML, NoteReason.ATTACHMENT),
        (b"Content-Disposition: inline; filename=a.html\n" + HTML, NoteReason.ATTACHMENT),
        (b"Content-Disposition: ;;\n" + HTML, NoteReason.ATTACHMENT),
        (b"Content-Disposition: attachment\n" + multipart(b"multipart/alternative", HTML), NoteReason.ATTACHMENT),
        (b"Content-Type: text/html\nContent-Type: text/plain\n\nx", NoteReason.MALFORMED),
        (b"Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\nx", NoteReason.MALFORMED),
        (b"Content-Type: text/html; charset=a; charset=b\n\nx", NoteReason.MALFORMED),
        (b"Content-Type: html\n\nx", NoteReason.MALFORMED),
        (b"no header at all", NoteReason.MALFORMED),
        (b"Subject : x\nContent-Type: text/html\n\nx", NoteReason.MALFORMED),
        (b"Subject: x\nno field\nContent-Type: text/html\n\nx", NoteReason.MALFORMED),
        (b"Content-Type: multipart/mixed\n\n--b\n\nx", NoteReason.MALFORMED),
        (b'Content-Type: multipart/mixed; boundary=""\n\n--\n\nx', NoteReason.MALFORMED),
        (b"Subject: " + b"x" * HEADER_BYTES + b"\nX: y\n\nx", NoteReason.MALFORMED),
    ],
)  # fmt: skip
def test_what_is_left_alone_as_a_whole_says_why(raw, reason):
    [(_, _, left_alone)] = found(raw)
    assert left_alone is reason


def test_a_text_with_a_name_is_a_file_behind_another_part_and_the_mail_in_front():
    named = b'Content-Type: text/html; name="a.html"\n\n<p>'
    files = [(part[0], part[2]) for part in found(multipart(b"multipart/mixed", named, PLAIN, named))]
    assert files == [("text/html", None), ("text/plain", None), ("text/html", NoteReason.ATTACHMENT)]
    forms = found(multipart(b"multipart/alternative", PLAIN, named))
    assert [left_alone for _, _, left_alone in forms] == [None, None]
    assert found(named)[0][2] is None


@pytest.mark.parametrize("broken", [b"; name=my file", b'; name="a"; name="a"', b'; name="a'])
def test_a_broken_parameter_leaves_a_text_alone_and_says_nothing_about_a_file(broken):
    for kind, reason in (
        (b"text/html", NoteReason.MALFORMED),
        (b"multipart/mixed", NoteReason.MALFORMED),
        (b"application/pdf", None),
        (b"application/pkcs7-mime", NoteReason.PROTECTED),
    ):
        assert found(b"Content-Type: %b%b\n\nx" % (kind, broken)) == [(kind.decode(), b"x", reason)]


@pytest.mark.parametrize("inner", [b"b", b"b--"])
def test_boundaries_that_can_be_taken_for_each_other_leave_the_part_alone(inner):
    raw = multipart(b"multipart/mixed", multipart(b"multipart/mixed", HTML, boundary=inner))
    assert found(raw)[0][::2] == ("multipart/mixed", NoteReason.MALFORMED)


@pytest.mark.parametrize("other", [b"\x1e", b"\x0c", b"\x85", b"\xa0"])
def test_only_blanks_and_tabs_stand_around_an_encoding(other):
    """Python takes some control characters for blanks; other programs read an encoding nobody knows."""
    raw = b"Content-Transfer-Encoding: %bquoted-printable\n\nhttps://x.example/\n" % other
    assert rewritten(raw)[1] == raw
    assert rewritten(raw.replace(other, b"\t"))[1] != raw.replace(other, b"\t")


def test_of_related_parts_only_the_one_that_is_shown_is_a_text():
    raw = multipart(b"multipart/related", HTML, HTML)
    assert [left_alone for _, _, left_alone in found(raw)] == [None, NoteReason.ATTACHMENT]
    raw = multipart(b"multipart/related", HTML, b"Content-ID: <me>\n" + HTML, extra=b'; start="<me>"')
    assert [left_alone for _, _, left_alone in found(raw)] == [NoteReason.ATTACHMENT, None]


def test_nesting_has_a_limit():
    raw = HTML
    for depth in range(MOST_NESTING + 1):
        raw = multipart(b"multipart/mixed", raw, boundary=b"d%dx" % depth)
    assert found(raw) == [("multipart/mixed", raw[slice(*_span(raw))], NoteReason.MALFORMED)]


@pytest.mark.parametrize(
    "part",
    [b"\n", HTML, b"Content-Type: multipart/mixed; boundary=c\n\n"],
    ids=["empty", "text", "multipart"],
)
def test_a_message_of_more_parts_than_are_looked_at_is_left_alone_as_a_whole(part):
    most, more = (multipart(b"multipart/mixed", *[part] * count) for count in (MOST_PARTS, MOST_PARTS + 1))
    assert find_parts(most).left_alone is None
    message = find_parts(more)
    assert (message.parts, message.left_alone) == ((), NoteReason.TOO_MANY_PARTS)
    assert message.head == find_parts(most).head


def _span(raw):
    [part] = find_parts(raw).parts
    return part.start, part.end


@pytest.mark.parametrize(
    ("value", "kind", "parameters"),
    [
        ("Text/HTML; Charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        ('text/plain; charset="a\\"b"; format=flowed;', "text/plain", {"charset": 'a"b', "format": "flowed"}),
        ("text/plain (a comment); charset=utf-8 (another)", "text/plain", {"charset": "utf-8"}),
        ("text/plain; charset*=us-ascii'en'utf%2D8", "text/plain", {"charset": "utf-8"}),
        ("text/plain;;; charset = x ;", "text/plain", {"charset": "x"}),
    ],
)
def test_what_a_content_type_says(value, kind, parameters):
    read = content_type(value)
    assert read is not None
    assert (read.kind, read.parameters) == (kind, parameters)


@pytest.mark.parametrize(
    "value",
    [
        "text",
        "text/",
        "text/html charset=x",
        'text/html; charset="x',
        "text/html; a=b c",
        "text/html;" + "a" * 9000,
        "text/html;\x1echarset=x",
        "\xa0text/html",
    ],
)
def test_a_content_type_that_programs_read_differently_is_not_read(value):
    assert content_type(value) is None


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join) | st.binary())
def test_parts_are_in_order_and_python_finds_each_text_too(raw):
    position = 0
    texts = []
    for part in find_parts(raw).parts:
        assert position <= part.start <= part.end <= len(raw)
        position = part.end
        if part.is_text and part.encoding in {"", "7bit", "8bit"}:
            texts.append(raw[part.start : part.end].rstrip(b"\r\n"))
    # Of a part that no boundary ends, Python takes the last line end for a part of the boundary.
    known = [decoded(leaf).rstrip(b"\r\n") for leaf in leaves(parsed(raw))]
    assert all(text in known for text in texts)


def test_linear_on_input_made_to_be_slow():
    head = b"Content-Type: multipart/mixed; boundary=b\n\n"
    for piece in (
        b"\n--",
        b"\n--b",
        b"\n--b\n",
        b"\n--c\n",
        b"a:\n",
        b" \n",
        b"\n--b\nContent-Type: multipart/mixed; boundary=b%d\n\n",
        b"\r",
        b"--b",
    ):
        find_parts(head + piece * (300_000 // len(piece)))
        find_parts(piece * (300_000 // len(piece)))
    for value in (b"; a=", b'"', b"\\", b"(", b";", b"; boundary*0=x"):
        find_parts(b"Content-Type: multipart/mixed" + value * 100_000 + b"\n\n")
