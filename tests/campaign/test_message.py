"""Whole messages: links in every text, and every other byte as it came."""

from __future__ import annotations

import base64
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from claims.messages import (
    CAMPAIGN,
    ENCODE,
    HEAD,
    HTML,
    PIECES,
    TEXT,
    TOKEN,
    TRACKED,
    alternative,
    assert_faithful,
    decoded,
    leaves,
    parsed,
    part,
    rewritten,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.campaign.compile import compile_html, stamp
from linkproxy.campaign.message import MOST_TEXTS, compile_message
from linkproxy.campaign.mime_parts import MOST_PARTS
from linkproxy.campaign.targets import NoteReason
from linkproxy.model import (
    BaitStyle,
    CampaignKind,
    LinkKind,
    LinkproxyError,
    Recipient,
    RecipientId,
)

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples" / "mail" / "eml"


def reasons(raw, **options):
    return [note.reason for note in compile_message(raw, CAMPAIGN, **options).notes]


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1252", "iso-8859-15"])
@pytest.mark.parametrize("html_encoding", ENCODE)
@pytest.mark.parametrize("text_encoding", ENCODE)
def test_both_texts_are_rewritten_in_every_encoding(charset, html_encoding, text_encoding):
    raw = alternative(part("plain", TEXT, text_encoding, charset), part("html", HTML, html_encoding, charset))
    compiled = assert_faithful(raw)
    assert [link.kind for link in compiled.new_links].count(LinkKind.CONTENT) == 4
    assert [link.kind for link in compiled.new_links].count(LinkKind.BAIT) == 2
    assert compiled.notes == ()


@pytest.mark.parametrize("charset", ["shift_jis", "gb18030", "big5", "euc-jp", "iso-2022-jp", "gbk"])
@pytest.mark.parametrize("encoding", ENCODE)
def test_charsets_of_many_bytes_are_rewritten_in_every_encoding(charset, encoding):
    html = '<p title="\u5e38\u4e00">\u5e38\u4e00</p><a href="https://www.brand.example/a">\u4e00</a>'
    raw = alternative(
        part("plain", "\u4e00 https://www.brand.example/a\u3002", encoding, charset),
        part("html", html, encoding, charset),
    )
    assert len(assert_faithful(raw).keys) == 4


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "utf-32", "hz"])
def test_charsets_that_hide_markup_are_left_alone(charset):
    raw = alternative(part("html", HTML.replace("ü", "u").replace("ß", "s"), "base64", charset))
    assert reasons(raw) == [NoteReason.CHARSET]
    assert rewritten(raw)[1] == raw


@pytest.mark.parametrize("kind", ["html", "plain"])
def test_the_note_on_a_text_in_utf_16_says_so_though_no_label_does(kind):
    text = base64.encodebytes("\ufeffhttps://x.example/".encode("utf-16-le"))
    raw = f"Content-Type: text/{kind}\nContent-Transfer-Encoding: base64\n\n".encode() + text
    [note] = compile_message(raw, CAMPAIGN).notes
    assert note.value.startswith("utf-16")


def test_a_charset_that_only_the_html_declares_is_taken_from_there():
    html = '<meta charset="iso-2022-jp"><p title="\u25c6\u5e38">x</p><a href="https://www.brand.example/a">y</a>'.encode(
        "iso-2022-jp"
    )
    assert len(assert_faithful(b"Content-Type: text/html\n\n" + html).keys) == 3


def test_the_same_target_in_html_and_text_is_two_links_in_their_order():
    compiled = compile_message(alternative(part("plain", TEXT), part("html", HTML)), CAMPAIGN)
    content = [link for link in compiled.new_links if link.kind is LinkKind.CONTENT]
    assert [link.target for link in content] == [
        "https://www.brand.example/a?x=1&y=2",
        "https://www.brand.example/b",
    ] * 2
    assert [link.position for link in compiled.new_links] == list(range(6))
    assert compiled.keys == tuple(link.key for link in compiled.new_links)


def test_known_links_are_met_again_in_order():
    raw = alternative(part("plain", TEXT, "quoted-printable"), part("html", HTML, "base64"))
    first = compile_message(raw, CAMPAIGN)
    again = compile_message(raw, CAMPAIGN, first.new_links)
    assert again.new_links == ()
    assert again.segments == first.segments


