"""What becomes of each link that was found: a target to track, or a reason to leave it alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from linkproxy.campaign import charsets
from linkproxy.campaign.hosts import shown_host
from linkproxy.campaign.links import add_parameters, authority_fault, target_fault
from linkproxy.campaign.mask import TRANSLATED
from linkproxy.model import BaitStyle, CampaignKind, LinkKind

if TYPE_CHECKING:
    from linkproxy.campaign.html import FoundLink
    from linkproxy.campaign.roles import Assigned
    from linkproxy.model import Campaign, LinkRole, Recipient

ATTRIBUTE: Final = "data-linkproxy"
"""``off`` leaves a link alone, ``unsubscribe`` hands it to linkproxy, ``on`` tracks it even if it
carries what looks like a secret."""


class NoteReason(StrEnum):
    """Why something in a mail was left as it was."""

    OFF = "off"  # data-linkproxy="off"
    EMPTY = "empty"  # href=""
    ANCHOR = "anchor"  # href="#part"
    OTHER_SCHEME = "other_scheme"  # mailto, tel, cid, data, ...
    RELATIVE = "relative"  # no host, and no <base> that gives one
    INVALID = "invalid"  # no URL that a browser would follow
    MERGE_TAG = "merge_tag"  # nothing but a tag that the sender's mailer fills in
    MERGE_TAG_INSIDE = "merge_tag_inside"  # a tag in a URL: what it will lead to is not known
    TRANSLATED = "translated"  # in a text that is looked up, URL and all, for its translation
    UNSUBSCRIBE = "unsubscribe"  # the mail's own way to leave the list
    SECRET = "secret"  # noqa: S105 -- a reason's name; transactional: reset links and the like
    SHOWN_URL = "shown_url"  # its text is a URL, and the campaign leaves such links alone
    TRACKED = "tracked"  # it leads to the campaign's own tracked URLs already
    CHARSET = "charset"  # the whole mail or part: its charset cannot be scanned over bytes
    NO_PLACE_FOR_BAIT = "no_place_for_bait"  # the mail has no place where an anchor stays hidden
    NO_PLACE_FOR_PICTURE = "no_place_for_picture"  # nor one where the picture that tells of opens may stand
    AMBIGUOUS = "ambiguous"  # plain text: programs differ about where the URL ends
    LINE_TOO_LONG = "line_too_long"  # its line would exceed what mail may have, 998 bytes
    PROTECTED = "protected"  # a part that is signed or encrypted
    ATTACHMENT = "attachment"  # a part that is a file, a report, or somebody else's message
    ENCODING = "encoding"  # a part with a transfer encoding that is unknown or broken
    MALFORMED = "malformed"  # a part, or a header, that programs would read in different ways
    TOO_MANY_PARTS = "too_many_parts"  # the whole mail: it has more parts than are looked at
    SIGNED = "signed"  # a signature in the header, which changes would break
    LIST_UNSUBSCRIBE = "list_unsubscribe"  # the header was wanted and could not be added


@dataclass(frozen=True, slots=True)
class Note:
    """Something left alone; ``position`` is the link's order in the mail, -1 for the whole mail."""

    reason: NoteReason
    value: str
    position: int


class Hole(NamedTuple):
    """Bytes ``start..end`` give way to a tracked URL, between ``before`` and ``after``."""

    start: int
    end: int
    target: str
    kind: LinkKind
    role: LinkRole
    style: BaitStyle = BaitStyle.NONE
    before: bytes = b""
    after: bytes = b""


