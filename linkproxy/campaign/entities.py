"""Attribute values as a client reads them: character references, then the URL's own trimming.

Inside an attribute a reference without ``;`` counts only if neither ``=`` nor a letter or digit
follows (https://html.spec.whatwg.org/multipage/parsing.html#named-character-reference-state):
``?a=1&copy=2`` and ``&sectionid=1`` stay as they are, which `html.unescape` does not know.
"""

from __future__ import annotations

import re
from html.entities import html5
from typing import Final

_REFERENCE = re.compile(r"&(?:#[xX]([0-9a-fA-F]+)|#([0-9]+)|([A-Za-z][A-Za-z0-9]*))(;|(=)?)")
_BLANKS: Final = "".join(map(chr, range(0x21)))
_NO_BREAKS: Final = {ord(character): None for character in "\t\n\r"}
_REPLACEMENT: Final = "\ufffd"

# "Numeric character reference end state": 0x80-0x9F mean what windows-1252 means.
_WINDOWS_1252: Final = {
    code: bytes([code]).decode("cp1252")
    for code in range(0x80, 0xA0)
    if code not in {0x81, 0x8D, 0x8F, 0x90, 0x9D}
}


def _character(digits: str, base: int) -> str:
    significant = digits.lstrip("0")
    # 7 digits hold every code point in either base; more would only cost time.
    code = int(significant or "0", base) if len(significant) <= 7 else 0
    if code == 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return _REPLACEMENT
    return _WINDOWS_1252.get(code) or chr(code)


def _resolve(match: re.Match[str]) -> str:
    hexadecimal, decimal, name, end, equals = match.groups()
    if hexadecimal:
        return _character(hexadecimal, 16) + (equals or "")
    if decimal:
        return _character(decimal, 10) + (equals or "")
    if end == ";" and f"{name};" in html5:
        return html5[f"{name};"]
    # A legacy name ends here without ``;``: a letter or digit after it would have joined it.
    if not end and name in html5:
        return html5[name]
    return match[0]


def decode(value: str) -> str:
    """Return an attribute's value with its character references resolved, NUL as U+FFFD."""
    if "&" in value:
        if value.count("&") == value.count("&amp;"):  # as nearly always in URLs
            value = value.replace("&amp;", "&")
        else:
            value = _REFERENCE.sub(_resolve, value)
    return value.replace("\0", _REPLACEMENT) if "\0" in value else value


def trim_url(value: str) -> str:
    """Return what a URL parser sees: no C0 controls or blanks around, no tabs or line ends within.

    URL Standard section 4.4, steps 1 to 3.
    """
    trimmed = value.strip(_BLANKS)
    return trimmed if trimmed.isprintable() else trimmed.translate(_NO_BREAKS)