def test_the_links_of_a_mail_without_its_text_are_those_of_its_html():
    html = compile_html(HTML.encode(), CAMPAIGN)
    message = compile_message(alternative(part("html", HTML)), CAMPAIGN, html.new_links)
    assert message.keys == html.keys
    assert message.new_links == ()


@pytest.mark.parametrize("encoding", ENCODE)
def test_a_template_is_compiled_once_and_keeps_its_merge_fields(encoding):
    html = HTML.replace("Grüße", "Dear {{ .Name }}, {% if x %}=3D{% endif %}")
    raw = alternative(part("plain", "Dear *|NAME|*\r\n" + TEXT), part("html", html, encoding))
    compiled = assert_faithful(raw)
    for token in (b"0" * 24, b"z" * 24, TOKEN):
        ready = stamp(compiled, token)
        plain, rich = map(decoded, leaves(parsed(ready)))
        assert plain.count(token) == 2
        assert rich.count(token) == 4
        assert b"Dear {{ .Name }}, {% if x %}=3D{% endif %}" in rich
        assert b"Dear *|NAME|*" in plain


def test_a_whole_message_is_stamped_with_segments_between_tokens_alone():
    compiled = compile_message(
        alternative(part("plain", TEXT), part("html", HTML, "quoted-printable")), CAMPAIGN
    )
    assert compiled.forms is None
    assert stamp(compiled, TOKEN) == TOKEN.join(compiled.segments)


def test_values_of_one_recipient_become_links_of_the_message():
    anna = Recipient(RecipientId(3), address="anna@example.com")
    raw = alternative(part("plain", "https://www.brand.example/u?e=anna%40example.com"), part("html", HTML))
    compiled = compile_message(raw, CAMPAIGN, recipient=anna)
    assert [link.target for link in compiled.new_message_links] == [
        "https://www.brand.example/u?e=anna%40example.com"
    ]
    assert stamp(compiled, TOKEN) == stamp(
        compile_message(
            raw, CAMPAIGN, compiled.new_links, recipient=anna, known_message_links=compiled.new_message_links
        ),
        TOKEN,
    )


def test_secrets_of_transactional_mail_stay_in_plain_text_too():
    raw = part("plain", "Reset: https://www.brand.example/reset/f9Kx2Lq8Zt7Wm3Rv1Bn5")
    campaign = replace(CAMPAIGN, kind=CampaignKind.TRANSACTIONAL)
    compiled = compile_message(raw, campaign, recipient=Recipient(RecipientId(3)))
    assert [note.reason for note in compiled.notes] == [NoteReason.SECRET]


def test_plain_text_gets_no_bait():
    compiled = compile_message(HEAD + part("plain", TEXT), CAMPAIGN)
    assert {link.kind for link in compiled.new_links} == {LinkKind.CONTENT}


def test_unsubscribe_urls_of_a_text_are_left_alone_unless_handed_over():
    raw = part("plain", "Unsubscribe: https://www.brand.example/k/1\n\nRead: https://www.brand.example/b\n")
    assert reasons(raw) == [NoteReason.UNSUBSCRIBE]
    compiled = compile_message(raw, replace(CAMPAIGN, rewrite_unsubscribe=True))
    assert [link.kind for link in compiled.new_links] == [LinkKind.UNSUBSCRIBE, LinkKind.CONTENT]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (alternative(part("html", HTML), kind=b"signed"), NoteReason.PROTECTED),
        (alternative(part("html", HTML), kind=b"report"), NoteReason.ATTACHMENT),
        (b"Content-Type: message/rfc822\r\n\r\n" + part("html", HTML), NoteReason.ATTACHMENT),
        (b"Content-Disposition: attachment; filename=a.html\r\n" + part("html", HTML), NoteReason.ATTACHMENT),
        (part("html", HTML).replace(b"8bit", b"x-uuencode"), NoteReason.ENCODING),
        (part("html", HTML).replace(b"8bit", b"quoted-printable"), NoteReason.ENCODING),
        (part("html", HTML).replace(b"8bit", b"base64"), NoteReason.ENCODING),
        (part("plain", "-----BEGIN PGP SIGNED MESSAGE-----\n" + TEXT), NoteReason.PROTECTED),
        (part("html", "<pre>-----BEGIN PGP SIGNED MESSAGE-----\n" + HTML), NoteReason.PROTECTED),
        (b"no header\r\n\r\n" + HTML.encode(), NoteReason.MALFORMED),
        (b"", NoteReason.MALFORMED),
    ],
)  # fmt: skip
def test_what_is_left_alone_stays_and_says_why(raw, reason):
    compiled, ready = rewritten(raw)
    assert ready == raw
    assert compiled.keys == ()
    assert [note.reason for note in compiled.notes] == ([reason] if raw else [])


