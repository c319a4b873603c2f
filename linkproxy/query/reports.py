"""What a campaign's visits come to: people's clicks with an interval, and what was left out, and why.

A report is made of the rollups (``store/rollups.py``) and of the few visits that are not settled yet;
it takes the same time whether the journal is large or small.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from linkproxy.query.interval import Candidate, Interval, clicks_between, imagine
from linkproxy.query.rate import ImaginedRate, imagined_rate
from linkproxy.store.rollups import MILLION, Figure, Part, day_name, day_of
from linkproxy.visit.possible import possible_among

if TYPE_CHECKING:
    from collections.abc import Mapping

    from linkproxy.model import Campaign, Link
    from linkproxy.store.api import Store
    from linkproxy.store.rollups import CampaignSums, OpenVisit
    from linkproxy.visit.policy import Policy

_MESSAGES_A_STEP = 200


@dataclass(slots=True)
class Group:
    """One line of a table: a link, a day or a domain."""

    clicks: int = 0
    clickers: int = 0  # recipients
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
    """One campaign."""

    campaign: Campaign
    delivered: Mapping[str, int]  # messages with a delivery of their own, by domain
    clicks: int = 0
    clickers: int = 0
    links: dict[str, Group] = field(default_factory=dict)
    known: Mapping[str, Link] = field(default_factory=dict)  # the campaign's links by key
    days: dict[str, Group] = field(default_factory=dict)
    domains: dict[str, Group] = field(default_factory=dict)
    interval: Interval | None = None
    imagined_rate: ImaginedRate | None = None  # where there is a rate
    removed: Counter[str] = field(default_factory=Counter)  # machine visits by their main reason
    uncertain: Uncertain = field(default_factory=Uncertain)
    open: int = 0  # visits whose hold window is not over
    raw_requests: int = 0
    raw_messages: int = 0

    @property
    def delivered_messages(self) -> int | None:
        """How many messages were delivered; None when only the mailing as a whole is known."""
        return sum(self.delivered.values()) or None

    @property
    def rate(self) -> float | None:
        """Unique human clickers a delivered message; None where deliveries of too few are known."""
        return _share(self.clickers, self.delivered_messages)

    @property
    def raw_rate(self) -> float | None:
        """What a plain counter gives as the rate: messages that anything asked for, in place of clickers."""
        return _share(self.raw_messages, self.delivered_messages)

    @property
    def counted_from(self) -> str | None:
        """The first day that anything is told of, None when there is none."""
        return min(self.days, default=None)


def _share(messages: int, delivered: int | None) -> float | None:
    return messages / delivered if delivered and messages <= delivered else None


async def report(store: Store, campaign: Campaign, policy: Policy) -> Report:
    """Read what a campaign has come to, and imagine it often enough for the interval."""
    found = await _sums(store, campaign, policy)
    made = _report(campaign, found, {link.key: link for link in await store.list_links(campaign.id)})
    # Beside the event loop, since imagining a large campaign takes a while.
    await asyncio.to_thread(_doubt, made, found, policy.human)
    return made


def _doubt(made: Report, found: CampaignSums, human: float) -> None:
    """Say how sure the clicks and the rate are; up to the score ``human`` the judge counts a click."""
    candidates = [
        Candidate(domain, float(score), clicks, units)
        for (domain, score, clicks), units in sorted(found.possible.items())
    ]
    drawn = imagine(candidates, human=human) if candidates else []
    if drawn:
        # What is not among the possible clicks moves the interval as it is.
        counted = found.sums[Part.CAMPAIGN].get("", {}).get(Figure.COUNTED, 0)
        certain = max(0, made.clicks - counted)
        clicks = clicks_between(drawn, counted=made.clicks - certain)
        made.interval = Interval(
            clicks.low + certain, clicks.high + certain, clicks.expected + certain, clicks.level
        )
    if made.rate is not None and made.delivered_messages:
        made.imagined_rate = imagined_rate(
            drawn,
            clickers=made.clickers,
            delivered=made.delivered_messages,
            known=sum(item.units for item in candidates if item.score <= human),
        )


async def _sums(store: Store, campaign: Campaign, policy: Policy) -> CampaignSums:
    """Return the sums; a campaign that an earlier version stored is counted first, once."""
    found = await store.campaign_sums(campaign.id)
    possible = partial(possible_among, policy=policy)
    while found.blank:
        left = 1
        while left:
            step = await store.rebuild(possible, limit=_MESSAGES_A_STEP, campaign_id=campaign.id)
            left = step.campaigns_left
        found = await store.campaign_sums(campaign.id)
    return found


def _report(campaign: Campaign, found: CampaignSums, known: Mapping[str, Link]) -> Report:
    whole, sums = found.sums[Part.CAMPAIGN].get("", {}), found.sums
    made = Report(
        campaign,
        delivered={
            name: figures[Figure.DELIVERED]
            for name, figures in sums[Part.DOMAIN].items()
            if figures[Figure.DELIVERED]
        },
        clicks=whole.get(Figure.CLICKS, 0),
        clickers=whole.get(Figure.CLICKERS, 0),
        links=_groups(sums[Part.LINK]),
        known=known,
        days=_groups(sums[Part.DAY]),
        domains=_groups(sums[Part.DOMAIN]),
        removed=Counter({name: figures[Figure.MACHINE] for name, figures in sums[Part.REASON].items()}),
        uncertain=Uncertain(whole.get(Figure.UNCERTAIN, 0), whole.get(Figure.LIKELY_HUMAN, 0) / MILLION),
        open=len(found.open),
        raw_requests=whole.get(Figure.RAW, 0) + sum(visit.is_raw for visit in found.open),
        raw_messages=whole.get(Figure.MESSAGES, 0) + found.open_messages,
    )
    for visit in found.open:
        _add_open(made, visit)
    return made


def _groups(rows: Mapping[str, Mapping[Figure, int]]) -> dict[str, Group]:
    """Return the rows in which anything but deliveries was counted."""
    return {
        name: Group(
            figures[Figure.CLICKS],
            figures[Figure.CLICKERS],
            figures[Figure.MACHINE],
            figures[Figure.UNCERTAIN],
            figures[Figure.RAW],
        )
        for name, figures in rows.items()
        if any(count for figure, count in figures.items() if figure is not Figure.DELIVERED)
    }


def _add_open(made: Report, visit: OpenVisit) -> None:
    day = day_name(day_of(visit.at))
    for table, name in ((made.links, visit.link), (made.days, day), (made.domains, visit.domain)):
        table.setdefault(name, Group()).raw += visit.is_raw


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
        "human_clickers": made.clickers,
        "click_rate": rounded(made.rate),
        "click_rate_interval": made.imagined_rate and _rate_interval(made.imagined_rate),
        "machine_visits_removed": made.removed.total(),
        "removed_by_reason": dict(made.removed.most_common()),
        "uncertain": {
            "visits": made.uncertain.visits,
            "expected_human": round(made.uncertain.human, 1),
        },
        "not_settled_yet": made.open,
        "raw": {
            "requests": made.raw_requests,
            "messages": made.raw_messages,
            "click_rate": rounded(made.raw_rate),
        },
        "counted_from": made.counted_from,
        "by_link": [_named(name, made.known.get(name)) | _group(group) for name, group in _most(made.links)],
        "by_day": [{"day": name} | _group(group) for name, group in sorted(made.days.items())],
        "by_domain": [
            {"domain": name, "delivered": delivered, "click_rate": rounded(_share(group.clickers, delivered))}
            | _group(group)
            for name, group in _most(made.domains)
            for delivered in (made.delivered.get(name),)
        ],
    }


def _rate_interval(rate: ImaginedRate) -> dict[str, float | None]:
    found = rate.interval()
    return {"level": found.level, "low": rounded(found.low), "high": rounded(found.high)}


def rounded(rate: float | None) -> float | None:
    """Return a rate as records have it."""
    return None if rate is None else round(rate, 6)


def _most(groups: Mapping[str, Group]) -> list[tuple[str, Group]]:
    return sorted(groups.items(), key=lambda item: (-item[1].clicks, -item[1].raw, item[0]))


def _named(name: str, link: Link | None) -> dict[str, Any]:
    """Return whose figures these are; a shape is of many messages, and has no place in one."""
    if link is None:
        return {"link": name, "target": name, "role": None, "position": None}
    return {"link": name, "target": link.target, "role": link.role, "position": link.position}


def _group(group: Group) -> dict[str, int]:
    return {
        "human_clicks": group.clicks,
        "human_clickers": group.clickers,
        "machine_visits": group.removed,
        "uncertain_visits": group.uncertain,
        "raw_requests": group.raw,
    }
