"""What mail shows to Outlook alone: conditional comments, and the VML buttons in them."""

import pytest
from campaign.scanned import only, values

from linkproxy.campaign.html import scan


def test_the_links_of_a_conditional_comment_are_found_with_vml():
    html = b'<!--[if mso]><v:roundrect href="https://x.example/1"><center>Go</center></v:roundrect><a href=2>b</a><![endif]--><a href=3>'
    links = scan(html).links
    assert [(link.tag, link.value, link.conditional) for link in links] == [
        ("v:roundrect", "https://x.example/1", True),
        ("a", "2", True),
        ("a", "3", False),
    ]
    assert links[0].text == "Go"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b"\n  ", b"\n  "),
        (b"<table>", b"</table>"),
        (b"", b"<a href='https://x.example/2'>b</a>"),
    ],
)
def test_a_button_for_outlook_is_the_same_link_however_its_tags_are_written(before, after):
    button = (
        b'<v:roundrect xmlns:v="urn:x" href="https://x.example/?a=1&amp;b=2" title="t" arcsize="9%">\n<w:anchorlock/>'
        b'<center style="color:#fff">Plan  your<br>aisle</center></v:roundrect>'
    )
    spellings = [
        button,
        button.upper().replace(b"HTTPS://X.EXAMPLE/?A=1&AMP;B=2", b"https://x.example/?a=1&amp;b=2"),
        button.replace(b'"', b"'"),
        button.replace(b"<center", b"<u></u><small></small><center"),
    ]
    for spelling in spellings:
        mail = b"<p>" + b"<!--[if mso]>" + before + spelling + after + b"<![endif]--></p><a href=#end></a>"
        link, *others = scan(mail).links
        assert (link.tag, link.value, link.conditional) == ("v:roundrect", "https://x.example/?a=1&b=2", True)
        assert link.text.lower() == "plan your aisle"
        assert {name: value.lower() for name, value in link.attributes.items()} == {"title": "t"}
        assert [other.conditional for other in others] == [True] * after.count(b"<a") + [False]


def test_a_vml_shape_is_ended_by_no_other_shape():
    link = only(b'<!--[if mso]><v:rect href="https://x.example/">a</v:oval>b</v:rect>c<![endif]-->')
    assert link.text == "ab"


def test_a_vml_shape_without_href_ends_no_link():
    link = only(
        b"<!--[if mso]><v:rect href=1><v:textbox><center>Go</center></v:textbox></v:rect><![endif]-->"
    )
    assert (link.tag, link.text) == ("v:rect", "Go")


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        (b"<!--[if mso]><td a='b'><link href=0></td><![endif]-->", []),
        (b"<!--[if mso]><td><a href=0></a></td><![endif]-->", ["0"]),
        (b"<!--[if mso]>< <a href=0><![endif]-->", ["0"]),
        (b"<!--[if mso]></3 <a href=0><![endif]-->", []),
        (b"<!--[if mso]><b<a href=0><![endif]-->", []),
        (b'<!--[if mso]><td a="b>c"><a href=0><![endif]-->', ["0"]),
        (b'<!--[if mso]><td a="><b c="><a href=0><![endif]-->', ["0"]),
        (b'<!--[if mso]><td a="--><a href=0>"><![endif]-->', ["0"]),
        (b"<!-- <td> --!><a href=0>", ["0"]),
        (b"<!-- <td> <a href=0> -->", []),
        (b"<!--!><a href=0>-->", []),
        (b"<!---!><a href=0>-->", []),
        (b"<!----!><a href=0>", ["0"]),
        (b"<!---><a href=0>", ["0"]),
    ],
)
def test_a_comment_ends_where_a_browser_ends_it_and_gives_the_links_that_outlook_shows(comment, found):
    assert values(comment + b"<p><a href=1>") == [*found, "1"]


def test_raw_text_and_open_tags_of_a_conditional_comment_end_with_it():
    assert values(b"<!--[if mso]><style><a href=1><![endif]--><a href=2>") == ["2"]
    assert values(b'<!--[if mso]><p title="<a href=1><![endif]--><a href=2>') == ["2"]


@pytest.mark.parametrize("start", [b"<!--[if !mso]><!-->", b"<!--[if !mso]><!-- -->", b"<![if !mso]>"])
@pytest.mark.parametrize("end", [b"<!--<![endif]-->", b"<![endif]>"])
def test_links_that_all_clients_but_outlook_see_are_ordinary(start, end):
    assert [link.conditional for link in scan(start + b"<a href=1></a>" + end + b"<a href=2>").links] == [
        False,
        False,
    ]


def test_the_text_of_a_link_around_a_conditional_comment_is_its_own():
    first, inner, last = scan(
        b'<a href="1">Sale <!--[if mso]><a href="2">for Outlook</a><![endif]--> today</a> <a href="3">Shop</a>'
    ).links
    assert (first.text, inner.text, last.text) == ("Sale today", "for Outlook", "Shop")


def test_a_comment_that_only_mentions_a_condition_is_not_walked():
    assert values(b"<!-- see [if mso] <a href=1> -->") == []
