"""Compile a mail once into literal segments; stamping a recipient is then one join.

Between two segments stands the token of a tracked URL, and nothing else varies. Everything
outside changed ``href`` values, bait anchors and the picture of opens is the mail's own bytes.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from dataclasses import dataclass, replace
from operator import attrgetter
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Final

from linkproxy.campaign import bait, charsets
from linkproxy.campaign.html import Scan, scan
from linkproxy.campaign.links import new_keys, shape
from linkproxy.campaign.roles import assign
from linkproxy.campaign.targets import Decider, Hole, Note, NoteReason, is_personal
from linkproxy.model import (
    BASE_URL,
    BaitStyle,
    Campaign,
    Link,
    LinkKey,
    LinkKind,
    LinkproxyError,
    LinkRole,
    MessageLink,
    Recipient,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from linkproxy.campaign.token_forms import TokenForms

__all__ = ["Compiled", "Note", "NoteReason", "compile_html", "stamp", "with_reference"]

_KEY_END: Final = 5  # bytes of "/" and a link key
_ADDRESS_TAG: Final = re.compile(r"(?:.*\W)?\w*e[_-]?mail(?:[_-]?address)?\W*|%recipient%", re.IGNORECASE)
"""The tag of a field that its name says holds addresses; Mailgun's %recipient% is the address by itself."""
_WORD: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._~-]*[A-Za-z0-9])?")
"""What would be a reference as it stands; the marks of a tag such as SendGrid's -lp- are at its ends."""
_OF_BASE_URL: Final = (ascii_letters + digits + ":/._~-").encode()
_ENDS_VALUE: Final = {b'"': re.compile(rb'"'), b"'": re.compile(rb"'"), b"": re.compile(rb"[\s\"'=<>`]")}
"""By its quotes, what in an attribute's value is read as its end or as a fault (WHATWG HTML, 13.1.2.3)."""
_START: Final = attrgetter("start")


@dataclass(frozen=True, slots=True)
class Compiled:
    """A mail with a hole for the token in each of its tracked URLs.

    ``segments`` are one more than ``keys``; the rows of ``new_links`` and ``new_message_links``
    must be stored before a stamped mail is sent.
    """

    segments: tuple[bytes, ...]
    keys: tuple[LinkKey, ...] = ()  # of the holes, in order; bait included
    new_links: tuple[Link, ...] = ()
    new_message_links: tuple[MessageLink, ...] = ()
    notes: tuple[Note, ...] = ()
    forms: TokenForms | None = None  # how the token is written in each hole; None: plain in all


def stamp(compiled: Compiled, token: bytes) -> bytes:
    """Return the mail with a token, 24 ASCII bytes, in all its tracked URLs."""
    if compiled.forms:
        return compiled.forms.fill(compiled.segments, token)
    return token.join(compiled.segments)


def with_reference(compiled: Compiled, tag: str) -> Compiled:
    """Return the merge-tag form of compiled HTML: every tracked URL ends in ``/{tag}``.

    A message gets its tag when it is compiled, since its lines are laid out then. The tag stands
    as it is written. Its value gets other quotes where the tag would end it, as ``{{ lp }}`` does an
    unquoted one: many mailers read the HTML before they fill it in. Raises LinkproxyError for a tag
    that is empty or not printable ASCII, a word without any mark of a tag, or named as one that fills
    in mail addresses.
    """
    suffix = tag_suffix(tag)
    segments = list(compiled.segments)
    for index in range(1, len(segments)):
        before, after = segments[index - 1], segments[index]
        segments[index - 1], rest = _quoted_for(suffix, before, after[_KEY_END:])
        segments[index] = after[:_KEY_END] + suffix + rest
    return replace(compiled, segments=tuple(segments))


def hole_quoted_for(tag: bytes, hole: Hole, html: bytes) -> Hole:
    """Return a hole of HTML that brings quotes along where a tag behind its URL would end the value."""
    if hole.before:
        before, after = _quoted_for(tag, hole.before, hole.after)
        return hole._replace(before=before, after=after)
    quote = html[hole.start - 1 : hole.start]
    quote = quote if quote in {b'"', b"'"} else b""
    before, after = _quoted_for(tag, quote, quote)
    if before == quote:
        return hole
    return hole._replace(start=hole.start - len(quote), end=hole.end + len(quote), before=before, after=after)


def _quoted_for(tag: bytes, before: bytes, behind: bytes) -> tuple[bytes, bytes]:
    """Return what stands before and behind a tracked URL, in quotes that a tag in it does not end."""
    start = len(before.rstrip(_OF_BASE_URL))
    quote = before[start - 1 : start]
    quote = quote if quote in {b'"', b"'"} else b""
    if not _ENDS_VALUE[quote].search(tag):
        return before, behind
    better = next((other for other in (b'"', b"'") if other not in tag), quote)
    return before[: start - len(quote)] + better + before[start:], better + behind[len(quote) :]


