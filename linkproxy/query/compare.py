"""Campaigns side by side: the head of each one's report as a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linkproxy.query.export import Column
from linkproxy.query.filters import format_time, short_time
from linkproxy.query.reports import Report, report, rounded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from linkproxy.model import Campaign
    from linkproxy.store.api import Store
    from linkproxy.visit.policy import Policy


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2%}"


def _ends(made: Report) -> tuple[int | None, int | None]:
    found = made.interval
    return (round(found.low), round(found.high)) if found else (None, None)


def _between(made: Report) -> str:
    low, high = _ends(made)
    return "-" if low is None else f"{low:,} to {high:,}"


def _count(name: str, heading: str, read: Callable[[Report], int | None], spare: int = 0) -> Column[Report]:
    """Return a column of counts; a table shows thousands."""
    return Column(name, heading, read, lambda made: _thousands(read(made)), spare=spare)


def _thousands(count: int | None) -> str | None:
    return None if count is None else f"{count:,}"


COMPARED_COLUMNS: Sequence[Column[Report]] = (
    Column("campaign", "Campaign", lambda made: made.campaign.name, folds=True),
    Column("kind", "", lambda made: made.campaign.kind),
    Column(
        "made_at",
        "Made (UTC)",
        lambda made: format_time(made.campaign.created_at),
        lambda made: short_time(made.campaign.created_at),
        spare=5,
    ),
    _count("delivered", "Delivered", lambda made: made.delivered_messages),
    _count("human_clickers", "Clickers", lambda made: made.clickers),
    Column("click_rate", "Rate", lambda made: rounded(made.rate), lambda made: _percent(made.rate)),
    _count("human_clicks", "Clicks", lambda made: made.clicks),
    Column("interval_low", "Clicks, 95 %", lambda made: _ends(made)[0], _between),
    Column("interval_high", "", lambda made: _ends(made)[1]),
    _count("machine_visits_removed", "Machine", lambda made: made.removed.total(), spare=3),
    _count("uncertain_visits", "Uncertain", lambda made: made.uncertain.visits, spare=2),
    _count("not_settled_yet", "Open", lambda made: made.open, spare=4),
    Column("raw_requests", "", lambda made: made.raw_requests),
    Column("raw_messages", "", lambda made: made.raw_messages),
    Column(
        "raw_click_rate",
        "Raw rate",
        lambda made: rounded(made.raw_rate),
        lambda made: _percent(made.raw_rate),
        spare=1,
    ),
)
"""Figures as reports have them (docs/reports.md), under the names that ``report_record`` gives them."""


async def compared(store: Store, campaigns: Sequence[Campaign], policy: Policy) -> AsyncIterator[Report]:
    """Yield the report of each campaign, in their order."""
    for campaign in campaigns:
        yield await report(store, campaign, policy)
