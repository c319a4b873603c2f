"""Code of template engines that stands in a mail as text: Velocity, FreeMarker, Razor.

To HTML it is text, and nothing need be masked. But markup in it may be a string's, and what stands
between its lines may be left out or repeated.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class _Engine(NamedTuple):
    code: re.Pattern[bytes]
    ends: re.Pattern[bytes] | None = None  # what else ends what it governs


# Each begins with one byte, which is looked for quickly: most mails hold no code.
_ANY: Final = (
    re.compile(rb"\#(?:(?<=[<\[/]\#)[a-z]|\{?(?:if|foreach|set|macro|define)\}?[\t ]*\()"),
    re.compile(rb"@(?:\{|(?:if|foreach|for|while|switch|using|lock|functions|section|code)\b)"),
)


def _until(closer: bytes, others: bytes) -> bytes:
    """Return the pattern of what may stand in brackets, strings with brackets in them as a whole."""
    inside = rb"""(?>(?:[^"'%s]|"[^"]{0,4096}"|'[^']{0,4096}'){0,500})""" % (others + closer)
    return rb"(?:" + inside + closer + rb")?"


_ENGINES: Final = (
    _Engine(
        re.compile(rb"\#\{?(?:if|foreach|set|macro|define)\}?[\t ]*\(" + _until(rb"\)", rb"(")),
        re.compile(rb"\#\{?(?:else|elseif|end)\b"),
    ),
    _Engine(re.compile(rb"</?\#(?!ftl\b)[a-z]+" + _until(rb">", rb"<"))),
    _Engine(re.compile(rb"\[/?\#(?!ftl\b)[a-z]+\b" + _until(rb"\]", rb"\["))),
)
_RAZOR: Final = _Engine(
    re.compile(
        rb"@(?:if|foreach|for|while|switch|using|lock)[\t ]*\(|@\{|@(?:functions|section|code)\b[\w\t ]*\{"
    ),
)


def span(html: bytes) -> tuple[int, int] | None:
    """Return where code begins first and where it ends last; None in a mail without any.

    A brace ends a block of Razor as well as much else, so there all up to the mail's end counts.
    """
    found = []
    for engine in (*_ENGINES, _RAZOR) if any(pattern.search(html) for pattern in _ANY) else ():
        if code := [*engine.code.finditer(html)]:
            ends = [code[-1], *(engine.ends.finditer(html, code[0].end()) if engine.ends else ())]
            end = len(html) if engine is _RAZOR else max(match.end() for match in ends)
            found.append((code[0].start(), end))
    return (min(start for start, _ in found), max(end for _, end in found)) if found else None
