"""Where a document is inside ``<svg>`` or ``<math>``: there ``<title>`` and ``<style>`` are no raw text.

The rules are those of https://html.spec.whatwg.org/multipage/parsing.html section 13.2.6.5, as far
as they decide how the next bytes are read. Elements of HTML inside an integration point are
followed by name only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from linkproxy.campaign.attributes import is_self_closing

if TYPE_CHECKING:
    from collections.abc import Callable

_BREAKS_OUT: Final = frozenset(
    b"b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li "
    b"listing menu meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul var".split()
)
_FONT_ATTRIBUTE: Final = re.compile(rb"[\t\n\f\r /](?:color|face|size)[\t\n\f\r />=]", re.IGNORECASE)
# Void elements, and start tags that are ignored where no table or document is open.
_NEVER_OPEN: Final = frozenset(
    b"area base basefont bgsound body br caption col colgroup embed frame head hr html img input link "
    b"meta param source tbody td tfoot th thead tr track wbr".split()
)
_HTML_POINTS: Final = frozenset({(b"svg", b"foreignobject"), (b"svg", b"desc"), (b"svg", b"title")})
_TEXT_POINTS: Final = frozenset((b"math", name) for name in b"mi mo mn ms mtext".split())
_ENCODING: Final = re.compile(
    rb"""[\t\n\f\r /]encoding\s*=\s*["']?(?:text/html|application/xhtml\+xml)["'\t\n\f\r />]""",
    re.IGNORECASE,
)
_CLOSES_P: Final = frozenset(
    b"address article aside blockquote center div dl fieldset footer form h1 h2 h3 h4 h5 h6 header hr "
    b"li main nav ol p pre section table ul".split()
)


DEPTH: Final = 100
"""No deeper nesting is followed, so that an end tag costs no more than this."""


class _Node(NamedTuple):
    space: bytes  # svg, math or html
    name: bytes
    point: bool  # HTML rules hold inside it


class Foreign:
    """The open elements from the outermost ``<svg>`` or ``<math>`` on; none outside."""

    def __init__(self) -> None:
        self.stack: list[_Node] = []

    def takes_cdata(self) -> bool:
        """Tell whether ``<![CDATA[`` begins character data here rather than a bogus comment."""
        return bool(self.stack) and self.stack[-1].space != b"html"

    def start(self, name: bytes, rest: bytes) -> bool:
        """Take a start tag; tell whether HTML's rules hold for it."""
        if not self.stack:
            if name in {b"svg", b"math"} and not is_self_closing(rest):
                self.stack.append(_Node(name, name, point=False))
            return name not in {b"svg", b"math"}
        if self._html_rules(name):
            return self._html_start(name, rest)
        if name in _BREAKS_OUT or (name == b"font" and _FONT_ATTRIBUTE.search(rest)):
            self._break_out()
            return self._html_start(name, rest) if self.stack else True
        self._push(self.stack[-1].space, name, rest)
        return False

    def _html_rules(self, name: bytes) -> bool:
        top = self.stack[-1]
        if top.space == b"html" or not top.point:
            return top.space == b"html" or (top.name == b"annotation-xml" and name == b"svg")
        return (top.space, top.name) not in _TEXT_POINTS or name not in {b"mglyph", b"malignmark"}

    def _push(self, space: bytes, name: bytes, rest: bytes) -> None:
        if is_self_closing(rest) or len(self.stack) >= DEPTH:
            return
        point = (space, name) in _HTML_POINTS or (space, name) in _TEXT_POINTS
        if (space, name) == (b"math", b"annotation-xml"):
            point = bool(_ENCODING.search(rest))
        self.stack.append(_Node(space, name, point))

    def _html_start(self, name: bytes, rest: bytes) -> bool:
        if name in {b"svg", b"math"}:
            self._push(name, name, rest)
            return False
        if name in _CLOSES_P and self.stack[-1] == _Node(b"html", b"p", point=False):
            self.stack.pop()
        if name not in _NEVER_OPEN and len(self.stack) < DEPTH:
            self.stack.append(_Node(b"html", name, point=False))
        return True

    def _break_out(self) -> None:
        while self.stack and self.stack[-1].space != b"html" and not self.stack[-1].point:
            self.stack.pop()

    def end(self, name: bytes, is_open_outside: Callable[[bytes], bool]) -> None:
        """Take an end tag; that of an element around the ``<svg>`` ends the ``<svg>`` as well."""
        if not self.stack:
            return
        if self.stack[-1].space != b"html" and name in {b"br", b"p"}:
            self._break_out()
            return
        is_foreign = self.stack[-1].space != b"html"
        for index in range(len(self.stack) - 1, -1, -1):
            node = self.stack[index]
            if not is_foreign and node.space != b"html":
                return  # HTML's end tags do not reach beyond an integration point
            is_foreign = is_foreign and node.space != b"html"
            if node.name == name:
                del self.stack[index:]
                return
        if is_open_outside(name):
            self.stack.clear()
