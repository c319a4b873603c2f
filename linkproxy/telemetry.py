"""What linkproxy counts for its operator: the table of metrics.

Metrics are closed and stable, since people build alerts on them. docs/metrics.md is generated from
the table below.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

from linkproxy.model import AnswerKind, EngagementKind, StrayReason, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# A creation time beside every series doubles what is scraped.
disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs carries no annotation

UNKNOWN: Final = "unknown"
SIGNAL: Final = "signal"
SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

RELAY_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

_VERDICTS: Final = tuple(VerdictKind)
_LISTENERS: Final = ("public", "private")
_STATUSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
_ENGAGEMENTS: Final = (
    *("kept", "unchanged", "no_visit", "late", "forged", "malformed", "declined", "dropped", "failed"),
)
_TREATMENTS: Final = (
    *("rewritten", "grouped", "off", "signed", "unknown_campaign", "unaddressed", "oversize", "failed"),
)
_PROVIDERS: Final = ("brevo", "mailgun", "mailjet", "postmark", "sendgrid", "ses")
_EVENTS: Final = (
    *("recorded", "unchanged", "other", "no_campaign", "unknown_campaign", "unknown_recipient"),
    *("erased", "malformed", "failed"),
)
_OPERATIONS: Final = ("open", "append", "settle", "purge")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``labels`` maps a label to every value that it can have.

    The label ``signal`` is closed too: the names of the shipped signals, given to ``Metrics``.
    """

    name: str  # attribute of Metrics; exported as linkproxy_<name>, counters with _total
    kind: type[Counter | Gauge | Histogram]
    help: str
    labels: tuple[tuple[str, Sequence[str]], ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def exported(self) -> str:
        """The name that a scraper sees."""
        return f"linkproxy_{self.name}" + ("_total" if self.kind is Counter else "")


METRICS: Final = (
    Metric(
        "visits",
        Counter,
        "Visits by first verdict and by answer.",
        (("verdict", _VERDICTS), ("answer", tuple(AnswerKind))),
    ),
    Metric(
        "strays",
        Counter,
        "Requests for tracked paths that belong to no visit.",
        (("reason", tuple(StrayReason)),),
    ),
    Metric("strays_dropped", Counter, "Strays above [limits] strays_per_minute: counted, not kept."),
    Metric("signals", Counter, "How often each signal spoke.", ((SIGNAL, ()),)),
    Metric("broken_signals", Counter, "How often each signal raised an error: no evidence.", ((SIGNAL, ()),)),
    Metric("failed_visits", Counter, "Visits that could not be judged; the person was sent on."),
    Metric("commit_visits", Histogram, "Visits that one commit served.", buckets=BATCH),
    Metric("commit_seconds", Histogram, "How long one commit took, judging included.", buckets=SECONDS),
    Metric("store_failures", Counter, "Failures of the store.", (("operation", _OPERATIONS),)),
    Metric("spilled_visits", Counter, "Visits written to the spill file while the store failed."),
    Metric("read_back_visits", Counter, "Spilled visits that came into the journal later."),
    Metric("refused_visits", Counter, "Visits answered 503 since the store failed."),
    Metric("worker_deaths", Counter, "Workers that ended by themselves and were started again."),
    Metric("lost_visits", Counter, "Visits that were answered and could be kept nowhere."),
    Metric(
        "settled_visits",
        Counter,
        "Visits settled, by first and by settled verdict.",
        (("first", _VERDICTS), ("settled", _VERDICTS)),
    ),
    Metric("unsettled_messages", Counter, "Messages that a pass could not settle by a fault of linkproxy."),
    Metric(
        "shadow_verdicts",
        Counter,
        "Visits judged by the shadow policy too, by settled verdict of the live one and of the shadow.",
        (("live", _VERDICTS), ("shadow", _VERDICTS)),
    ),
    Metric("clicks", Counter, "Clicks that entered the click log."),
    Metric("retractions", Counter, "Clicks that late evidence withdrew from the click log."),
    Metric(
        "webhook_messages",
        Counter,
        "Messages to webhooks, each attempt, by what came of it.",
        (("outcome", ("accepted", "refused", "unanswered")),),
    ),
    Metric("webhook_changes", Counter, "Clicks and retractions that webhooks were told of."),
    Metric("webhook_pauses", Counter, "Webhooks that were paused: they answered 410, or failed for days."),
    Metric(
        "engagements",
        Counter,
        "Reports of targets about visits, by their sender and their outcome.",
        (("kind", tuple(EngagementKind)), ("outcome", _ENGAGEMENTS)),
    ),
    Metric(
        "unsubscribe_surges", Counter, "Visits to unsubscribe links in a surge of a domain, as scanners make."
    ),
    Metric("unsubscribes", Counter, "Opt-outs stored.", (("way", ("page", "one_click")),)),
    Metric(
        "asn_lookups",
        Counter,
        "Addresses looked up in the network databases.",
        (("outcome", ("found", "none")),),
    ),
    Metric(
        "asn_reloads",
        Counter,
        "Network databases that had changed on disk.",
        (("outcome", ("loaded", "failed")),),
    ),
    Metric(
        "gateway_lookups",
        Counter,
        "Mail domains looked up in the DNS.",
        (("outcome", ("found", "none", "failed")),),
    ),
    Metric(
        "inbound_events",
        Counter,
        "Events that providers told of by webhook, by their outcome.",
        (("provider", _PROVIDERS), ("outcome", _EVENTS)),
    ),
    Metric(
        "relay_messages",
        Counter,
        "Messages in the relay, by what was done to their links and the last word on them.",
        (("treatment", _TREATMENTS), ("answer", ("accepted", "deferred", "rejected", "unsure"))),
    ),
    Metric("relay_seconds", Histogram, "From a whole message to the last word on it.", buckets=RELAY_SECONDS),
    Metric(
        "relay_refusals",
        Counter,
        "What the relay refused by itself.",
        (("reason", ("connections", "client", "http", "login", "recipient", "tls")),),
    ),
    Metric(
        "relay_connections",
        Counter,
        "Connections to the relay's upstream server.",
        (("outcome", ("opened", "reused", "failed")),),
    ),
    Metric(
        "relay_denials",
        Counter,
        "Commands that the upstream server refused since it will not relay, or wants another login.",
    ),
    Metric(
        "relay_certificate_end_seconds",
        Gauge,
        "When the certificate ends that the relay shows to mailers, in seconds since 1970; 0: it has none.",
    ),
    Metric("relay_lost_deliveries", Counter, "Deliveries of the relay that could not be recorded."),
    Metric(
        "http_responses",
        Counter,
        "Responses by listener and status class.",
        (("listener", _LISTENERS), ("status", _STATUSES)),
    ),
)
"""Every metric. Labels are closed sets: a scraper's memory does not grow with traffic."""

Kind = TypeVar("Kind", bound=MetricWrapperBase)


class Labelled(Generic[Kind]):
    """A metric with labels; a value outside its closed set counts as ``unknown``."""

    def __init__(self, metric: Kind, allowed: Mapping[str, frozenset[str]]) -> None:
        self._metric: Kind = metric
        self._allowed = allowed
        self._children: dict[tuple[tuple[str, str], ...], Kind] = {}
        for values in product(*allowed.values()):
            metric.labels(*values)  # exported as 0 from the start, so that a first event is an increase

    def labels(self, **values: str) -> Kind:
        """Return the child for these label values; raise KeyError for a label it does not have."""
        # Remembered, since prometheus_client takes a lock and checks names each time; a closed set
        # of values is a bounded memory.
        asked = tuple(values.items())
        child = self._children.get(asked)
        if child is None:
            closed = {
                label: value if value in self._allowed[label] else UNKNOWN for label, value in values.items()
            }
            child = self._metric.labels(**closed)
            if closed == values:
                self._children[asked] = child
        return child


class Metrics:
    """The metrics of one registry, an attribute each; the table says what they mean."""

    visits: Labelled[Counter]
    strays: Labelled[Counter]
    strays_dropped: Counter
    signals: Labelled[Counter]
    broken_signals: Labelled[Counter]
    failed_visits: Counter
    commit_visits: Histogram
    commit_seconds: Histogram
    store_failures: Labelled[Counter]
    spilled_visits: Counter
    read_back_visits: Counter
    refused_visits: Counter
    worker_deaths: Counter
    lost_visits: Counter
    settled_visits: Labelled[Counter]
    unsettled_messages: Counter
    shadow_verdicts: Labelled[Counter]
    clicks: Counter
    retractions: Counter
    webhook_messages: Labelled[Counter]
    webhook_changes: Counter
    webhook_pauses: Counter
    engagements: Labelled[Counter]
    unsubscribe_surges: Counter
    unsubscribes: Labelled[Counter]
    asn_lookups: Labelled[Counter]
    asn_reloads: Labelled[Counter]
    gateway_lookups: Labelled[Counter]
    inbound_events: Labelled[Counter]
    relay_messages: Labelled[Counter]
    relay_seconds: Histogram
    relay_refusals: Labelled[Counter]
    relay_connections: Labelled[Counter]
    relay_denials: Counter
    relay_certificate_end_seconds: Gauge
    relay_lost_deliveries: Counter
    http_responses: Labelled[Counter]

    def __init__(self, registry: CollectorRegistry | None = None, signals: Iterable[str] = ()) -> None:
        self.registry = registry or CollectorRegistry(auto_describe=True)
        names = frozenset(signals)
        for metric in METRICS:
            setattr(self, metric.name, _build(metric, self.registry, names))


def _build(metric: Metric, registry: CollectorRegistry, signals: frozenset[str]) -> object:
    name = metric.exported.removesuffix("_total")
    labels = tuple(label for label, _ in metric.labels)
    if metric.kind is Histogram:
        return Histogram(name, metric.help, labels, registry=registry, buckets=metric.buckets)
    built = metric.kind(name, metric.help, labels, registry=registry)
    if not labels:
        return built
    allowed = {label: signals if label == SIGNAL else frozenset(values) for label, values in metric.labels}
    return Labelled(built, allowed)
