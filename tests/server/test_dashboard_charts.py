"""Charts show the numbers that stand beside them, in SVG that any policy allows."""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkproxy.server.dashboard import charts

DAYS = st.dictionaries(
    st.dates(date(2025, 1, 1), date(2027, 1, 1)).map(date.isoformat), st.integers(0, 10**9), min_size=1
)


def drawn(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314  (our own)


@given(DAYS)
def test_a_line_of_days_has_a_bar_for_each_day_on_which_something_happened(days: dict[str, int]) -> None:
    found = drawn(charts.time_line(days, name="by-day", title="Clicks"))
    last = date.fromisoformat(max(days))
    first = max(date.fromisoformat(min(days)), last - timedelta(days=charts.STEPS["day"].most - 1))
    told = {name: value for name, value in days.items() if value and name >= first.isoformat()}
    bars = {bar.findtext("title"): float(bar.get("height", "0")) for bar in found.iter("rect")}
    assert set(bars) == {f"{name}: {value:,}" for name, value in told.items()}
    heights = [bars[f"{name}: {told[name]:,}"] for name in sorted(told, key=lambda name: told[name])]
    assert heights == sorted(heights)
    assert all(0 < height <= 140 for height in heights)
    assert f"{sum(told.values()):,} from {first} to {last}" in str(found.findtext("title"))


def test_hours_are_named_by_the_hour_and_those_without_clicks_keep_their_place() -> None:
    hours = {"2026-05-01T23:00": 2, "2026-05-02T02:00": 1}
    found = drawn(charts.time_line(hours, name="by-hour", title="Clicks", by="hour"))
    assert [bar.findtext("title") for bar in found.iter("rect")] == [
        "2026-05-01 23:00: 2",
        "2026-05-02 02:00: 1",
    ]
    labels = [item.text for item in found.iter("text") if item.get("class") == "label"]
    assert labels == ["23:00", "00:00", "01:00", "02:00"]


@given(DAYS)
def test_bars_and_labels_stay_inside_the_chart(days: dict[str, int]) -> None:
    found = drawn(charts.time_line(days, name="by-day", title="Clicks"))
    for bar in found.iter("rect"):
        left, width = (float(bar.get(name, "").rstrip("%")) for name in ("x", "width"))
        assert 0 <= left <= left + width <= 100.01
    labels = [item for item in found.iter("text") if item.get("class") == "label"]
    assert 1 <= len(labels) <= 4
    assert all(0 <= float(label.get("x", "").rstrip("%")) <= 100 for label in labels)


@given(st.integers(0, 10**12))
def test_an_axis_has_a_few_whole_marks_from_zero_up_to_what_it_shows(most: int) -> None:
    marks = charts.ticks(most)
    assert marks[0] == 0
    assert marks[-1] >= max(most, 1)
    assert 2 <= len(marks) <= 6
    steps = {after - before for before, after in pairwise(marks)}
    assert len(steps) == 1
    assert re.fullmatch(r"[125]0*", str(steps.pop()))


@given(st.integers(0, 10**11))
def test_the_marks_of_an_axis_have_room_beside_the_chart(most: int) -> None:
    found = drawn(charts.time_line({"2026-05-01": most}, name="x", title="Clicks"))
    marks = [str(item.text) for item in found.iter("text") if item.get("class") == "tick"]
    assert max(map(len, marks)) <= 6
    assert len(set(marks)) == len(marks)


def test_large_marks_are_shortened_and_their_bars_named_in_full() -> None:
    svg = charts.time_line({"2026-05-01": 1_500_000}, name="x", title="Clicks")
    found = drawn(svg)
    marks = [item.text for item in found.iter("text") if item.get("class") == "tick"]
    assert marks == ["0", "0.5M", "1M", "1.5M"]
    assert "2026-05-01: 1,500,000" in svg


@pytest.mark.parametrize(
    ("value", "most", "width"), [(0, 0, "0.0%"), (0, 10, "0.0%"), (5, 10, "50.0%"), (10, 10, "100.0%")]
)
def test_a_bar_is_as_long_as_its_share(value: int, most: int, width: str) -> None:
    assert f'<rect width="{width}"' in charts.bar(value, most)


def test_a_weight_points_to_the_side_that_it_speaks_for() -> None:
    assert '<rect x="50%" width="25.0%"' in charts.weight(10.0, 20.0)
    assert '<rect x="25.0%" width="25.0%"' in charts.weight(-10.0, 20.0)


def test_nothing_is_drawn_of_a_campaign_without_clicks() -> None:
    assert charts.spark({}) == ""
    assert charts.spark({"2026-05-01": 0}) == ""


def test_no_chart_needs_what_the_policy_forbids_and_text_stays_text() -> None:
    every = (
        charts.time_line({"2026-05-01": 1}, name="x", title="<b>&"),
        charts.bar(1, 2),
        charts.between(1, 2, 3, 4),
        charts.weight(-1, 2),
        charts.spark({"2026-05-01": 1}),
    )
    for svg in every:
        assert not re.search(r"\bstyle=|\bon\w+=|href|<b>", svg)
        drawn(svg)
