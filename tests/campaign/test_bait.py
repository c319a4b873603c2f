"""Where the bait stands: where it is hidden, where nothing moves it, where nothing repeats it."""

from base64 import encodebytes
from dataclasses import replace
from email import message_from_bytes
from email.mime.nonmultipart import MIMENonMultipart
from quopri import encodestring as quopri

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from linkproxy.campaign import bait
from linkproxy.campaign.compile import NoteReason, compile_html, stamp
from linkproxy.campaign.html import scan
from linkproxy.campaign.message import compile_message
from linkproxy.model import BaitPlaces, BaitStyle, Campaign, CampaignId, LinkKind

CAMPAIGN = Campaign(CampaignId(1), "spring", base_url="https://click.brand.example")
LINK = b'<a href="http://x.example/">x</a>'


def marked(html):
    """Show the two places in a mail."""
    found = scan(html)
    if found.bait_early is None or found.bait_late is None:
        return None
    first, last = found.bait_early, found.bait_late
    return html[:first] + b"(1)" + html[first:last] + b"(2)" + html[last:]


@pytest.mark.parametrize(
    ("html", "places"),
    [
        (b"<body><p>a</p><p>b</p></body>", b"<body><p>a(1)</p><p>b(2)</p></body>"),
        (b"<P>a</P>" + LINK + b"<DIV>b</DIV>", b"<P>a(1)</P>" + LINK + b"<DIV>b(2)</DIV>"),
        # one such element: the end of the body is the other place
        (b"<body><p>a</p>" + LINK + b"</body>", b"<body><p>a(1)</p>" + LINK + b"(2)</body>"),
        # none: the beginning and the end of the body, tag or no tag
        (b"<body>" + LINK + b"</body></html>", b"<body>(1)" + LINK + b"(2)</body></html>"),
        (LINK, b"(1)" + LINK + b"(2)"),
        (b"Hello " + LINK + b" you", b"(1)Hello " + LINK + b" you(2)"),
        (b"\xef\xbb\xbfHello " + LINK, b"\xef\xbb\xbf(1)Hello " + LINK + b"(2)"),
        (
            b"<!doctype html><html><head><meta a><title>t</title></head>\n" + LINK,
            b"<!doctype html><html><head><meta a><title>t</title></head>\n(1)" + LINK + b"(2)",
        ),
        # what is unseen, or no part of the page, is no place
        (
            b'<div style="display: none">a</div><p>b</p><p>c</p>',
            b'<div style="display: none">a</div><p>b(1)</p><p>c(2)</p>',
        ),
        (
            b"""<?php echo "<div><p>a</p></div>"; ?><p>b</p><p>c</p>""",
            b"""<?php echo "<div><p>a</p></div>"; ?><p>b(1)</p><p>c(2)</p>""",
        ),
        (
            b"<body><?php if ($a > 1): ?><p>a</p><?php endif; ?><p>b</p>" + LINK,
            b"<body>(1)<?php if ($a > 1): ?><p>a</p><?php endif; ?><p>b(2)</p>" + LINK,
        ),
        (b"<p hidden>a</p><p>b</p><p>c</p>", b"<p hidden>a</p><p>b(1)</p><p>c(2)</p>"),
        (b"<p title='<p>x</p>'>a</p><p>c</p>", b"<p title='<p>x</p>'>a(1)</p><p>c(2)</p>"),
        (
            b"<!-- <p>x</p> --><p>a</p><p>c</p><!-- <p>x</p> </body> -->",
            b"<!-- <p>x</p> --><p>a(1)</p><p>c(2)</p><!-- <p>x</p> </body> -->",
        ),
        (
            b"<title>t</title><p>a</p><p>c</p><script>'<p>x</p></body>'</script>",
            b"<title>t</title><p>a(1)</p><p>c(2)</p><script>'<p>x</p></body>'</script>",
        ),
        (
            b"<title>t</title {% if x %}></title><img>" + LINK,
            b"<title>t</title {% if x %}></title>(1)<img>" + LINK + b"(2)",
        ),
        (
            b"<!--[if mso]><p>x</p><a href=1><![endif]--><p>a</p><p>c</p>",
            b"<!--[if mso]><p>x</p><a href=1><![endif]--><p>a(1)</p><p>c(2)</p>",
        ),
        (
            b"<!--[if mso]><v:rect href=1><table><tr><td></v:rect><![endif]--><p>a</p><p>c</p>",
            b"<!--[if mso]><v:rect href=1><table><tr><td></v:rect><![endif]--><p>a(1)</p><p>c(2)</p>",
        ),
        # never in a link, and not where an open link would be closed by it
        (
            b"<a href=1><span>x</span></a><p>a</p><p>c</p>",
            b"<a href=1><span>x</span></a><p>a(1)</p><p>c(2)</p>",
        ),
        (b"<p>a</p><p>b</p><a href=1><p>c</p>", b"<p>a(1)</p><p>b(2)</p><a href=1><p>c</p>"),
        (b"<p>a</p><a href=1><table></a></a><p>c</p>", b"<p>a(1)(2)</p><a href=1><table></a></a><p>c</p>"),
        # never in what repeats it, leaves it out, or makes it reachable
        (b"{{#each x}}<p>a</p>{{/each}}<p>b</p>", b"(1){{#each x}}<p>a</p>{{/each}}<p>b(2)</p>"),
        (
            b"<p>a</p>{% if x %}<p>b</p>{% endif %}" + LINK,
            b"<p>a(1)</p>{% if x %}<p>b</p>{% endif %}" + LINK + b"(2)",
        ),
        (b"<p>{{ name }}</p><p>b</p>", b"<p>{{ name }}(1)</p><p>b(2)</p>"),
        (b"<button><b>a</b></button><p>b</p><p>c</p>", b"<button><b>a</b></button><p>b(1)</p><p>c(2)</p>"),
        (
            b"<p>a</p><p>b</p><select><option>c</option></select>",
            b"<p>a(1)</p><p>b(2)</p><select><option>c</option></select>",
        ),
        (
            b"<svg><desc><p>a</p></desc></svg><p>b</p><p>c</p>",
            b"<svg><desc><p>a</p></desc></svg><p>b(1)</p><p>c(2)</p>",
        ),
        # before the doctype, or in the head, it would be the begin of the body
        (
            b"{% set x = 1 %}<!DOCTYPE html><title>t</title><img>" + LINK,
            b"{% set x = 1 %}<!DOCTYPE html><title>t</title>(1)<img>" + LINK + b"(2)",
        ),
        (
            b"<head>{% if x %}<meta>{% endif %}<style>p{}</style></head><img>" + LINK,
            b"<head>{% if x %}<meta>{% endif %}<style>p{}</style></head>(1)<img>" + LINK + b"(2)",
        ),
        # an image map within a link is as much of it as an image
        (
            b"<p>a</p>" + LINK + b"<a name=x><area><p>b</p>",
            b"<p>a(1)(2)</p>" + LINK + b"<a name=x><area><p>b</p>",
        ),
        # a shape outside of Outlook's comments ends no link
        (
            b"<p>a</p>" + LINK + b"<a name=x><v:rect href=#></v:rect><p>b</p>",
            b"<p>a(1)(2)</p>" + LINK + b"<a name=x><v:rect href=#></v:rect><p>b</p>",
        ),
        # between cells a parser would move it before the table
        (b"<p>a</p><table><tr><td><img></td></tr>", b"<p>a(1)(2)</p><table><tr><td><img></td></tr>"),
        (b"<p>a</p><table><tr><td><img></td>", b"<p>a(1)(2)</p><table><tr><td><img></td>"),
        (
            b"<p>a</p><table><tr><td><img></td></tr></table>",
            b"<p>a(1)</p><table><tr><td><img></td></tr></table>(2)",
        ),
        (
            b"<p>a</p><table><tr><td><img></table>",
            b"<p>a(1)</p><table><tr><td><img></table>(2)",
        ),
        (b"<p>a</p><table><tr><td><img>", b"<p>a(1)</p><table><tr><td><img>(2)"),
        # a document that ends within a tag or a comment has no end to append to
        (b"<p>a</p>" + LINK + b"<!-- ", b"<p>a(1)(2)</p>" + LINK + b"<!-- "),
        (b"<p>a</p>" + LINK + b"<p title='", b"<p>a(1)(2)</p>" + LINK + b"<p title='"),
        # the last </body> counts
        (
            b"<body>" + LINK + b"</body></html>" + LINK + b"</body>",
            b"<body>(1)" + LINK + b"</body></html>" + LINK + b"(2)</body>",
        ),
        # what code of a template engine may leave out, or has in a string
        (
            b"<p>a</p>#if($x)<p>b</p>" + LINK + b"<p>c</p>#end<p>d</p>",
            b"<p>a(1)</p>#if($x)<p>b</p>" + LINK + b"<p>c</p>#end<p>d(2)</p>",
        ),
        (
            b'#set($x = "<p>a</p>")<body>' + LINK + b'<p>b</p>#set($y = "<p>c</p>")</body>',
            b'#set($x = "<p>a</p>")<body>(1)' + LINK + b'<p>b</p>#set($y = "<p>c</p>")(2)</body>',
        ),
        (
            b"<p>a</p><#if x gt 3><p>b</p><#else>" + LINK + b"</#if><p>c</p>",
            b"<p>a(1)</p><#if x gt 3><p>b</p><#else>" + LINK + b"</#if><p>c(2)</p>",
        ),
        (
            b"<p>a</p>[#list all as x]<p>b</p>[/#list]" + LINK + b'<#assign y="<p>c</p>"><p>d</p>',
            b"<p>a(1)</p>[#list all as x]<p>b</p>[/#list]" + LINK + b'<#assign y="<p>c</p>"><p>d(2)</p>',
        ),
        (
            b'<#ftl output_format="HTML"><img>' + LINK,
            b'<#ftl output_format="HTML">(1)<img>' + LINK + b"(2)",
        ),
        (
            b"<p>a</p>@if (x > 3) {<p>b</p>" + LINK + b"<p>c</p>}",
            b"<p>a(1)</p>@if (x > 3) {<p>b</p>" + LINK + b"<p>c</p>}(2)",
        ),
        (
            b'@{ var x = "<p>a</p>"; }<body>' + LINK + b"<p>b</p></body>",
            b'@{ var x = "<p>a</p>"; }<body>(1)' + LINK + b"<p>b</p>(2)</body>",
        ),
        # none of which this is
        (
            b"<style>@font-face{x:y}#iframe{color:#end}</style><p>a #1</p>" + LINK + b"<p>b #if</p>",
            b"<style>@font-face{x:y}#iframe{color:#end}</style><p>a #1(1)</p>" + LINK + b"<p>b #if(2)</p>",
        ),
    ],
)
def test_the_two_places(html, places):
    assert marked(html) == places


