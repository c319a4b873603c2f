"""What a campaign's visits come to: people's clicks with an interval, and what was left out, and why."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from linkproxy.campaign.links import shape
from linkproxy.model import LinkKind, VerdictKind
from linkproxy.query.interval import Candidate, Interval, human_interval
from linkproxy.query.possible import candidates_of, removed_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from linkproxy.model import Campaign, JournalEntry, LinkKey, RecipientId
    from linkproxy.store.api import ClickRow, Store
    from linkproxy.store.review import FrozenMessage
    from linkproxy.visit.policy import Policy

RAW_METHODS = frozenset({"GET"})
"""What a plain counter of redirects counts."""


@dataclass(slots=True)
class Group:
    """One line of a table: a link, a day or a domain."""

    clicks: int = 0
    clickers: set[RecipientId] = field(default_factory=set)
    removed: int = 0  # machine visits
    uncertain: int = 0  # visits
    raw: int = 0  # requests


@dataclass(slots=True)
class Uncertain:
    """Settled visits that stay undecided; ``human`` is how many of them are expected to be people's."""

    visits: int = 0
    human: float = 0.0


@dataclass(slots=True)
class Report:
    """One campaign. ``interval`` and everything below it come from the journal, which is purged."""

    campaign: Campaign
    delivered: Mapping[str, int]  # messages with a delivery of their own, by domain
    clicks: int = 0
    clickers: set[RecipientId] = field(default_factory=set)
    links: dict[str, Group] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    days: dict[str, Group] = field(default_factory=dict)
    domains: dict[str, Group] = field(default_factory=dict)
    interval: Interval | None = None
    removed: Counter[str] = field(default_factory=Counter)  # machine visits by their main reason
    uncertain: Uncertain = field(default_factory=Uncertain)
    open: int = 0  # visits whose hold window is not over
    raw_requests: int = 0
    raw_messages: int = 0
    journal_from: float | None = None

    @property
    def delivered_messages(self) -> int | None:
        """How many messages were delivered; None when only the mailing as a whole is known."""
        return sum(self.delivered.values()) or None

    @property
    def rate(self) -> float | None:
        """Unique human clickers a delivered message; None where deliveries of too few are known."""
        delivered = self.delivered_messages
        return len(self.clickers) / delivered if delivered and len(self.clickers) <= delivered else None


async def report(store: Store, campaign: Campaign, policy: Policy) -> Report:
    """Go through the click log and the journal of one campaign."""
    from linkproxy.store.api import Filter

    where = Filter(campaign=campaign.name)
    made = Report(campaign, await store.count_delivered(campaign.id))
    known = {link.key: link.target for link in await store.list_links(campaign.id)}
    async for click in store.clicks(where):
        _add_click(made, click, known)
    candidates: Counter[Candidate] = Counter()
    counted = 0
    async for message in store.messages(where, reach_seconds=policy.reach_seconds):
        _add_message(made, message, known)
        candidates.update(candidates_of(message, policy))
        counted += sum(item.clicked for item in message.visits[message.carried :])
    # The click log outlives the journal; what is purged there can be no candidate any more.
    purged = max(0, made.clicks - counted)
    if candidates:
        # Beside the event loop, since imagining a large campaign takes a second.
        found = await asyncio.to_thread(
            human_interval, candidates.elements(), counted=min(counted, made.clicks)
        )
        made.interval = Interval(
            found.low + purged, found.high + purged, found.expected + purged, found.level
        )
    return made


def _add_click(made: Report, click: ClickRow, known: Mapping[LinkKey, str]) -> None:
    made.clicks += 1
    made.clickers.add(click.recipient_id)
    day = datetime.fromtimestamp(click.at, UTC).date().isoformat()
    name = _link_name(made, click.key, click.target, known)
    for table, value in ((made.links, name), (made.days, day), (made.domains, click.domain)):
        group = table.setdefault(value, Group())
        group.clicks += 1
        group.clickers.add(click.recipient_id)


