"""Compiling and stamping: what is rewritten, what is left alone and why, and every other byte."""

import re
from dataclasses import replace
from itertools import count

import pytest

from linkproxy.campaign.compile import Note, NoteReason, compile_html, stamp
from linkproxy.model import (
    BaitStyle,
    Campaign,
    CampaignId,
    CampaignKind,
    LinkKey,
    LinkKind,
    LinkproxyError,
    LinkRole,
    Recipient,
    RecipientId,
    Utm,
)

TOKEN = b"T" * 24
BASE = "https://click.brand.example"
CAMPAIGN = Campaign(CampaignId(1), "spring", base_url=BASE, bait_style=BaitStyle.NONE)
ANN = Recipient(RecipientId(7), address="Ann+news@example.com", reference="r-8347", domain="example.com")
URL = re.compile(rb"https://click\.brand\.example/T{24}/([0-9A-Za-z]{4})")


def counted_keys(number, taken):
    """Keys that a test can foresee: 0000, 0001, ..."""
    free = (key for key in (LinkKey(f"{n:04}") for n in count()) if key not in taken)
    return [next(free) for _ in range(number)]


def compiled(html, campaign=CAMPAIGN, known=(), **given):
    return compile_html(html, campaign, known, draw_keys=counted_keys, **given)


def targets(html, **given):
    return [link.target for link in compiled(html, **given).new_links]


def reasons(html, campaign=CAMPAIGN, **given):
    return [note.reason for note in compiled(html, campaign, **given).notes]


# --- what is rewritten ---------------------------------------------------------------------------


def test_a_link_becomes_a_tracked_url_and_nothing_else_changes():
    result = compiled(b"<p>Hi <a  class=x HREF = 'http://x.example/a?b=1&amp;c=2' >there</a></p>\r\n")
    assert (
        stamp(result, TOKEN)
        == b"<p>Hi <a  class=x HREF = 'https://click.brand.example/TTTTTTTTTTTTTTTTTTTTTTTT/0000' >there</a></p>\r\n"
    )
    (link,) = result.new_links
    assert (link.key, link.target, link.kind, link.position) == (
        "0000",
        "http://x.example/a?b=1&c=2",
        LinkKind.CONTENT,
        0,
    )
    assert result.keys == ("0000",)


def test_an_unquoted_value_gives_way_to_a_url_that_needs_no_quotes():
    assert (
        stamp(compiled(b"<a href=http://x.example/1/>x"), TOKEN)
        == b"<a href=https://click.brand.example/TTTTTTTTTTTTTTTTTTTTTTTT/0000>x"
    )


def test_the_url_has_no_character_that_needs_quotes_escapes_or_folding():
    result = compile_html(b'<a href="http://x.example/">', CAMPAIGN)
    (url,) = re.findall(rb'href="([^"]*)"', stamp(result, TOKEN))
    assert re.fullmatch(rb"[A-Za-z0-9:/._~-]+", url)


def test_a_link_without_scheme_is_reached_over_https():
    assert targets(b'<a href="//x.example/a">') == ["https://x.example/a"]


def test_a_relative_link_needs_a_base_and_the_base_stays():
    html = b'<base href="https://x.example/a/b"><a href="../c?d=1"><a href="//y.example/"><a href="#e">'
    result = compiled(html)
    assert [link.target for link in result.new_links] == ["https://x.example/c?d=1", "https://y.example/"]
    assert b'<base href="https://x.example/a/b">' in stamp(result, TOKEN)
    assert reasons(b'<a href="../c">') == [NoteReason.RELATIVE]
    assert reasons(b'<base href="{{base}}/"><a href="c">') == [NoteReason.RELATIVE]
    backslashes = rb'<base href="https://x.example/a/b"><a href="\c\d?e=\f"><a href="..\g">'
    assert [link.target for link in compiled(backslashes).new_links] == [
        "https://x.example/c/d?e=\\f",
        "https://x.example/g",
    ]
    network_path = rb'<base href="https://x.example/"><a href="\\files\a.docx">File</a>'
    assert reasons(network_path) == [NoteReason.INVALID]


def test_text_beyond_ascii_is_encoded_as_the_browser_of_that_mail_would():
    html = '<a href="http://x.example/é?q=é#é"><a href="http://x.example/a b">'
    assert targets(html.encode("latin-1"), charset="iso-8859-1") == [
        "http://x.example/%C3%A9?q=%E9#%C3%A9",
        "http://x.example/a%20b",
    ]
    assert targets(html.encode()) == ["http://x.example/%C3%A9?q=%C3%A9#%C3%A9", "http://x.example/a%20b"]


