"""The walk over markup: its work stays linear, whatever the document."""

import re
from pathlib import Path

import pytest

from linkproxy.campaign import markup
from linkproxy.campaign.attributes import is_self_closing
from linkproxy.campaign.html import scan
from linkproxy.campaign.markup import Walk

HOSTILE = {
    "tags": b"<",
    "open anchors": b"<a ",
    "quotes": b'<a b="',
    "blanks": b"<a " + b" " * 50,
    "slashes": b"<a ////////",
    "equal signs": b"<a =====",
    "single quotes": b"<a b='>'",
    "comments": b"<!--",
    "abrupt comments": b"<!-->",
    "dashes": b"<!-- - -- - ",
    "tags in comments": b"<!-- > <b> ",
    "values in comments": b'<!-- > <b c=">',
    "pairs": b'<td b="c" ',
    "blank pairs": b"<td" + b" " * 50 + b"b",
    "conditions": b"<!--[if mso]>",
    "conditions with links": b"<!--[if mso]><a href=1>",
    "closed conditions": b"<!--[if mso]><a href=1>x<![endif]-->",
    "scripts in scripts": b"<script><!--<script></script>",
    "styles": b"<style></styl",
    "closed styles": b"<style></style>",
    "svg": b"<svg><title><a href=1>",
    "svg ends": b"<svg></div>",
    "cdata": b"<svg><![CDATA[",
    "template tags": b"{{ ",
    "template blocks": b"{% if %}",
    "percent signs": b"%",
    "references": b'<a href="&#',
    "escapes": b"\x1b$B",
    "anchors in values": b'="<a ',
    "anchors behind open values": b'<b c="<a d>',
    "comments before open values": b'<!----><b c="<a ',
    "elements in values": b"<p a='<p>x</p>",
    "elements in comments": b"<!-- <p>x</p>",
    "elements in whole values": b"<p a='<p>x</p>'>",
    "tables": b"<table><tr>",
    "paragraphs": b"<p>x</p>",
    "almost paragraphs": b"<p>  x  ",
    "ends of tags": b">",
    "texts of other elements": b"<b>x</i>",
    "buttons for Outlook": b'<!--[if mso]><v:rect href="1">x</v:rect><![endif]-->',
    "open buttons for Outlook": b'<!--[if mso]><v:rect href="1">x',
    "images": b"<a href=1><img <img alt=",
    "line ends": b"\r\n",
    "nul": b"\0",
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_walk_makes_no_more_steps_than_the_document_has_bytes(kind):
    html = HOSTILE[kind] * 400
    assert Walk(html).steps <= len(html)


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.timeout(20)
def test_a_megabyte_of_anything_is_scanned(kind):
    html = HOSTILE[kind] * (1_000_000 // len(HOSTILE[kind]))
    charset = "iso-2022-jp" if kind == "escapes" else "utf-8"
    assert scan(html, charset).readable
    assert scan(html + b'"><a href=9>', charset).readable


@pytest.mark.parametrize(
    ("html", "targets"),
    [
        (b'<p title="<a href=1>">', []),
        (b"<p title='<a href=1>'>", []),
        (b'<p title= "x > <a href=1>">', []),
        (b"<p title=\"it's\" class='x > <a href=1>'>", []),
        (b'<p title="a > b" <a href=1>x</p>', []),
        (b'<p title="><a href="1">', []),
        (b"<!-- x > <a href=1> -->", []),
        (b"<!--!> <a href=1> -->", []),
        (b"<!--x--> <!-- ! > <a href=1> -->", []),
        (b"<!--> <a href=1>x</a>", ["1"]),
        (b"<!-- <a href=1> --> ! > <a href=2>x</a>", ["2"]),
        (b'<b "> <a href=1>x</a>', ["1"]),
        (b'a = " > <a href=1>x</a>', ["1"]),
        (b'<p title="" class=\'\'> say "so" <a href=1>x</a>', ["1"]),
        (b"<p title='say \"so\"' > 5 < 6 <a href=1>x</a>", ["1"]),
        (b'<p title="<!--"> <a href=1>x</a>', ["1"]),
    ],
)
def test_what_looks_like_a_tag_in_a_value_or_comment_is_none_and_what_stands_behind_it_is(html, targets):
    assert [link.value for link in scan(html).links] == targets


@pytest.mark.parametrize(
    ("rest", "closes"),
    [
        ("/>", True),
        (' a="b"/>', True),
        (" a/>", True),
        (" //>", True),
        (" a=b/>", False),
        (" a = b/>", False),
        (" / >", False),
        (">", False),
    ],
)
def test_only_a_slash_of_its_own_closes_a_tag(rest, closes):
    assert is_self_closing(rest.encode()) is closes


def test_no_pattern_uses_possessive_quantifiers():
    """CPython 3.11.0 to 3.11.4 mis-match them."""
    sources = [path.read_text(encoding="utf-8") for path in Path(markup.__file__).parent.glob("*.py")]
    assert sources
    assert not any(re.search(r"[\])}a-z][*+?]\+[^a-zA-Z0-9\s]", source) for source in sources)
