"""Find the URLs of a plain text and where each stands, to the byte.

What counts is what every client makes a link of: ``http://`` or ``https://`` and what follows, up
to a blank, a quote or bracket that closes, or the punctuation of a sentence. Where clients differ
about the end of a URL, replacing it would cut it or swallow text, so it is left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from unicodedata import category

from linkproxy.campaign import charsets, mask
from linkproxy.campaign.beside import BETWEEN_BYTES
from linkproxy.campaign.html import TEXT_CHARACTERS, FoundLink, Scan
from linkproxy.campaign.links import read_usual
from linkproxy.campaign.role_words import Topic, vocabulary, words_of
from linkproxy.campaign.targets import Note, NoteReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from linkproxy.campaign.mask import TemplateTag

_MASKED: Final = "\x1b"  # stands for every byte of an ISO-2022-JP run

# Typographic quotes, CJK and fullwidth punctuation, blanks without width, controls, and what ends or
# divides a sentence in Greek, Armenian, Hebrew, Arabic, the scripts of India, Tibetan and Ethiopic.
_ENDS: Final = (
    r"\s<>\"`\\\x00-\x20\x7f-\xa0\u00ab\u00bb\u200b-\u200f\u2018-\u201f\u2026\u2028-\u202f\u2039\u203a"
    r"\u0387\u055a-\u055f\u0589\u05c0\u05c3\u060c\u061b\u061f\u066d\u06d4\u0964\u0965\u0f0d-\u0f12\u1361-\u1368"
    r"\u2060-\u206f\u3000-\u303f\ufeff\ufe30-\ufe4f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
    r"\ufffd\ud800-\udfff"
)
_TO_ASCII: Final = re.compile(rb"\x1b\([BJ]")
_SCHEME: Final = re.compile(r"(?<![A-Za-z0-9_=/])https?://", re.IGNORECASE)
_RUN: Final = re.compile(rf"[^{_ENDS}]*")
_END: Final = re.compile(rf"[{_ENDS}]")
_SENTENCE: Final = ".,;:!?'*([{"
_PUNCTUATION: Final = re.compile(rb"[.,;:!?'*]*")
# A block tag behind which the text goes on that stood before it was opened.
_CLOSES: Final = re.compile(
    rb"(?:\{%|\{\{|<%|<\?php\s|\[\[|\[%|%%\[|\*\|)[-~]?\s*(?:[/}]|end|els|next)", re.IGNORECASE
)
_CLOSERS: Final = {")": "(", "]": "[", "}": "{"}
_STOP: Final = re.compile(r"[()\[\]{}']|[,;|](?=https?://)", re.IGNORECASE)
# Scripts written without blanks between words, and Hangul with its particles: clients take such
# letters right behind a URL for a part of it, though writers rarely mean that.
_UNSPACED: Final = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31a0-\u9fff"
    r"\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc"
    r"\U00020000-\U0003ffff]"
)
# Set without blanks between words; in an address it is another character than it looks.
_DASH: Final = re.compile(r"\u2014|[\u2013\u2015]\Z")
# What addresses beyond ASCII are written with; an emoji, an arrow or a footnote's number right behind
# a URL is a part of it to some clients.
_LETTERS: Final = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Nl", "Pd"})
_PGP: Final = re.compile(rb"^-----BEGIN PGP ", re.MULTILINE)
# In HTML a tag may stand before it; elsewhere in a line it is what somebody writes about.
_PGP_IN_HTML: Final = re.compile(rb"(?:^|>)[\t ]*-----BEGIN PGP (?:SIGNED )?MESSAGE-----", re.MULTILINE)
_ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType({})
_LEAVING: Final[Mapping[str, str]] = MappingProxyType({"rel": "unsubscribe"})
_LOOKED_BACK: Final = 400
_RULE: Final = " \t\r\n-=_*~"
"""What lines beneath a heading are made of."""
_CLAUSE: Final = re.compile(r"[.!?;|\u3002](?:\s|\Z)")


@dataclass(frozen=True, slots=True)
class TextScan:
    """What stands in a text: URLs that can be told, and notes on those that cannot."""

    links: tuple[FoundLink, ...]
    notes: tuple[Note, ...] = ()
    readable: bool = True
    # How many words stand between a link's own and the link before it, by its place among ``links``.
    words_before: Callable[[int], int] = field(default=lambda _: 0, compare=False, repr=False)

    @property
    def scan(self) -> Scan:
        """The links as those of HTML, which has a place for bait besides."""
        return Scan(self.links, None, None, None, self.readable, self.words_before)


def is_signed(content: bytes, *, html: bool = False) -> bool:
    """Tell whether a text carries an OpenPGP block (RFC 9580 section 6.2), signed or encrypted."""
    return b"-----BEGIN PGP " in content and bool((_PGP_IN_HTML if html else _PGP).search(content))


def scan_text(content: bytes, charset: str = "us-ascii", *, joins_lines: bool = False) -> TextScan:
    """Find every URL of a text; never raises, whatever the bytes. Time is linear.

    ``joins_lines``: the part is ``format=flowed; delsp=yes`` (RFC 3676), where a blank at a line's
    end may be in the middle of a word.
    """
    known = charsets.find(charset)
    if not known.safe or charsets.is_wide(content):
        return TextScan((), readable=False)
    return _Reader(content, known, joins_lines=joins_lines).read()


class _Reader:
    """Reads text in a masked copy, and keeps count of the bytes it has passed."""

    def __init__(self, content: bytes, known: charsets.Charset, *, joins_lines: bool) -> None:
        self._content = content
        self._joins_lines = joins_lines
        masked = content
        if known.escaped:
            masked = _TO_ASCII.sub(b"\x1b\x1b\x1b", charsets.mask_escaped(content, b"\x1b"))
        self._tags: Sequence[TemplateTag] = mask.find_tags(masked)
        self._translations = mask.translations(masked, self._tags)
        masked = mask.fill(masked, list(self._tags)) if self._tags else masked
        self._codec = "utf-8" if known.codec == "utf-8-sig" else known.codec
        self._decode(masked, escaped=known.escaped)

    def _decode(self, masked: bytes, *, escaped: bool) -> None:
        """Hold the text such that each piece of it can be turned back into its bytes."""
        self._view = "latin-1" if escaped else self._codec
        if not escaped:
            text = masked.decode(self._codec, "surrogateescape")
            if text.encode(self._codec, "surrogateescape") == masked:
                self._text = text
                return
        # Not the charset it says, or one with states: only what is ASCII can be told.
        self._view = "latin-1"
        self._text = masked.decode("latin-1")

    def _bytes(self, start: int, end: int) -> int:
        return len(self._text[start:end].encode(self._view, "surrogateescape"))

    def read(self) -> TextScan:
        """Return the URLs in order."""
        links: list[FoundLink] = []
        notes: list[Note] = []
        position = place = 0  # in characters and in bytes
        behind = 0  # the last URL
        for position_in_mail, match in enumerate(self._urls()):
            start, end = match
            place += self._bytes(position, start)
            size = self._bytes(start, end)
            raw = self._content[place : place + size]
            value = raw.decode(self._codec, "replace")
            if self._is_ambiguous(start, end, place + size):
                notes.append(Note(NoteReason.AMBIGUOUS, value, position_in_mail))
            else:
                tags = mask.overlapping(self._tags, place, place + size)
                merge_tag = mask.merge_tag(value, raw, tags)
                if not merge_tag and self._goes_on(place + size):
                    merge_tag = "part"
                if not merge_tag and mask.is_within(self._translations, place):
                    merge_tag = mask.TRANSLATED
                label = self._label(behind, start, end)
                links.append(
                    FoundLink(
                        start=place,
                        end=place + size,
                        value=value,
                        raw=raw,
                        quote="",
                        tag="",
                        text=label[:TEXT_CHARACTERS],
                        attributes=_LEAVING if _says_leave(label) else _ATTRIBUTES,
                        position=position_in_mail,
                        merge_tag=merge_tag,
                        usual=None if tags or merge_tag else read_usual(value),
                    )
                )
            place += size
            position = behind = end
        return TextScan(tuple(links), tuple(notes), words_before=lambda at: self._words_before(links, at))

    def _words_before(self, links: Sequence[FoundLink], place: int) -> int:
        if not place:
            return 0
        start, link = links[place - 1].end, links[place]
        between = self._content[start : min(link.start, start + BETWEEN_BYTES)].decode(self._codec, "replace")
        return max(0, len(words_of(between)) - len(words_of(link.text)))

    def _goes_on(self, end: int) -> bool:
        """Tell whether a block tag writes the rest of a URL, as ``{% url 'reset' %}`` does."""
        if not self._tags:
            return False
        following = _PUNCTUATION.match(self._content, end)
        start = following.end() if following else end
        tags = mask.overlapping(self._tags, start, start + 1)
        return any(tag.start == start and not _CLOSES.match(self._content, start) for tag in tags)

    def _urls(self) -> Iterator[tuple[int, int]]:
        text, position, run_end = self._text, 0, 0
        while match := _SCHEME.search(text, position):
            host = match.end()
            if host > run_end and (run := _RUN.match(text, host)):
                run_end = run.end()
            end = _trimmed_end(text, match.start(), host, max(host, run_end))
            position = max(end, host)
            if end > host:
                yield match.start(), end

    def _is_ambiguous(self, start: int, end: int, byte_end: int) -> bool:
        """Tell whether clients would see another end of the URL than we do."""
        text = self._text
        following = text[end : end + 3]
        if text[start - 1 : start] == "<" and following[:1] != ">":
            return True  # wrapped inside its brackets (RFC 3986, Appendix C), or no bracket of it
        if self._joins_lines and re.match(r" +(?:\r?\n|\Z)", text[end : end + 8]):
            return True
        if _is_unsure(text[start:end], following[:1]):
            return True
        if self._view == self._codec:
            return False
        if following[:1] == _MASKED:
            escaped = self._content[byte_end : byte_end + 8].decode(self._codec, "ignore")
            return bool(escaped) and not _END.match(escaped)
        return following[:1] >= "\x80"

    def _label(self, behind: int, start: int, end: int) -> str:
        """Return the words that introduce a URL: those of its line, or of the line before."""
        text = self._text
        before = text[max(behind, start - _LOOKED_BACK) : start].rstrip(" \t(<[*-")
        line = before.rpartition("\n")[2]
        if not line.strip():
            rest = text[end : end + TEXT_CHARACTERS].partition("\n")[0]
            if any(character.isalpha() for character in rest):
                return rest
            line = before.rstrip(_RULE).rpartition("\n")[2]
        clauses = [clause for clause in _CLAUSE.split(line) if clause.strip()]
        return clauses[-1].strip() if clauses else ""


def _says_leave(label: str) -> bool:
    """Tell whether words say that here one leaves a list or sets preferences."""
    topics = vocabulary().topics_of_sentence(label[-TEXT_CHARACTERS:])
    return Topic.LEAVE in topics or Topic.PREFERENCES in topics


def _is_unsure(url: str, following: str) -> bool:
    """Tell whether a URL may be shorter than it looks, or go on with what follows it."""
    if _UNSPACED.search(url) or _DASH.search(url) or _holds_symbol(url):
        return True
    if following in {"\\", "\ufffd"} or "\udc80" <= following <= "\udcff":  # as in JSON; no text
        return True
    # A merge tag with blanks in it.
    return any(url.count(opener) > url.count(closer) for closer, opener in _CLOSERS.items() if opener != "(")


def _holds_symbol(url: str) -> bool:
    """Tell whether there is anything but letters, digits and dashes beyond ASCII."""
    return not url.isascii() and any(char > "\x7f" and category(char) not in _LETTERS for char in url)


def _trimmed_end(text: str, start: int, host: int, end: int) -> int:
    """Return where a URL ends that may reach to ``end`` at most."""
    in_quotes = text[start - 1 : start] == "'"
    depths = dict.fromkeys(_CLOSERS.values(), 0)
    for match in _STOP.finditer(text, host, end):
        mark = match[0]
        opener = _CLOSERS.get(mark, "")
        if mark in depths:
            if mark != "(" and text.startswith("/", match.end()):  # [/url], {/unwrap}
                end = match.start()
                break
            depths[mark] += 1
        elif opener and depths[opener]:
            depths[opener] -= 1
        elif opener or mark != "'" or in_quotes:  # what closes something else, or the next URL
            end = match.start()
            break
    quotes = 0 if in_quotes else text.count("'", host, end)
    while end > host and text[end - 1] in _SENTENCE:
        if text[end - 1] == "'":
            if quotes == 2:
                break  # something in the URL stands between them
            quotes -= 1
        end -= 1
    return end