def tag_suffix(tag: str) -> bytes:
    """Return what a merge tag adds to a tracked URL; LinkproxyError as `with_reference` says."""
    if not tag.strip() or not (tag.isascii() and tag.isprintable()):
        raise LinkproxyError(f"merge tag {tag!r}: give the tag as your mailer writes it, in printable ASCII")
    if _WORD.fullmatch(tag):
        raise LinkproxyError(
            f"merge tag {tag!r}: is a word and no tag, so all recipients would have the reference {tag!r}; "
            "give the tag as your mailer writes it, marks included: {{id}}"
        )
    if _ADDRESS_TAG.fullmatch(tag):
        raise LinkproxyError(
            f"merge tag {tag!r}: fills in mail addresses, which are refused in links; "
            "take an identifier's tag (docs/merge-tags.md)"
        )
    return b"/" + tag.encode("ascii")


def check_base_url(campaign: Campaign) -> None:
    """Raise LinkproxyError if tracked URLs cannot be made of the campaign's base URL."""
    if not BASE_URL.fullmatch(campaign.base_url):
        raise LinkproxyError(
            f"campaign {campaign.name!r} has the base URL {campaign.base_url!r}; "
            "give it one such as https://click.brand.example, of letters, digits and :/._~- alone"
        )


def compile_html(
    html: bytes,
    campaign: Campaign,
    known: Sequence[Link] = (),
    *,
    recipient: Recipient | None = None,
    known_message_links: Sequence[MessageLink] = (),
    charset: str = "utf-8",
    now: float = 0.0,
    by_reference: bool = False,
    draw_keys: Callable[[int, Collection[LinkKey]], list[LinkKey]] = new_keys,
) -> Compiled:
    """Rewrite a mail's links to tracked URLs of the campaign's ``base_url``.

    ``known`` is the campaign's link table; a link is matched by its kind, its target, and by
    which occurrence of it this is, bait by occurrence alone. Without a recipient the rest become
    links of the campaign. With one, they become message links if ``known`` has rows; if it has
    none, those alone whose target carries the recipient's address or reference.

    Never fails on a mail, whatever its bytes; raises LinkproxyError if the campaign has no
    usable base URL, or too many links. ``now`` is the creation time of message links.
    ``by_reference`` is for merge-tag mode: unsubscribe links stay the mail's own.
    """
    check_base_url(campaign)
    found = scan(html, charset)
    if not found.readable:
        return Compiled((html,), notes=(Note(NoteReason.CHARSET, charsets.hidden_in(html, charset), -1),))
    notes: list[Note] = []
    decider = Decider(campaign, charset, found.base, recipient, by_reference=by_reference)
    holes = holes_of(found, decider, notes)
    table = LinkTable(campaign, known, known_message_links, recipient, now)
    holes = with_picture(with_bait(holes, found, campaign, table, notes), found, campaign, notes)
    table.enter(holes)
    table.give_keys(draw_keys)
    return Compiled(
        tuple(_segments(html, campaign.base_url, holes, table.keys)),
        tuple(table.keys),
        tuple(table.new_links),
        tuple(table.new_message_links),
        tuple(notes),
    )


_PICTURE: Final = (
    b'<img src="',
    (
        b'" alt="" width="1" height="1" style="position:absolute!important;width:1px!important;'
        b'height:1px!important;margin:-1px 0 0 -1px!important;padding:0!important;border:0!important">'
    ),
)
"""What stands before and behind the URL of the picture: out of the flow, whatever the mail's styles say."""


def holes_of(found: Scan, decider: Decider, notes: list[Note]) -> list[Hole]:
    """Return the holes of the links that are to be tracked, and put notes down on the others."""
    holes: list[Hole] = []
    for decided in map(decider.decide, found.links, assign(found.links, found.words_before)):
        if isinstance(decided, Hole):
            holes.append(decided)
        else:
            notes.append(decided)
    return holes


def with_bait(
    holes: list[Hole], found: Scan, campaign: Campaign, table: LinkTable, notes: list[Note]
) -> list[Hole]:
    """Add the bait anchors; a mail without tracked links gets none."""
    if not holes or campaign.bait_style is BaitStyle.NONE:
        return holes
    if found.bait_early is None or found.bait_late is None:
        notes.append(Note(NoteReason.NO_PLACE_FOR_BAIT, "", -1))
        return holes
    baits = []
    places = bait.anchors(campaign.bait_places, found.bait_early, found.bait_late)
    for place, row in zip(places, table.baits(len(places)), strict=True):
        style = row.style if row else campaign.bait_style
        before, after = bait.MARKUP[style]
        baits.append(Hole(place, place, "", LinkKind.BAIT, LinkRole.BODY, style, before, after))
    return sorted([*holes, *baits], key=_START)


