"""What the scanner finds in a piece of HTML, for tests that look at its links."""

from __future__ import annotations

from linkproxy.campaign.html import FoundLink, scan


def values(html: bytes, charset: str = "utf-8") -> list[str]:
    return [link.value for link in scan(html, charset).links]


def only(html: bytes, charset: str = "utf-8") -> FoundLink:
    (link,) = scan(html, charset).links
    assert link.raw == html[link.start : link.end]
    return link
