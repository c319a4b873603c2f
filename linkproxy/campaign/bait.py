"""The bait: two anchors that people cannot see or reach, one early and one late in the body.

Two, because a spam filter's rule looks at whether the number of URLs is odd (rspamd,
URI_COUNT_ODD). docs/rewriting.md shows how each style fared in a real browser.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from linkproxy.campaign import code
from linkproxy.campaign.attributes import NAME, REST
from linkproxy.campaign.markup import ANY_TAG, NO_TAG, Tag, either_case, is_outside
from linkproxy.model import BaitPlaces, BaitStyle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from linkproxy.campaign.markup import Walk
    from linkproxy.campaign.mask import TemplateTag

# <rp> is what a browser without ruby support would show in place of ruby; every other one gives it
# "display: none" (HTML, section 15.3.1), so the anchor in it stays unreachable when a mail client
# takes all attributes away, and when the mail's own style sheet gives every anchor a box.
MARKUP: Final = {
    BaitStyle.HIDDEN: (b'<rp><a href="', b'" hidden tabindex="-1" aria-hidden="true"></a></rp>'),
    BaitStyle.PIXEL: (
        b'<a href="',
        (
            b'" tabindex="-1" aria-hidden="true" style="position:absolute;width:1px;height:1px;'
            b"margin:-1px 0 0 -1px;padding:0;border:0;background:none;overflow:hidden;"
            b'pointer-events:none"></a>'
        ),
    ),
}
"""What stands before and behind the URL of a bait anchor."""

_ANCHORS: Final = {
    BaitPlaces.BOTH: (1, 1),
    BaitPlaces.EARLY: (2, 0),
    BaitPlaces.LATE: (0, 2),
    BaitPlaces.DOUBLE: (2, 2),
}
"""How many anchors stand early and late; always an even number in all."""

_ELEMENT: Final = either_case(
    b"p td th div span h1 h2 h3 h4 h5 h6 center font li b strong em i small".split()
)


# An element with text and nothing else in it. Behind its text an anchor has no siblings, so no
# :first-child, :last-child, :nth-child() or "+" of the mail's style sheet tells the difference.
_TEXT_ELEMENT: Final = re.compile(
    rb"<(" + _ELEMENT + rb")(?=[\t\n\f\r />])(" + REST + rb")"
    rb"(?>[\t\n\f\r ]*)[^<\t\n\f\r ](?>[^<]*)(</\1[\t\n\f\r ]*>)"
)
# Its text, if the group is there. Most tags have none, and are not read for it.
_TEXT: Final = re.compile(rb">(?>[\t\n\f\r ]*)[^<\t\n\f\r ](?>[^<]*)(</(?:" + _ELEMENT + rb")[\t\n\f\r ]*>)?")
_UNSEEN: Final = re.compile(rb"display\s*:\s*none|\bhidden\b", re.IGNORECASE)

# What a parser takes without opening the body; end tags are ignored there, but for </br>.
_BEFORE_CONTENT: Final = re.compile(
    rb"(?>(?:\A\xef\xbb\xbf|<\#ftl\b[^<>]*>|[\t\n\f\r ]+|<(?:head|meta|link)(?=[\t\n\f\r />])" + REST
    + rb"|</(?!br[\t\n\f\r />])" + NAME + REST
    + rb"|<" + NO_TAG + rb")*)",
    re.IGNORECASE,
)  # fmt: skip
_HEAD: Final = re.compile(rb"<!doctype[\t\n\f\r ]|</head[\t\n\f\r />]", re.IGNORECASE)
_TABLE_TAG: Final = re.compile(
    rb"<(?:(/?)(?i:(table|td|th|caption)|tr|tbody|thead|tfoot|colgroup)(?=[\t\n\f\r />])" + REST
    + rb"|/?" + NAME + REST + rb"|" + NO_TAG + rb")"
)  # fmt: skip


def find_places(walk: Walk, tags: Sequence[TemplateTag]) -> tuple[int | None, int | None]:
    """Return where the early and the late anchor may stand; both None if nowhere.

    Best is behind the text of the first and of the last element that holds only text, outside of
    what template tags and code repeat or leave out; else the beginning and the end of the body.
    """
    spans = [(tag.start, tag.end) for tag in tags if tag.block]
    if found := code.span(walk.html):
        spans.append(found)
    limit = min((start for start, _ in spans), default=len(walk.html))
    early = _first_text_end(walk, walk.body_start or 0, limit)
    if early is None:
        early = _body_start(walk, limit)
    late = _last_text_end(walk, max((end for _, end in spans), default=0))
    if late is None or late == early:
        end = _body_end(walk)
        late = late if end is None else max(late or 0, end)
    first, last = (early, late) if early is not None else (late, late)
    if first is None or last is None:
        return first, first
    return first, max(first, last)


def anchors(places: BaitPlaces, early: int, late: int) -> tuple[int, ...]:
    """Return where each anchor of a mail stands, in order."""
    first, last = _ANCHORS[places]
    return (early,) * first + (late,) * last


def _first_text_end(walk: Walk, start: int, end: int) -> int | None:
    for region in walk.regions:
        for order in range(len(region.anchors) + 1) if region.clear and region.end > start else ():
            for place, attributes in _text_ends(walk.html, *region.gap(order)):
                if start <= place < end and not _UNSEEN.search(attributes):
                    return place
        if region.end > end:
            break
    return None


def _last_text_end(walk: Walk, start: int) -> int | None:
    for region in reversed(walk.regions):
        for order in range(len(region.anchors), -1, -1) if region.clear else ():
            for place, attributes in reversed([*_text_ends(walk.html, *region.gap(order))]):
                if place >= start and not _UNSEEN.search(attributes):
                    return place
        if region.start < start:
            break
    return None


def _text_ends(html: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield where the text of an element that holds only text ends, and the element's attributes."""
    for text in _TEXT.finditer(html, start, end):
        tag = html.rfind(b"<", start, text.start()) if text.lastindex else -1
        if tag < 0:
            continue
        if not is_outside(html, start, tag):
            tags = (tag.start() for tag in ANY_TAG.finditer(html, start, end))
            elements = (_TEXT_ELEMENT.match(html, tag, end) for tag in tags)
            yield from ((element.start(3), element[2]) for element in elements if element)
            return
        start = tag
        if element := _TEXT_ELEMENT.match(html, tag, end):
            start = element.end()
            yield element.start(3), element[2]


