"""Find the links of an HTML mail and where each stands, to the byte.

What counts: ``href`` of ``<a>`` and ``<area>``, and of VML shapes (``<v:roundrect href>``), also
inside the conditional comments that Outlook reads. Not looked at: ``xlink:href``, form actions,
and whatever is in comments, scripts, styles and other raw text.
"""

from __future__ import annotations

import html as entities_of_text
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from linkproxy.campaign import bait, charsets, entities, mask
from linkproxy.campaign.attributes import NAME, Attribute, read
from linkproxy.campaign.beside import beside, between
from linkproxy.campaign.links import read_usual
from linkproxy.campaign.markup import PLAIN_ATTRIBUTES, Tag, Walk, either_case, tag_of
from linkproxy.campaign.role_words import vocabulary, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from linkproxy.campaign.links import Web
    from linkproxy.campaign.mask import TemplateTag

TEXT_BYTES: Final = 2000
"""How much behind an anchor's tag is read for its text."""
TEXT_CHARACTERS: Final = 200

_NAMES: Final = frozenset({b"rel", b"class", b"title", b"id", b"name", b"aria-label", b"alt"})
_OURS: Final = b"data-linkproxy"
# Attributes that all stand as name="value"; and those of them of which nothing is kept, as of most anchors.
_PAIR: Final = re.compile(rb"([^\t\n\f\r =]+)=\"([^\"]*)\"")
_UNKEPT: Final = re.compile(
    rb"(?>(?:[\t\n\f\r ]+(?!(?:%s)=|(?i:%s))[^\t\n\f\r =]+=\"[^\"]*\")*)" % (either_case(_NAMES), _OURS)
)
_PLAIN_TAG: Final = re.compile(rb"<(" + NAME + rb")" + PLAIN_ATTRIBUTES + rb"/?>")
_EMPTY: Final[Mapping[str, str]] = MappingProxyType({})
_BREAK: Final = re.compile(rb"<(?=/?(?:br|p|div|t[dhr]|li|h[1-6]|table|center)[\t\n\f\r />])", re.IGNORECASE)
_MARKUP: Final = re.compile(rb"<(?:!--(?>[\s\S]*?(?:-->|\Z))|(?>[^>]*)>?)")
_ALT: Final = re.compile(
    rb"""<img[^<>]*?\salt[\t\n\f\r ]*=[\t\n\f\r ]*(?:"([^"<>]*)"|'([^'<>]*)'|([^\t\n\f\r "'<>]+))""",
    re.IGNORECASE,
)


def _is_wanted(name: bytes) -> bool:
    return name == b"href" or name in _NAMES or (name.startswith(_OURS) and b"\0" not in name)


class FoundLink(NamedTuple):
    """One ``href`` and what a reader sees of its link."""

    start: int  # bytes start..end are the value, without its quotes
    end: int
    value: str  # as a URL parser sees it: decoded and trimmed
    raw: bytes  # as it stands
    quote: str  # '"', "'" or "" when unquoted
    tag: str  # a, area, or a VML shape such as v:roundrect
    text: str  # visible text, and the alt text of images; else what is read aloud; cropped
    attributes: Mapping[str, str]  # data-linkproxy*, rel, class, title, id, name, aria-label, alt
    position: int  # 0-based order in the mail
    merge_tag: str = ""  # "whole": the value is one; "part": one is in it; "translated": mask.TRANSLATED
    conditional: bool = False  # in a conditional comment: Outlook alone shows it
    usual: Web | None = None  # the value's parts, if it is a usual URL
    beside: tuple[str, str] | None = None  # what its paragraph says around it, if its text is "here"


@dataclass(frozen=True, slots=True)
class Scan:
    """What stands in a mail. ``readable`` is False when its charset cannot be scanned over bytes."""

    links: tuple[FoundLink, ...]
    bait_early: int | None  # where a bait anchor may be inserted; both None or neither
    bait_late: int | None
    base: str | None  # value of <base href>
    readable: bool = True
    # How many words stand between a link, by its position, and the link before it.
    words_before: Callable[[int], int] = field(default=lambda _: 0, compare=False, repr=False)