def test_an_international_host_stays_as_it_is():
    assert targets('<a href="https://bücher.example/ü">'.encode()) == ["https://bücher.example/%C3%BC"]


def test_both_hrefs_under_a_template_condition_are_rewritten():
    html = b'<a {{#if x}}href="http://x.example/1"{{else}}href="http://x.example/2"{{/if}}>x</a>'
    out = stamp(compiled(html), TOKEN)
    assert out == html.replace(b"http://x.example/1", BASE.encode() + b"/" + TOKEN + b"/0000").replace(
        b"http://x.example/2", BASE.encode() + b"/" + TOKEN + b"/0001"
    )


def test_outlooks_button_and_the_ordinary_one_are_two_links_with_one_target():
    html = b'<!--[if mso]><v:rect href="http://x.example/"></v:rect><![endif]--><a href="http://x.example/">Go</a>'
    result = compiled(html)
    assert [link.target for link in result.new_links] == ["http://x.example/"] * 2
    assert len(set(result.keys)) == 2


def test_utm_parameters_are_added_to_content_links_alone():
    campaign = replace(CAMPAIGN, utm=Utm(source="news"))
    html = b'<a href="http://x.example/">a</a><a href="http://x.example/u" data-linkproxy="unsubscribe">b</a>'
    assert [link.target for link in compiled(html, campaign).new_links] == [
        "http://x.example/?utm_source=news",
        "http://x.example/u",
    ]


def test_the_role_of_a_link_can_be_set_on_it():
    (link,) = compiled(b'<a href="http://x.example/" data-linkproxy-role="legal">x</a>').new_links
    assert link.role is LinkRole.LEGAL


# --- what is left alone --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("href", "reason"),
    [
        ("mailto:a@b.example", NoteReason.OTHER_SCHEME),
        ("&#109;ailto:a@b.example", NoteReason.OTHER_SCHEME),
        ("tel:+123", NoteReason.OTHER_SCHEME),
        ("cid:part1", NoteReason.OTHER_SCHEME),
        ("data:text/plain,x", NoteReason.OTHER_SCHEME),
        ("javascript:void(0)", NoteReason.OTHER_SCHEME),
        ("ftp://x.example/", NoteReason.OTHER_SCHEME),
        ("#part", NoteReason.ANCHOR),
        ("", NoteReason.EMPTY),
        ("page.html", NoteReason.RELATIVE),
        ("http://", NoteReason.INVALID),
        ("http://209.163187.54/", NoteReason.INVALID),
        ("hhttp://x.example/", NoteReason.OTHER_SCHEME),
        ("http://user:pass@x.example/", NoteReason.INVALID),
        ("{{action_url}}", NoteReason.MERGE_TAG),
        ("*|ARCHIVE|*", NoteReason.MERGE_TAG),
        ("https://x.example/{{ id }}", NoteReason.MERGE_TAG_INSIDE),
        ("{{ root }}/a", NoteReason.MERGE_TAG_INSIDE),
        ("https://x.example/?e=%7B%7Bemail%7D%7D", NoteReason.MERGE_TAG_INSIDE),
        (f"{BASE}/{'x' * 24}/ABCD", NoteReason.TRACKED),
        (f"{BASE.upper()}/{'x' * 24}/ABCD", NoteReason.TRACKED),
        (f"{BASE}:443/{'x' * 24}/ABCD", NoteReason.TRACKED),
        (f"http:{BASE.partition(':')[2]}/{'x' * 24}/ABCD", NoteReason.TRACKED),
        ("https://a.example/x@TrackLink", NoteReason.MERGE_TAG_INSIDE),
    ],
)
def test_what_is_no_web_link_is_left_alone_and_reported(href, reason):
    html = f'<p>x</p><a href="{href}">y</a>'.encode()
    result = compile_html(html, replace(CAMPAIGN, bait_style=BaitStyle.HIDDEN))
    assert stamp(result, TOKEN) == html
    assert [(note.reason, note.position) for note in result.notes] == [(reason, 0)]
    assert result.new_links == ()


def test_bytes_that_are_no_text_in_the_charset_leave_the_link_alone():
    assert reasons(b'<a href="http://x.example/\xe9">', charset="utf-8") == [NoteReason.INVALID]


