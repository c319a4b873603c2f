"""One contract for all providers: what their events say, and that nothing they send raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from claims.provider_events import EVERY, SAMPLES, Sample
from hypothesis import given
from hypothesis import strategies as st

from linkproxy.inbound.base import CAMPAIGN, RECIPIENT, Delivered, Fault, Outcome, Told, read
from linkproxy.inbound.providers import PROVIDERS
from linkproxy.model import LinkproxyError
from linkproxy.telemetry import METRICS

AT = 1_780_000_000
SPRING = {CAMPAIGN: "spring"}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)

each = pytest.mark.parametrize("sample", EVERY.values(), ids=EVERY)


def told(sample: Sample, value: Any) -> list[Told]:
    return read(PROVIDERS[sample.name], json.dumps(value).encode())


def without(event: dict[str, Any], path: str, value: Any = None) -> dict[str, Any]:
    """Return an event in which a field holds something else; None takes it out."""
    name, _, rest = path.partition(".")
    if rest:
        return event | {name: without(event[name], rest, value)}
    return {key: held for key, held in (event | {name: value}).items() if key != name or value is not None}


def test_each_provider_brings_its_samples_and_is_counted() -> None:
    assert set(SAMPLES) == set(PROVIDERS)
    [labels] = [dict(metric.labels) for metric in METRICS if metric.name == "inbound_events"]
    assert set(labels["provider"]) == set(PROVIDERS)
    assert set(labels["outcome"]) == set(Outcome)


@each
def test_a_delivery_names_campaign_recipient_and_time(sample: Sample) -> None:
    event = sample.delivered(SPRING, "anna@example.com", AT)
    assert told(sample, event) == [Delivered("spring", "anna@example.com", AT)]


@each
def test_an_attached_recipient_goes_before_the_address(sample: Sample) -> None:
    event = sample.delivered(SPRING | {RECIPIENT: "4711"}, "anna@example.com", AT)
    assert told(sample, event) == [Delivered("spring", "4711", AT)]


@each
def test_an_attached_recipient_that_is_empty_is_not_taken_for_the_address(sample: Sample) -> None:
    event = sample.delivered(SPRING | {RECIPIENT: ""}, "anna@example.com", AT)
    assert [type(item) for item in told(sample, event)] == [Fault]


@each
def test_a_list_of_events_tells_of_each(sample: Sample) -> None:
    one = sample.delivered(SPRING, "anna@example.com", AT)
    other = sample.delivered({CAMPAIGN: "summer"}, "ben@example.com", AT + 1)
    assert told(sample, [one, sample.others[0], "nonsense", other]) == [
        Delivered("spring", "anna@example.com", AT),
        Outcome.OTHER,
        Fault("an event is no JSON object"),
        Delivered("summer", "ben@example.com", AT + 1),
    ]
    assert told(sample, []) == []


def test_postmarks_seven_digits_of_a_second_are_read() -> None:
    event = SAMPLES["postmark"].delivered(SPRING, "anna@example.com", AT)
    event |= {"DeliveredAt": "2026-05-01T09:30:00.9070259Z"}
    assert told(SAMPLES["postmark"], event) == [Delivered("spring", "anna@example.com", 1_777_627_800.907025)]


@each
def test_other_events_are_no_deliveries(sample: Sample) -> None:
    for event in sample.others:
        assert told(sample, event) == [Outcome.OTHER]


@each
def test_mail_without_a_campaign_is_other_mail(sample: Sample) -> None:
    assert told(sample, sample.delivered({}, "anna@example.com", AT)) == [Outcome.NO_CAMPAIGN]
    assert told(sample, sample.delivered({"shop": "7"}, "anna@example.com", AT)) == [Outcome.NO_CAMPAIGN]


@each
def test_a_delivery_that_lacks_a_field_or_has_another_type_in_it_is_a_fault(sample: Sample) -> None:
    event = sample.delivered(SPRING, "anna@example.com", AT)
    for path in sample.fields:
        for value in (None, [], {}, True, "", "\ud800"):
            found = told(sample, without(event, path, value))
            assert [type(item) for item in found] == [Fault], f"{path} = {value!r}: {found}"


@each
@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"a=1&b=2", b"1" * 5_000])
def test_what_is_no_json_is_refused(sample: Sample, body: bytes) -> None:
    with pytest.raises(LinkproxyError, match="not JSON"):
        read(PROVIDERS[sample.name], body)


@each
@given(st.data())
def test_no_json_raises(sample: Sample, data: st.DataObject) -> None:
    event = sample.delivered(SPRING | {RECIPIENT: "4711"}, "anna@example.com", AT)
    told(sample, data.draw(ANYTHING))
    told(sample, _changed(event, data))


def _changed(value: Any, data: st.DataObject) -> Any:
    """Return an event in which one thing, somewhere inside, is anything else."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 9)):
        name = data.draw(st.sampled_from(sorted(value)))
        return value | {name: _changed(value[name], data)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 9)):
        return [_changed(value[0], data), *value[1:]]
    return data.draw(ANYTHING)
