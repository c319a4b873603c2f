"""The pitfalls of HTML in mail, one test each."""

import re
from itertools import pairwise

import pytest
from campaign.scanned import only, values
from selectolax.lexbor import LexborHTMLParser

from linkproxy.campaign.entities import decode, trim_url
from linkproxy.campaign.html import scan

# --- where links are, and where they are not -----------------------------------------------------


@pytest.mark.parametrize(
    "html",
    [
        b'<!-- <a href="https://x.example/"> -->',
        b'<script>"<a href=https://x.example/>"</script>',
        b'<style>/* <a href="https://x.example/"> */</style>',
        b'<title><a href="https://x.example/"></title>',
        b'<textarea><a href="https://x.example/"></textarea>',
        b'<xmp><a href="https://x.example/"></xmp>',
        b'<iframe><a href="https://x.example/"></iframe>',
        b'<noembed><a href="https://x.example/"></noembed>',
        b'<noframes><a href="https://x.example/"></noframes>',
        b'<plaintext><a href="https://x.example/">',
        b'<p title="<a href=https://x.example/>">',
        b"<p title='<a href=https://x.example/>'>",
        b'<a data-href="https://x.example/">',
        b'<a xlink:href="https://x.example/">',
        b'<link href="https://x.example/">',
        b'<form action="https://x.example/">',
        b'<abbr href="https://x.example/">',
        b'<a\x0bhref="https://x.example/">',  # a vertical tab is no blank to HTML
        b'< a href="https://x.example/">',
        b'</a href="https://x.example/">',
        b"<a href>",
    ],
)
def test_what_only_looks_like_a_link_is_none(html):
    assert values(html) == []


@pytest.mark.parametrize(
    "html",
    [
        b'<a href="https://x.example/">',
        b"<a href='https://x.example/'>",
        b"<a href=https://x.example/>",
        b'<A HREF="https://x.example/">',
        b'<a\nhref\t=\r\n"https://x.example/">',
        b'<a/href="https://x.example/"/>',
        b'<a class="b"href="https://x.example/">',
        b'<area href="https://x.example/">',
        b'<noscript><a href="https://x.example/"></noscript>',  # a mail client runs no scripts
        b'<p title=">"><a href="https://x.example/">',
        b'<p =">"><a href="https://x.example/">',  # "=" may begin a name, then the quote is none
        b'<p a=b\'><a href="https://x.example/">',  # a quote within an unquoted value is text
        b'1 < 2 <a href="https://x.example/">',
        b'<3 <a href="https://x.example/">',
        b'</><a href="https://x.example/">',
        b'</ p="><a href="https://x.example/">',
        b'<!doctype html "><a href="https://x.example/">',
    ],
)
def test_every_spelling_of_a_link_is_found(html):
    assert only(html).value == "https://x.example/"


MIXED = b"""<!doctype html><html><head><title>a <a href="https://no.example/"></title><base href="https://b.example/">
<style>a > b</style></head><body><noscript><p>none</p></noscript><button>b</button><table><tr><td>
<a href="https://one.example/" title="x > y">One</a> after</td></tr></table><script>"<a href='https://js.example/'>"</script>
<svg><a href="https://pic.example/"><title>t</title></a></svg><p>Text <a href="two">Two <b>bold</b></a> and more.</p>
<!--[if mso]><v:roundrect href="https://vml.example/"><center>Go</center></v:roundrect><![endif]--></body></html>"""


def test_the_names_of_tags_mean_the_same_in_capitals():
    found = scan(MIXED)
    assert [link.text for link in found.links] == ["One", "t", "Two bold", "Go"]
    assert found.bait_early is not None
    assert scan(re.sub(rb"</?[a-z:]+(?=[\s>])", lambda tag: tag[0].upper(), MIXED)) == found


def test_an_unterminated_tag_swallows_the_rest_as_in_browsers():
    assert values(b'<a href="https://x.example/1">x</a><p title="<a href=\'https://x.example/2\'>') == [
        "https://x.example/1"
    ]
    assert values(b'<a href="https://x.example/1') == []