@pytest.mark.parametrize("cells", [b"x</td><td>y", b"<table><tr><td>x", b"x</td></tr></table>"])
def test_behind_a_link_that_ends_in_another_cell_than_it_began_no_place_is_sure(cells):
    link = b'<table><tr><td><a href="http://x.example/">' + cells + b"</a></td></tr></table>"
    html = b"<body><p>a</p>" + link + b"<p>b</p></body>"
    assert marked(html) == html.replace(b"a</p>", b"a(1)(2)</p>", 1)


@pytest.mark.parametrize("html", [b"<button>" + LINK, b"<select>" + LINK, b"<svg>" + LINK, b"<plaintext>"])
def test_a_mail_without_a_place_has_none(html):
    assert marked(html) is None


def test_behind_a_link_within_an_object_of_another_link_no_place_is_sure():
    html = b"<p>a</p>" + LINK.replace(b"</a>", b"<object>" + LINK + b"</object>") + b"<p>b</p>"
    assert marked(html) == html.replace(b"a</p>", b"a(1)(2)</p>", 1)


def test_a_mail_without_a_place_says_so_and_gets_no_bait():
    html = b"<button>" + LINK
    result = compile_html(html, CAMPAIGN)
    assert [note.reason for note in result.notes] == [NoteReason.NO_PLACE_FOR_BAIT]
    assert [link.kind for link in result.new_links] == [LinkKind.CONTENT]


