"""Charts as inline SVG, by nothing but arithmetic: bars, a line of days or hours, an interval, a weight.

Widths and places along the x axis are percentages and heights are pixels, so a chart fills what room
there is while its text keeps its size. Colours are classes of the style sheet: the pages' policy
allows no style attribute. Each chart stands beside the same numbers as text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Step:
    """What a place along the axis of time stands for, how it is named, and how many there are at most."""

    length: timedelta
    name: str
    label: str  # below the axis, where there is little room
    most: int

    def named(self, at: datetime) -> str:
        return self.name.format(at)


STEPS: Final[Mapping[str, Step]] = {
    "day": Step(timedelta(days=1), "{:%Y-%m-%d}", "{0.day} {0:%b}", 366),
    "hour": Step(timedelta(hours=1), "{:%Y-%m-%d %H:00}", "{:%H:00}", 96),
}

_SPARK_DAYS: Final = 30
_PLOT: Final = 140
_ABOVE: Final = 10
_BELOW: Final = 24
_LABELS: Final = 4
_TICKS: Final = 4
_SHARE: Final = 0.8
"""Of its place along the axis, how much a bar takes."""

_LEAST: Final = 1.5
"""Pixels of the lowest bar: what has happened can be seen beside what happened a thousand times."""


_IN_FULL: Final = 100_000
"""From here on the marks of an axis are shortened: beside a chart there is room for six characters."""

_UNITS: Final = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))
_EMPTY: Final = Markup("")
_BAR: Final = Markup(
    '<svg class="bar {kind}" width="100%" height="12" aria-hidden="true" focusable="false">'
    '<rect width="{width}%" height="12" rx="2"/></svg>'
)
_SPARK: Final = Markup(
    '<svg class="spark" viewBox="0 0 {width} 24" width="{width}" height="24" aria-hidden="true" '
    'focusable="false">{bars}</svg>'
)
_BETWEEN: Final = Markup(
    '<svg class="between" width="100%" height="16" aria-hidden="true" focusable="false">'
    '<rect width="{at}%" y="2" height="12" rx="2"/><line x1="{low}%" x2="{high}%" y1="8" y2="8"/>'
    '<line x1="{low}%" x2="{low}%" y1="4" y2="12"/><line x1="{high}%" x2="{high}%" y1="4" y2="12"/></svg>'
)
_WEIGHT: Final = Markup(
    '<svg class="weight {kind}" width="100%" height="12" aria-hidden="true" focusable="false">'
    '<rect x="{at}%" width="{width}%" height="12" rx="2"/>'
    '<line class="axis" x1="50%" x2="50%" y1="0" y2="12"/></svg>'
)
_LINE: Final = Markup(
    '<svg class="line {kind}" width="100%" height="{height}" role="img" aria-labelledby="{name}">'
    '<title id="{name}">{title}</title>{grid}{bars}{labels}</svg>'
)
_GRID: Final = Markup(
    '<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
    '<text class="tick" x="0" y="{text_y}" dx="-6" text-anchor="end">{value}</text>'
)
_PART: Final = Markup(
    '<rect x="{x}%" width="{width}%" y="{y}" height="{height}"><title>{title}</title></rect>'
)
_LABEL: Final = Markup('<text class="label" x="{x}%" y="{y}" text-anchor="{anchor}">{text}</text>')


def bar(value: float, most: float, kind: str = "people") -> Markup:
    """Return a bar for a cell of a table, as long as its share of the greatest value."""
    return _BAR.format(kind=kind, width=_percent(value, most))


def between(low: float, at: float, high: float, most: float) -> Markup:
    """Return a bar from 0 to a value, and the interval around its end, on an axis up to ``most``."""
    return _BETWEEN.format(low=_percent(low, most), at=_percent(at, most), high=_percent(high, most))


def weight(value: float, most: float) -> Markup:
    """Return a bar from the middle: to the right what speaks for a machine, to the left for a person."""
    half = _percent(abs(value), most) / 2
    kind, at = ("machines", 50) if value > 0 else ("people", 50 - half)
    return _WEIGHT.format(kind=kind, at=round(at, 2), width=round(half, 2))


def spark(days: Mapping[str, int]) -> Markup:
    """Return the first month of a campaign as a picture of a line's height; nothing if there is no day."""
    counts = [value for _, value in _every(days, STEPS["day"])][:_SPARK_DAYS]
    most = max(counts, default=0)
    if not most:
        return _EMPTY
    bars = _EMPTY.join(
        Markup('<rect x="{x}" y="{y}" width="3" height="{height}"/>').format(
            x=place * 4, y=round(24 - height, 1), height=round(height, 1)
        )
        for place, value in enumerate(counts)
        for height in (_height(value, most, 24),)
    )
    return _SPARK.format(width=_SPARK_DAYS * 4, bars=bars)