def test_html_that_writes_of_openpgp_is_no_signed_text():
    html = "<p>It begins with -----BEGIN PGP MESSAGE-----.</p>" + HTML
    assert NoteReason.PROTECTED not in reasons(part("html", html))


def test_the_place_of_what_is_left_alone_is_counted_over_the_whole_message():
    text = TEXT + "<https://x.example/wrap\r\nped>\r\nhttps://x.example/{{ id }}\r\n"
    write = '<a href="mailto:a@b.example">write</a>'
    html = HTML.replace("<body>", f"<body>{write}").replace("</body>", f"{write}</body>")
    compiled = compile_message(alternative(part("plain", text), part("html", html)), CAMPAIGN)
    assert [(note.reason, note.position) for note in compiled.notes] == [
        (NoteReason.AMBIGUOUS, 2),
        (NoteReason.MERGE_TAG_INSIDE, 3),
        (NoteReason.OTHER_SCHEME, 4),
        (NoteReason.OTHER_SCHEME, 7),
    ]


def test_one_part_that_cannot_be_read_does_not_keep_the_others_from_being_rewritten():
    broken = part("plain", TEXT).replace(b"8bit", b"base64")
    compiled = assert_faithful(alternative(broken, part("html", HTML)))
    assert len(compiled.keys) == 4
    assert [note.reason for note in compiled.notes] == [NoteReason.ENCODING]


def test_a_message_that_is_signed_already_says_so():
    raw = b"DKIM-Signature: v=1; b=x\r\nARC-Seal: i=1\r\n" + part("html", HTML)
    compiled = compile_message(raw, CAMPAIGN)
    assert compiled.signatures == ("DKIM-Signature", "ARC-Seal")
    assert [(note.reason, note.position) for note in compiled.notes] == [(NoteReason.SIGNED, -1)] * 2
    assert compile_message(part("html", HTML), CAMPAIGN).signatures == ()


def test_a_line_that_would_become_too_long_keeps_its_link():
    line = '<a href="https://x.example/">x</a>' + "x" * 950
    compiled, ready = rewritten(part("html", line))
    assert compiled.keys == ()
    assert ready == part("html", line)
    assert [note.reason for note in compiled.notes] == [NoteReason.LINE_TOO_LONG]


def test_a_line_without_room_for_bait_keeps_its_links_tracked():
    line = '<a href="https://x.example/' + "y" * 60 + '">x</a>' + "x" * 860
    compiled = compile_message(part("html", line), CAMPAIGN)
    assert [link.kind for link in compiled.new_links] == [LinkKind.CONTENT]
    assert [note.reason for note in compiled.notes] == [NoteReason.NO_PLACE_FOR_BAIT]


# --- merge tags --------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["{{ .Subscriber.UUID }}", "*|UNIQID|*", "<%= id %>"])
def test_with_a_merge_tag_every_url_ends_in_it_and_base64_is_left_alone(tag):
    raw = alternative(
        part("plain", TEXT), part("html", HTML, "quoted-printable"), part("html", HTML, "base64")
    )
    compiled, ready = rewritten(raw, merge_tag=tag)
    plain, rich, untouched = map(decoded, leaves(parsed(ready)))
    for text in (plain, rich):
        assert len(TRACKED.findall(text)) == text.count(b"/" + tag.encode()) > 1
    assert untouched == HTML.encode()
    assert [note.reason for note in compiled.notes] == [NoteReason.ENCODING]
    assert all(
        len(line) <= 76
        for line in ready.partition(b"quoted-printable")[2].partition(b"--=_b")[0].split(b"\r\n")
    )


