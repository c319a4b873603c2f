"""What must hold of a message and of what became of it, told by Python's own parser."""

from __future__ import annotations

import base64
import quopri
import re
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

from linkproxy.campaign import bait
from linkproxy.campaign.compile import stamp
from linkproxy.campaign.message import CompiledMessage, compile_message
from linkproxy.model import BaitStyle, Campaign, CampaignId, LinkKind

if TYPE_CHECKING:
    from email.message import Message

CAMPAIGN = Campaign(CampaignId(7), "spring", base_url="https://click.brand.example")
TOKEN = b"AbCdEfGhIjKlMnOpQrSt-_09"
TRACKED = re.compile(rb"https://click\.brand\.example/AbCdEfGhIjKlMnOpQrSt-_09/([0-9A-Za-z]{4})")
_BAIT_HEAD, _BAIT_TAIL = map(re.escape, bait.MARKUP[BaitStyle.HIDDEN])
_BAIT = re.compile(_BAIT_HEAD + TRACKED.pattern + _BAIT_TAIL)


def rewritten(raw: bytes, **options) -> tuple[CompiledMessage, bytes]:
    compiled = compile_message(raw, CAMPAIGN, **options)
    return compiled, stamp(compiled, TOKEN)


def parsed(raw: bytes) -> Message:
    return message_from_bytes(raw, policy=policy.compat32)


def leaves(message: Message) -> list[Message]:
    # As it stands: get_payload() decodes, and may fail at that.
    return [part for part in message.walk() if not isinstance(part._payload, list)]


def outline(message: Message) -> list[object]:
    """Everything about a message but what its leaves hold."""
    return [
        (
            part.get_content_type(),
            part.is_multipart(),
            part.raw_items() and list(part.raw_items()),
            part.preamble,
            part.epilogue,
            [type(defect) for defect in part.defects],
        )
        for part in message.walk()
    ]


def decoded(part: Message) -> bytes:
    return part.get_payload(decode=True) or b""


def targets(compiled: CompiledMessage) -> dict[bytes, bytes]:
    return {link.key.encode(): link.target.encode() for link in compiled.new_links}


def assert_faithful(raw: bytes, **options) -> CompiledMessage:
    """Everything outside of rewritten URLs is, decoded, what it was; all else to the byte."""
    compiled, ready = rewritten(raw, **options)
    assert len(compiled.segments) == len(compiled.keys) + 1
    before, after = parsed(raw), parsed(ready)
    assert outline(after) == outline(before)
    seen = []
    for old, new in zip(leaves(before), leaves(after), strict=True):
        if new._payload == old._payload:
            continue
        assert old.get_content_type() in {"text/html", "text/plain"}
        seen += _same_but_for_urls(decoded(old), decoded(new), targets(compiled), old.get_content_type())
    assert seen == [key.encode() for key in compiled.keys if key.encode() in seen]
    baits = {link.key.encode() for link in compiled.new_links if link.kind is LinkKind.BAIT}
    assert {key.encode() for key in compiled.keys} - baits == set(seen)
    return compiled


def _same_but_for_urls(old: bytes, new: bytes, known: dict[bytes, bytes], kind: str) -> list[bytes]:
    """Walk both texts side by side; return the keys that were met, without those of bait."""
    assert len(_BAIT.findall(new)) in ({0, 2} if kind == "text/html" else {0})
    if kind == "text/plain":
        literals, keys = TRACKED.split(new)[::2], TRACKED.findall(new)
        # Letters beyond ASCII stand in a target percent-encoded, and in a host as they are.
        urls = [
            rb"(?i:https?://)\S+?" if b"%" in url or not url.isascii() else re.escape(url)
            for url in map(known.__getitem__, keys)
        ]
        pieces = [re.escape(literals[0])]
        for url, literal in zip(urls, literals[1:], strict=True):
            pieces += url, re.escape(literal)
        assert re.fullmatch(b"".join(pieces), old, re.DOTALL)
        return keys
    pieces = TRACKED.split(_BAIT.sub(b"", new))
    literals, keys = pieces[::2], pieces[1::2]
    # To Python's parser the last line end of a multipart that never ends is none of the part's; before
    # bait that stands behind it, it is.
    old = next(whole for end in (b"", b"\n", b"\r\n", b"\r") if (whole := old + end).endswith(literals[-1]))
    assert old.startswith(literals[0])
    relative = b"<base" in old.lower()
    position = len(literals[0])
    for literal in literals[1:]:
        # Behind a value stands its quote, a blank or ">", of which it has none itself.
        found = old.find(literal, position) if literal is not literals[-1] else len(old) - len(literal)
        assert found >= position
        url = old[position:found].lower()
        assert relative or b"http" in url or b"//" in url or b"&" in url
        position = found + len(literal)
    assert position == len(old)
    return keys