def test_a_mail_without_tracked_links_gets_no_bait():
    assert compile_html(b"<p>a</p><p>b</p>", CAMPAIGN).segments == (b"<p>a</p><p>b</p>",)


@pytest.mark.parametrize("style", [BaitStyle.HIDDEN, BaitStyle.PIXEL])
def test_bait_comes_as_two_links_whose_rows_know_their_style(style):
    result = compile_html(b"<p>a</p>" + LINK + b"<p>b</p>", replace(CAMPAIGN, bait_style=style))
    rows = [link for link in result.new_links if link.kind is LinkKind.BAIT]
    assert [(row.style, row.target) for row in rows] == [(style, ""), (style, "")]
    before, after = bait.MARKUP[style]
    assert stamp(result, b"T" * 24).count(after) == 2
    assert stamp(result, b"T" * 24).count(before) >= 2


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (BaitPlaces.BOTH, b"a1 x b1"),
        (BaitPlaces.EARLY, b"a2 x b0"),
        (BaitPlaces.LATE, b"a0 x b2"),
        (BaitPlaces.DOUBLE, b"a2 x b2"),
    ],
)
@pytest.mark.parametrize("style", [BaitStyle.HIDDEN, BaitStyle.PIXEL])
def test_the_anchors_stand_where_the_campaign_wants_them_in_an_even_number(places, expected, style):
    campaign = replace(CAMPAIGN, bait_places=places, bait_style=style)
    result = compile_html(b"<p>a</p>" + LINK + b"<p>b</p>", campaign)
    html = stamp(result, b"T" * 24)
    _, after = bait.MARKUP[style]
    first, last = html.split(b"x</a>")
    assert b"a%d x b%d" % (first.count(after), last.count(after)) == expected
    rows = [link for link in result.new_links if link.kind is LinkKind.BAIT]
    assert len(rows) in {2, 4}
    assert len({row.key for row in rows}) == len(rows)
    again = compile_html(b"<p>a</p>" + LINK + b"<p>b</p>", campaign, result.new_links)
    assert (again.new_links, again.segments) == ((), result.segments)


