from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkproxy.model import VerdictKind
from linkproxy.query.filters import FILTER_NAMES, FilterError, format_time, read_filter, read_time
from linkproxy.store.api import Filter

NOW = datetime(2026, 5, 2, 12, 0, tzinfo=UTC).timestamp()


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]  # the parts are year, month, day, ...


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-05-01", at(2026, 5, 1)),
        ("2026-05-01T09:30", at(2026, 5, 1, 9, 30)),
        ("2026-05-01 09:30:15", at(2026, 5, 1, 9, 30, 15)),
        ("2026-05-01T09:30:00Z", at(2026, 5, 1, 9, 30)),
        ("2026-05-01T09:30:00+02:00", at(2026, 5, 1, 7, 30)),
        ("2026-05-01T09:30:00 02:00", at(2026, 5, 1, 7, 30)),  # a + in a query, as servers read it
        ("2026-05-01T09:30 0200", at(2026, 5, 1, 7, 30)),
        ("now", NOW),
        ("today", at(2026, 5, 2)),
        ("yesterday", at(2026, 5, 1)),
        ("-90s", NOW - 90),
        ("-5m", NOW - 300),
        ("2h", NOW - 7200),
        ("2h ago", NOW - 7200),
        ("-7d", NOW - 7 * 86400),
        ("1.5w", NOW - 1.5 * 604800),
        ("+10m", NOW + 600),
        (" NOW ", NOW),
    ],
)
def test_each_way_to_write_a_time_is_understood(text: str, time: float) -> None:
    assert read_time(text, now=NOW) == time


@pytest.mark.parametrize(
    "text", ["", "soon", "5 minutes", "2026-13-01", "2026-05-01T25:00", "-5", "1714555800000"]
)
def test_what_is_no_time_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(ValueError, match="2026-05-01"):
        read_time(text, now=NOW)


@given(st.floats(min_value=0, max_value=4e9))
def test_a_time_written_out_reads_back_to_the_millisecond(time: float) -> None:
    assert abs(read_time(format_time(time), now=NOW) - time) < 0.001


def test_no_time_is_written_as_nothing() -> None:
    assert format_time(None) == ""
    assert format_time(NOW) == "2026-05-02T12:00:00.000Z"


def test_every_filter_reaches_its_field() -> None:
    given_words = {
        "campaign": "spring",
        "link": "aB3x",
        "recipient": " anna@example.com ",
        "domain": "@Example.COM.",
        "since": "2026-05-01",
        "until": "now",
        "verdict": "Machine",
        "after": "17",
        "limit": "100",
    }
    assert set(given_words) == set(FILTER_NAMES)
    assert read_filter(given_words, now=NOW) == Filter(
        campaign="spring",
        key="aB3x",
        recipient="anna@example.com",
        domain="example.com",
        since=at(2026, 5, 1),
        until=NOW,
        verdict=VerdictKind.MACHINE,
        after_id=17,
        limit=100,
    )


def test_what_is_empty_or_missing_does_not_restrict() -> None:
    assert read_filter({"campaign": None, "since": ""}, now=NOW) == Filter()


def test_all_faults_of_a_filter_are_told_at_once() -> None:
    words = {
        "link": "too-long",
        "domain": "two words",
        "since": "soon",
        "verdict": "nice",
        "limit": "-1",
        "colour": "red",
    }
    with pytest.raises(FilterError) as told:
        read_filter(words, now=NOW)
    assert len(told.value.faults) == len(words)
    for name in words:
        assert any(fault.startswith(f"{name}: ") for fault in told.value.faults)
    assert str(told.value).count("\n") == len(words) - 1


def test_a_span_of_time_that_ends_before_it_begins_is_a_fault() -> None:
    with pytest.raises(FilterError, match="is not before until"):
        read_filter({"since": "now", "until": "-1d"}, now=NOW)


@given(st.dictionaries(st.sampled_from(FILTER_NAMES), st.text(max_size=30)))
def test_any_text_is_either_a_filter_or_a_named_fault(words: dict[str, str]) -> None:
    faults: tuple[str, ...] = ()
    try:
        read_filter(words, now=NOW)
    except FilterError as error:
        faults = error.faults
    assert {fault.partition(":")[0] for fault in faults} <= set(words)