def test_an_element_can_opt_out():
    assert compiled(b'<a href="http://x.example/" data-linkproxy="OFF">x</a>').notes == (
        Note(NoteReason.OFF, "http://x.example/", 0),
    )


def test_unsubscribe_links_stay_unless_handed_over():
    html = b'<a href="http://x.example/unsubscribe?u=1">Unsubscribe</a>'
    assert reasons(html) == [NoteReason.UNSUBSCRIBE]
    (link,) = compiled(html, replace(CAMPAIGN, rewrite_unsubscribe=True)).new_links
    assert (link.kind, link.target) == (LinkKind.UNSUBSCRIBE, "http://x.example/unsubscribe?u=1")
    assert reasons(b'<a href="http://[/">Unsubscribe</a>') == [NoteReason.UNSUBSCRIBE]
    mail = b'<a href="mailto:leave@x.example">Unsubscribe</a>'
    assert reasons(mail, replace(CAMPAIGN, rewrite_unsubscribe=True)) == [NoteReason.OTHER_SCHEME]


@pytest.mark.parametrize(
    "url", [f"{BASE}/{'x' * 24}/ABCD", f"{BASE}/{'x' * 24}/ABCD/*|LP|*"], ids=["stamped", "with a tag"]
)
@pytest.mark.parametrize("by_reference", [False, True])
def test_a_link_that_was_handed_over_and_tracked_is_not_tracked_again(url, by_reference):
    html = f'<a href="{url}" data-linkproxy="unsubscribe">Unsubscribe</a>'.encode()
    result = compiled(html, replace(CAMPAIGN, bait_style=BaitStyle.HIDDEN), by_reference=by_reference)
    assert stamp(result, TOKEN) == html
    assert [note.reason for note in result.notes] == [NoteReason.TRACKED]


@pytest.mark.parametrize(
    ("href", "target"),
    [("", ""), ("#", ""), ("{{unsubscribe}}", ""), ("https://x.example/u", "https://x.example/u")],
)
def test_a_link_handed_to_linkproxy_unsubscribes_whatever_it_held(href, target):
    (link,) = compiled(f'<a href="{href}" data-linkproxy="unsubscribe">x</a>'.encode()).new_links
    assert (link.kind, link.target) == (LinkKind.UNSUBSCRIBE, target)


def test_in_merge_tag_mode_unsubscribe_links_stay_the_mails_own() -> None:
    html = (
        b'<a href="https://shop.example/a">a</a>'
        b'<a href="https://list.example/bye" data-linkproxy="unsubscribe">Unsubscribe</a>'
    )
    compiled = compile_html(html, CAMPAIGN, by_reference=True)
    assert b'href="https://list.example/bye"' in b"".join(compiled.segments)
    assert [note.reason for note in compiled.notes] == [NoteReason.UNSUBSCRIBE]


def test_a_mail_in_a_charset_that_hides_markup_is_handed_back_as_it_came():
    html = '<a href="http://x.example/">'.encode("utf-16")
    result = compiled(html, charset="utf-16")
    assert stamp(result, TOKEN) == html
    assert result.notes == (Note(NoteReason.CHARSET, "utf-16", -1),)


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-be", "utf-32", "utf-32-le"])
def test_the_note_names_the_charset_that_the_bytes_are_in_and_not_a_label_that_they_belie(charset):
    result = compiled('<a href="http://x.example/">'.encode(charset), charset="utf-8")
    assert result.notes == (Note(NoteReason.CHARSET, charset[:6], -1),)


def test_reset_links_of_transactional_mail_stay_unless_asked_for():
    url = "https://x.example/reset/3f9Kq1ZpX0vB7tLm2"
    html = f'<a href="{url}">Reset</a><a href="{url}" data-linkproxy="on">Reset</a><a href="https://x.example/help">Help</a>'.encode()
    transactional = replace(CAMPAIGN, kind=CampaignKind.TRANSACTIONAL)
    result = compiled(html, transactional, recipient=ANN)
    assert [note.reason for note in result.notes] == [NoteReason.SECRET]
    assert [link.target for link in result.new_links] == [url, "https://x.example/help"]
    assert reasons(html, recipient=ANN) == []


# --- the link table ------------------------------------------------------------------------------


