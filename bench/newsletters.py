"""The mails that rewriting is measured on."""

from __future__ import annotations

import base64
import quopri
import re
from dataclasses import dataclass
from importlib.resources import files

ENCODINGS = ("8bit", "quoted-printable", "base64")


@dataclass(frozen=True, slots=True)
class Mail:
    """One HTML mail and what to call it."""

    name: str
    html: bytes


_LINKED_PICTURE = re.compile(rb"<a [^>]*>(<img [^>]*>)</a>")


def demo() -> Mail:
    """Return the newsletter that ships with linkproxy, its pictures without links: 39 to the web, two others.

    It has tables, conditional comments, VML, and inline styles.
    """
    html = (files("linkproxy.demo") / "newsletter.html").read_bytes()
    return Mail("newsletter", _LINKED_PICTURE.sub(rb"\1", html))


PARAGRAPH = (
    "The harbour office has published its figures for the autumn. Traffic on the northern quay rose "
    "again, while the old basin was closed for dredging; the new crane is expected before the end of "
    "the year. Read more on what this means for small shippers and for the people who live close by, "
    "from the bridge to the lock. "
)


def plain() -> Mail:
    """Return 17.5 kB with 40 links: headings, paragraphs and anchors, nothing else."""
    items = [
        f"<h2>{number}. Harbour news</h2>\n<p>{PARAGRAPH}\n"
        f'<a href="https://news.harbour.example/2026/11/story-{number}?from=mail">Read more</a></p>\n'
        for number in range(1, 41)
    ]
    head = '<html lang="en">\n<head><meta charset="utf-8"><title>Harbour news</title></head>\n<body>\n'
    html = f"<!DOCTYPE html>\n{head}{''.join(items)}</body></html>\n"
    return Mail("plain", html.encode())


def message(mail: Mail, encoding: str) -> bytes:
    """Return a message with a short plain text and the mail as HTML in a transfer encoding."""
    html = mail.html.replace(b"\r\n", b"\n")
    encode = {"quoted-printable": quopri.encodestring, "base64": base64.encodebytes}
    body = encode[encoding](html) if encoding in encode else html
    text = (
        "From: News <news@harbour.example>\nTo: anna@example.com\nSubject: Harbour news\n"
        'MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="=_harbour"\n\n'
        "--=_harbour\nContent-Type: text/plain; charset=utf-8\n\n"
        "Read it here: https://news.harbour.example/2026/11\n\n"
        f"--=_harbour\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n"
    )
    return (text.encode() + body + b"\n--=_harbour--\n").replace(b"\n", b"\r\n")
