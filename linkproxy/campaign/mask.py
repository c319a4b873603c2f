"""Template tags: what a sender's own mailer will fill in later.

To HTML a template tag is text, and its quotes and angle brackets end attributes and tags. So each
is replaced by filler of the same length before the scan; offsets stay true, and what is cut out
of the mail is cut out of the original.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG_BYTES: Final = 2048
"""A longer one is taken for text: an opener that is never closed must not swallow the mail."""
SCRIPT_BYTES: Final = 16384
"""As above, of a block of AMPscript or PHP: one at the beginning of a mail may hold all that it computes."""

VALUE_CHARACTERS: Final = 8192
"""How much of a URL is searched for merge tags; no target is longer."""


class TemplateTag(NamedTuple):
    """Where a template tag stands; a block tag decides whether and how often its content appears."""

    start: int
    end: int
    block: bool


def _any_until(opener: bytes, closer: bytes) -> bytes:
    """Return the pattern of a tag that may hold anything but its own opener and closer."""
    o, c = re.escape(opener), re.escape(closer)
    return rb"%s(?>(?:(?!%s|%s)[\s\S]){0,%d})%s" % (o, o, c, TAG_BYTES, c)


_SYNTAXES: Final = tuple(
    (opener, re.compile(pattern))
    for opener, pattern in (
        # Handlebars, Mustache, Liquid, Jinja, Go, Twig, Angular: listmonk, SendGrid, Brevo, ...
        (b"{{", rb"\{\{\{?(?>(?:(?!\{\{|\}\})[\s\S]){0,%d})\}\}\}?" % TAG_BYTES),
        (b"{%", _any_until(b"{%", b"%}")),
        # ERB, EJS, JSP; "<%" is no tag to HTML, but what stands in it may be
        (b"<%", _any_until(b"<%", b"%>")),
        (b"*|", rb"\*\|[^|<>\r\n]{1,300}\|\*"),  # Mailchimp, Mandrill
        # Mailjet's, Thymeleaf's; brackets around a link are ornament
        (b"[[", rb"\[\[(?>(?:(?!\[\[|\]\]|<[aA][\t ])[^\r\n]){1,500})\]\]"),
        (b"[%", rb"\[%(?>(?:(?!\[%|%\])[^\r\n]){1,500})%\]"),  # Template Toolkit
        (  # Marketing Cloud
            b"%%",
            rb"%%%%\[(?>(?:(?!\]%%%%|%%%%\[)[\s\S]){0,%d})\]%%%%" % SCRIPT_BYTES
            + rb"|%%=(?>(?:(?!=%%|%%=)[^\r\n]){1,500})=%%|%%[!$#]?[\w .:|-]{1,100}%%",
        ),
        (b"${", rb"\$\{[^{}<>\r\n]{1,300}\}"),  # Freemarker, Velocity, Emarsys
        # To HTML it ends at the first ">", be it of "=>" or of markup in a string, where nothing may change.
        (b"<?", rb"<\?(?:php\b|=)(?>(?:(?!\?>|<\?(?:php\b|=))[\s\S]){0,%d})\?>" % SCRIPT_BYTES),
    )
)

# To look for one byte is much faster than for two, and most mails have no template tags: so the
# second byte of each opener is looked for, and only there the one before it. While it is rare, from
# one place to the next; that is quickest of all.
_RARE: Final = 20
_OPENERS_BY_SECOND: Final = tuple(
    (second, firsts, re.compile(rb"%s(?<=[%s]%s)" % (*map(re.escape, (second, b"".join(firsts), second)),)))
    for second in (b"%", b"{", b"[", b"|", b"?")
    for firsts in ([opener[:1] for opener, _ in _SYNTAXES if opener.endswith(second)],)
)

_BLOCK: Final = re.compile(
    rb"""(?ix)
      \{\{-?~?\s*(?: [\#/^] | (?:if|else|end|range|with|block|define|template|for|each|unless)\b )
    | \{%
    | <%(?!=)
    | \*\|(?:IF|IFNOT|ELSE|ELSEIF|END|INTERESTED)\b
    | \[\[-?(?:[\#/]|\s*(?:if|else|end|for)\b)
    | \[%-?\s*(?:IF|UNLESS|ELSE|ELSIF|END|FOREACH|WHILE|SWITCH|CASE)\b
    | %%\[
    | <\?php\s+(?: \} | (?:end)?(?:if|for|foreach|while|switch)\b | else | case\b )
    """
)


def find_tags(html: bytes) -> list[TemplateTag]:
    """Return the template tags of a mail in order; where two overlap, the one that starts first."""
    seconds = [
        second
        for second, firsts, pattern in _OPENERS_BY_SECOND
        if any(first in html for first in firsts) and _holds(html, second, firsts, pattern)
    ]
    openers = {opener for opener, _ in _SYNTAXES if opener[1:] in seconds and opener in html}
    if not openers:
        return []
    found = [
        TemplateTag(match.start(), match.end(), bool(_BLOCK.match(match[0])))
        for opener, pattern in _SYNTAXES
        if opener in openers
        for match in pattern.finditer(html)
    ]
    found.sort()
    tags: list[TemplateTag] = []
    for tag in found:
        if not tags or tag.start >= tags[-1].end:
            tags.append(tag)
    return tags


def _holds(html: bytes, second: bytes, firsts: Sequence[bytes], pattern: re.Pattern[bytes]) -> bool:
    position = -1
    for _ in range(_RARE):
        position = html.find(second, position + 1)
        if position < 0 or html[position - 1 : position] in firsts:
            return position >= 0
    return bool(pattern.search(html, position))


def fill(html: bytes, tags: list[TemplateTag]) -> bytes:
    """Return the mail with every template tag replaced by filler of its length.

    A value becomes letters, so that ``href={{url}}`` stays one value. A block tag becomes blanks,
    so that ``<a {% if x %}href=...`` does not grow a name of ``xxxhref``.
    """
    pieces: list[bytes] = []
    position = 0
    for tag in tags:
        is_value = not tag.block or html[tag.start - 1 : tag.start] == b"="
        pieces += html[position : tag.start], (b"x" if is_value else b" ") * (tag.end - tag.start)
        position = tag.end
    pieces.append(html[position:])
    return b"".join(pieces)


# What editors and style inliners percent-encode of a merge tag. Of its punctuation older releases of
# libxml2 (in premailer, Emogrifier, CssToInlineStyles) leave @/:=?;#%&,+ and the unreserved as they are
# (HTMLtree.c, htmlAttrDumpOutput); encodeURI leaves $ and encodes %.
_ESCAPED: Final = re.compile(r"%(?:2[1AC]|3[ACDE]|5[BD]|7[BCD])", re.IGNORECASE)

# Merge tags that need no masking, since nothing in them means anything to HTML, and those that were
# percent-encoded. "%NAME%" must not be part of a percent-encoded text like "%E2AB%20", nor
# "[name]" of a parameter like "filter[name]=1", or an IPv6 address, nor "{...}" a GUID of SharePoint.
# "-name-" is SendGrid's (https://www.twilio.com/docs/sendgrid/for-developers/sending-email/substitution-tags).
_UNMASKED: Final = re.compile(
    r"""(?x)
      \{(?![0-9A-Fa-f]{8}-)(?:[$!]|%24)?[A-Za-z_](?:[\w .:|=;-]|%20)*\} | \{\d{1,2}\} | \{!!.{1,200}?!!\}
    | %(?:recipient|unsub|tag_unsub|mailing_list_unsub)[\w.-]{0,60}%
    | %[A-Z][A-Z0-9_]{2,40}%(?![0-9A-Fa-f]{2}) | %[a-z_]{4,40}%(?![0-9A-Fa-f]{2})
    | %(?![0-9A-Fa-f]{2})[A-Za-z_][\w.-]{1,60}%(?![0-9A-Fa-f]{2})
    | %\(\w{1,60}\)s | %(?:\d\$)?[sd](?![A-Za-z0-9])
    | \{(?:\{|%25)[^{}]{0,200}\}{1,3} | \{%[^{}]{0,200}%\} | (?:\$|%24)\{[^{}]{0,200}\}
    | \*\|[^|]{0,200}\|\* | <%[^<>]{0,200}%(?:25)?>
    | \[\[(?:%20)*[A-Za-z_][^\[\]]{0,200}\]\] | \[%(?:25)?(?:%20)*\w[^\[\]]{0,200}%(?:25)?\]
    | %25%25[!$]?[\w.:|-]{1,100}%25%25 | %25[A-Z][A-Z0-9_]{2,40}%25
    | \[(?:unsubscribe|webversion|preferences|forwardtoafriend|updateprofile)\w*\]
    | (?<![\w\]])(?<!//)\[\*?[A-Za-z_][\w .,:|=*'-]{1,100}\]
    | \[[A-Z][A-Z0-9_]{2,60}\](?!=|\[)
    | (?:\$|%24)\[[^\[\]\r\n]{1,100}\](?:\$|%24)
    | (?<!\w)(?:\$|%24)[A-Za-z_](?:[\w. -]|%20){1,60}(?:\$|%24)
    | \A\$[A-Za-z_][\w.]*\Z | (?:\A|(?<==))\$[A-Za-z_] | (?<=/)\$[A-Za-z_]\w{0,60}[.(]
    | (?:\$|%24)![A-Za-z_][\w.]{1,60} | \#\{[^{}<>\r\n]{1,100}\} | <<(?:[\w .-]|%20){1,100}>>
    | (?<=[/=])-[A-Za-z_]{2,40}-(?=[/?&\#;]|\Z)
    | (?:\xab|(?i:%C2%AB))[A-Za-z]{1,30}_\w{1,60}(?:\xbb|(?i:%C2%BB)) | ~[A-Za-z]\w*(?:\.[\w :-]{1,60})+~
    | (?<![A-Za-z0-9_])__[A-Z][A-Z0-9_]{0,60}__(?![A-Za-z0-9_])
    | (?<![\w*|])\*[A-Z][A-Z0-9_]{1,60}\*(?![\w*|])
    | @@[\w.-]+@@ | @[A-Z][A-Z0-9_]{2,40}@
    | @(?:Model|ViewBag|ViewData|Html|Url)[.\[] | @\([^()\r\n]{1,100}\)
    | \#\#[\w.-]+\#\# | \#[A-Za-z](?:[\w:. -]|%20){1,100}\#
    | ~~[A-Za-z][^~/]{1,200}~~
    | <\?(?:php\b|=).{0,500}?\?>
    | @TrackLink\b
    """
)


_MAY_BE_UNMASKED: Final = re.compile(
    r"[{%*\[$\xab]|#[{#A-Za-z]|<[<?]|@[@A-Z(]|~[~A-Za-z]|__[A-Z]|[/=]-[A-Za-z_]"
)


def merge_tag(value: str, raw: bytes, tags: Sequence[TemplateTag]) -> str:
    """Tell whether a URL holds a merge tag: "whole" if it is nothing else, "part", or "".

    ``tags`` are the template tags that reach into its bytes ``raw``.
    """
    if tags:
        only = len(tags) == 1 and tags[0].end - tags[0].start >= len(raw.strip())
        return "whole" if only else "part"
    if not _MAY_BE_UNMASKED.search(value, 0, VALUE_CHARACTERS):
        return ""
    if "%" in value:
        value = _ESCAPED.sub(lambda escaped: chr(int(escaped[0][1:], 16)), value[:VALUE_CHARACTERS])
    if not _UNMASKED.search(value, 0, VALUE_CHARACTERS):
        return ""
    return "whole" if _UNMASKED.fullmatch(value) else "part"


TRANSLATED: Final = "translated"
"""Instead of what `merge_tag` says, of a URL in a text that a template has translated."""

_TRANSLATION: Final = re.compile(rb"\{%[-+~]?\s*(end)?(trans|translate|blocktrans|blocktranslate)\b")


def translations(html: bytes, tags: Sequence[TemplateTag]) -> list[tuple[int, int]]:
    """Return where texts stand, in order, that Django, Jinja or Twig look up a translation for.

    They are looked up by what stands there, to the letter. None is in another; and without an end the
    tag holds its text itself.
    """
    found: list[tuple[int, int]] = []
    begun, start = b"", 0
    for tag in tags if b"trans" in html else ():
        if match := _TRANSLATION.match(html, tag.start, tag.end):
            if match[1] and match[2] == begun:
                found.append((start, tag.start))
            begun, start = b"" if match[1] else match[2], tag.end
    return found


def is_within(spans: Sequence[tuple[int, int]], position: int) -> bool:
    """Tell whether a place is in one of the spans, which are in order and apart."""
    place = bisect_right(spans, position, key=lambda span: span[0]) if spans else 0
    return place > 0 and position < spans[place - 1][1]


def overlapping(tags: Sequence[TemplateTag], start: int, end: int) -> Sequence[TemplateTag]:
    """Return those of the tags, which are in order, that reach into ``start..end``."""
    if not tags:
        return ()
    first = bisect_right(tags, start, key=lambda tag: tag.end)
    return tags[first : bisect_left(tags, end, key=lambda tag: tag.start)]
