"""Which strays are changed copies of a visit's own link.

Behind one address can be a thousand people, so a stray says something about a visit only as far
as it looks like it: the token of its message with a few characters changed, or at least its link.
"""

from __future__ import annotations

import re
from codecs import encode
from functools import lru_cache
from typing import TYPE_CHECKING

from linkproxy.model import NOBODY, StrayCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from linkproxy.model import StrayTrace, Visit

ALIKE_CHARACTERS = 12
"""So many of a token's 24 in place make a copy. Two messages' tokens share about two by chance."""


BURST_SECONDS = 10.0
"""Under other headers a stray before that, or behind, may be the antivirus of the reader."""

SLIP_SECONDS = 3.0
"""Whoever copied a link badly reads the page that says so, and goes back; scanners do not wait."""

MOST_SLIPS = 2
"""Who sends more copies that are cut off tries them out."""

_CUT_OFF = re.compile(r"[A-Za-z0-9]{0,3}")
"""What people copy behind the token: a link's key that breaks off."""


def count(visit: Visit, profile_id: int, traces: Iterable[StrayTrace], tokens: Sequence[str]) -> StrayCounts:
    """Return how many strays of a visit's client look how much like it.

    ``tokens``: that of the visit's URL, or all true ones of its message where that is not known any more.
    """
    message = alike = other = slips = 0
    for trace in traces:
        if _is_the_link_itself(visit, trace, tokens):
            # Unchanged, so it was we who did not know its signing key then: nobody's doing.
            continue
        same_headers = trace.profile_id == profile_id
        copied = _is_of_message(visit, trace, tokens)
        if copied and same_headers and _is_slip(visit, trace, tokens):
            slips += 1
        elif copied and (same_headers or 0 <= visit.at - trace.at <= BURST_SECONDS):
            message += 1
        elif copied or (same_headers and _names_link(visit, trace)):
            alike += 1
        else:
            other += 1
    if slips > MOST_SLIPS:
        return StrayCounts(message + slips, alike, other)
    return StrayCounts(message, alike + slips, other)


def fuller(*counts: StrayCounts) -> StrayCounts:
    """Return the most that was known of each kind: what is forgotten since was there all the same."""
    return StrayCounts(
        max(item.message for item in counts),
        max(item.alike for item in counts),
        max(item.other for item in counts),
    )


@lru_cache(maxsize=4096)
def is_copy(text: str, token: str) -> bool:
    """Tell whether a text is a token with something changed, added, cut off, or in other letters.

    Seen were: characters appended, replaced or cut off, letters turned by 13, case swapped.
    """
    changed, true = text.casefold(), token.casefold()
    return _alike(changed, true) or _alike(changed, encode(true, "rot13"))


def _alike(left: str, right: str) -> bool:
    in_place = sum(a == b for a, b in zip(left, right, strict=False))
    at_the_end = sum(a == b for a, b in zip(reversed(left), reversed(right), strict=False))
    return max(in_place, at_the_end) >= ALIKE_CHARACTERS


def _is_of_message(visit: Visit, trace: StrayTrace, tokens: Sequence[str]) -> bool:
    if trace.recipient_id != NOBODY:
        return (trace.campaign_id, trace.recipient_id) == (visit.campaign_id, visit.recipient_id)
    parts = _parts(trace.target)
    if visit.reference:
        # In merge-tag mode the token is the campaign's; who was meant stands behind it.
        said = parts[3] if len(parts) > 3 else ""
        return said == visit.reference or said.startswith(f"{visit.reference}.")
    return len(parts) > 1 and any(is_copy(parts[1], token) for token in tokens)


def _is_slip(visit: Visit, trace: StrayTrace, tokens: Sequence[str]) -> bool:
    """Tell whether a person may have copied the link so, and gone back for the whole of it."""
    if visit.reference or trace.recipient_id != NOBODY or abs(visit.at - trace.at) < SLIP_SECONDS:
        return False
    _, asked, *behind = _parts(trace.target)
    if not behind:
        return any(token.startswith(asked) for token in tokens)
    return asked in tokens and len(behind) == 1 and _CUT_OFF.fullmatch(behind[0]) is not None


def _is_the_link_itself(visit: Visit, trace: StrayTrace, tokens: Sequence[str]) -> bool:
    _, *asked = _parts(trace.target)
    if len(asked) < 2 or asked[0] not in tokens or asked[1] != visit.key:
        return False
    # A slash and an extra hop's nonce change nothing; in merge-tag mode one reference belongs to it.
    behind = [part for part in asked[2:] if part and not part.startswith("~")]
    return len(behind) <= (1 if visit.reference else 0)


def _names_link(visit: Visit, trace: StrayTrace) -> bool:
    parts = _parts(trace.target)
    return len(parts) > 2 and parts[2].startswith(visit.key)


def _parts(target: str) -> list[str]:
    return target.partition("?")[0].split("/")