def with_picture(holes: list[Hole], found: Scan, campaign: Campaign, notes: list[Note]) -> list[Hole]:
    """Add the picture that tells of opens, last in the body; a mail without tracked links gets none."""
    if not holes or not campaign.opens:
        return holes
    place = found.bait_late
    if place is None:
        notes.append(Note(NoteReason.NO_PLACE_FOR_PICTURE, "", -1))
        return holes
    picture = Hole(place, place, "", LinkKind.OPEN, LinkRole.BODY, before=_PICTURE[0], after=_PICTURE[1])
    return sorted([*holes, picture], key=_START)


def _segments(html: bytes, base_url: str, holes: Iterable[Hole], keys: Iterable[LinkKey]) -> Iterator[bytes]:
    root = base_url.encode("ascii") + b"/"
    tail, position = b"", 0
    for hole, key in zip(holes, keys, strict=True):
        yield b"".join((tail, html[position : hole.start], hole.before, root))
        tail, position = b"/" + key.encode("ascii") + hole.after, hole.end
    yield tail + html[position:]


_NO_KEY: Final = LinkKey("")


class LinkTable:
    """The rows that the holes of one mail refer to: known ones found, new ones drafted."""

    def __init__(
        self,
        campaign: Campaign,
        known: Sequence[Link],
        known_message_links: Sequence[MessageLink],
        recipient: Recipient | None,
        now: float,
    ) -> None:
        self._campaign = campaign
        self._recipient = recipient
        self._now = now
        self._starts_table = not known
        self._rows: defaultdict[tuple[LinkKind, str], deque[Link | MessageLink]] = defaultdict(deque)
        rows: list[Link | MessageLink] = [*known, *known_message_links]
        for row in sorted(rows, key=lambda row: (isinstance(row, MessageLink), row.position)):
            self._rows[row.kind, row.target].append(row)
        self._taken = {row.key for row in known} | {row.key for row in known_message_links}
        self._drafts: list[tuple[int, Hole]] = []
        self.keys: list[LinkKey] = []  # of the holes, in order
        self.new_links: list[Link] = []
        self.new_message_links: list[MessageLink] = []

    def baits(self, count: int) -> list[Link | None]:
        """Return so many known bait rows, whose style their anchors keep; None for those to be made."""
        rows = [row for row in self._rows.get((LinkKind.BAIT, ""), ()) if isinstance(row, Link)][:count]
        known = [row if row.style in bait.MARKUP else None for row in rows]
        return known + [None] * (count - len(known))

    def enter(self, holes: Iterable[Hole]) -> None:
        """Find each hole's row, or put it down as a new one."""
        for hole in holes:
            rows = self._rows.get((hole.kind, hole.target)) if self._rows else None
            if not rows:
                self._drafts.append((len(self.keys), hole))
            self.keys.append(rows.popleft().key if rows else _NO_KEY)

    def give_keys(self, draw_keys: Callable[[int, Collection[LinkKey]], list[LinkKey]]) -> None:
        """Make rows of what was put down."""
        recipient = self._recipient
        for (position, hole), key in zip(
            self._drafts, draw_keys(len(self._drafts), self._taken), strict=True
        ):
            self.keys[position] = key
            if recipient is not None and self._is_of_message(hole, recipient):
                self.new_message_links.append(self._message_link(hole, position, key, recipient))
            else:
                self.new_links.append(self._link(hole, position, key))

    def _is_of_message(self, hole: Hole, recipient: Recipient) -> bool:
        if hole.kind in {LinkKind.BAIT, LinkKind.OPEN}:
            return False
        return not self._starts_table or is_personal(hole.target, recipient)

    def _link(self, hole: Hole, position: int, key: LinkKey) -> Link:
        # A template's targets stand for themselves; those of a personal mail may be one of many.
        form = shape(hole.target) if self._recipient is not None else ""
        return Link(self._campaign.id, key, hole.target, hole.kind, hole.role, position, hole.style, form)

    def _message_link(self, hole: Hole, position: int, key: LinkKey, recipient: Recipient) -> MessageLink:
        return MessageLink(
            self._campaign.id,
            recipient.id,
            key,
            hole.target,
            hole.kind,
            hole.role,
            position,
            shape(hole.target),
            self._now,
        )