def time_line(
    counts: Mapping[str, int], *, name: str, title: str, kind: str = "people", by: str = "day"
) -> Markup:
    """Return a chart of a count by day or hour, from the first to the last of them, or the last year.

    ``counts`` are by ISO time, with gaps; ``name`` is the id of its title, once on a page.
    """
    step = STEPS[by]
    shown = _every(counts, step)[-step.most :]
    marks = ticks(max((value for _, value in shown), default=0))
    most = marks[-1]
    return _LINE.format(
        kind=kind,
        name=name,
        title=f"{title}: {_told(shown, step)}",
        height=_ABOVE + _PLOT + _BELOW,
        grid=_EMPTY.join(_grid(value, most) for value in marks),
        bars=_EMPTY.join(_bar(place, shown, most, step) for place in range(len(shown)) if shown[place][1]),
        labels=_EMPTY.join(_label(place, shown, step) for place in _labelled(len(shown))),
    )


def ticks(most: int) -> list[int]:
    """Return the whole numbers that an axis up to ``most`` is marked at: 0, and up to five more."""
    rough = max(most, 1) / _TICKS
    power = 10 ** math.floor(math.log10(rough)) if rough >= 1 else 1
    step = int(next(size * power for size in (1, 2, 5, 10) if size * power >= rough))
    return list(range(0, max(most, 1) + step, step))


def _every(counts: Mapping[str, int], step: Step) -> list[tuple[datetime, int]]:
    """Return all days or hours from the first to the last, those without a row, too."""
    told = {datetime.fromisoformat(name): value for name, value in counts.items()}
    if not told:
        return []
    first, last = min(told), max(told)
    every = [first + step.length * place for place in range((last - first) // step.length + 1)]
    return [(at, told.get(at, 0)) for at in every]


def _told(shown: Sequence[tuple[datetime, int]], step: Step) -> str:
    """Return in words what a chart shows, for who hears it; the table has the rest."""
    if not shown:
        return "nothing"
    at, most = max(shown, key=lambda item: item[1])
    first, last, best = (step.named(moment) for moment in (shown[0][0], shown[-1][0], at))
    return f"{sum(value for _, value in shown):,} from {first} to {last}, most on {best} ({most:,})"


def _percent(value: float, most: float) -> float:
    return round(min(100.0, 100 * value / most), 2) if most else 0.0


def _height(value: int, most: int, room: float) -> float:
    return max(_LEAST, room * value / most) if value else 0.0


def _grid(value: int, most: int) -> Markup:
    y = _ABOVE + _PLOT - _PLOT * value / most
    return _GRID.format(y=round(y, 1), text_y=round(y + 4, 1), value=_mark(value, most))


def _mark(value: int, most: int) -> str:
    """Return a mark of an axis up to ``most``: ``50,000``, or ``0.5M``; the table has the numbers in full."""
    if most < _IN_FULL or not value:
        return f"{value:,}"
    size, letter = next(unit for unit in _UNITS if most >= unit[0])
    return f"{value / size:g}{letter}"


def _bar(place: int, shown: Sequence[tuple[datetime, int]], most: int, step: Step) -> Markup:
    at, value = shown[place]
    whole = 100 / len(shown)
    # One alone would be a wall.
    wide = min(whole * _SHARE, 10.0)
    height = _height(value, most, _PLOT)
    return _PART.format(
        x=round(whole * place + (whole - wide) / 2, 3),
        width=round(wide, 3),
        y=round(_ABOVE + _PLOT - height, 1),
        height=round(height, 1),
        title=f"{step.named(at)}: {value:,}",
    )


def _labelled(places: int) -> list[int]:
    """Return the places that are named below the axis: the first, the last, some between."""
    if places <= _LABELS:
        return list(range(places))
    step = (places - 1) / (_LABELS - 1)
    return [round(step * place) for place in range(_LABELS)]


def _label(place: int, shown: Sequence[tuple[datetime, int]], step: Step) -> Markup:
    whole = 100 / len(shown)
    # At the ends a name in the middle of its bar would stand out of the chart.
    narrow = whole < 20
    anchor, x = "middle", whole * (place + 0.5)
    if narrow and place == 0:
        anchor, x = "start", 0.0
    elif narrow and place == len(shown) - 1:
        anchor, x = "end", 100.0
    return _LABEL.format(
        x=round(x, 2), y=_ABOVE + _PLOT + 17, anchor=anchor, text=step.label.format(shown[place][0])
    )