@pytest.mark.parametrize("end", [b"-->", b"--!>", b"--->", b"-- -->"])
def test_a_comment_ends_at_each_of_its_ends(end):
    assert values(b"<!-- <a href=1> " + end + b"<a href=2>") == ["2"]


@pytest.mark.parametrize(
    "comment", [b"<!-->", b"<!--->", b"<!---->", b"<!---!>-->", b"<!--!>-->", b"<!-- <!-- -->"]
)
def test_short_and_nested_comments_end_where_browsers_end_them(comment):
    assert values(comment + b"<a href=2>") == ["2"]


@pytest.mark.parametrize(
    "comment", [b"<!x>", b"<?php echo 1 ?>", b"<![CDATA[x>", b"</ x>", b"</1>", b"<!>", b"<?>"]
)
def test_a_bogus_comment_ends_at_the_first_bracket(comment):
    assert values(comment + b"<a href=2>") == ["2"]


def test_a_cdata_section_outside_of_svg_swallows_up_to_the_first_bracket_alone():
    assert values(b"<![CDATA[ <a href=1><a href=2>]]><a href=3>") == ["2", "3"]


def test_a_cdata_section_inside_of_svg_is_text():
    assert values(b"<svg><![CDATA[ <a href=1> ]]><a href=2></svg>") == ["2"]


def test_style_and_title_inside_of_svg_are_no_raw_text():
    assert values(b"<svg><style><a href=1></style></svg><a href=2>") == ["1", "2"]
    assert values(b"<svg><title><a href=1>x</a></title></svg><a href=2>") == ["1", "2"]
    assert values(b"<svg/><title><a href=1></title><a href=2>") == ["2"]
    assert values(b"<svg><p><title><a href=1></title></p><a href=2>") == ["2"]


@pytest.mark.parametrize(
    ("html", "found"),
    [
        (b"<svg><g color=red><style><a href=1></style></g></svg>", ["1"]),  # that is what <font> ends it by
        (b"<svg><font><style><a href=1></style></svg>", ["1"]),
        (b"<svg><font color=red><style><a href=1></style></svg>", []),
        (b"<math><mi><mglyph><style><a href=1></style></math>", ["1"]),
        (b"<math><mi><style><a href=1></style></math>", []),
        (b"<svg><g><desc></g><style><a href=1></style></desc></svg>", ["1"]),
        (b"<svg><g><desc><b></g><style><a href=1></style></desc></svg>", []),
        (b"<math><annotation-xml><svg><desc></annotation-xml><style><a href=1></style></svg>", ["1"]),
        (b"<svg>" + b"<g>" * 200 + b"<style><a href=1></style></svg>", ["1"]),
    ],
)
def test_whether_a_style_inside_of_svg_is_raw_text_as_the_independent_parser_has_it(html, found):
    assert values(html + b"<a href=2>") == [*found, "2"]
    assert [node.attributes["href"] for node in LexborHTMLParser(html + b"<a href=2>").css("a")] == [
        *found,
        "2",
    ]


def test_a_script_that_writes_a_script_ends_where_browsers_end_it():
    assert values(b"<script><!-- <script> </script> <a href=1> --></script><a href=2>") == ["2"]
    assert values(b"<script><!--> <script></script><a href=2>") == ["2"]
    twice = b"<script><!-- <script></script> <script></script> <a href=1> --></script><a href=2>"
    assert values(twice) == ["2"]
    assert values(b"<script></scriptx><a href=1></SCRIPT ><a href=2>") == ["2"]