_CONTENT: Final = LinkKind.CONTENT  # looked up once: that is slow in CPython 3.11
_NO_STYLE: Final = BaitStyle.NONE
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PARTS: Final = re.compile(r"([^:]*://[^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_PATH: Final = re.compile(r"[^?#]*")
# A segment of the path that means this folder, or the one above it.
_DOTS: Final = re.compile(r"(?:\.|%2e)(\.|%2e)?", re.IGNORECASE)
_UNENCODED: Final = re.compile(r"[^\x21-\x7e]+")
_TOKEN: Final = re.compile(r"/[A-Za-z0-9_-]{24}/")


class Decider:
    """Decides about the links of one mail."""

    def __init__(
        self,
        campaign: Campaign,
        charset: str,
        base: str | None,
        recipient: Recipient | None,
        *,
        by_reference: bool = False,
    ) -> None:
        self._campaign = campaign
        self._own = campaign.base_url
        self._own_host = urlsplit(self._own).hostname
        self._leaves_shown = campaign.leave_shown_urls
        self._by_reference = by_reference
        self._codec = charsets.find(charset).codec
        self._base = _absolute(base, None) if base else None
        if self._base is None or target_fault(self._base):
            self._base = None
        self._utm = campaign.utm.items()
        self._spares_secrets = recipient is not None and campaign.kind is CampaignKind.TRANSACTIONAL

    def decide(self, link: FoundLink, assigned: Assigned) -> Hole | Note:
        """Return the hole that takes the link's place, or why it stays as it is."""
        wish = link.attributes.get(ATTRIBUTE, "").strip().lower() if link.attributes else ""
        if wish == "off":
            return Note(NoteReason.OFF, link.value, link.position)
        if link.merge_tag == TRANSLATED and wish not in {"on", "unsubscribe"}:
            return Note(NoteReason.TRANSLATED, link.value, link.position)
        reached = self._reach(link, wish)
        if assigned.unsubscribe or wish == "unsubscribe":
            return self._leaving(link, assigned.role, reached, handed_over=wish == "unsubscribe")
        if type(reached) is NoteReason:  # isinstance takes five times as long for an enumeration
            return Note(reached, link.value, link.position)
        if self._leaves_shown and wish != "on" and link.tag and shown_host(link.text):
            return Note(NoteReason.SHOWN_URL, link.value, link.position)
        target = add_parameters(reached, self._utm) if self._utm else reached
        # As Hole(...), in half the time.
        return tuple.__new__(
            Hole, (link.start, link.end, target, _CONTENT, assigned.role, _NO_STYLE, b"", b"")
        )

    def _leaving(
        self, link: FoundLink, role: LinkRole, reached: str | NoteReason, *, handed_over: bool
    ) -> Hole | Note:
        """Decide about a link by which one leaves the list, or one that is to become such a link."""
        if is_tracked(link.value, self._own):
            return Note(NoteReason.TRACKED, link.value, link.position)
        # Anyone could write a reference that nobody signed, and opt another person out.
        if self._by_reference:
            return Note(NoteReason.UNSUBSCRIBE, link.value, link.position)
        if not handed_over and reached is NoteReason.OTHER_SCHEME:
            return Note(reached, link.value, link.position)
        if not handed_over and not self._campaign.rewrite_unsubscribe:
            return Note(NoteReason.UNSUBSCRIBE, link.value, link.position)
        target = "" if isinstance(reached, NoteReason) else reached
        return Hole(link.start, link.end, target, LinkKind.UNSUBSCRIBE, role)

    def _reach(self, link: FoundLink, wish: str) -> str | NoteReason:
        """Return the absolute URL that a client would ask for, or why there is none to track."""
        url = link.value
        if usual := link.usual:
            fault = authority_fault(usual[0])
        else:
            if reason := _not_for_us(link):
                return reason
            absolute = _absolute(url, self._base)
            if absolute is None:
                return NoteReason.RELATIVE
            url = _encoded(absolute, self._codec)
            fault = target_fault(url)
        if fault:
            return NoteReason.INVALID
        if (not usual or usual[0] == self._own_host) and is_tracked(url, self._own):
            return NoteReason.TRACKED
        if self._spares_secrets and wish != "on" and holds_secret(url):
            return NoteReason.SECRET
        return url


def is_tracked(url: str, base_url: str) -> bool:
    """Tell whether a URL is a tracked one of this host; a link that leads to one could lead to itself.

    However scheme and host are spelt, and with whatever port: it is the same server that answers.
    """
    try:
        found = urlsplit(url)
        return found.hostname == urlsplit(base_url).hostname and bool(_TOKEN.match(found.path))
    except ValueError:
        return False


_MERGE_REASONS: Final = {"whole": NoteReason.MERGE_TAG, "part": NoteReason.MERGE_TAG_INSIDE}


def _not_for_us(link: FoundLink) -> NoteReason | None:
    if link.merge_tag in _MERGE_REASONS:
        return _MERGE_REASONS[link.merge_tag]
    value = link.value
    if not value:
        return NoteReason.EMPTY
    if value.startswith("#"):
        return NoteReason.ANCHOR
    if "\ufffd" in value:  # bytes that are no text in the mail's charset
        return NoteReason.INVALID
    scheme = _SCHEME.match(value)
    if scheme and scheme[0].lower() not in {"http:", "https:"}:
        return NoteReason.OTHER_SCHEME
    return None


def _absolute(value: str, base: str | None) -> str | None:
    if _SCHEME.match(value):
        return value
    if value.replace("\\", "/").startswith("//"):
        scheme = base.partition(":")[0] if base else "https"
        return f"{scheme}:{value}"
    if base is None:
        return None
    return _resolved(value, base)


def _resolved(value: str, base: str) -> str | None:
    """Resolve a relative URL as browsers do (URL Standard, relative and path state).

    `urllib.parse.urljoin` makes one slash of two, as in ``go/https://brand.example/``.
    """
    parts, path = _PARTS.fullmatch(base), _PATH.match(value)
    if parts is None or path is None:
        return None
    # To browsers a backslash is a slash, but for query and fragment.
    folder, given, rest = (
        (parts[2] or "/").replace("\\", "/"),
        path[0].replace("\\", "/"),
        value[path.end() :],
    )
    if not given:
        return f"{parts[1]}{folder}{rest}"
    if given[0] != "/":
        given = f"{folder[: folder.rindex('/')]}/{given}"
    return f"{parts[1]}{_without_dots(given)}{rest}"


def _without_dots(path: str) -> str:
    segments: list[str] = []
    given = path.split("/")[1:]
    for segment in given:
        dots = _DOTS.fullmatch(segment)
        if not dots:
            segments.append(segment)
        elif dots[1] and segments:
            segments.pop()
    if _DOTS.fullmatch(given[-1]):
        segments.append("")
    return "/" + "/".join(segments)


def _encoded(url: str, codec: str) -> str:
    """Percent-encode what browsers do: a query in the mail's charset, all else in UTF-8.

    URL Standard section 4.4, query state. Host names stay as they are.
    """
    if not _UNENCODED.search(url):
        return url
    match = _PARTS.fullmatch(url)
    if match is None:
        return url
    origin, path, query, fragment = (part or "" for part in match.groups())
    return "".join([origin, _quoted(path, "utf-8"), _quoted(query, codec), _quoted(fragment, "utf-8")])


def _quoted(part: str, codec: str) -> str:
    try:
        return _UNENCODED.sub(lambda match: quote(match[0].encode(codec), safe=""), part)
    except UnicodeEncodeError:
        return _UNENCODED.sub(lambda match: quote(match[0].encode("utf-8", "replace"), safe=""), part)


# --- values of one recipient -------------------------------------------------------------------

_PIECES: Final = re.compile(r"[/?&=#;]")
_RUNS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
SECRET_CHARACTERS: Final = 16
# Digits and letters of a UUID change too seldom for what is drawn at random; so do hexadecimal ones at times.
_DRAWN: Final = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{16,}", re.IGNORECASE
)
# A parameter that says so: ?reset_token=, #access_token=, ?oobCode= (Firebase), ?sig=; and codes of digits.
_NAMED: Final = re.compile(
    r"[?&#;](?:[\w.-]*(?:token|otp|oobcode|secret|password|passcode|signature|nonce|jwt|magic)|sig|hash|auth)="
    r"[^&#;]{10,}"
    r"|[?&#;](?:(?:auth|login|verification|security|confirmation|reset)[_-]?)?(?:code|otp|pin)=[0-9]{4,10}(?![^&#;])",
    re.IGNORECASE,
)


def holds_secret(url: str) -> bool:
    """Tell whether a part of a URL looks drawn at random, or a parameter is named as a secret's.

    What is drawn at random changes its kind of letters all the time.
    """
    rest = url.partition("://")[2].partition("/")[2]
    rest = f"/{unquote(rest) if '%' in rest else rest}"
    return bool(_NAMED.search(rest)) or any(
        len(piece) >= SECRET_CHARACTERS
        and (len(_RUNS.findall(piece)) > len(piece) / 3 or bool(_DRAWN.fullmatch(piece)))
        for piece in _PIECES.split(rest)
    )


def is_personal(target: str, recipient: Recipient) -> bool:
    """Tell whether a target carries the recipient's address or reference, percent-encoded or not."""
    plain = unquote(target).casefold()
    if recipient.address and recipient.address.casefold() in plain:
        return True
    if not recipient.reference:
        return False
    reference = re.escape(recipient.reference.casefold())
    return bool(re.search(rf"(?<![a-z0-9]){reference}(?![a-z0-9])", plain))
