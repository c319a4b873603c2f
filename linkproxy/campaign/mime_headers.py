"""The headers of a message or of one of its parts, and what a Content-Type says.

RFC 5322 section 2.2 for the fields, RFC 2045 section 5.1 and RFC 2231 for the parameters. Where
programs would read different things out of one header, it is `AMBIGUOUS`, and the part is left
alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import getaddresses
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HEADER_BYTES: Final = 1 << 20
"""Longer headers are not read: a mail has some thousand bytes of them."""

_VALUE_CHARACTERS: Final = 8192
_PARAMETERS: Final = 64

# A blank before the colon ends the header for some programs and not for others.
_FIELD: Final = re.compile(rb"([!-9;-~]+):([^\r\n]*)")
_FOLDED: Final = re.compile(rb"[ \t][^\r\n]*")
_MAILBOX_LINE: Final = re.compile(rb">?From [^\r\n]*")
EOL: Final = re.compile(rb"\r\n|\r|\n")

_ANGLED: Final = re.compile(r"[^<>,]*<([^<>@\s]+@[^<>@\s]+)>[^<>,]*")

_READ_CHARACTERS: Final = 16_000  # of a list of addresses: Python takes nine seconds for 60,000 made for it
_BLANKS: Final = " \t"  # RFC 5322 section 2.2.2; to Python, control characters are blank as well
_COMMENT: Final = re.compile(r"\((?>[^()\\\"]*)\)")
_TYPE: Final = re.compile(r"\s*([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)\s*(?=;|\Z)", re.IGNORECASE | re.ASCII)
_PARAMETER: Final = re.compile(
    r"\s*;\s*(?:([^\s;=\"\x00-\x1f\x7f-\xff]+)\s*=\s*(?:\"((?>(?:[^\"\\]|\\.)*))\"|([^\s;\"]*))\s*)?(?=;|\Z)",
    re.DOTALL | re.ASCII,
)
_QUOTED: Final = re.compile(r"\\(.)", re.DOTALL)
_CONTINUED: Final = re.compile(r"([^*]+)\*(?:(\d{1,3})\*?)?")


@dataclass(frozen=True, slots=True)
class Head:
    """The header of a message or part.

    ``fields`` hold unfolded values by lower-case name, decoded as latin-1. ``end`` is behind the
    last field and ``body`` behind the empty line; without one ``sound`` is False.
    """

    fields: Mapping[str, Sequence[str]]
    end: int
    body: int
    eol: bytes
    sound: bool

    def only(self, name: str) -> str | None:
        """Return a field's value, "" when it is not there, None when it is there twice."""
        values = self.fields.get(name, ())
        return None if len(values) > 1 else values[0] if values else ""


def read_head(raw: bytes, start: int, is_boundary: Callable[[int], bool]) -> Head:
    """Read a header from ``start``; a line that ``is_boundary`` ends the part before it has a body."""
    fields: dict[str, list[str]] = {}
    last: list[str] | None = None
    position, limit, eol = start, start + HEADER_BYTES, b""
    if start == 0 and (line := _MAILBOX_LINE.match(raw)):
        position = _behind_eol(raw, line.end())
    while position < limit:
        at_boundary = raw.startswith(b"--", position) and is_boundary(position)
        field = None if at_boundary else _FIELD.match(raw, position)
        folded = None if at_boundary or field else _FOLDED.match(raw, position)
        line = field or (folded if last is not None else None)
        if line is None:
            blank = None if at_boundary else EOL.match(raw, position)
            body = blank.end() if blank else position
            sound = blank is not None or at_boundary or position >= len(raw)
            return Head(_unfolded(fields), position, body, eol or (blank[0] if blank else b"\r\n"), sound)
        if field:
            last = fields.setdefault(field[1].decode("ascii").lower(), [])
            last.append(field[2].decode("latin-1"))
        elif last is not None:
            last.append("\0" + line[0].decode("latin-1"))
        end = EOL.match(raw, line.end())
        eol = eol or (end[0] if end else b"")
        position = end.end() if end else line.end()
    return Head({}, position, position, eol, sound=False)


