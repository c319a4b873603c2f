"""Compile a whole message: the links of its texts, wherever they stand and however encoded.

Headers, boundaries, other parts and line ends are spliced byte for byte; nothing is generated
anew. The outcome is stamped as HTML is: `linkproxy.campaign.compile.stamp`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from linkproxy.campaign import charsets
from linkproxy.campaign.compile import (
    Compiled,
    LinkTable,
    check_base_url,
    hole_quoted_for,
    holes_of,
    tag_suffix,
    with_bait,
    with_picture,
)
from linkproxy.campaign.html import Scan, scan
from linkproxy.campaign.links import KEY_CHARACTERS, new_keys
from linkproxy.campaign.mime_body import Body, Draft, Splice
from linkproxy.campaign.mime_encodings import ENCODINGS, Base64
from linkproxy.campaign.mime_parts import find_parts
from linkproxy.campaign.signatures import signatures_in
from linkproxy.campaign.targets import Decider, Hole, Note, NoteReason
from linkproxy.campaign.text import is_signed, scan_text
from linkproxy.campaign.token_forms import TokenForms
from linkproxy.campaign.tokens import TOKEN_CHARACTERS
from linkproxy.model import LinkKind, LinkRole

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from linkproxy.campaign.mime_parts import Message, Part
    from linkproxy.model import Campaign, Link, LinkKey, MessageLink, Recipient

MOST_TEXTS: Final = 200
"""Texts of one message that are looked at; a mail has two or three."""


@dataclass(frozen=True, slots=True)
class CompiledMessage(Compiled):
    """A compiled message.

    ``signatures`` names the headers by which somebody has signed it already: a changed body
    breaks them, so a message is to be signed after it is stamped.
    """

    signatures: tuple[str, ...] = ()


def compile_message(
    raw: bytes,
    campaign: Campaign,
    known: Sequence[Link] = (),
    *,
    recipient: Recipient | None = None,
    known_message_links: Sequence[MessageLink] = (),
    now: float = 0.0,
    merge_tag: str | None = None,
    signed: bool = False,
    list_unsubscribe: bool | None = None,
    shared: bool = False,
    draw_keys: Callable[[int, Collection[LinkKey]], list[LinkKey]] = new_keys,
) -> CompiledMessage:
    """Rewrite the links of a message's HTML and plain texts to tracked URLs.

    ``raw`` is the message as it is sent (RFC 5322), with any line ends. Links are matched with
    ``known``, and become links of the campaign or of the message, as in `compile_html`; the same
    target in two parts is two links. With a ``merge_tag`` every tracked URL ends in it, and texts
    in base64, where no mailer could fill it in, are left alone; ``signed`` says that it will be
    filled with signed references, which alone may unsubscribe. ``list_unsubscribe`` (None: as the
    campaign says) adds the headers of RFC 2369 and RFC 8058 where the message has none and the base
    URL is https. ``shared`` says that several people get these very bytes: unsubscribe links stay
    the mail's own.

    Never fails on a message, whatever its bytes; raises LinkproxyError if the campaign has no
    usable base URL, or too many links, or for a merge tag that cannot stand in a mail. Time is
    linear.
    """
    compiler = _Compiler(raw, campaign, recipient, b"" if merge_tag is None else tag_suffix(merge_tag))
    compiler.signed = signed
    compiler.shared = shared
    check_base_url(campaign)
    compiler.table = LinkTable(campaign, known, known_message_links, recipient, now)
    compiler.read_texts()
    if campaign.list_unsubscribe if list_unsubscribe is None else list_unsubscribe:
        compiler.add_header()
    return compiler.write(draw_keys)


_TEXT_HEAD: Final = b"Content-Type: text/plain; charset=utf-8\n\n"


def compile_text(raw: bytes, campaign: Campaign, known: Sequence[Link] = (), **options: Any) -> Compiled:
    """Rewrite the URLs of a plain text by itself, UTF-8; otherwise as `compile_message`."""
    found = compile_message(_TEXT_HEAD + raw, campaign, known, list_unsubscribe=False, **options)
    first, *others = found.segments
    return replace(found, segments=(first.removeprefix(_TEXT_HEAD), *others))


@dataclass(slots=True)
class _Text:
    """A part whose links are rewritten, and its holes in the decoded text."""

    part: Part
    body: Body
    holes: list[Hole]


class _Compiler:
    """Takes one message from its parts to segments."""

    table: LinkTable
    signed = False
    shared = False

    def __init__(self, raw: bytes, campaign: Campaign, recipient: Recipient | None, suffix: bytes) -> None:
        self._raw = raw
        self._campaign = campaign
        self._recipient = recipient
        self._suffix = suffix
        self._root = campaign.base_url.encode("ascii", "replace") + b"/"
        self._size = len(self._root) + TOKEN_CHARACTERS + len(b"/") + KEY_CHARACTERS + len(suffix)
        self._message: Message = find_parts(raw)
        self._texts: list[_Text] = []
        self._notes: list[Note] = []
        self._seen = 0  # links found in the parts before
        self._header: Hole | None = None

    # --- reading -------------------------------------------------------------------------------

    def read_texts(self) -> None:
        """Find the holes of every part, and enter them in the table."""
        if self._message.left_alone:
            self._notes.append(Note(self._message.left_alone, "", -1))
        for part in self._message.parts:
            if part.left_alone:
                self._leave(part, part.left_alone)
            elif part.is_text:
                self._read_text(part)

    def _leave(self, part: Part, reason: NoteReason, value: str = "") -> None:
        self._notes.append(Note(reason, value or part.kind, -1))

    def _read_text(self, part: Part) -> None:
        body = self._decoded(part)
        if body is None:
            return
        notes: list[Note] = []
        found = self._scanned(part, body, notes)
        if found is None:
            return
        links = len(found.links) + len(notes)
        decider = Decider(
            self._campaign,
            _charset(part, body),
            found.base,
            self._recipient,
            by_reference=self.shared or (bool(self._suffix) and not self.signed),
        )
        holes = self._fitting(body, self._quoted(part, body, holes_of(found, decider, notes)), notes)
        if part.kind == "text/html":
            baited = with_bait(holes, found, self._campaign, self.table, notes)
            holes = self._unless_overlong(body, holes, baited, NoteReason.NO_PLACE_FOR_BAIT, notes)
            told = with_picture(holes, found, self._campaign, notes)
            holes = self._unless_overlong(body, holes, told, NoteReason.NO_PLACE_FOR_PICTURE, notes)
            holes = self._quoted(part, body, holes)  # of bait and picture the quotes are as many
        self._notes += (
            replace(note, position=note.position + self._seen) if note.position >= 0 else note
            for note in notes
        )
        self._seen += links
        self.table.enter(holes)
        if holes:
            self._texts.append(_Text(part, body, holes))

    def _quoted(self, part: Part, body: Body, holes: list[Hole]) -> list[Hole]:
        """Return the holes with quotes that a merge tag does not end."""
        if not self._suffix or part.kind != "text/html":
            return holes
        return [hole_quoted_for(self._suffix, hole, body.content) for hole in holes]

    def _unless_overlong(
        self, body: Body, holes: list[Hole], more: list[Hole], reason: NoteReason, notes: list[Note]
    ) -> list[Hole]:
        """Return the holes with more of them, unless a line would exceed what mail may have."""
        if more is holes or not body.overlong(map(self._sized, more)):
            return more
        notes.append(Note(reason, "", -1))
        return holes

    def _decoded(self, part: Part) -> Body | None:
        make = ENCODINGS.get(part.encoding)
        if make is None or (make is Base64 and self._suffix):
            self._leave(part, NoteReason.ENCODING, part.encoding)
            return None
        if len(self._texts) >= MOST_TEXTS:
            self._leave(part, NoteReason.MALFORMED)
            return None
        try:
            return make(self._raw[part.start : part.end], self._message.head.eol)
        except ValueError:
            self._leave(part, NoteReason.ENCODING, part.encoding)
            return None

    def _scanned(self, part: Part, body: Body, notes: list[Note]) -> Scan | None:
        charset = _charset(part, body)
        is_html = part.kind == "text/html"
        if is_signed(body.content, html=is_html):
            self._leave(part, NoteReason.PROTECTED)
            return None
        if is_html:
            found = scan(body.content, charset)
        else:
            joins_lines = part.parameters.get("delsp", "").lower() == "yes"
            text = scan_text(body.content, charset, joins_lines=joins_lines)
            notes += text.notes
            found = text.scan
        if not found.readable:
            self._leave(part, NoteReason.CHARSET, charsets.hidden_in(body.content, charset))
            return None
        return found

    def _fitting(self, body: Body, holes: list[Hole], notes: list[Note]) -> list[Hole]:
        """Return the holes that make no line too long."""
        overlong = body.overlong(map(self._sized, holes))
        if not overlong:
            return holes
        notes += (Note(NoteReason.LINE_TOO_LONG, holes[index].target, -1) for index in sorted(overlong))
        return [hole for index, hole in enumerate(holes) if index not in overlong]

    def add_header(self) -> None:
        """Plan List-Unsubscribe, or note why not."""
        head = self._message.head
        faults = {
            "a merge tag's reference is not signed": self._suffix and not self.signed,
            "several people get this message": self.shared,
            "the message has too many parts": self._message.left_alone,
            "the base URL is not https": not self._campaign.base_url.startswith("https://"),
            "the message has one": {"list-unsubscribe", "list-unsubscribe-post"} & head.fields.keys(),
            "the header has no end": not head.sound or head.body <= head.end,
        }
        if fault := next((fault for fault, holds in faults.items() if holds), None):
            self._notes.append(Note(NoteReason.LIST_UNSUBSCRIBE, fault, -1))
            return
        # The last one of the table, so that the other links have the same order without it.
        self._header = Hole(head.end, head.end, "", LinkKind.UNSUBSCRIBE, LinkRole.FOOTER)
        self.table.enter([self._header])

    # --- writing -------------------------------------------------------------------------------

    def _sized(self, hole: Hole) -> tuple[int, int, int]:
        """Return from where to where a hole stands, and how many bytes take its place."""
        return hole.start, hole.end, self._size + len(hole.before) + len(hole.after)

    def _splice(self, hole: Hole, key: bytes) -> Splice:
        return Splice(hole.start, hole.end, self._root, b"/" + key, self._suffix, hole.before, hole.after)

    def write(self, draw_keys: Callable[[int, Collection[LinkKey]], list[LinkKey]]) -> CompiledMessage:
        """Return the segments and what is to be stored."""
        self.table.give_keys(draw_keys)
        keys = self.table.keys
        draft = Draft()
        position = self._write_header(draft, keys)
        taken = 0
        for text in self._texts:
            draft.write(self._raw[position : text.part.start])
            own = keys[taken : taken + len(text.holes)]
            pairs = zip(text.holes, own, strict=True)
            text.body.write([self._splice(hole, key.encode("ascii")) for hole, key in pairs], draft)
            taken += len(text.holes)
            position = text.part.end
        draft.write(self._raw[position:])
        draft.finish()
        signatures = signatures_in(self._message.head)
        if keys:
            self._notes += (Note(NoteReason.SIGNED, name, -1) for name in signatures)
        return CompiledMessage(
            tuple(draft.segments),
            tuple(keys[taken:] + keys[:taken]),
            tuple(self.table.new_links),
            tuple(self.table.new_message_links),
            tuple(self._notes),
            forms=TokenForms(draft.forms) if any(draft.forms) else None,
            signatures=signatures,
        )

    def _write_header(self, draft: Draft, keys: Sequence[LinkKey]) -> int:
        if self._header is None:
            return 0
        end, eol = self._header.start, self._message.head.eol
        draft.write(self._raw[:end], b"List-Unsubscribe: <", self._root)
        draft.hole()
        draft.write(b"/", keys[-1].encode("ascii"), self._suffix, b">", eol)
        draft.write(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click", eol)
        return end


def _charset(part: Part, body: Body) -> str:
    """Return the charset a part says it is in; plain ASCII may as well be read as UTF-8."""
    label = part.parameters.get("charset", "").strip()
    if not label and part.kind == "text/html":
        label = charsets.declared(body.content)
    return "utf-8" if label.lower() in {"", "us-ascii", "ascii"} else label
