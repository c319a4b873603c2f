"""Every byte of a compiled mail outside of tracked URLs and the bait is the mail's own."""

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from linkproxy.campaign import bait
from linkproxy.campaign.compile import compile_html, stamp
from linkproxy.campaign.html import scan
from linkproxy.model import BaitStyle, Campaign, CampaignId, LinkKind

TOKEN = b"T" * 24
CAMPAIGN = Campaign(CampaignId(1), "spring", base_url="https://click.brand.example")
URL = re.compile(rb"https://click\.brand\.example/T{24}/([0-9A-Za-z]{4})")


def undo(out, result, originals):
    """Take the bait out of a rewritten mail and put the given values back."""
    for before, after in bait.MARKUP.values():
        out = re.sub(re.escape(before) + URL.pattern + re.escape(after), b"", out)
    values = iter(originals)
    return URL.sub(lambda _: next(values), out)


def assert_faithful(html, campaign, charset="utf-8"):
    result = compile_html(html, campaign, charset=charset)
    baits = sum(link.kind is LinkKind.BAIT for link in result.new_links)
    assert baits in {0, 2}
    out = stamp(result, TOKEN)
    assert len(result.segments) == len(result.keys) + 1
    if TOKEN not in html:
        left = {note.position for note in result.notes}
        originals = [link.raw for link in scan(html, charset).links if link.position not in left]
        assert undo(out, result, originals) == html


def test_every_mail_is_the_same_but_for_hrefs_and_bait(all_mails, campaign):
    for mail in all_mails:
        for style in BaitStyle:
            assert_faithful(mail.html, replace(campaign, bait_style=style), mail.charset)


charsets = st.sampled_from(
    ["utf-8", "latin-1", "shift_jis", "gb18030", "iso-2022-jp", "utf-16", "utf-7", "no-such", ""]
)


@settings(max_examples=150)
@given(st.binary(max_size=300), charsets, st.sampled_from(BaitStyle))
def test_any_bytes_are_compiled_without_fault(html, charset, style):
    assert_faithful(html, replace(CAMPAIGN, bait_style=style), charset)


SOUP = [
    b"<p>", b"</p>", b"text", b" ", b"<td>x</td>", b"<table>", b"</table>", b"<tr>", b"<a href='http://x.example/1'>", b"</a>", b"<a href=http://x.example/2>",
    b"<body>", b"</body>", b"</html>", b"<!--", b"-->", b"<script>", b"</script>", b"<select>", b"</select>", b"<svg>", b"</svg>", b"<title>", b"</title>",
    b"{{#each x}}", b"{{/each}}", b"{{y}}", b"<!--[if mso]>", b"<![endif]-->", b"<v:rect href=http://x.example/3>", b'"', b"'", b">", b"<b>y</b>", b"\x1b$B", b"\x1b(B", b"\xe9", b"\0",
    b'<div style="display:none">z</div>', b"<a ", b"<base href=http://y.example/>", b"<a href=z>",
]  # fmt: skip


@settings(max_examples=200)
@given(st.lists(st.sampled_from(SOUP), max_size=30).map(b"".join), charsets, st.sampled_from(BaitStyle))
def test_any_soup_is_the_same_but_for_hrefs_and_bait(html, charset, style):
    assert_faithful(html, replace(CAMPAIGN, bait_style=style), charset)
