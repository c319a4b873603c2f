"""What else rewrites the links of a mail, for one recipient: the library for it, and what people write.

None of them keeps the mail's other bytes as they were.
"""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import cast

from bs4 import BeautifulSoup
from lxml import html as lxml_html
from pytracking.html import adapt_html

BASE = "https://click.brand.example/"


def pytracking(html: bytes, recipient: int) -> str:
    """Rewrite HTML as pytracking does: each URL carries its target and who is asked for."""
    rewritten: str = adapt_html(
        html.decode(),
        extra_metadata={"campaign": 7, "recipient": recipient},
        open_tracking=False,
        base_click_tracking_url=BASE,
    )
    return rewritten


def pytracking_message(raw: bytes, encoding: str, recipient: int) -> bytes:
    """Parse a message, rewrite its HTML part, and write the message again."""
    message = message_from_bytes(raw, policy=policy.default)
    part = message.get_body(("html",))
    assert part is not None
    html = pytracking(part.get_content().encode(), recipient)
    part.set_content(html, subtype="html", cte=encoding)
    return message.as_bytes()


def lxml(html: bytes, recipient: int) -> bytes:
    """Rewrite HTML by lxml: parse, set, serialise."""
    tree = lxml_html.document_fromstring(html)
    for number, anchor in enumerate(tree.iter("a")):
        if anchor.get("href", "").startswith("http"):
            anchor.set("href", f"{BASE}{recipient}/{number}")
    return cast("bytes", lxml_html.tostring(tree, encoding="utf-8"))


def bs4(html: bytes, recipient: int) -> bytes:
    """Rewrite HTML by BeautifulSoup with the standard library's parser."""
    soup = BeautifulSoup(html.decode(), "html.parser")
    for number, anchor in enumerate(soup.find_all("a", href=True)):
        if str(anchor["href"]).startswith("http"):
            anchor["href"] = f"{BASE}{recipient}/{number}"
    return soup.encode()
