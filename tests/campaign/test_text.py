"""URLs in plain text: where each ends, and what is no URL at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.campaign.roles import assign
from linkproxy.campaign.targets import NoteReason
from linkproxy.campaign.text import scan_text

WHOLE = "https://x.example/a"


def urls(text, charset="utf-8", **options):
    content = text if isinstance(text, bytes) else text.encode(charset)
    found = scan_text(content, charset, **options)
    assert all(content[link.start : link.end] == link.raw for link in found.links)
    return [link.value for link in found.links]


def ambiguous(text, charset="utf-8", **options):
    content = text if isinstance(text, bytes) else text.encode(charset)
    found = scan_text(content, charset, **options)
    assert all(note.reason is NoteReason.AMBIGUOUS for note in found.notes)
    return [note.value for note in found.notes]


@pytest.mark.parametrize(
    "text",
    [
        "See https://x.example/a.", "https://x.example/a, and more", "Is it https://x.example/a?", "Go: https://x.example/a!",
        "(https://x.example/a)", "[https://x.example/a]", "{https://x.example/a}", "<https://x.example/a>", "<URL:https://x.example/a>",
        "(see https://x.example/a).", "[text](https://x.example/a), more", "'https://x.example/a'", "'https://x.example/a's", '"https://x.example/a"', "`https://x.example/a`",
        "**https://x.example/a**", "*https://x.example/a*", "\u300chttps://x.example/a\u300d", "\u00abhttps://x.example/a\u00bb",
        "\u201chttps://x.example/a\u201d", "\u2018https://x.example/a\u2019", "https://x.example/a\u2026", "https://x.example/a\u200b", "\u2066https://x.example/a\u2069",
        "https://x.example/a\u3002", "https://x.example/a\uff0c\u5f8c", "\uff08https://x.example/a\uff09", "https://x.example/a\u3000x",
        "\u3054\u89a7\u304f\u3060\u3055\u3044https://x.example/a", "Link:https://x.example/a", "-https://x.example/a",
        "https://x.example/a\r\nhttps", "https://x.example/a \r\nflowed", "https://x.example/a\tb", "https://x.example/a;", "https://x.example/a...",
        "[url]https://x.example/a[/url]", "{unwrap}https://x.example/a{/unwrap}",
        "\ufeffhttps://x.example/a", "https://x.example/a\xa0x", "https://x.example/a('", "text<https://x.example/a>text",
        "https://x.example/a\u060c \u0648", "https://x.example/a\u061f", "https://x.example/a\u061b", "https://x.example/a\u06d4",
        "https://x.example/a\u0964 \u0915", "https://x.example/a\u0589", "https://x.example/a\u0387", "https://x.example/a\u1362",
        "\U0001f449https://x.example/a \U0001f525", "\u2192https://x.example/a", "\u2022 https://x.example/a",
    ],
)  # fmt: skip
def test_a_url_ends_where_a_reader_sees_its_end(text):
    assert urls(text) == [WHOLE]


@pytest.mark.parametrize(
    "url",
    [
        "https://x.example/a_(b)", "https://x.example/?a[]=1&b[0]=2", "https://x.example/?a=(direct)|b=(none)", "https://x.example/a;b=c",
        "https://x.example/it's", "https://x.example/a(/y)", "https://x.example/x'y'z's", "https://x.example/a,b", "https://x.example/~a/*/b", "https://[2001:db8::1]:8080/a", "http://x.example",
        "https://x.example/?u=http://y.example/", "HTTPS://X.EXAMPLE/A", "https://x.example/#a!b", "https://x.example/k\u00f6ln", "https://x.example/\u0645\u0642\u0627\u0644", "https://x.example/\u0939\u093f\u0928\u094d\u0926\u0940",
        "https://x.example/a%20b",
        "https://x.example/quote/^GSPC", "https://x.example/?q='a'", "https://x.example/a:b@c", "https://x.example/-_-", "https://x.example/a\u2019b"[:19],
    ],
)  # fmt: skip
@pytest.mark.parametrize("around", ["{}", "see {} now", "({})", "<{}>", "{}.", "{}\n"])
def test_a_url_is_taken_whole(url, around):
    assert urls(around.replace("{}", url)) == [url]


@pytest.mark.parametrize(
    "text",
    [
        "www.x.example", "x.example/a", "anna@x.example", "mailto:anna@x.example", "ftp://x.example/", "xhttps://x.example/", "https://", "http://.",
        "<a href=https://x.example/>", "url=https://x.example/", "web.example/https://x.example/", "https:/x.example", "hxxps://x.example/",
    ],
)  # fmt: skip
def test_what_is_no_url_of_its_own_is_left_alone(text):
    assert urls(text) == []


def test_two_urls_that_touch_are_two():
    assert urls("https://x.example/a,https://x.example/b|http://x.example/c") == [
        "https://x.example/a",
        "https://x.example/b",
        "http://x.example/c",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "<https://x.example/long\nrest>", "<https://x.example/long\r\n  rest/of/it>", "<https://x.example/a b>", "https://x.example/\u3092\u898b\u308b",
        "https://x.example\uc5d0\uc11c", "https://x.example/\u0e14\u0e39", "https://x.example/a\u2014and", "https://x.example/a\u2013 b",
        "https://x.example/?n=[name | friend]", "https://x.example/{name | friend}", "https://x.example/a\\nb", b"https://x.example/\xfc", "https://x.example/\ufffd",
        "https://x.example\U0001f525", "https://x.example/a\u2764\ufe0f", "https://x.example/a\u2192 b", "https://x.example/a\u2605", "https://x.example/a\u2022b",
        "https://x.example/a\u2122", "https://x.example/a\xb2", "https://x.example/a\xad", "https://x.example/a\u20ac", "https://x.example/a\xb7", "https://x.example/1\u20e3",
    ],
)  # fmt: skip
def test_a_url_whose_end_programs_see_differently_is_left_alone_and_reported(text):
    assert urls(text) == []
    assert len(ambiguous(text)) == 1


def test_where_flowed_lines_join_words_a_url_at_a_lines_end_is_left_alone():
    assert urls("a https://x.example/a \nb\nc https://x.example/b\n", joins_lines=True) == [
        "https://x.example/b"
    ]
    assert urls("a https://x.example/a \nb", joins_lines=False) == [WHOLE]


@pytest.mark.parametrize(
    "charset", ["shift_jis", "cp932", "euc_jp", "iso-2022-jp", "gb18030", "big5", "gbk", "utf-8"]
)
def test_urls_between_characters_of_many_bytes_are_found(charset):
    text = "\u6b62\u4e00 https://x.example/a \u4e00\u3002https://x.example/b\u3002\u4e00\n\u4e00 <https://x.example/c>\u4e00"
    assert urls(text, charset) == [f"https://x.example/{name}" for name in "abc"]


@pytest.mark.parametrize("charset", ["shift_jis", "iso-2022-jp", "euc_jp"])
@pytest.mark.parametrize("behind", ["\u4e00", "\u2605"])
def test_what_stands_right_behind_a_url_makes_its_end_uncertain_in_every_charset(charset, behind):
    assert urls(f"https://x.example/a{behind}", charset) == []
    assert len(ambiguous(f"https://x.example/a{behind}", charset)) == 1


def test_a_url_with_a_dash_between_letters_is_taken_whole():
    assert urls("https://x.example/Baker\u2013Nash") == ["https://x.example/Baker\u2013Nash"]


def test_bytes_that_are_no_text_in_the_charset_end_a_url():
    assert urls(b"\xff https://x.example/a \xfe", "utf-8") == [WHOLE]
    assert urls(b"\x81 https://x.example/a \xff", "shift_jis") == [WHOLE]


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "hz", "utf-32", "johab", "iso-2022-kr"])
def test_a_text_that_hides_its_letters_is_not_read(charset):
    assert not scan_text(b"https://x.example/a", charset).readable


@pytest.mark.parametrize(
    ("text", "merge_tag"),
    [
        ('https://x.example/{{ index . "k" }}/a', "part"), ("https://x.example/?u=*|EMAIL|*", "part"), ("https://x.example/%NAME%", "part"),
        ("https://x.example/?n=[FIRSTNAME]", "part"),
        ("https://x.example/a {{ name }}", ""),
    ],
)  # fmt: skip
def test_merge_tags_in_urls_are_seen(text, merge_tag):
    [link] = scan_text(text.encode()).links
    assert link.merge_tag == merge_tag


@pytest.mark.parametrize(
    ("behind", "merge_tag"),
    [
        ("{% url 'reset' token %}", "part"), ("?{% if x %}y=1{% endif %}", "part"), ("{{#if x}}/b{{/if}}", "part"),
        ("{% endif %}", ""), ("{%- else -%}", ""), ("{{/if}}", ""), ("{{ end }}", ""), ("<% } %>", ""), ("<?php endif ?>", ""),
        ("*|END:IF|*", ""), ("%%[ ENDIF ]%%", ""), ("[% END %]", ""), (" {% url 'reset' %}", ""),
    ],
)  # fmt: skip
def test_a_block_tag_right_behind_a_url_writes_its_rest_unless_it_closes(behind, merge_tag):
    """The URL was tracked by itself, and what the tag wrote came behind the tracked URL."""
    [link] = scan_text(f"Reset: {WHOLE}{behind} and on".encode()).links
    assert (link.value, link.merge_tag, link.usual is None) == (WHOLE, merge_tag, bool(merge_tag))


@pytest.mark.parametrize(
    "text",
    [
        "Unsubscribe: {}", "To unsubscribe, click here:\n{}", "Don't want these mails? Unsubscribe here: {}", "Abmelden: {}",
        "{} (unsubscribe)", "Unsubscribe <{}>", "If you want to unsubscribe, go to {}", "Unsubscribe\r\n-----------\r\n{}", "Manage your preferences:\r\n\r\n{}\r\n",
        "To unsubscribe from Acme Weekly go to {}", "Update your email preferences: {}", "Para darte de baja: {}",
        "\u914d\u4fe1\u505c\u6b62\u306f\u3053\u3061\u3089\u304b\u3089\u304a\u9858\u3044\u3057\u307e\u3059\n{}", "\u5982\u679c\u4e0d\u60f3\u518d\u6536\u5230\u90ae\u4ef6\uff1a{}", "\u0644\u0625\u0644\u063a\u0627\u0621 \u0627\u0644\u0627\u0634\u062a\u0631\u0627\u0643: {}",
    ],
)  # fmt: skip
def test_the_words_before_a_url_tell_that_it_leaves_the_list(text):
    found = scan_text(text.replace("{}", "https://x.example/k/8f").encode(), "utf-8").links
    assert [assigned.unsubscribe for assigned in assign(found)] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "To unsubscribe reply STOP. Shop now: {}", "Read on: {}", "{}", "News\n\nHarbour\n{}\n",
        "Tell us your preferences: {}", "Deine Einstellungen, deine Reise: {}", "La temporada baja empieza: {}", "Baja California:\n{}",
        "Voli con cancellazione gratuita: {}", "Nie rezygnuj z marze\u0144: {}", "Your privacy settings explained: {}", "New notification settings in the app: {}", "See how to manage subscriptions of a team: {}",
    ],
)  # fmt: skip
def test_other_words_do_not(text):
    found = scan_text(text.replace("{}", "https://x.example/k/8f").encode(), "utf-8").links
    assert [assigned.unsubscribe for assigned in assign(found)] == [False]


def test_linear_on_input_made_to_be_slow():
    for piece in (
        b"http://(",
        b"https://x,",
        b"<http://x\n",
        b"http://x.example/)",
        b"'http://x",
        b"(",
        b"http://{{",
        b"\n" * 9,
        b"https://x\xff",
    ):
        scan_text(piece * (400_000 // len(piece)))


@settings(max_examples=200)
@given(st.lists(st.sampled_from([b"https://x.example/a", b"http://", b" ", b"\n", b"<", b">", b"(", b")", b"'", b".", b"\x1b$B", b"\x1b(B", b"\x82\xa0", b"{{", b"}}", b"=", b"a", b"\xe3\x80\x82"])).map(b"".join) | st.binary(),
       st.sampled_from(["utf-8", "shift_jis", "iso-2022-jp", "gb18030", "big5", "cp1252", "nonsense", "", "utf-16"]))  # fmt: skip
def test_places_are_true_and_in_order_whatever_the_bytes(content, charset):
    position = 0
    for link in scan_text(content, charset).links:
        assert position <= link.start < link.end
        assert content[link.start : link.end] == link.raw
        assert link.raw[:4].lower() == b"http"
        position = link.end
