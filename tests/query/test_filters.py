import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkproxy.model import Delivery, DeliverySource, VerdictKind
from linkproxy.query.filters import (
    FILTER_NAMES,
    FilterError,
    can_have_been,
    delivery_fault,
    format_time,
    read_filter,
    read_time,
    short_time,
    unknown,
)
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
    ("text", "moment"),
    [("2026-05-01", at(2026, 5, 1)), ("2026-05-01T09:30", at(2026, 5, 1, 9, 30)), ("today", at(2026, 5, 2))],
)
def test_without_an_offset_times_are_utc_wherever_the_machine_stands(
    text: str, moment: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "NZST-12")
        time.tzset()
        assert read_time(text, now=NOW + 754.25) == moment
        assert format_time(moment).startswith("2026-05-0")
    time.tzset()


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
    assert short_time(NOW + 0.999) == "2026-05-02 12:00:00"


@pytest.mark.parametrize(
    ("moment", "can"),
    [
        (-1.0, False),
        (0.0, False),
        (0.001, True),
        (NOW, True),
        (NOW + 86_399, True),  # by another machine's clock
        (NOW + 86_400, False),
        (NOW * 1_000, False),
    ],
)
def test_a_time_that_cannot_have_been_is_told(moment: float, *, can: bool) -> None:
    assert can_have_been(moment, now=NOW) is can


@pytest.mark.parametrize(
    ("ahead", "source", "fault"),
    [
        (-7_200.0, DeliverySource.MX, None),
        (600.0, DeliverySource.MX, None),  # clocks differ
        (601.0, DeliverySource.MX, "2026-05-02T12:10:01.000Z is 10 minutes ahead"),
        (7_200.0, DeliverySource.PROVIDER, "2026-05-02T14:00:00.000Z is 120 minutes ahead"),
        (7_200.0, DeliverySource.CAMPAIGN, None),  # a mailing that is to begin
        (86_399.0, DeliverySource.SMARTHOST, "is 1,440 minutes ahead"),
        (86_400.0, DeliverySource.MX, None),  # which cannot have been at all
    ],
)
def test_nobody_has_accepted_mail_that_is_hours_ahead(
    ahead: float, source: DeliverySource, fault: str | None
) -> None:
    told = delivery_fault(Delivery(NOW + ahead, source), now=NOW)
    assert told is None if fault is None else fault in (told or "")


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


@pytest.mark.parametrize("until", ["-1d", "now"])
def test_a_span_of_time_that_ends_before_or_as_it_begins_is_a_fault(until: str) -> None:
    with pytest.raises(FilterError, match="is not before until"):
        read_filter({"since": "now", "until": until}, now=NOW)


def test_either_end_of_a_span_may_be_open() -> None:
    assert read_filter({"since": "now"}, now=NOW) == Filter(since=NOW)
    assert read_filter({"until": " 1970-01-01 "}, now=NOW) == Filter(until=0.0)


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ({"link": " aB3x "}, "key", "aB3x"),
        ({"verdict": " human "}, "verdict", VerdictKind.HUMAN),
        ({"limit": " 7 "}, "limit", 7),
        ({"domain": " @example.com "}, "domain", "example.com"),
        ({"since": "9999-12-31T23:59:59Z"}, "since", 253_402_300_799.0),
    ],
)
def test_blanks_around_a_word_do_not_matter(words: dict[str, str], field: str, value: object) -> None:
    assert getattr(read_filter(words, now=NOW), field) == value


@pytest.mark.parametrize("since", ["1969-12-31T23:59:59Z", "-99999w"])
def test_a_time_that_no_calendar_of_a_database_holds_is_a_fault(since: str) -> None:
    with pytest.raises(FilterError, match="no time of the years 1970 to 9999"):
        read_filter({"since": since}, now=NOW)


def test_an_unknown_filter_is_told_with_those_that_there_are() -> None:
    assert unknown(["colour", "since"], ("since", "until")) == [
        "colour: there is no such filter; there are since, until"
    ]
    assert unknown(["colour"], ()) == ["colour: there is no such filter; there are none"]


@given(st.dictionaries(st.sampled_from(FILTER_NAMES), st.text(max_size=30)))
def test_any_text_is_either_a_filter_or_a_named_fault(words: dict[str, str]) -> None:
    faults: tuple[str, ...] = ()
    try:
        read_filter(words, now=NOW)
    except FilterError as error:
        faults = error.faults
    assert {fault.partition(":")[0] for fault in faults} <= set(words)
