"""Which campaign a message belongs to: its own header, else the rules, else none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from linkproxy.campaign.mime_headers import as_utf8, mailboxes, read_head

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from linkproxy.campaign.mime_headers import Head
    from linkproxy.config_relay import RelayRule

HEADER: Final = "X-LinkProxy-Campaign"

_FIELD: Final = re.compile(
    rb"^x-linkproxy-campaign:[^\r\n]*(?:\r\n|\r|\n|\Z)(?:[ \t][^\r\n]*(?:\r\n|\r|\n|\Z))*",
    re.IGNORECASE | re.MULTILINE,
)
_BRACKETED: Final = re.compile(r"<([^<>]*)>\s*\Z")
_READ_CHARACTERS: Final = 2000
"""Longer values are not compared whole: no rule needs it, and decoding them takes time."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A message's campaign, and the message without the header that named it.

    ``campaign`` is "" when it is not to be tracked. ``header_end`` is where its header ends.
    """

    campaign: str
    content: bytes
    header_end: int


def choose(raw: bytes, rules: Sequence[RelayRule]) -> Choice:
    """Return the campaign of a message (RFC 5322); never fails, whatever its bytes.

    An empty header says that the message is not to be tracked, whatever the rules say. Two
    headers that differ name a campaign that nobody has.
    """
    head = read_head(raw, 0, lambda _position: False)
    named = head.fields.get(HEADER.lower())
    if named is None:
        return Choice(_by_rule(head, rules), raw, head.body)
    names = dict.fromkeys(_decoded(name).strip() for name in named)
    content = raw if _is_covered(head) else _FIELD.sub(b"", raw[: head.end]) + raw[head.end :]
    return Choice(" or ".join(names), content, head.body - (len(raw) - len(content)))


def _is_covered(head: Head) -> bool:
    """Tell whether a signature covers the header: then it cannot go without breaking that."""
    return any(HEADER.lower() in value.lower() for value in head.fields.get("dkim-signature", ()))


def _by_rule(head: Head, rules: Sequence[RelayRule]) -> str:
    for rule in rules:
        patterns = ((pattern, read) for key, read in _READERS.items() if (pattern := getattr(rule, key)))
        if all(_fits(pattern, read(head)) for pattern, read in patterns):
            return rule.campaign
    return ""


def _fits(pattern: str, values: Sequence[str]) -> bool:
    return any(fnmatchcase(value.lower(), pattern.lower()) for value in values)


def _from(head: Head) -> list[str]:
    return mailboxes([as_utf8(value)[:_READ_CHARACTERS] for value in head.fields.get("from", ())])


def _list_id(head: Head) -> list[str]:
    """Return list identifiers (RFC 2919): what stands in angle brackets, or the whole."""
    values = [as_utf8(value)[:_READ_CHARACTERS].strip() for value in head.fields.get("list-id", ())]
    return [match[1].strip() if (match := _BRACKETED.search(value)) else value for value in values]


def _subject(head: Head) -> list[str]:
    return [_decoded(value) for value in head.fields.get("subject", ())]


_READERS: Final[dict[str, Callable[[Head], list[str]]]] = {
    "from_address": _from,
    "list_id": _list_id,
    "subject": _subject,
}


def _decoded(value: str) -> str:
    """Return a field's value with its encoded words (RFC 2047) decoded, or as it is when they are broken."""
    text = as_utf8(value)[:_READ_CHARACTERS]
    try:
        return str(make_header(decode_header(text)))
    except (MessageError, LookupError, ValueError):
        return text
