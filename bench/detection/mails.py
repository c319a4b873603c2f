"""The three mails as HTML; linkproxy itself rewrites them, sets the bait and finds the links' roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.detection.traffic import Links, MailKind
from linkproxy.model import LinkKind, LinkRole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.model import Link

_SITE = "https://shop.example"
_ARTICLES = "".join(
    f'<h2><a href="{_SITE}/article/{number}">Article {number}</a></h2><p>Some text, and why to read on.</p>'
    for number in range(1, 9)
)
_FOOTER = (
    '<table class="footer"><tr><td>'
    '<a href="https://www.facebook.com/shopexample">Facebook</a> '
    '<a href="https://www.linkedin.com/company/shopexample">LinkedIn</a> '
    f'<a href="{_SITE}/imprint">Imprint</a> <a href="{_SITE}/privacy">Privacy policy</a> '
    f'<a href="{_SITE}/unsubscribe">Unsubscribe</a></td></tr></table>'
)

HTML = {
    MailKind.MANY: (
        f'<html><body><p><a href="{_SITE}/browser">View in browser</a></p><h1>This week</h1>'
        f"{_ARTICLES}{_FOOTER}</body></html>"
    ),
    MailKind.SINGLE: (
        "<html><body><h1>An invitation</h1><p>We would like to see you in spring, and have kept a seat.</p>"
        f'<p><a href="{_SITE}/invitation">Yes, I will come</a></p><p>Until soon.</p></body></html>'
    ),
    MailKind.TRANSACTIONAL: (
        "<html><body><h1>Set a new password</h1><p>Somebody, most likely you, asked for it.</p>"
        f'<p><a href="{_SITE}/account/reset">Set a new password</a></p>'
        f'<p>Was it not you? <a href="{_SITE}/help">Tell us</a>.</p></body></html>'
    ),
}


def links_of(rows: Sequence[Link], mail: MailKind) -> Links:
    """Return a link table as visitors meet it."""
    ordered = sorted(rows, key=lambda link: link.position)
    content = [link for link in ordered if link.kind is LinkKind.CONTENT]
    body = [str(link.key) for link in content if link.role is LinkRole.BODY and "/browser" not in link.target]
    if mail is MailKind.TRANSACTIONAL:
        body = body[:1]  # the other link is for those who did not ask
    return Links(
        body=tuple(body),
        low=tuple(str(link.key) for link in content if str(link.key) not in body),
        bait=tuple(str(link.key) for link in ordered if link.kind is LinkKind.BAIT),
        unsubscribe=tuple(str(link.key) for link in ordered if link.kind is LinkKind.UNSUBSCRIBE),
        ordered=tuple(str(link.key) for link in ordered),
    )