def test_a_nul_makes_another_name_and_is_a_replacement_character_in_a_value():
    assert values(b"<a\0 href=1><a hr\0ef=2>") == []
    assert values(b"<a href=https://x.example/\0>") == ["https://x.example/\ufffd"]


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("?a=1&copy=2", "?a=1&copy=2"),
        ("?target=3&sectionid=1", "?target=3&sectionid=1"),
        ("?a=1&amp;b=2", "?a=1&b=2"),
        ("?a=1&ampb=2", "?a=1&ampb=2"),
        ("?a=1&amp=2", "?a=1&amp=2"),
        ("?a&lt", "?a<"),
        ("?a&lt;", "?a<"),
        ("&notit;", "&notit;"),
        ("&not;", "¬"),
        ("&NotEqualTilde;", "≂̸"),
        ("&nosuch;", "&nosuch;"),
        ("&#47;&#x2f;&#X2F;", "///"),
        ("&#47a", "/a"),
        ("&#47=", "/="),
        ("&#128;", "€"),
        ("&#0;&#xD800;&#x110000;", "\ufffd\ufffd\ufffd"),
        ("&#00000000000000065;", "A"),
        ("&#9999999999999999999999;", "\ufffd"),
        ("&#;&#x;&;&", "&#;&#x;&;&"),
    ],
)  # fmt: skip
def test_character_references_are_read_as_in_attributes(written, read):
    assert decode(written) == read
    node = LexborHTMLParser(f'<a href="{written}">').css_first("a")
    assert node is not None
    assert node.attributes["href"] == read


def test_a_scheme_hidden_in_character_references_is_seen():
    assert (
        only(b'<a href="&#109;&#97;&#105;&#108;&#116;&#111;&#58;a@b.example">').value == "mailto:a@b.example"
    )


def test_blanks_around_and_line_ends_within_are_no_part_of_a_url():
    assert only(b'<a href=" \r\n https://x.example/a\r\n\tb\x01 ">').value == "https://x.example/ab"
    assert trim_url("\x00\x1f a b \t") == "a b"


def test_an_unquoted_value_keeps_its_slash():
    link = only(b"<a href=http://x.example/1/>")
    assert (link.value, link.quote) == ("http://x.example/1/", "")


def test_of_two_hrefs_the_first_counts_even_when_it_has_no_value():
    assert values(b"<a href=1 HREF=2>") == ["1"]
    assert values(b"<a href href=2>") == []
    assert values(b"<a href= >") == [""]


def test_the_base_is_found_and_only_the_first_counts():
    assert (
        scan(b'<base target=_blank><base href="https://x.example/a/"><base href=2><a href=b>').base
        == "https://x.example/a/"
    )
    assert scan(b"<!-- <base href=1> --><a href=b>").base is None


def test_what_a_reader_sees_is_the_text():
    link = only(
        b'<a href=1 class="cta" title="T &amp; t" data-linkproxy-role="body" style="x">Read <b>m</b>ore<br>&amp; <img src=1 alt="win"> <!-- > --></a>'
    )
    assert link.text == "Read more & win"
    assert link.attributes == {"class": "cta", "title": "T & t", "data-linkproxy-role": "body"}


def test_the_text_of_a_link_ends_at_the_next_one_and_is_bounded():
    first, second = scan(b"<a href=1>one<a href=2>" + b"x" * 5000).links
    assert first.text == "one"
    assert second.text == "x" * 200


# --- as a whole ----------------------------------------------------------------------------------


def test_the_same_links_as_an_independent_parser_in_every_mail(all_mails):
    for mail in all_mails:
        if mail.name == "handlebars":
            continue  # what its tags mean is not HTML's to say
        found = [
            link.value
            for link in scan(mail.html, mail.charset).links
            if link.tag in {"a", "area"} and not link.conditional
        ]
        parser = LexborHTMLParser(mail.html.decode(mail.charset, "replace"))
        expected = [node.attributes["href"] for node in parser.css("a[href], area[href]")]
        # A parser may open an unclosed anchor once more in the next paragraph: same link, told twice.
        assert list(dict.fromkeys(filter(None, found))) == list(
            dict.fromkeys(filter(None, (trim_url(value or "") for value in expected)))
        ), mail.name


def test_positions_count_up_and_spans_do_not_overlap(all_mails):
    for mail in all_mails:
        links = scan(mail.html, mail.charset).links
        assert [link.position for link in links] == list(range(len(links)))
        assert all(a.end <= b.start for a, b in pairwise(links))
