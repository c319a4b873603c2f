"""Find the links of an HTML mail and where each stands, to the byte.

What counts: ``href`` of ``<a>`` and ``<area>``, and of VML shapes (``<v:roundrect href>``), also
inside the conditional comments that Outlook reads. Not looked at: ``xlink:href``, form actions,
and whatever is in comments, scripts, styles and other raw text.
"""

from __future__ import annotations

import html as entities_of_text
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from linkproxy.campaign import bait, charsets, entities, mask
from linkproxy.campaign.attributes import Attribute, read
from linkproxy.campaign.markup import Tag, Walk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from linkproxy.campaign.mask import TemplateTag

TEXT_BYTES: Final = 2000
"""How much behind an anchor's tag is read for its text."""
TEXT_CHARACTERS: Final = 200

_NAMES: Final = frozenset({b"rel", b"class", b"title", b"id", b"name", b"aria-label", b"alt"})
_OURS: Final = b"data-linkproxy"
# Attributes that all stand as name="value".
_PAIR: Final = re.compile(rb"([^\t\n\f\r =]+)=\"([^\"]*)\"")
_EMPTY: Final[Mapping[str, str]] = MappingProxyType({})
_BREAKS: Final = re.compile(rb"</?(?:br|p|div|t[dhr]|li|h[1-6]|table|center)(?=[\t\n\f\r />])", re.IGNORECASE)
_MARKUP: Final = re.compile(rb"<(?:!--(?>[\s\S]*?(?:-->|\Z))|(?>[^>]*)>?)")
# What most URLs are made of: the same in every charset that can be scanned, and no merge tag's.
_USUAL: Final = re.compile(rb"https?://(?>(?:[A-Za-z0-9_.:/?=+,;!$()-]+|&amp;)*)")
_ALT: Final = re.compile(rb"<img[^<>]*?\salt=\"([^\"<>]*)\"", re.IGNORECASE)


def _is_kept(name: bytes) -> bool:
    return name in _NAMES or (name.startswith(_OURS) and b"\0" not in name)


def _is_wanted(name: bytes) -> bool:
    return name == b"href" or _is_kept(name)


class FoundLink(NamedTuple):
    """One ``href`` and what a reader sees of its link."""

    start: int  # bytes start..end are the value, without its quotes
    end: int
    value: str  # as a URL parser sees it: decoded and trimmed
    raw: bytes  # as it stands
    quote: str  # '"', "'" or "" when unquoted
    tag: str  # a, area, or a VML shape such as v:roundrect
    text: str  # visible text, and the alt text of images; cropped
    attributes: Mapping[str, str]  # data-linkproxy*, rel, class, title, id, name, aria-label, alt
    position: int  # 0-based order in the mail
    merge_tag: str = ""  # "whole": the value is one; "part": one is in it
    conditional: bool = False  # in a conditional comment: Outlook alone shows it


@dataclass(frozen=True, slots=True)
class Scan:
    """What stands in a mail. ``readable`` is False when its charset cannot be scanned over bytes."""

    links: tuple[FoundLink, ...]
    bait_early: int | None  # where a bait anchor may be inserted; both None or neither
    bait_late: int | None
    base: str | None  # value of <base href>
    readable: bool = True


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
    return Scan(tuple(reader.links()), early, late, reader.base())


class _Reader:
    """Cuts out of the original what the walk found in the masked copy."""

    def __init__(self, html: bytes, codec: str, tags: Sequence[TemplateTag], walk: Walk) -> None:
        self._html = html
        self._codec = codec
        self._tags = tags
        self._walk = walk
        self._known: dict[bytes, Mapping[str, str]] = {}  # anchors of a mail have few sets of attributes

    def _text(self, start: int, end: int) -> str:
        return self._html[start:end].decode(self._codec, "replace")

    def base(self) -> str | None:
        """Return the first ``<base>``'s href: the only one that counts."""
        for tag in self._walk.bases:
            for attribute in read(self._walk.html, tag.attributes, tag.end, b"href".__eq__):
                return entities.trim_url(entities.decode(self._text(attribute.start, attribute.end)))
        return None

    def links(self) -> list[FoundLink]:
        links: list[FoundLink] = []
        is_original = self._walk.html is self._html
        for tag, text_end in zip(self._walk.anchors, self._walk.text_ends, strict=True):
            if is_original and tag.plain is not None:
                links.append(self._plain_link(tag, tag.plain, len(links)))
                continue
            hrefs, kept = self._attributes(tag)
            if hrefs:
                text = self._visible(self._html[tag.end : min(text_end, tag.end + TEXT_BYTES)])
                links += [
                    self._link(tag, href, text, kept, len(links) + offset)
                    for offset, href in enumerate(hrefs)
                ]
        return links

    def _plain_link(self, tag: Tag, plain: re.Match[bytes], position: int) -> FoundLink:
        before, raw, after, content = plain.groups()
        others = before + after
        kept = self._known.get(others)
        if kept is None:
            kept = self._known[others] = self._kept(others)
        text = self._visible(content[:TEXT_BYTES])
        start, end = plain.span(2)
        if not _USUAL.fullmatch(raw):
            return self._link(tag, Attribute(b"href", start, end, '"', True), text, kept, position)
        value = raw.decode("ascii").replace("&amp;", "&")
        return FoundLink(start, end, value, raw, '"', "a", text, kept, position, "", tag.conditional)

    def _kept(self, others: bytes) -> Mapping[str, str]:
        kept: dict[str, str] = {}
        for name, value in _PAIR.findall(others):
            if _is_kept(lower := name.lower()):
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
        self, tag: Tag, href: Attribute, text: str, kept: Mapping[str, str], position: int
    ) -> FoundLink:
        raw = self._html[href.start : href.end]
        value = entities.trim_url(entities.decode(raw.decode(self._codec, "replace")))
        tags = mask.overlapping(self._tags, href.start, href.end)
        return FoundLink(
            href.start,
            href.end,
            value,
            raw,
            href.quote,
            tag.name.decode("ascii", "replace"),
            text,
            kept,
            position,
            mask.merge_tag(value, raw, tags),
            tag.conditional,
        )

    def _visible(self, content: bytes) -> str:
        if b"<" in content:
            spaced = _BREAKS.sub(rb" \g<0>", content) if _BREAKS.search(content) else content
            content = b" ".join([_MARKUP.sub(b"", spaced), *_ALT.findall(content)])
        text = content.decode(self._codec, "replace")
        if "&" in text:
            text = entities_of_text.unescape(text)
        return " ".join(text.split())[:TEXT_CHARACTERS]