def _body_start(walk: Walk, limit: int) -> int | None:
    """Return the place before everything in the body, whether or not it has a tag."""
    if walk.body_start is not None:
        return walk.body_start
    if _HEAD.search(walk.html, limit):  # what a template tag repeats or leaves out there is no content
        limit = len(walk.html)
    tags = (tag for order, tag in enumerate(walk.anchors) if order not in walk.conditional)
    anchor = next((tag for tag in tags if isinstance(tag, Tag)), None)
    for region in walk.regions:
        if anchor is not None and anchor.start <= region.start:
            break
        start, end = region.gap(0)
        match = _BEFORE_CONTENT.match(walk.html, start, min(end, limit) if start <= limit else end)
        if match is not None and match.end() < end:
            return match.end() if region.clear else None
        if region.anchors:
            return end if region.clear else None
    return anchor.start if anchor is not None and anchor.clear else None


def _body_end(walk: Walk) -> int | None:
    """Return the place behind everything in the body, if an anchor would stay there."""
    end = walk.body_end
    if end is None and walk.ended_in_text and walk.clear:
        end = len(walk.html)
    return None if end is None or _in_table_structure(walk, end) else end


def _in_table_structure(walk: Walk, position: int) -> bool:
    """Tell whether the place is between cells: parsers move what stands there before the table."""
    open_tags: list[bytes] = []
    for region in walk.regions:
        for match in _TABLE_TAG.finditer(walk.html, region.start, min(region.end, position)):
            if match[1] is not None:
                _follow_table(open_tags, (match[2] or b"row").lower(), is_end=bool(match[1]))
    return bool(open_tags) and open_tags[-1] == b"table"


def _follow_table(open_tags: list[bytes], name: bytes, *, is_end: bool) -> None:
    if name == b"table" and not is_end:
        open_tags.append(name)
    elif name == b"table":
        while open_tags and open_tags.pop() != b"table":
            pass
    elif open_tags:
        # Any other tag of a table ends the cell that is open; only a cell's start opens one.
        if open_tags[-1] != b"table":
            open_tags.pop()
        if name != b"row" and not is_end:
            open_tags.append(name)