@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
def test_anchors_at_one_place_of_a_message_are_as_those_of_its_html(encoding):
    campaign = replace(CAMPAIGN, bait_places=BaitPlaces.DOUBLE)
    html = b"<p>a</p>" + LINK + b"<p>b</p>"
    plain = compile_html(html, campaign)
    message = MIMENonMultipart("text", "html", charset="utf-8")
    message["Content-Transfer-Encoding"] = encoding
    message.set_payload(
        {"base64": encodebytes, "quoted-printable": quopri}.get(encoding, bytes)(html).decode()
    )
    keys = list(plain.keys)
    found = compile_message(message.as_bytes(), campaign, plain.new_links)
    assert list(found.keys) == keys
    body = message_from_bytes(stamp(found, b"T" * 24)).get_payload(decode=True)
    assert body.rstrip(b"\n") == stamp(plain, b"T" * 24)


def test_bait_that_was_sent_keeps_its_style_when_the_campaign_changes_its_mind():
    html = b"<p>a</p>" + LINK + b"<p>b</p>"
    first = compile_html(html, CAMPAIGN)
    again = compile_html(html, replace(CAMPAIGN, bait_style=BaitStyle.PIXEL), first.new_links)
    assert again.segments == first.segments


def test_no_bait_when_the_campaign_wants_none():
    result = compile_html(b"<p>a</p>" + LINK, replace(CAMPAIGN, bait_style=BaitStyle.NONE))
    assert [link.kind for link in result.new_links] == [LinkKind.CONTENT]


PIECES = [
    b"<p>", b"</p>", b"<b>", b"</b>", b"<i>t</i>", b"<p>t</p>", b"text", b" ", b"<div>", b"</div>", b"<table>", b"<tr>", b"<td>", b"</td>", b"</tr>", b"</table>", b"<tbody>",
    LINK, b"<a name=x>", b"</a>", b"<area>", b"<a href=http://x.example/2>", b"<ul>", b"<li>", b"</ul>", b"<span>t</span>", b"<center>", b"</center>", b"<!-- c -->", b"<br>", b"<img>",
    b"<font>t</font>", b"<body>", b"</body>", b"</html>", b"<svg>", b"</svg>", b"<button>", b"</button>", b"<h1>t</h1>", b"<noscript>", b"</noscript>",
]  # fmt: skip


def tree(html):
    parser = LexborHTMLParser(html)
    for node in parser.css("rp"):
        node.decompose()
    for node in parser.css("a[href]"):
        node.attrs["href"] = "#"
    return parser.html


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join))
@example(b"<p><b><p><body>")
def test_a_parser_sees_the_same_tree_but_for_the_bait(html):
    out = stamp(compile_html(html + LINK, CAMPAIGN), b"T" * 24)
    assert tree(out) == tree(html + LINK)
    seen = LexborHTMLParser(out)  # which may open a <b> once more within the <rp>
    assert len(seen.css("rp a[aria-hidden]")) == len(seen.css("a[aria-hidden]"))