def test_a_merge_tag_that_cannot_stand_in_a_mail_is_refused():
    with pytest.raises(LinkproxyError, match="merge tag"):
        compile_message(part("html", HTML), CAMPAIGN, merge_tag="ü")


def test_a_campaign_without_a_base_url_is_refused():
    with pytest.raises(LinkproxyError, match="base URL"):
        compile_message(part("html", HTML), replace(CAMPAIGN, base_url=""))


# --- whatever the bytes ------------------------------------------------------------------------


def samples():
    return sorted(SAMPLES.glob("*.eml")) if SAMPLES.is_dir() else []


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample mails beside the repository")
def test_every_sample_message_comes_out_as_it_was_but_for_its_urls():
    tracked = 0
    for path in samples():
        tracked += len(assert_faithful(path.read_bytes()).keys)
    assert tracked > 100


words = st.sampled_from(["Grüße", "x", "https://x.example/a", "(http://x.example/b?c=d&e=f).", "\n", " ", "{{ name }}", "=", "日本", "y" * 80, '<a href="https://x.example/c?d=1&amp;e=2">z</a>', "<p>t</p>", "<br>"])  # fmt: skip
texts = st.lists(words, max_size=20).map(" ".join)


@st.composite
def messages(draw, depth=3):
    """Messages that Python's own generator writes: nested, in many encodings and charsets."""
    message = EmailMessage()
    kind = draw(
        st.sampled_from(
            ["html", "plain", "file"] if depth == 0 else ["html", "plain", "mixed", "alternative", "related"]
        )
    )
    if kind == "file":
        message.set_content(draw(st.binary(max_size=80)), "application", "octet-stream", filename="a.bin")
    elif kind in {"html", "plain"}:
        charset = draw(
            st.sampled_from(["utf-8", "iso-2022-jp", "shift_jis", "gb18030", "iso-8859-1", "us-ascii"])
        )
        text = draw(texts).encode(charset, "ignore").decode(charset)
        encoding = draw(st.sampled_from(["quoted-printable", "base64", "8bit"]))
        message.set_content(text, subtype=kind, charset=charset, cte=encoding)
    else:
        message["Content-Type"] = f"multipart/{kind}"
        for inner in draw(st.lists(messages(depth=depth - 1), min_size=1, max_size=3)):
            message.attach(inner)
    return message


@settings(max_examples=150)
@given(messages(), st.sampled_from([b"\n", b"\r\n"]))
def test_messages_that_python_writes_come_out_as_they_were_but_for_their_urls(message, eol):
    raw = message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", eol)
    assert_faithful(raw)


@settings(max_examples=200)
@given(
    st.sampled_from(
        [b"", b"Content-Type: text/html\n\n", b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"]
    ),
    st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join) | st.binary(),
)
def test_nothing_breaks_whatever_the_bytes(start, rest):
    assert_faithful(start + rest)


def test_only_so_many_texts_of_a_message_are_looked_at():
    raw = alternative(*[part("plain", "https://x.example/")] * (MOST_TEXTS + 3))
    assert reasons(raw) == [NoteReason.MALFORMED] * 3


def test_a_message_of_too_many_parts_comes_out_as_it_came_and_says_so():
    most = alternative(*[part("html", HTML)] * MOST_PARTS)
    assert NoteReason.TOO_MANY_PARTS not in reasons(most)
    raw = alternative(*[part("html", HTML)] * (MOST_PARTS + 1))
    compiled, ready = rewritten(raw)
    assert (ready, compiled.new_links) == (raw, ())
    assert [note.reason for note in compiled.notes] == [NoteReason.TOO_MANY_PARTS]


def test_linear_on_input_made_to_be_slow():
    body = b"--b\n\nhttps://x.example/\n" * MOST_PARTS + b"--\n" * 100_000
    compile_message(
        b"Content-Type: multipart/mixed; boundary=b\n\n" + body, replace(CAMPAIGN, bait_style=BaitStyle.NONE)
    )
    for encoding in ENCODE:
        compile_message(part("html", '<a href="https://x.example/">' * 10_000, encoding), CAMPAIGN)
        compile_message(part("plain", "https://x.example/ " * 10_000, encoding), CAMPAIGN)