def _link_name(made: Report, key: LinkKey, target: str, known: Mapping[LinkKey, str]) -> str:
    """Return a link's key, or for a link of one message alone the shape that it shares with others."""
    name = key if key in known else shape(target)
    made.targets.setdefault(name, known.get(key, name))
    return name


def _add_message(made: Report, message: FrozenMessage, known: Mapping[LinkKey, str]) -> None:
    fresh = [item.entry for item in message.visits[message.carried :]]
    content = [entry for entry in fresh if _is_content(entry)]
    made.raw_messages += not message.carried and any(map(_is_raw, content))
    for entry in content:
        if made.journal_from is None or entry.visit.at < made.journal_from:
            made.journal_from = entry.visit.at
        _add_visit(made, entry, known)


def _is_raw(entry: JournalEntry) -> bool:
    """Tell whether a plain counter would count a visit; it would have made no extra hop."""
    return entry.visit.method in RAW_METHODS and entry.visit.hop_at is None


def _is_content(entry: JournalEntry) -> bool:
    return entry.facts.link is None or entry.facts.link.kind is LinkKind.CONTENT


def _add_visit(made: Report, entry: JournalEntry, known: Mapping[LinkKey, str]) -> None:
    day = datetime.fromtimestamp(entry.visit.at, UTC).date().isoformat()
    target = entry.facts.link.target if entry.facts.link else ""
    name = _link_name(made, entry.visit.key, target, known)
    groups = [
        made.links.setdefault(name, Group()),
        made.days.setdefault(day, Group()),
        made.domains.setdefault(entry.recipient.domain, Group()),
    ]
    raw = _is_raw(entry)
    made.raw_requests += raw
    settled = entry.settled
    made.open += settled is None
    if settled is not None and settled.kind is VerdictKind.MACHINE:
        made.removed[removed_by(settled)] += 1
    if settled is not None and settled.kind is VerdictKind.UNCERTAIN:
        made.uncertain.visits += 1
        made.uncertain.human += 1 - settled.probability
    for group in groups:
        group.raw += raw
        group.removed += settled is not None and settled.kind is VerdictKind.MACHINE
        group.uncertain += settled is not None and settled.kind is VerdictKind.UNCERTAIN


# --- as JSON -----------------------------------------------------------------------------------


def report_record(made: Report) -> dict[str, Any]:
    """Return a report as a JSON-able object; docs/reports.md says what each figure is."""
    interval = made.interval
    return {
        "campaign": made.campaign.name,
        "delivered": made.delivered_messages,
        "human_clicks": made.clicks,
        "interval": interval
        and {
            "level": interval.level,
            "low": round(interval.low),
            "high": round(interval.high),
            "expected": round(interval.expected, 1),
        },
        "human_clickers": len(made.clickers),
        "click_rate": None if made.rate is None else round(made.rate, 6),
        "machine_visits_removed": made.removed.total(),
        "removed_by_reason": dict(made.removed.most_common()),
        "uncertain": {
            "visits": made.uncertain.visits,
            "expected_human": round(made.uncertain.human, 1),
        },
        "not_settled_yet": made.open,
        "raw": {"requests": made.raw_requests, "messages": made.raw_messages},
        "journal_from": _time(made.journal_from),
        "by_link": [
            {"link": name, "target": made.targets[name]} | _group(group) for name, group in _most(made.links)
        ],
        "by_day": [{"day": name} | _group(group) for name, group in sorted(made.days.items())],
        "by_domain": [
            {"domain": name, "delivered": made.delivered.get(name)} | _group(group)
            for name, group in _most(made.domains)
        ],
    }


def _most(groups: Mapping[str, Group]) -> list[tuple[str, Group]]:
    return sorted(groups.items(), key=lambda item: (-item[1].clicks, -item[1].raw, item[0]))


def _group(group: Group) -> dict[str, int]:
    return {
        "human_clicks": group.clicks,
        "human_clickers": len(group.clickers),
        "machine_visits": group.removed,
        "uncertain_visits": group.uncertain,
        "raw_requests": group.raw,
    }


def _time(at: float | None) -> str | None:
    from linkproxy.query.filters import format_time

    return format_time(at) or None
