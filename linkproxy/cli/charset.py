"""Which charset a mail's HTML is in, when the user does not say."""

from __future__ import annotations

import codecs
import re

# HTML Standard, "prescan a byte stream to determine its encoding": a meta element counts within
# the first 1024 bytes. Mail templates start with long conditional comments, so look further.
_PRESCAN_BYTES = 4096
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_META = re.compile(rb"<meta[\s/][^>]*?charset\s*=\s*[\"']?\s*([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)


def charset_of(html: bytes) -> str:
    """Return the charset that a byte order mark or a meta element declares, else ``utf-8``.

    A meta element cannot truly say UTF-16, since it was read as ASCII: that means UTF-8 (HTML
    Standard section 13.2.3.3).
    """
    for bom, name in _BOMS:
        if html.startswith(bom):
            return name
    declared = _META.search(_COMMENT.sub(b"", html[:_PRESCAN_BYTES]))
    name = declared[1].decode("ascii").lower() if declared else "utf-8"
    return "utf-8" if name.startswith(("utf-16", "utf16")) else name
