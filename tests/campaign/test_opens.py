"""The picture that tells of opens: in HTML alone, the rest of the mail byte for byte, seen by nobody."""

import re
from binascii import a2b_base64
from dataclasses import replace
from email import message_from_bytes

import pytest

from linkproxy.campaign.compile import NoteReason, compile_html, stamp
from linkproxy.campaign.message import compile_message
from linkproxy.model import BaitStyle, Campaign, CampaignId, LinkKind, Recipient, RecipientId

PLAIN = Campaign(CampaignId(1), "spring", base_url="https://click.brand.example", bait_style=BaitStyle.NONE)
TOLD = replace(PLAIN, opens=True)
TOKEN = b"T" * 24
DOT = a2b_base64("R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
HTML = b'<body><p>a</p><a href="http://x.example/">x</a><p>b</p></body>'
PICTURE = re.compile(rb'<img src="https://click\.brand\.example/T{24}/([0-9A-Za-z]{4})" alt=""[^<>]*>')
MESSAGE = b"""MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=utf-8

See http://x.example/ today
--b
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: %b

%b
--b--
"""


def test_a_mail_holds_one_picture_and_is_otherwise_as_it_would_be():
    told, plain = compile_html(HTML, TOLD), compile_html(HTML, PLAIN)
    (row,) = [link for link in told.new_links if link.kind is LinkKind.OPEN]
    (found,) = PICTURE.finditer(stamp(told, TOKEN))
    assert found[1].decode() == row.key
    keys = {link.kind: link.key.encode() for link in (*told.new_links, *plain.new_links)}
    without = PICTURE.sub(b"", stamp(told, TOKEN))
    again = compile_html(HTML, PLAIN, told.new_links)
    assert keys.keys() == {LinkKind.CONTENT, LinkKind.OPEN}
    assert without == stamp(again, TOKEN)


def test_a_campaign_that_wants_none_gets_none():
    assert not PICTURE.search(stamp(compile_html(HTML, PLAIN), TOKEN))


def test_the_same_mail_holds_the_same_picture_again():
    first = compile_html(HTML, TOLD)
    again = compile_html(HTML, TOLD, first.new_links)
    assert (again.new_links, again.segments) == ((), first.segments)


def test_the_picture_of_a_personal_mail_is_the_campaigns():
    ann = Recipient(RecipientId(7), "ann@a.example")
    first = compile_html(HTML, PLAIN)
    told = compile_html(HTML, TOLD, first.new_links, recipient=ann)
    assert [link.kind for link in told.new_links] == [LinkKind.OPEN]
    assert told.new_message_links == ()


def test_a_mail_without_tracked_links_holds_no_picture():
    assert compile_html(b"<p>a</p>", TOLD).segments == (b"<p>a</p>",)


def test_a_mail_without_a_place_says_so():
    told = compile_html(b'<button><a href="http://x.example/">x</a>', TOLD)
    assert [note.reason for note in told.notes] == [NoteReason.NO_PLACE_FOR_PICTURE]


@pytest.mark.parametrize("encoding", [b"8bit", b"quoted-printable"])
def test_of_a_message_the_html_alone_holds_it(encoding):
    compiled = compile_message(
        MESSAGE % (encoding, HTML.replace(b"=", b"=3D" if encoding[:1] == b"q" else b"=")), TOLD
    )
    text, html = message_from_bytes(stamp(compiled, TOKEN)).get_payload()
    assert not PICTURE.search(text.get_payload(decode=True))
    assert len(PICTURE.findall(html.get_payload(decode=True))) == 1


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nobody_sees_the_picture(chromium, fixture_mails, newsletters):
    """Also where the mail's own style sheet makes all pictures large."""
    styled = b"<style>img{display:block!important;width:100%!important;height:auto!important;border:9px solid red!important}</style>"

    def photograph(page, html, charset):
        page.unroute_all()
        page.route("**/*", lambda route: route.abort())
        page.route(
            "https://click.brand.example/**", lambda route: route.fulfill(body=DOT, content_type="image/gif")
        )
        page.set_content(html.decode(charset, "replace"), wait_until="load")
        return page.screenshot(full_page=True)

    def compare(page):
        seen = []
        for mail in (*fixture_mails, *newsletters):
            for extra in (b"", styled):
                told = stamp(compile_html(mail.html + extra, TOLD, charset=mail.charset), TOKEN)
                bare = re.sub(rb'<img src="https://click\.brand\.example/[^>]*>', b"", told)
                if photograph(page, told, mail.charset) != photograph(page, bare, mail.charset):
                    seen.append((mail.name, bool(extra)))
        return seen

    assert chromium.run(compare) == []
