"""Metrics with closed label sets, and logs that never show what must stay secret."""

from __future__ import annotations

import io
import json
import logging
import re
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from linkproxy import telemetry
from linkproxy.logs import Event, configure_logging, get_logger
from linkproxy.telemetry import METRICS, SIGNAL, Metrics


def exported(metrics: Metrics) -> dict[str, float]:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}


def test_the_table_and_the_attributes_are_the_same_metrics() -> None:
    assert list(Metrics.__annotations__) == [metric.name for metric in METRICS]


def test_nothing_in_the_tables_is_there_for_show() -> None:
    package = Path(telemetry.__file__).parent
    code = "".join(
        path.read_text("utf-8")
        for path in package.rglob("*.py")
        if path.name not in {"telemetry.py", "logs.py"}
    )
    for event in Event:
        assert re.search(rf"\bEvent\.{event.name}\b", code), event
    for metric in METRICS:
        assert re.search(rf"metrics\.{metric.name}\b", code), metric.name


def test_every_child_of_a_closed_label_set_is_there_as_0_from_the_start() -> None:
    found = exported(Metrics(signals=["head_request"]))
    assert found['linkproxy_signals_total{signal="head_request"}'] == 0
    assert found['linkproxy_visits_total{answer="neutral",verdict="machine"}'] == 0
    assert found['linkproxy_http_responses_total{listener="public",status="5xx"}'] == 0


@pytest.mark.parametrize(
    "metric", [metric for metric in METRICS if metric.labels], ids=lambda metric: metric.name
)
def test_a_value_outside_the_closed_set_is_counted_as_unknown_and_makes_one_child(metric: object) -> None:
    metrics = Metrics(signals=["known"])
    name, labels = metric.name, [label for label, _ in metric.labels]  # type: ignore[attr-defined]
    for number in range(3):
        getattr(metrics, name).labels(**dict.fromkeys(labels, f"made up {number}")).inc()
    children = {key: value for key, value in exported(metrics).items() if '="unknown"' in key}
    assert list(children.values()) == [3.0]
    assert not any("made up" in key for key in exported(metrics))


def test_a_label_that_a_metric_does_not_have_is_a_programming_fault() -> None:
    with pytest.raises(KeyError):
        Metrics().visits.labels(colour="red")


def test_two_registries_count_apart() -> None:
    first, second = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    first.clicks.inc()
    assert exported(first)["linkproxy_clicks_total"] == 1
    assert exported(second)["linkproxy_clicks_total"] == 0


def test_only_signals_come_from_outside_the_table() -> None:
    for metric in METRICS:
        for label, values in metric.labels:
            assert bool(values) != (label == SIGNAL)


def test_json_logs_are_one_object_a_line_from_us_and_from_libraries() -> None:
    out = io.StringIO()
    configure_logging("info", "json", out)
    get_logger().info(Event.LISTENING, listener="public", address="127.0.0.1:80")
    get_logger().debug(Event.REQUEST)
    logging.getLogger("aiohttp.server").warning("bad %s", "request")
    logging.getLogger("aiohttp.access").info("every request")
    ours, theirs = (json.loads(line) for line in out.getvalue().splitlines())
    assert ours.pop("timestamp").endswith("Z")
    assert ours == {
        "event": "server.listening",
        "level": "info",
        "listener": "public",
        "address": "127.0.0.1:80",
    }
    assert (theirs["event"], theirs["level"]) == ("bad request", "warning")


@pytest.mark.parametrize("form", ["json", "console"])
def test_nothing_that_is_logged_steers_a_terminal(form: str) -> None:
    out = io.StringIO()
    configure_logging("info", form, out)
    get_logger().warning(Event.RELAY_UNTRACKED, campaign="\x1b]0;x\x07", error="\x9b31m\u202ered\udcff")
    logging.getLogger("mail.log").error("\x1b[31m%s", "\x9b")
    assert re.findall("[^ -~\n\N{REPLACEMENT CHARACTER}]", out.getvalue()) == []


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_logged_exception_shows_its_trace_but_no_local_variable(form: str) -> None:
    out = io.StringIO()
    configure_logging("info", form, out)
    secret = "hush" * 4
    try:
        [][len(secret)]
    except IndexError:
        get_logger().exception(Event.VISIT_FAILED)
        logging.getLogger("aiohttp.server").exception("Error handling request")
    assert out.getvalue().count("IndexError: list index out of range") == 2
    assert "hushhush" not in out.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_log_that_cannot_be_written_holds_nothing_up(form: str) -> None:
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115  (closing it fails, too)
    configure_logging("info", form, full)
    get_logger().error(Event.STORE_FAILED)
    logging.getLogger("aiohttp.server").error("Error handling request")
    with suppress(OSError):
        full.close()
    get_logger().error(Event.STORE_FAILED)
