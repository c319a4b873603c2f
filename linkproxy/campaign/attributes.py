"""The grammar of what stands between a tag's name and its ``>``.

WHATWG tokenizer, sections 13.2.5.32 to 13.2.5.40
(https://html.spec.whatwg.org/multipage/parsing.html#before-attribute-name-state). NUL is an
ordinary byte here: it makes another name of a name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ATTRIBUTE: Final = re.compile(
    rb"""(?x)
    (?>[\t\n\f\r /]*) ([^\t\n\f\r />][^\t\n\f\r />=]*)
    (?: [\t\n\f\r ]*(=)[\t\n\f\r ]*
        (?: "([^"]*)" | '([^']*)' | ([^\t\n\f\r >"'][^\t\n\f\r >]*) | (?=>) ) )?
    | (?>[\t\n\f\r /]+)
    """
)

NAME: Final = rb"(?>[a-zA-Z][^\t\n\f\r />]*)"
"""A tag's name."""

QUICK_REST: Final = rb"""(?>(?:(?>[^>"'=]+)(?<![\t\n\f\r /])="[^"]*")*)[^>"'=]*>"""
"""To the ``>`` of a tag whose values all stand in double quotes right behind a name."""

_EXACT_REST: Final = rb"""(?x:
    (?>(?:
        [\t\n\f\r /]+
    |   [^\t\n\f\r />][^\t\n\f\r />=]*
        (?: [\t\n\f\r ]* = [\t\n\f\r ]*
            (?: "[^"]*(?:"|\Z) | '[^']*(?:'|\Z) | [^\t\n\f\r >"'][^\t\n\f\r >]* | (?=>) ) )?
    )*)>
)"""
"""To the ``>`` of any tag. A quote without its end swallows everything, so that no ``>`` is found."""

REST: Final = rb"(?>" + QUICK_REST + rb"|" + _EXACT_REST + rb")"
"""To the ``>`` of a tag, whatever it holds."""


class Attribute(NamedTuple):
    """One attribute; its value's bytes stand between ``start`` and ``end``, without the quotes."""

    name: bytes  # lower case
    start: int
    end: int
    quote: str  # '"', "'" or ""
    has_value: bool


_QUOTES: Final = {1: "", 2: "", 3: '"', 4: "'", 5: ""}


def read(html: bytes, start: int, end: int, wanted: Callable[[bytes], object]) -> Iterator[Attribute]:
    """Yield a tag's attributes of wanted (lower-case) names, in order, repeated ones too.

    ``start`` is behind the tag's name, ``end`` behind its ``>``.
    """
    for match in _ATTRIBUTE.finditer(html, start, end):
        group = match.lastindex
        if group is None:  # nothing but blanks before ">"
            continue
        name = match[1].lower()
        if not wanted(name):
            continue
        # 1: a name alone; 2: "href=>", whose value is the empty place before ">"
        first, last = match.span(group) if group > 2 else (match.end(), match.end())
        yield Attribute(name, first, last, _QUOTES[group], has_value=group > 1)


def is_self_closing(rest: bytes) -> bool:
    """Tell whether ``rest``, from behind a tag's name to its ``>``, ends in a slash of its own.

    The slash of ``<path d=x/>`` belongs to the value.
    """
    if not rest.endswith(b"/>"):
        return False
    *_, last = _ATTRIBUTE.finditer(rest)
    return last.lastindex is None