def test_a_link_in_a_text_that_is_translated_stays_unless_it_says_otherwise():
    link = '<a href="https://x.example/">x</a>'
    html = f"{{% trans %}}{link}{link.replace('<a', '<a data-linkproxy=on')}{{% endtrans %}}{link}".encode()
    result = compile_html(html, CAMPAIGN)
    assert [(note.reason, note.position) for note in result.notes] == [(NoteReason.TRANSLATED, 0)]
    assert len(URL.findall(stamp(result, TOKEN))) == 2
    leave = b'{% trans %}<a href="https://x.example/unsubscribe">Unsubscribe</a>{% endtrans %}'
    assert stamp(compile_html(leave, replace(CAMPAIGN, rewrite_unsubscribe=True)), TOKEN) == leave


def test_the_same_mail_compiled_again_uses_the_same_rows(all_mails, campaign):
    for mail in all_mails:
        first = compile_html(mail.html, campaign, charset=mail.charset)
        again = compile_html(mail.html, campaign, first.new_links, charset=mail.charset)
        assert again.segments == first.segments, mail.name
        assert again.new_links == (), mail.name


def test_known_links_are_matched_by_target_and_occurrence_and_the_rest_is_new():
    first = compiled(
        b'<a href="http://x.example/1">a</a><a href="http://x.example/1">b</a><a href="http://x.example/2">c</a>'
    )
    again = compiled(
        b'<a href="http://x.example/2">c</a><a href="http://x.example/1">a</a><a href="http://x.example/3">d</a>',
        known=first.new_links,
    )
    assert again.keys == ("0002", "0000", "0003")
    assert [link.target for link in again.new_links] == ["http://x.example/3"]


def test_the_first_message_of_a_campaign_makes_its_table_except_for_its_own_values():
    html = b"""<a href="http://x.example/1">a</a><a href="http://x.example/?u=ann%2Bnews%40example.com">b</a>
        <a href="http://x.example/?r=R-8347&amp;x">c</a><a href="http://x.example/?r=r-83471">d</a>"""
    result = compiled(html, recipient=ANN, now=5.0)
    assert [link.target for link in result.new_links] == ["http://x.example/1", "http://x.example/?r=r-83471"]
    own = result.new_message_links
    assert [link.target for link in own] == [
        "http://x.example/?u=ann%2Bnews%40example.com",
        "http://x.example/?r=R-8347&x",
    ]
    assert {(link.recipient_id, link.created_at) for link in own} == {(ANN.id, 5.0)}
    assert all(link.shape for link in (*own, *result.new_links))


def test_later_messages_keep_the_table_and_add_message_links():
    table = compiled(b'<a href="http://x.example/1">a</a>').new_links
    html = b'<a href="http://x.example/1">a</a><a href="http://x.example/2">b</a>'
    result = compiled(html, known=table, recipient=ANN)
    assert result.new_links == ()
    assert [link.target for link in result.new_message_links] == ["http://x.example/2"]
    again = compiled(html, known=table, recipient=ANN, known_message_links=result.new_message_links)
    assert (again.new_links, again.new_message_links) == ((), ())
    assert again.segments == result.segments


def test_keys_in_use_are_not_drawn_again():
    table = compiled(b'<a href="http://x.example/1">a</a>').new_links
    assert compiled(b'<a href="http://x.example/2">a</a>', known=table).keys == ("0001",)


def test_positions_follow_the_mail_bait_included():
    result = compiled(
        b'<p>x</p><a href="http://x.example/1">a</a><a href="http://x.example/2">b</a><p>y</p>',
        replace(CAMPAIGN, bait_style=BaitStyle.HIDDEN),
    )
    assert [(link.position, link.kind) for link in result.new_links] == [
        (0, LinkKind.BAIT),
        (1, LinkKind.CONTENT),
        (2, LinkKind.CONTENT),
        (3, LinkKind.BAIT),
    ]
    assert result.keys == tuple(link.key for link in result.new_links)


# --- stamping ------------------------------------------------------------------------------------


def test_each_recipient_gets_the_same_mail_with_another_token():
    result = compiled(b'<a href="http://x.example/1">a</a> <a href="http://x.example/2">b</a>')
    one, two = stamp(result, b"1" * 24), stamp(result, b"2" * 24)
    assert one.replace(b"1" * 24, b"2" * 24) == two
    assert one.count(b"1" * 24) == 2


@pytest.mark.parametrize(
    "base",
    [
        "",
        "click.brand.example",
        "https://click.brand.example/",
        "https://click.brand.example?a=b",
        'https://x"y',
    ],
)
def test_a_campaign_without_a_usable_base_url_is_refused(base):
    with pytest.raises(LinkproxyError, match="base URL"):
        compile_html(b"", replace(CAMPAIGN, base_url=base))
