"""A walk over HTML that stops only where links, or what hides links, may be.

The states are those of the WHATWG tokenizer (https://html.spec.whatwg.org/multipage/parsing.html
section 13.2.5), over bytes. Tags that matter are looked for by name, and proved to be tags by what
stands before them (`is_outside`); where that leaves a doubt, every tag up to there is read. Every
pattern is linear on any input: what might be tried twice stands in an atomic group. Possessive
quantifiers say the same, but CPython 3.11.0 to 3.11.4 mis-match them (python/cpython#106052).
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from linkproxy.campaign.attributes import NAME, QUICK_REST, REST
from linkproxy.campaign.foreign import Foreign

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RAW_TEXT: Final = frozenset(
    {b"style", b"textarea", b"title", b"xmp", b"iframe", b"noembed", b"noframes", b"script", b"plaintext"}
)
# Inside these an anchor would be moved, or be a way to reach what must not be reached.
NO_PLACE: Final = frozenset(
    {
        b"audio", b"button", b"canvas", b"datalist", b"dialog", b"frameset", b"noscript", b"object",
        b"rp", b"rt", b"ruby", b"select", b"summary", b"template", b"video",
    }
)  # fmt: skip
_WATCHED_STARTS: Final = RAW_TEXT | NO_PLACE | {b"a", b"area", b"base", b"body", b"html", b"svg", b"math"}
_WATCHED_ENDS: Final = NO_PLACE | {b"a", b"body", b"html"}


def either_case(names: Iterable[bytes]) -> bytes:
    """Spell names as a tree of character classes: much faster in `re` than a list, or ignoring case."""
    rests: dict[str, set[bytes]] = {}
    for name in names:
        rests.setdefault(name[:1].decode(), set()).add(name[1:])
    branches = (
        f"[{letter}{letter.upper()}](?:{either_case(rests[letter]).decode()})" if letter else ""
        for letter in sorted(rests)
    )
    return "|".join(branches).encode()


_WATCHED: Final = (
    rb"(?:(?:" + either_case(_WATCHED_STARTS) + rb")[\t\n\f\r />]"
    rb"|/(?:" + either_case(_WATCHED_ENDS) + rb")[\t\n\f\r />]|/?[vV]:)"
)
_COMMENT: Final = rb"!--(?>-?>|(?>(?:-?!>)?)(?>[^>]*>)(?>(?:(?<!-->)(?<!--!>)[^>]*>)*)(?:(?<=-->)|(?<=--!>)))"
NO_TAG: Final = rb"(?:" + _COMMENT + rb"|(?:!(?!--)|\?|/(?![a-zA-Z]))[^>]*>)"
"""What is read as a comment, from behind its ``<``."""

_PAIRS: Final = rb"""((?>(?:[\t\n\f\r ]+(?![hH][rR][eE][fF]=)[\w:-]+="[^"]*")*))"""
PLAIN_ATTRIBUTES: Final = _PAIRS + rb"[\t\n\f\r ]+[hH][rR][eE][fF]=\"([^\"]*)\"" + _PAIRS + rb"[\t\n\f\r ]*"
"""One href, and every attribute a name="value"."""
# Most anchors, and buttons made of VML: inside nothing but text and tags that leave the walk where it is.
_PLAIN_ANCHOR: Final = (
    rb"(?:[aA]|[vV](:[a-zA-Z]+))" + PLAIN_ATTRIBUTES + rb">"
    rb"((?>[^<]*(?:</?(?:img|span|br|strong|b|font|em|i|u|p|div|center|h[1-6]|w:anchorlock)(?=[\t\n\f\r />])"
    + QUICK_REST + rb"[^<]*){0,50}))</(?(1)[vV]\1|[aA])[\t\n\f\r ]*>"
)  # fmt: skip
# What most tags of a mail begin with is looked for first: none of it begins a watched name.
_WATCHED_TAG: Final = re.compile(
    rb"<(?!t[drhab]|/t[drhab]|!|div|/div)(?:" + _PLAIN_ANCHOR + rb"|" + _WATCHED + rb")"
)
# Matches the empty text at least.
_TO_STOP: Final = re.compile(
    rb"(?>[^<]*(?:<(?:(?!" + _WATCHED + rb")/?" + NAME + REST + rb"|(?![a-zA-Z/!?]))[^<]*){0,500})"
)
_TAG: Final = re.compile(rb"<(/?)(" + NAME + rb")(" + REST + rb")")
ANY_TAG: Final = re.compile(rb"<(?:(/?)(" + NAME + rb")" + REST + rb"|" + NO_TAG + rb")")
_TABLE_OR_CELL: Final = re.compile(rb"<(/?)[tT](?:[aA][bB][lL][eE]|[dD])[\t\n\f\r />]")

_BEFORE_VALUE: Final = b"=\t\n\f\r "
_COMMENT_END: Final = re.compile(rb"--!?>")
_IF: Final = rb"\s*\[[iI][fF]\b[^\]]{0,200}\]>"
_CONDITION: Final = re.compile(_IF)
# What most conditional comments with a link hold, and nothing else: a button for Outlook.
_BUTTON: Final = re.compile(
    _IF + rb"[\t\n\f\r ]*<" + _PLAIN_ANCHOR + rb"[\t\n\f\r ]*(?:<!\[(?i:endif)\][^<>]*)?\Z"
)
_CONDITION_END: Final = re.compile(rb"<!\[endif\][^<>]*\Z", re.IGNORECASE)
_HREF: Final = re.compile(rb"[hH][rR][eE][fF]")
_SCRIPT_EVENT: Final = re.compile(rb"<!--|-->|<(/?)[sS][cC][rR][iI][pP][tT](?=[\t\n\f\r />])")
_RAW_TEXT_END: Final = {
    name: re.compile(rb"</(?:" + either_case([name]) + rb")(?=[\t\n\f\r />])")
    for name in RAW_TEXT - {b"script", b"plaintext"}
}

NOWHERE: Final = -1
"""Instead of a position: what began there never ends, and so the rest of the document is in it."""


class Tag(NamedTuple):
    """A start tag: ``<`` stands at ``start``, its attributes begin at ``attributes``."""

    name: bytes  # lower case
    start: int
    attributes: int
    end: int
    clear: bool = False  # another anchor could stand before it


PlainAnchor = re.Match[bytes]
"""A whole anchor. Groups: of a VML shape its name behind the ``v``; attributes, href, attributes, content."""


def tag_of(anchor: PlainAnchor) -> Tag:
    """Return the start tag of a plain anchor."""
    name = b"v" + anchor[1].lower() if anchor[1] else b"a"
    return Tag(name, anchor.start(), anchor.start(2), anchor.start(5))


class Region(NamedTuple):
    """Text, tags, comments and plain anchors between two stops."""

    start: int
    end: int
    clear: bool  # an anchor could stand there, outside of the plain ones
    anchors: Sequence[PlainAnchor]

    def gap(self, order: int) -> tuple[int, int]:
        """Return what stands before an anchor, or behind the last one."""
        start = self.anchors[order - 1].end() if order else self.start
        return start, self.anchors[order].start() if order < len(self.anchors) else self.end


def is_outside(html: bytes, start: int, position: int) -> bool:
    """Tell whether a place is surely in no tag and no comment, as ``start`` before it is.

    No watched tag may stand between. The last ``>`` ended whatever was open, unless a quoted value
    or a comment holds it: the last quote before it could begin one, or no comment ends behind the
    last begin of one.
    """
    behind = html.rfind(b">", start, position)
    if behind < 0:
        return html.find(b"<", start, position) < 0
    if html.find(b"<", behind, position) >= 0:
        return False
    double, single = html.rfind(b'"', start, behind), html.rfind(b"'", start, behind)
    if double > start and html[double - 1] in _BEFORE_VALUE:
        return False
    if single > start and html[single - 1] in _BEFORE_VALUE:
        return False
    mark = html.rfind(b"!", start, behind)  # quickly found, and no comment begins behind it
    if mark < 0 or html.find(b"-->", mark, position) >= 0:
        return True
    comment = html.rfind(b"<!--", start, mark + 3)
    return comment < 0 or html.find(b"-->", comment + 2, position) >= 0


class Walk:
    """What one walk over a document found, in document order."""

    def __init__(self, html: bytes) -> None:
        self.html = html
        self.anchors: list[Tag | PlainAnchor] = []
        self.text_ends: dict[int, int] = {}  # of anchors that are no plain ones, by their order
        self.conditional: set[int] = set()  # the order of anchors in conditional comments
        self.bases: list[Tag] = []
        self.regions: list[Region] = []
        self.body_start: int | None = None  # behind <body>, if clear
        self.body_end: int | None = None  # before the last </body>, else the last </html>, if clear
        self._saw_body_end = False
        self._open: tuple[int, Tag] | None = None  # which anchor is open, and its order
        self._no_place: dict[bytes, int] = {}  # how many of each are open
        self._unsure = False  # an anchor may be open although its end tag has been seen
        self._foreign = Foreign()
        self._outside: defaultdict[bytes, int] = defaultdict(int)  # tags open, as far as they are counted
        self._counted = 0
        self._conditional = False
        self._watched = 0  # up to where no watched tag stands
        self._exact_until = 0  # up to where every tag is looked at
        self.steps = 0  # stops made; what a test of linear work counts
        self.ended_in_text = self._run(0, len(html))
        self._end_open_text()

    def _run(self, position: int, end: int) -> bool:
        while position < end:
            start = position
            plain, position = self._next_stop(start, end)
            self.steps += 1 + len(plain)
            if self._conditional:
                self.conditional.update(range(len(self.anchors), len(self.anchors) + len(plain)))
            elif position > start:
                self.regions.append(Region(start, position, self.clear, plain))
            self.anchors += plain
            if position < end:
                position = self._step(position, end)
            if position == NOWHERE:
                return False
        return True

    def _next_stop(self, position: int, end: int) -> tuple[list[PlainAnchor], int]:
        """Return the plain anchors that come first, and the next ``<`` with something to do, or ``end``."""
        html = self.html
        plain: list[PlainAnchor] = []
        if self._foreign.stack:
            found = html.find(b"<", position, end)
            return plain, end if found < 0 else found
        if position >= self._exact_until:
            for tag in _WATCHED_TAG.finditer(html, max(position, self._watched), end):
                self._watched = tag.start()
                outside = is_outside(html, position, self._watched)
                if not outside or not tag.lastindex or self._open:
                    break
                plain.append(tag)
                position = tag.end()
            else:
                self._watched = end
                outside = is_outside(html, position, end)
            if outside:
                return plain, self._watched
            comment = html.rfind(b"<!--", position, self._watched)
            if comment >= 0 and is_outside(html, position, comment):
                return plain, comment
            self._exact_until = self._watched
        stop = _TO_STOP.match(html, position, end)
        return plain, stop.end() if stop else end

    @property
    def clear(self) -> bool:
        """Tell whether an anchor could stand where the walk is: at the end, once it is done."""
        return not (self._open is not None or self._unsure or self._no_place or self._foreign.stack)

    def _step(self, position: int, end: int) -> int:
        tag = _TAG.match(self.html, position, end)
        if tag:
            return self._end_tag(tag) if tag[1] else self._start_tag(tag, end)
        following = self.html[position + 1 : min(position + 3, end)]
        if following[:1] == b"!":
            return self._declaration(position, end)
        if following[:1] == b"?" or (following[:1] == b"/" and len(following) == 2):
            is_tag = following[:1] == b"/" and following[1:].isalpha()
            return NOWHERE if is_tag else self._behind(b">", position + 2, end)
        return NOWHERE if following[:1].isalpha() else position + 1

    def _behind(self, mark: bytes, position: int, end: int) -> int:
        found = self.html.find(mark, position, end)
        return NOWHERE if found < 0 else found + len(mark)

    # tags ------------------------------------------------------------------------------------
    def _start_tag(self, match: re.Match[bytes], end: int) -> int:
        name, rest, behind = match[2].lower(), match[3], match.end()
        if name in {b"a", b"area"} or (name.startswith(b"v:") and _HREF.search(rest)):
            self._anchor(self._tag(match))
        was_foreign = bool(self._foreign.stack)
        if not self._foreign.start(name, rest):
            return behind
        if was_foreign and not self._foreign.stack:  # a tag of HTML that ends the <svg>
            self._outside[name] += 1
        if name in RAW_TEXT:
            return self._raw_text(name, behind, end)
        if name in NO_PLACE:
            self._no_place[name] = self._no_place.get(name, 0) + 1
        elif name == b"base" and not self._conditional:
            self.bases.append(self._tag(match))
        elif name == b"body" and self.body_start is None and not self._conditional and self.clear:
            self.body_start = behind
        return behind

    def _tag(self, match: re.Match[bytes]) -> Tag:
        start, end = match.span()
        return Tag(match[2].lower(), start, match.start(3), end, self.clear)

    def _anchor(self, tag: Tag) -> None:
        if self._open is not None and (self._foreign.stack or self._no_place or tag.name.startswith(b"v:")):
            self._unsure = True  # one in <svg> or <object> does not end the one around it, nor does a shape
        order = len(self.anchors)
        self.anchors.append(tag)
        self.text_ends[order] = tag.end
        if self._conditional:
            self.conditional.add(order)
        if tag.name != b"area":  # which stands within an anchor as an image does
            self._close_anchor(tag.start)
            self._open = order, tag

    def _close_anchor(self, position: int) -> None:
        if self._open is None:
            return
        order, tag = self._open
        self.text_ends[order] = position
        if not _is_balanced(self.html, tag.end, position):
            # Such an end tag is ignored, or closes another anchor: nothing behind it is sure.
            self._unsure = True
        self._open = None

    def _is_open(self, name: bytes) -> bool:
        return self._open is not None and self._open[1].name == name

    def _end_open_text(self) -> None:
        if self._open is not None:
            self.text_ends[self._open[0]] = len(self.html)

    def _end_tag(self, match: re.Match[bytes]) -> int:
        name = match[2].lower()
        self._foreign.end(name, self._is_open_outside)
        if self._is_open(name):
            self._close_anchor(match.start())
        elif name in self._no_place:
            self._no_place[name] -= 1
            if not self._no_place[name]:
                del self._no_place[name]
        elif name in {b"body", b"html"} and not self._conditional:
            self._body_end(name, match.start())
        return match.end()

    def _is_open_outside(self, name: bytes) -> bool:
        """Tell whether an element of that name is open around the ``<svg>`` where the walk is."""
        for region in self.regions[self._counted :]:
            for tag in ANY_TAG.finditer(self.html, region.start, region.end):
                inner = (tag[2] or b"").lower()
                self._outside[inner] = max(0, self._outside[inner] + (-1 if tag[1] else 1))
        self._counted = len(self.regions)
        return self._is_open(name) or name in self._no_place or self._outside[name] > 0

    def _body_end(self, name: bytes, position: int) -> None:
        is_body = name == b"body"
        if is_body or not self._saw_body_end:
            self.body_end = position if self.clear else None
            self._saw_body_end = is_body

    # what is no markup -----------------------------------------------------------------------
    def _raw_text(self, name: bytes, position: int, end: int) -> int:
        if name == b"plaintext":
            return NOWHERE
        if name == b"script":
            found = self._script_end(position, end)
        else:
            found = _RAW_TEXT_END[name].search(self.html, position, end)
        tag = _TAG.match(self.html, found.start(), end) if found else None
        if tag is None:
            return NOWHERE
        self._foreign.end(name, self._is_open_outside)
        return tag.end()

    def _script_end(self, position: int, end: int) -> re.Match[bytes] | None:
        """Find ``</script``; inside ``<!--`` a ``<script`` needs one of its own (13.2.5.15 ff)."""
        depth = 0  # 1: behind "<!--"; 2: behind "<script" in it
        while event := _SCRIPT_EVENT.search(self.html, position, end):
            position = event.end()
            if event[0] == b"<!--":
                depth = max(depth, 1)
                position -= 2  # the dashes of "<!-->" serve twice
            elif event[0] == b"-->":
                depth = 0
            elif not event[1]:
                depth = 2 if depth else 0
            elif depth < 2:
                return event
            else:
                depth = 1
        return None

    def _declaration(self, position: int, end: int) -> int:
        html = self.html
        if not html.startswith(b"<!--", position, end):
            cdata = self._foreign.takes_cdata() and html.startswith(b"<![CDATA[", position, end)
            return self._behind(b"]]>" if cdata else b">", position + (9 if cdata else 2), end)
        content = position + 4
        for abrupt in (b">", b"->"):
            if html.startswith(abrupt, content, end):
                return content + len(abrupt)
        found = _COMMENT_END.search(html, content, end)
        if not found:
            return NOWHERE
        self._comment(content, found.start())
        return found.end()

    def _comment(self, start: int, end: int) -> None:
        """Walk what a conditional comment holds: Outlook shows it (MS-OE376 section 2.1)."""
        if not self._conditional and (button := _BUTTON.match(self.html, start, end)):
            self.conditional.add(len(self.anchors))
            self.anchors.append(button)
            return
        condition = _CONDITION.match(self.html, start, end)
        if self._conditional or not condition or not _HREF.search(self.html, condition.end(), end):
            return
        closing = _CONDITION_END.search(self.html, max(condition.end(), end - 200), end)
        outside = self._open, self._unsure, self._no_place, self._foreign
        self._open, self._unsure, self._no_place, self._foreign = None, False, {}, Foreign()
        self._conditional = True
        inner_end = closing.start() if closing else end
        self._run(condition.end(), inner_end)
        self._close_anchor(inner_end)
        self._conditional = False
        self._open, self._unsure, self._no_place, self._foreign = outside


def _is_balanced(html: bytes, start: int, end: int) -> bool:
    """Tell whether tables and cells that begin within an anchor end within it."""
    depth = 0
    for tag in _TABLE_OR_CELL.finditer(html, start, end):
        depth += -1 if tag[1] else 1
        if depth < 0:
            return False
    return depth == 0
