"""Counting a campaign again from journal and click log, written apart from what keeps the rollups."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from linkproxy.campaign.links import shape
from linkproxy.model import MessageLink
from linkproxy.store.api import Filter
from linkproxy.visit.possible import MOST_LOOKED_AT, possible_among, removed_by

if TYPE_CHECKING:
    from linkproxy.model import Campaign, JournalEntry
    from linkproxy.store.api import Store
    from linkproxy.store.rollups import CampaignSums
    from linkproxy.visit.policy import Policy

Table = dict[tuple[str, str, str], int]


def table_of(found: CampaignSums) -> tuple[Table, dict]:
    """Return a store's sums without what is zero."""
    sums = {
        (part, name, figure): count
        for part, names in found.sums.items()
        for name, figures in names.items()
        for figure, count in figures.items()
        if count
    }
    return sums, {unit: count for unit, count in found.possible.items() if count}


async def recount(store: Store, campaign: Campaign, policy: Policy) -> tuple[Table, dict]:
    """Return the same, counted visit by visit and click by click."""
    sums: Counter[tuple[str, str, str]] = Counter()
    possible: Counter[tuple[str, int, int]] = Counter()
    known = {link.key for link in await store.list_links(campaign.id)}
    clicks = [row async for row in store.clicks(Filter(campaign=campaign.name))]
    clicked = {row.visit_id for row in clicks}
    messages: dict[int, list[JournalEntry]] = {}
    async for row in store.visits(Filter(campaign=campaign.name)):
        if row.entry.settled is not None:
            messages.setdefault(row.entry.visit.recipient_id, []).append(row.entry)
    for entries in messages.values():
        _add_message(sums, entries, known)
        looked_at = entries[:MOST_LOOKED_AT]
        sums["campaign", "", "counted"] += sum(entry.visit_id in clicked for entry in looked_at)
        for score, count in possible_among(looked_at, policy):
            possible[entries[0].recipient.domain, score, count] += 1
    clickers = set()
    for row in clicks:
        name = row.key if row.key in known else shape(row.target)
        for part, value in (("campaign", ""), ("link", name), ("day", _day(row.at)), ("domain", row.domain)):
            sums[part, value, "clicks"] += 1
            clickers.add((part, value, row.recipient_id))
    for part, value, _ in clickers:
        sums[part, value, "clickers"] += 1
    for domain, count in (await store.count_delivered(campaign.id)).items():
        sums["domain", domain, "delivered"] += count
        sums["campaign", "", "delivered"] += count
    return {key: count for key, count in sums.items() if count}, dict(possible)


def _add_message(sums: Counter, entries: list[JournalEntry], known: set[str]) -> None:
    content = [entry for entry in entries if entry.facts.link.kind == "content"]
    raw = [entry for entry in content if entry.visit.method == "GET" and entry.visit.hop_at is None]
    sums["campaign", "", "messages"] += bool(raw)
    for entry in content:
        link = entry.facts.link
        name = shape(link.target) if isinstance(link, MessageLink) else entry.visit.key
        assert isinstance(link, MessageLink) or name in known
        places = [("campaign", ""), ("link", name), ("day", _day(entry.visit.at))]
        places.append(("domain", entry.recipient.domain))
        for part, value in places:
            sums[part, value, entry.settled.kind] += 1
            sums[part, value, "raw"] += entry in raw
            if entry.settled.kind == "uncertain":
                sums[part, value, "likely_human"] += round((1 - entry.settled.probability) * 1_000_000)
        if entry.settled.kind == "machine":
            sums["reason", removed_by(entry.settled), "machine"] += 1


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
