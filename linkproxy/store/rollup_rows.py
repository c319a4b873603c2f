"""Rows of rollups as what a campaign has come to, for every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linkproxy.store.rollups import (
    CampaignSums,
    Change,
    Figure,
    OpenVisit,
    Part,
    Sums,
    add_message,
    link_name,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linkproxy.store.rollups import MessageSums


def campaign_sums_from(
    sums: Sequence[Any], possible: Sequence[Any], opened: Sequence[Any], blank: Sequence[Any]
) -> CampaignSums:
    """Return sums of the rows that an engine has read at one moment; rows of one name are added.

    ``sums``: part, name, figures. ``possible``: domain, score, clicks, units. ``opened``: key, time,
    domain, whether it is raw, recipient, whether its link is the campaign's, target, whether its
    message has a settled raw visit. ``blank``: how often the campaign waits to be counted at all.
    """
    return CampaignSums(
        sums=_sums_from(sums),
        possible=_possible_from(possible),
        open=[
            OpenVisit(link_name(key, is_known=bool(known), target=target, shapes={}), at, domain, bool(raw))
            for key, at, domain, raw, _, known, target, _ in opened
        ],
        open_messages=len({row[4] for row in opened if row[3] and not row[7]}),
        blank=bool(blank[0][0]),
    )


def _sums_from(rows: Sequence[Any]) -> dict[Part, dict[str, Sums]]:
    parts: dict[Part, dict[str, Sums]] = {part: {} for part in Part}
    order = tuple(Figure)  # going over the class itself takes longer than all the rest
    for text, name, *figures in rows:
        part = parts[Part(text)]
        known = part.get(name)
        counts = map(int.__add__, known.values(), figures) if known else figures
        part[name] = dict(zip(order, counts, strict=True))
    return parts


def _possible_from(rows: Sequence[Any]) -> dict[tuple[str, int, int], int]:
    found: dict[tuple[str, int, int], int] = {}
    for domain, score, clicks, units in rows:
        unit = (domain, score, clicks)
        found[unit] = found.get(unit, 0) + units
    return {unit: units for unit, units in found.items() if units > 0}


def difference(before: MessageSums, after: MessageSums, domain: str) -> Change:
    """Return what changes when a message is counted anew."""
    change = Change()
    add_message(change, before, domain, -1)
    add_message(change, after, domain)
    return change