PIECES = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b" ", b"\t", b"\0", b"--", b"--b", b"--b--", b"\n--b\n", b"\r\n--b\r\n", b"\n--b--\n",
    b"--c", b"\n--c\n", b"\n--c--\n", b"\n--b \t\n", b"--b--b", b"x", b"=", b"=3D", b"=\n", b"=\r\n", b"= \n", b"=E2=80=9C", b"=3d", b"<", b">",
    b"From: a@b.example\n", b"MIME-Version: 1.0\n", b"Content-Type: multipart/mixed; boundary=b\n", b"From x\n", b"Bad line\n",
    b'Content-Type: multipart/alternative;\n boundary="c"\n', b"Content-Type: multipart/related; boundary=c\n",
    b"Content-Type: multipart/signed; boundary=b\n", b"Content-Type: message/rfc822\n", b"Content-Type: multipart/digest; boundary=c\n",
    b"Content-Type: text/html; charset=utf-8\n", b"Content-Type: text/html\n", b'Content-Type: text/plain; charset="iso-2022-jp"\n',
    b"Content-Type: text/plain; format=flowed; delsp=yes\n", b"Content-Type: text/html; charset=utf-16\n", b"Content-Type: text/plain; charset=shift_jis\n",
    b"Content-Transfer-Encoding: quoted-printable\n", b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: 8bit\n",
    b"Content-Disposition: attachment\n", b"Content-Type: text/html; charset*=us-ascii''utf-8; charset=x\n", b"List-Unsubscribe: <mailto:x@y.example>\n",
    b"https://x.example/1", b"http://x.example/?a=3D1&b=3D2", b'<a href="https://x.example/2">two</a>', b'<a href=3D"https://x.=\nexample/3">t</a>',
    b"<p>text</p>", b"<a href=https://x.example/4>", b"<https://x.example/5\n6>", b"(https://x.example/7).", b"PGEgaHJlZj0iaHR0cHM6Ly94LmV4YW1wbGUvMSI+dGV4dDwvYT4=",
    b"PHA+dHdvPC9wPjxhIGhyZWY9Imh0dHA6Ly94LmV4YW1wbGUvMiI+", b"\x1b$B", b"\x1b(B", b"\xe3\x80\x82", b"\x82\xa0", b"{{ x }}", b"-----BEGIN PGP MESSAGE-----\n",
]  # fmt: skip
"""What messages, whole and broken, are made of."""


HEAD = b"From: News <news@brand.example>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Odd:  two  blanks \r\nMIME-Version: 1.0\r\n"
HTML = "<html><body><p>Grüße</p><a href=\"https://www.brand.example/a?x=1&amp;y=2\">one</a> <a href='https://www.brand.example/b'>two</a></body></html>\r\n"
TEXT = "Grüße\r\n\r\nhttps://www.brand.example/a?x=1&y=2\r\n(https://www.brand.example/b).\r\n"
ENCODE = {
    "8bit": lambda content: content,
    "quoted-printable": lambda content: quopri.encodestring(content.replace(b"\r\n", b"\n")).replace(
        b"\n", b"\r\n"
    ),
    "base64": lambda content: base64.encodebytes(content).replace(b"\n", b"\r\n"),
}


def part(kind, content, encoding="8bit", charset="utf-8"):
    head = f"Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + ENCODE[encoding](content.encode(charset))


def alternative(*parts, boundary=b"=_b", kind=b"alternative", head=HEAD):
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary, each) for each in parts)
    return b'%bContent-Type: multipart/%b;\r\n boundary="%b"\r\n\r\nA preamble\r\n%b--%b--\r\nAn epilogue\r\n' % (head, kind, boundary, body, boundary)  # fmt: skip
