"""Which charsets a scan over bytes can trust.

In every charset of `_SAFE` no byte of a multi-byte character equals ``< > " ' = & /`` or a blank
(checked for every code point), so that markup can be found without decoding. ISO-2022-JP has such
bytes, but announces them by an escape sequence, so they can be masked. In the others markup
itself is written differently.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_SAFE: Final = frozenset(
    {
        "ascii", "utf-8", "utf-8-sig",
        "shift_jis", "shift_jis_2004", "shift_jisx0213", "cp932",
        "big5", "big5hkscs", "cp950",
        "gb2312", "gbk", "gb18030",
        "euc_jp", "euc_jis_2004", "euc_jisx0213",
        "euc_kr", "cp949",
        "koi8-r", "koi8-u", "koi8-t", "kz1048", "ptcp154",
        "tis-620", "hp-roman8",
        "cp1006", "cp437", "cp720", "cp737", "cp775",
    }
)  # fmt: skip
_SAFE_FAMILIES: Final = re.compile(r"iso8859(?:-\d+)?|cp125\d|cp8[56]\d|cp874|mac-\w+")
_ESCAPED: Final = frozenset(
    {"iso2022_jp", "iso2022_jp_1", "iso2022_jp_3", "iso2022_jp_2004", "iso2022_jp_ext"}
)

# Labels of the Encoding Standard (https://encoding.spec.whatwg.org/#names-and-labels) that occur
# in mail and that Python does not know by that name.
_LABELS: Final = {
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "shift-jis": "cp932",
    "x-euc-jp": "euc_jp",
    "x-gbk": "gbk",
    "gb_2312-80": "gbk",
    "ks_c_5601-1987": "cp949",
    "ksc5601": "cp949",
    "ksc_5601": "cp949",
    "big5-hkscs": "big5hkscs",
    "x-x-big5": "big5",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "windows-874": "cp874",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "unicode-1-1-utf-8": "utf-8",
    "x-unicode20utf8": "utf-8",
    "unicode": "utf-16-le",
    "ucs-2": "utf-16-le",
    "iso-10646-ucs-2": "utf-16-le",
    "csunicode": "utf-16-le",
    "iso-2022-cn": "iso2022_kr",  # like Korean, shifted by control characters
    "iso-2022-cn-ext": "iso2022_kr",
    "unicode-1-1-utf-7": "utf-7",
    "x-johab": "johab",
}

# What the Encoding Standard reads instead: mail that says the former is written in the latter.
_EXTENDED: Final = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}

_BYTE_ORDER_MARKS: Final = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
_WIDE_TAG: Final = re.compile(rb"<\0[!?\w]\0|\0<\0[!?\w]|<\0\0\0[!?\w]\0\0\0|\0\0\0<\0\0\0[!?\w]")


@dataclass(frozen=True, slots=True)
class Charset:
    """A charset as the scanner treats it."""

    codec: str  # Python's name
    safe: bool = True
    escaped: bool = False  # runs after ESC are to be masked


def is_known(label: str) -> bool:
    """Tell whether a label names a charset; one that cannot be scanned is known too."""
    lowered = label.strip().strip("'\"").lower()
    try:
        return bool(codecs.lookup(_LABELS.get(lowered, lowered)).name)
    except (LookupError, ValueError):
        return False


@lru_cache(maxsize=256)
def find(label: str) -> Charset:
    """Look a charset up by the label a mail gives it.

    A label nobody knows is read as windows-1252, as clients do, and a label of a charset that was
    extended as its extension.
    """
    lowered = label.strip().strip("'\"").lower()
    try:
        codec = codecs.lookup(_LABELS.get(lowered, lowered) or "cp1252").name
    except (LookupError, ValueError):
        return Charset("cp1252")
    codec = _EXTENDED.get(codec, codec)
    if codec in _SAFE or _SAFE_FAMILIES.fullmatch(codec):
        return Charset(codec)
    return Charset(codec, safe=codec in _ESCAPED, escaped=codec in _ESCAPED)


def is_wide(html: bytes) -> bool:
    """Tell whether the bytes are UTF-16 or UTF-32 whatever their label says."""
    return html.startswith(_BYTE_ORDER_MARKS) or bool(_WIDE_TAG.match(html))


def hidden_in(content: bytes, label: str) -> str:
    """Return the charset that keeps a text from being scanned: its label, unless the bytes belie it."""
    if not find(label).safe or not is_wide(content):
        return label
    four = content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) or b"\0\0" in content[:8]
    return "utf-32" if four else "utf-16"


# ESC ( B and ESC ( J return to bytes that are ASCII where markup is concerned (RFC 1468).
_ESCAPED_RUN: Final = re.compile(rb"\x1b(?:\$|\([^BJ])(?>[^\x1b]*)(?>(?:\x1b(?!\([BJ])[^\x1b]*)*)")


def mask_escaped(html: bytes, filler: bytes = b"x") -> bytes:
    """Return ISO-2022-JP with everything between two escapes to ASCII replaced by one byte."""
    return _ESCAPED_RUN.sub(lambda match: filler * len(match[0]), html)


# HTML Standard, "prescan a byte stream to determine its encoding": a meta element counts within
# the first 1024 bytes. Mail templates start with long conditional comments, so look further.
_PRESCAN_BYTES = 4096
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_META = re.compile(rb"<meta[\s/][^>]*?charset\s*=\s*[\"']?\s*([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)

# "Get an XML encoding": what XHTML begins with counts where no meta element says another charset.
_XML: Final = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']\s*([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)


def declared(html: bytes) -> str:
    """Return the charset that a byte order mark, a meta element or XML declaration says, else ``utf-8``.

    A meta element cannot truly say UTF-16, since it was read as ASCII: that means UTF-8 (HTML
    Standard section 13.2.3.3).
    """
    for bom, name in _BOMS:
        if html.startswith(bom):
            return name
    beginning = html[:_PRESCAN_BYTES]
    declared = _META.search(_COMMENT.sub(b"", beginning)) or _XML.match(beginning)
    name = declared[1].decode("ascii").lower() if declared else "utf-8"
    return "utf-8" if name.startswith(("utf-16", "utf16")) else name
