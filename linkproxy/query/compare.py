"""Campaigns side by side: the head of each one's report as a row, and how far its rate is from the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from linkproxy.query.export import Column
from linkproxy.query.filters import format_time, short_time
from linkproxy.query.interval import LEVEL
from linkproxy.query.rate import ImaginedRate, difference, imagined_rate
from linkproxy.query.reports import Report, report, rounded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from linkproxy.model import Campaign
    from linkproxy.store.api import Store
    from linkproxy.visit.policy import Policy


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a rate lies above that of the first campaign, in percentage points."""

    points: float
    low: float
    high: float
    level: float
    beyond_chance: bool = False  # chance alone would hardly make one so large

    @property
    def is_shown(self) -> bool:
        """Tell whether it is more than what judge and chance may have made."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Compared:
    """A campaign among others; ``difference`` only where campaigns were named and both have a rate."""

    made: Report
    difference: Difference | None = None


_MAYBE = (
    " Chance alone would hardly make one so large. The judge might, if more scanners passed for people in one"
    " than in the other, which is less likely where both went to parts of one list that were drawn by chance."
)


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2%}"


def _ends(made: Report) -> tuple[int | None, int | None]:
    found = made.interval
    return (round(found.low), round(found.high)) if found else (None, None)


def _between(made: Report) -> str:
    low, high = _ends(made)
    return "-" if low is None else f"{low:,} to {high:,}"


def _rate_ends(made: Report) -> tuple[float | None, float | None]:
    found = made.imagined_rate.interval() if made.imagined_rate else None
    return (rounded(found.low), rounded(found.high)) if found else (None, None)


def _rate_between(made: Report) -> str:
    low, high = _rate_ends(made)
    return "-" if low is None else f"{low:.2%} to {high:.2%}"


def _points(found: Difference | None) -> str:
    return f"{found.points:+.2f}" if found else "-"


def _points_between(found: Difference | None) -> str:
    return f"{found.low:+.2f} to {found.high:+.2f}" if found else "-"


def _count(name: str, heading: str, read: Callable[[Report], int | None], spare: int = 0) -> Column[Compared]:
    """Return a column of counts; a table shows thousands."""
    return Column(
        name, heading, lambda row: read(row.made), lambda row: _thousands(read(row.made)), spare=spare
    )


def _thousands(count: int | None) -> str | None:
    return None if count is None else f"{count:,}"


DIFFERENCE_COLUMNS: Sequence[Column[Compared]] = (
    Column(
        "difference_points",
        "Points",
        lambda row: row.difference.points if row.difference else None,
        lambda row: _points(row.difference),
    ),
    Column(
        "difference_low",
        "Points between",
        lambda row: row.difference.low if row.difference else None,
        lambda row: _points_between(row.difference),
    ),
    Column("difference_high", "", lambda row: row.difference.high if row.difference else None),
    Column("difference_level", "", lambda row: row.difference.level if row.difference else None),
)
"""The difference to the first campaign: a table of campaigns that nobody named goes without."""

COMPARED_COLUMNS: Sequence[Column[Compared]] = (
    Column("campaign", "Campaign", lambda row: row.made.campaign.name, folds=True),
    Column("kind", "", lambda row: row.made.campaign.kind),
    Column(
        "made_at",
        "Made (UTC)",
        lambda row: format_time(row.made.campaign.created_at),
        lambda row: short_time(row.made.campaign.created_at),
        spare=9,
    ),
    _count("delivered", "Delivered", lambda made: made.delivered_messages, spare=2),
    _count("human_clickers", "Clickers", lambda made: made.clickers),
    Column("click_rate", "Rate", lambda row: rounded(row.made.rate), lambda row: _percent(row.made.rate)),
    Column(
        "click_rate_low",
        "Rate, 95 %",
        lambda row: _rate_ends(row.made)[0],
        lambda row: _rate_between(row.made),
    ),
    Column("click_rate_high", "", lambda row: _rate_ends(row.made)[1]),
    *DIFFERENCE_COLUMNS,
    _count("human_clicks", "Clicks", lambda made: made.clicks, spare=3),
    Column(
        "interval_low",
        "Clicks, 95 %",
        lambda row: _ends(row.made)[0],
        lambda row: _between(row.made),
        spare=4,
    ),
    Column("interval_high", "", lambda row: _ends(row.made)[1]),
    _count("machine_visits_removed", "Machine", lambda made: made.removed.total(), spare=7),
    _count("uncertain_visits", "Uncertain", lambda made: made.uncertain.visits, spare=6),
    _count("not_settled_yet", "Open", lambda made: made.open, spare=8),
    Column("raw_requests", "", lambda row: row.made.raw_requests),
    Column("raw_messages", "", lambda row: row.made.raw_messages),
    Column(
        "raw_click_rate",
        "Raw rate",
        lambda row: rounded(row.made.raw_rate),
        lambda row: _percent(row.made.raw_rate),
        spare=5,
    ),
)
"""Figures as reports have them (docs/reports.md), under the names that ``report_record`` gives them."""


async def compared(
    store: Store, campaigns: Sequence[Campaign], policy: Policy, *, named: bool = False
) -> AsyncIterator[Compared]:
    """Yield the report of each campaign, in their order.

    ``named``: they were chosen to be held against the first, so that each has its difference. Of
    several that are held against one, some differ by luck alone; so each interval is widened until all
    of them hold together with ``LEVEL`` (Bonferroni; Dunn, "Multiple Comparisons Among Means", Journal
    of the American Statistical Association 56, 1961).
    """
    first: Report | None = None
    level = 1 - (1 - LEVEL) / max(1, len(campaigns) - 1)
    for campaign in campaigns:
        made = await report(store, campaign, policy)
        yield Compared(made, _difference(made, first, level) if named and first else None)
        first = first or made


def _difference(made: Report, first: Report, level: float) -> Difference | None:
    of, to = made.imagined_rate, first.imagined_rate
    if of is None or to is None:
        return None
    found, chance = difference(of, to, level), difference(_by_chance(made), _by_chance(first), level)
    return Difference(
        points=round(100 * (of.measured - to.measured), 4),
        low=round(100 * found.low, 4),
        high=round(100 * found.high, 4),
        level=round(level, 6),
        beyond_chance=chance.low > 0 or chance.high < 0,
    )


def _by_chance(made: Report) -> ImaginedRate:
    """Return the rate as if the judge had never erred."""
    return imagined_rate([], clickers=made.clickers, delivered=made.delivered_messages or 0, known=0)


def sentences(rows: Sequence[Compared]) -> list[str]:
    """Return in words what the differences of named campaigns show, and how to take it; [] for one alone."""
    if len(rows) < 2:
        return []
    first, *others = rows
    known = [row.difference for row in others if row.difference]
    found = [_sentence(row, first.made.campaign.name) for row in others]
    if not known:
        return found
    if len(others) > 1:
        level = _level_text(known[0].level)
        found.append(
            f"{len(others)} campaigns are held against {first.made.campaign.name}, and of many some differ by"
            f" luck. So each interval is widened to {level}: with 95 % all of them hold. Of the others among"
            " each other nothing is said."
        )
    found.append(
        "This holds for one look at a time that was set beforehand. Who looks again until a difference is"
        " shown finds one by chance."
    )
    return found


def _sentence(row: Compared, first: str) -> str:
    name, found = row.made.campaign.name, row.difference
    if found is None:
        unknown = first if row.made.imagined_rate else name
        return f"{name} and {first}: nothing can be said, since no click rate is known of {unknown}."
    if not found.is_shown:
        return (
            f"{name} and {first}: no difference is shown. That is not to say that there is none: the rate of"
            f" {name} may be up to {abs(found.low):.2f} percentage points lower or {found.high:.2f} higher."
            f"{_MAYBE if found.beyond_chance else ''}"
        )
    way, ends = ("higher", (found.low, found.high)) if found.low > 0 else ("lower", (-found.high, -found.low))
    return (
        f"{name}: its rate is {way} than that of {first}, by {abs(found.points):.2f} percentage points as"
        f" measured, and by {ends[0]:.2f} to {ends[1]:.2f} with {_level_text(found.level)}."
    )


def _level_text(level: float) -> str:
    return f"{100 * level:.4g} %"