def _behind_eol(raw: bytes, position: int) -> int:
    end = EOL.match(raw, position)
    return end.end() if end else position


def _unfolded(fields: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Join what belongs together: a continuation line was kept with a NUL before it."""
    joined: dict[str, list[str]] = {}
    for name, lines in fields.items():
        values: list[list[str]] = []
        for line in lines:
            if line.startswith("\0") and values:
                values[-1].append(line[1:])
            else:
                values.append([line])
        joined[name] = ["".join(pieces).strip(_BLANKS) for pieces in values]
    return joined


def as_utf8(value: str) -> str:
    """Return a field's value as the UTF-8 that it may be (RFC 6532), else as it is."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


@dataclass(frozen=True, slots=True)
class ContentType:
    """What a Content-Type or Content-Disposition says, all in lower case but the values."""

    kind: str
    parameters: Mapping[str, str]


def content_type(value: str) -> ContentType | None:
    """Read a Content-Type; None when it is broken or can be read in two ways."""
    return _with_parameters(value, _TYPE)


def type_alone(value: str) -> str:
    """Return the type in a Content-Type whose parameters are broken; ``text/plain`` if there is none."""
    match = _TYPE.match(value)
    return match[1].lower() if match else "text/plain"


def disposition(value: str) -> ContentType | None:
    """Read a Content-Disposition (RFC 2183); None as above."""
    return _with_parameters(value, _DISPOSITION)


_DISPOSITION: Final = re.compile(r"\s*([a-z0-9!#$&^_.+-]+)\s*(?=;|\Z)", re.IGNORECASE | re.ASCII)


def _with_parameters(value: str, first: re.Pattern[str]) -> ContentType | None:
    if len(value) > _VALUE_CHARACTERS:
        return None
    if "(" in value and '"' not in value:
        value = _COMMENT.sub(" ", value)
    match = first.match(value)
    if match is None:
        return None
    found: dict[str, str] = {}
    position = match.end()
    while position < len(value):
        parameter = _PARAMETER.match(value, position)
        if parameter is None or len(found) > _PARAMETERS:
            return None
        position = parameter.end()
        if parameter[1]:
            name = parameter[1].lower()
            if name in found:
                return None
            quoted, plain = parameter[2], parameter[3]
            found[name] = plain if quoted is None else _QUOTED.sub(r"\1", quoted)
    return ContentType(match[1].lower(), _continued(found))


def _continued(found: Mapping[str, str]) -> dict[str, str]:
    """Join ``name*0=``, ``name*1=`` and decode ``name*=charset'language'text`` (RFC 2231)."""
    plain = {name: value for name, value in found.items() if "*" not in name}
    pieces: dict[str, list[tuple[int, str]]] = {}
    for name, value in found.items():
        match = _CONTINUED.fullmatch(name)
        if match:
            encoded = name.endswith("*")
            number = int(match[2] or 0)
            text = value.split("'", 2)[-1] if encoded and number == 0 else value
            text = unquote_to_bytes(text).decode("latin-1") if encoded else text
            pieces.setdefault(match[1], []).append((number, text))
    for name, parts in pieces.items():
        plain.setdefault(name, "".join(text for _, text in sorted(parts)))
    return plain


def mailboxes(values: Sequence[str]) -> list[str]:
    """Return the addresses in values of a field (RFC 5322 section 3.4); what is none stays, or is "".

    Of a single one it is what stands in angle brackets: releases of Python differ about names that
    are addresses themselves, like ``ann@a.example <list@b.example>``. Of a list without end the
    first are read.
    """
    found: list[str] = []
    for value in values:
        angled = _ANGLED.fullmatch(value)
        found += [angled[1]] if angled else _parsed(value)
    return found


def _parsed(value: str) -> list[str]:
    try:
        return [address for _, address in getaddresses([value[:_READ_CHARACTERS]])]
    except RecursionError:  # brackets in brackets, a thousand deep
        return [""]
