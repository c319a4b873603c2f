"""A mail as `linkproxy lint` looks at it: its links, what it is made of, and who sends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import TYPE_CHECKING, Final

from linkproxy.campaign import charsets
from linkproxy.campaign.hosts import host_of
from linkproxy.campaign.html import scan
from linkproxy.campaign.mime_encodings import ENCODINGS
from linkproxy.campaign.mime_headers import disposition, mailboxes, read_head
from linkproxy.campaign.mime_parts import MOST_PARTS, find_parts
from linkproxy.campaign.roles import assign
from linkproxy.campaign.signatures import signatures_in
from linkproxy.campaign.targets import Decider, Hole, NoteReason
from linkproxy.campaign.text import is_signed, scan_text
from linkproxy.model import Campaign, CampaignId, CampaignKind
from linkproxy.model.names import domain_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from linkproxy.campaign.html import FoundLink
    from linkproxy.campaign.mime_parts import Part
    from linkproxy.campaign.roles import Assigned

HTML: Final = "text/html"
PLAIN: Final = "text/plain"

_NO_CAMPAIGN: Final = Campaign(CampaignId(0), "", base_url="https://click.invalid")
_NO_FILES: Final = frozenset(
    {
        "application/pgp-signature",
        "application/pkcs7-signature",
        "multipart/report",
        "message/delivery-status",
    }
)


@dataclass(frozen=True, slots=True)
class SeenLink:
    """A link, where it leads ("" if nowhere that can be told), and why it would stay untracked."""

    link: FoundLink
    url: str
    host: str
    position: int  # order in the whole mail
    unsubscribe: bool
    left: NoteReason | None = None


@dataclass(slots=True)
class LintedMail:
    """What there is to look at. HTML or text alone has no ``fields`` and is no ``message``."""

    campaign: Campaign | None  # None: whose links these are was not said
    message: bool = False
    sender: str = ""  # domain of From, lower case
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    links: list[SeenLink] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)  # of the texts shown
    html_bytes: int = 0
    files: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    sealed: list[str] = field(default_factory=list)  # what a signature or encryption covers

    @property
    def tracking_host(self) -> str:
        """Return the host of tracked links, "" when it is not known."""
        return host_of(self.campaign.base_url) if self.campaign else ""

    @property
    def marketing(self) -> bool:
        """Tell whether recipients must be able to leave the list."""
        return self.campaign is None or self.campaign.kind is CampaignKind.MARKETING

    def add_text(self, kind: str, content: bytes, charset: str) -> None:
        """Take in a text part's links."""
        self.kinds.add(kind)
        if kind == HTML:
            found = scan(content, charset)
            self.html_bytes += len(content)
        else:
            text = scan_text(content, charset)
            found = text.scan
        if not found.readable:
            self.unreadable.append(f"{kind} in the charset {charsets.hidden_in(content, charset)[:40]}")
            return
        decider = Decider(self.campaign or _NO_CAMPAIGN, charset, found.base, None)
        first = len(self.links)
        assigned = assign(found.links, found.words_before)
        self.links += [
            _seen(link, role, decider, first + index)
            for index, (link, role) in enumerate(zip(found.links, assigned, strict=True))
        ]


def _seen(link: FoundLink, assigned: Assigned, decider: Decider, position: int) -> SeenLink:
    decided = decider.decide(link, assigned)
    left = None if isinstance(decided, Hole) else decided.reason
    url = decided.target if isinstance(decided, Hole) else link.value
    host = "" if left is NoteReason.INVALID or link.merge_tag else host_of(url)
    return SeenLink(link, url, host, position, assigned.unsubscribe, left)


def read_html(html: bytes, campaign: Campaign | None, *, charset: str = "", sender: str = "") -> LintedMail:
    """Read an HTML text; ``sender`` is the domain it will be sent from, if it is known."""
    mail = LintedMail(campaign, sender=sender.lower())
    mail.add_text(HTML, html, charset or charsets.declared(html))
    return mail


def read_text(text: bytes, campaign: Campaign | None, *, sender: str = "") -> LintedMail:
    """Read a plain text by itself, UTF-8; ``sender`` as above."""
    mail = LintedMail(campaign, sender=sender.lower())
    mail.add_text(PLAIN, text, "utf-8")
    return mail


def read_message(raw: bytes, campaign: Campaign | None) -> LintedMail:
    """Read a whole message; never raises, whatever the bytes."""
    found = find_parts(raw)
    fields = found.head.fields
    mail = LintedMail(campaign, message=True, sender=_sender(fields), fields=fields)
    mail.sealed += signatures_in(found.head)
    if found.left_alone:
        mail.unreadable.append(f"a message of more than {MOST_PARTS:,} parts")
    position = 0
    for part in found.parts:
        if part.is_text:
            _read_text(mail, raw, part, found.head.eol)
        elif part.left_alone is NoteReason.PROTECTED:
            mail.sealed.append(part.kind)
        elif part.left_alone is NoteReason.MALFORMED:
            mail.unreadable.append(f"{part.kind} that is malformed")
        elif name := _file(part, raw, position):
            mail.files.append(name)
        position = part.end
    return mail


def _read_text(mail: LintedMail, raw: bytes, part: Part, eol: bytes) -> None:
    make = ENCODINGS.get(part.encoding)
    try:
        content = make(raw[part.start : part.end], eol).content if make else None
    except ValueError:
        content = None
    if content is None:
        mail.unreadable.append(f"{part.kind} whose {part.encoding[:40] or 'encoding'} is unknown or broken")
        return
    if is_signed(content, html=part.kind == HTML):
        mail.kinds.add(part.kind)
        mail.sealed.append(f"{part.kind} with an OpenPGP block")
        return
    label = part.parameters.get("charset", "").strip()
    if not label and part.kind == HTML:
        label = charsets.declared(content)
    mail.add_text(part.kind, content, "utf-8" if label.lower() in {"", "us-ascii", "ascii"} else label)


def _sender(fields: Mapping[str, Sequence[str]]) -> str:
    address = next(iter(mailboxes(fields.get("from", ())[:1])), "")
    return domain_name(address.rpartition("@")[2])


def _file(part: Part, raw: bytes, behind: int) -> str:
    """Return what to call a part that is a file; "" for a picture that the text shows.

    Its header stands between the part before it and its body, behind the last boundary line.
    """
    lines = raw[behind : part.start]
    start = lines.rfind(b"\n--")
    head = read_head(lines[lines.find(b"\n", start + 1) + 1 :] if start >= 0 else lines, 0, lambda _: False)
    said = disposition(head.only("content-disposition") or "")
    inline = said is None or said.kind == "inline"
    if part.kind in _NO_FILES or (inline and part.kind.startswith("image/")):
        return ""
    name = said.parameters.get("filename", "") if said else ""
    return _readable(name or part.parameters.get("name", "")) or part.kind


def _readable(name: str) -> str:
    """Return a file's name as a person reads it: mailers write encoded words there, or plain UTF-8."""
    text = name.encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        return str(make_header(decode_header(text)))
    except (MessageError, LookupError, ValueError):
        return text