def scan(html: bytes, charset: str = "utf-8") -> Scan:
    """Find every link of a mail; never raises, whatever the bytes. Time and memory are linear.

    ``charset`` is the label of the MIME part; a label nobody knows means windows-1252.
    """
    known = charsets.find(charset)
    if not known.safe or charsets.is_wide(html):
        return Scan((), None, None, None, readable=False)
    ascii_only = charsets.mask_escaped(html) if known.escaped else html
    tags = mask.find_tags(ascii_only)
    walk = Walk(mask.fill(ascii_only, tags) if tags else ascii_only)
    reader = _Reader(html, known.codec, tags, walk)
    early, late = bait.find_places(walk, tags)
    links = tuple(reader.links())
    return Scan(links, early, late, reader.base(), words_before=lambda at: reader.words_before(links, at))


class _Reader:
    """Cuts out of the original what the walk found in the masked copy."""

    def __init__(self, html: bytes, codec: str, tags: Sequence[TemplateTag], walk: Walk) -> None:
        self._html = html
        self._codec = codec
        self._tags = tags
        self._walk = walk
        self._is_original = walk.html is html
        self._translations = mask.translations(html, tags)
        self._known: dict[bytes, Mapping[str, str]] = {}  # anchors of a mail have few sets of attributes

    def _text(self, start: int, end: int) -> str:
        return self._html[start:end].decode(self._codec, "replace")

    def base(self) -> str | None:
        """Return the first ``<base>``'s href, the only one that counts; None if a merge tag is in it."""
        for tag in self._walk.bases:
            for attribute in read(self._walk.html, tag.attributes, tag.end, b"href".__eq__):
                start, end = attribute.start, attribute.end
                value = entities.trim_url(entities.decode(self._text(start, end)))
                tags = mask.overlapping(self._tags, start, end)
                return None if mask.merge_tag(value, self._html[start:end], tags) else value
        return None

    def links(self) -> list[FoundLink]:
        links: list[FoundLink] = []
        walk = self._walk
        for order, anchor in enumerate(walk.anchors):
            conditional = order in walk.conditional
            if isinstance(anchor, Tag):
                links += self._links(anchor, walk.text_ends[order], len(links), conditional=conditional)
            elif self._is_original:
                name = "v" + anchor[1].lower().decode("ascii") if anchor[1] else "a"
                links.append(self._plain_link(anchor, anchor[5], len(links), name, conditional=conditional))
            else:
                links += self._links(tag_of(anchor), anchor.end(5), len(links), conditional=conditional)
        points = vocabulary().points
        for position, link in enumerate(links):
            if points(link.text):
                links[position] = link._replace(beside=self._beside(links, position))
        return links

    def _beside(self, links: Sequence[FoundLink], position: int) -> tuple[str, str]:
        link = links[position]
        first = links[position - 1].end if position else 0
        last = links[position + 1].start if position + 1 < len(links) else len(self._html)
        before, behind = beside(self._html, link.start, link.end, (first, last))
        return self._visible(before, last=True), self._visible(behind)

    def words_before(self, links: Sequence[FoundLink], position: int) -> int:
        """Return how many words stand between a link and the one before it; cropped as texts are."""
        if not position:
            return 0
        before = links[position - 1]
        content = between(self._html, before.end, links[position].start)
        return len(words_of(self._visible(content)))

    def _links(self, tag: Tag, text_end: int, position: int, *, conditional: bool) -> list[FoundLink]:
        content = self._html[tag.end : min(text_end, tag.end + TEXT_BYTES)]
        name = tag.name.decode("ascii", "replace")
        if self._is_original and (plain := _PLAIN_TAG.fullmatch(self._html, tag.start, tag.end)):
            return [self._plain_link(plain, content, position, name, conditional=conditional)]
        hrefs, kept = self._attributes(tag)
        if not hrefs:
            return []
        text = self._visible(content) or _spoken(kept)
        return [
            self._link(href, name, text, kept, position + offset, conditional=conditional)
            for offset, href in enumerate(hrefs)
        ]

    def _plain_link(
        self, plain: re.Match[bytes], content: bytes, position: int, name: str, *, conditional: bool
    ) -> FoundLink:
        """Return the link of a tag with plain attributes and without template tags."""
        before, raw, after = plain.group(2, 3, 4)
        others = before + after
        kept = self._known.get(others)
        if kept is None:
            kept = self._known[others] = self._kept(others)
        value = raw.decode(self._codec, "replace")
        usual, merge_tag = None if "&" in value else read_usual(value), ""
        if usual is None:
            value = entities.trim_url(entities.decode(value))
            usual = read_usual(value)
            merge_tag = "" if usual else mask.merge_tag(value, raw, ())
        text = self._visible(content[:TEXT_BYTES]) or _spoken(kept)
        start, end = plain.span(3)
        # As FoundLink(...), in half the time.
        return tuple.__new__(
            FoundLink,
            (
                start,
                end,
                value,
                raw,
                '"',
                name,
                text,
                kept,
                position,
                merge_tag,
                conditional,
                usual,
                None,
            ),
        )

    def _kept(self, others: bytes) -> Mapping[str, str]:
        if _UNKEPT.fullmatch(others):
            return _EMPTY
        kept: dict[str, str] = {}
        for name, value in _PAIR.findall(others):
            if (lower := name.lower()) in _NAMES or lower.startswith(_OURS):
                text = entities.decode(value.decode(self._codec, "replace"))
                kept.setdefault(lower.decode("ascii", "replace"), text)
        return kept or _EMPTY

    def _attributes(self, tag: Tag) -> tuple[list[Attribute], Mapping[str, str]]:
        """Return the hrefs that may be live, and the attributes worth keeping.

        Of attributes with one name the first counts; a block tag between two may choose either.
        """
        hrefs: list[Attribute] = []
        kept: dict[str, str] = {}
        for attribute in read(self._walk.html, tag.attributes, tag.end, _is_wanted):
            if attribute.name == b"href":
                if not hrefs or self._may_be_either(hrefs[-1], attribute):
                    hrefs.append(attribute)
            else:
                value = self._text(attribute.start, attribute.end)
                kept.setdefault(attribute.name.decode("ascii", "replace"), entities.decode(value))
        return [href for href in hrefs if href.has_value], kept or _EMPTY

    def _may_be_either(self, first: Attribute, second: Attribute) -> bool:
        between = mask.overlapping(self._tags, first.end, second.start)
        return any(tag.block for tag in between)

    def _link(
        self,
        href: Attribute,
        name: str,
        text: str,
        kept: Mapping[str, str],
        position: int,
        *,
        conditional: bool,
    ) -> FoundLink:
        raw = self._html[href.start : href.end]
        value = entities.trim_url(entities.decode(raw.decode(self._codec, "replace")))
        tags = mask.overlapping(self._tags, href.start, href.end)
        merge_tag = mask.merge_tag(value, raw, tags)
        if not merge_tag and mask.is_within(self._translations, href.start):
            merge_tag = mask.TRANSLATED
        return FoundLink(
            href.start,
            href.end,
            value,
            raw,
            href.quote,
            name,
            text,
            kept,
            position,
            merge_tag,
            conditional,
            None if merge_tag else read_usual(value),
        )

    def _visible(self, content: bytes, *, last: bool = False) -> str:
        if b"<" in content:
            pictures = (alt[alt.lastindex or 0] for alt in _ALT.finditer(content))
            content = b" ".join([_MARKUP.sub(b"", _BREAK.sub(b" <", content)), *pictures])
        text = content.decode(self._codec, "replace")
        if "&" in text:
            text = entities_of_text.unescape(text)
        if "  " in text or not text.isprintable():  # a line end, or a blank that is no space
            text = " ".join(text.split())
        text = text.strip()
        return text[-TEXT_CHARACTERS:] if last else text[:TEXT_CHARACTERS]


def _spoken(kept: Mapping[str, str]) -> str:
    """Return what is read aloud for a link without text: an icon, or an area of a picture."""
    return (kept.get("aria-label") or kept.get("alt", "")).strip()[:TEXT_CHARACTERS] if kept else ""
