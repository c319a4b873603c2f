"""What linkproxy tells its operator: the table of log events and the table of metrics.

Both are closed and stable, since people build alerts and filters on them. docs/metrics.md is
generated from the tables below.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

from linkproxy.log_stream import LogStream
from linkproxy.model import AnswerKind, EngagementKind, StrayReason, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TextIO

# --- log events --------------------------------------------------------------------------------


class Event(StrEnum):
    """Every event that is logged; the value is what a log line carries as ``event``."""

    LISTENING = "server.listening"
    STOPPING = "server.stopping"
    STOPPED = "server.stopped"
    RELOADED = "server.reloaded"
    RELOAD_FAILED = "server.reload_failed"
    WORKER_DIED = "worker.died"
    WORKER_LOOPING = "worker.looping"
    WORKER_HUNG = "worker.hung"
    REQUEST = "server.request"
    REQUEST_FAILED = "server.request_failed"
    PAGE_FAILED = "page.failed"
    API_REFUSED = "api.refused"
    STORE_AWAITED = "store.awaited"
    STORE_FAILED = "store.failed"
    STORE_RECOVERED = "store.recovered"
    SPILL_FULL = "spill.full"
    SPILL_READ_BACK = "spill.read_back"
    SPILL_ADOPTED = "spill.adopted"
    SPILL_PASSED_OVER = "spill.passed_over"
    VISIT_FAILED = "visit.failed"
    SIGNAL_BROKEN = "signal.broken"
    SETTLE_FAILED = "settle.failed"
    SHADOW_FAILED = "shadow.failed"
    UNSUBSCRIBE_SURGE = "unsubscribe.surge"
    REFERENCE_UNFILLED = "reference.unfilled"
    PURGED = "purge.done"
    PURGE_FAILED = "purge.failed"
    ASN_LOADED = "asn.loaded"
    ASN_FAILED = "asn.failed"
    ASN_BLANK = "asn.blank"
    GATEWAYS_FAILED = "gateways.failed"
    MAIL_SIGNED = "mail.signed"
    RELAY_MESSAGE = "relay.message"
    RELAY_UNTRACKED = "relay.untracked"
    RELAY_REFUSED = "relay.refused"
    RELAY_UPSTREAM_FAILED = "relay.upstream_failed"
    RELAY_DELIVERIES_FAILED = "relay.deliveries_failed"
    RELAY_FAILED = "relay.failed"


EVENTS: Final[Mapping[Event, str]] = {
    Event.LISTENING: "A listener is up. `listener`, `address`.",
    Event.STOPPING: "A stop was asked for; no new connection is taken. `signal`.",
    Event.STOPPED: "Everything is flushed and closed; with `incomplete`, a request was cut off.",
    Event.RELOADED: "SIGHUP: new workers serve by the settings read anew; the old ones end. `workers`.",
    Event.RELOAD_FAILED: "SIGHUP: the new settings cannot be used; the workers before go on. `error`.",
    Event.WORKER_DIED: "A worker ended by itself; it is started again after `seconds`. `died`, `status`.",
    Event.WORKER_LOOPING: "A worker dies again and again; it is still tried. `died`, `deaths` in a row.",
    Event.WORKER_HUNG: "A worker gave no sign of life for a minute and is ended. `died`.",
    Event.REQUEST: "One request, with `[server] request_log`. `listener`, `method`, `status`, `seconds`.",
    Event.REQUEST_FAILED: "A request met a fault of linkproxy; the client got a 503, on the private "
    "listener a 500. `listener`, `error`.",
    Event.PAGE_FAILED: "Your template of the neutral page fails for a target; linkproxy's is shown. `error`.",
    Event.API_REFUSED: "The private listener refused a caller. `reason`, `client`.",
    Event.STORE_AWAITED: "The store is not reached at the start; it is asked every second. `error`.",
    Event.STORE_FAILED: "The store fails; `[store] on_failure` holds from now on. The same is told once a "
    "minute. `operation`, `error`.",
    Event.STORE_RECOVERED: "The store works again. `operation`.",
    Event.SPILL_FULL: "The spill file or its disk is full; visits are lost meanwhile. `path`, `bytes`.",
    Event.SPILL_ADOPTED: "What dead processes had spilled was taken over, and is read back. `path`.",
    Event.SPILL_PASSED_OVER: "What is at the spill path is something else, or damaged: it is left as it is, "
    "and the next name taken. `error`.",
    Event.SPILL_READ_BACK: "Spilled visits are in the journal now. `visits`.",
    Event.VISIT_FAILED: "A visit could not be judged; the person was sent on. `error`.",
    Event.SIGNAL_BROKEN: "A signal raised an error; it counted as no evidence. `signal`.",
    Event.SETTLE_FAILED: (
        "A settle pass, or a message of it, failed; it is tried again, the same told once a minute. `error`."
    ),
    Event.SHADOW_FAILED: "The shadow policy could not judge a message; nothing live is touched. `error`.",
    Event.UNSUBSCRIBE_SURGE: (
        "Many recipients of one domain come for unsubscribe links at once, as scanners do. "
        "`campaign_id`, `recipients`."
    ),
    Event.REFERENCE_UNFILLED: (
        "Links came whose merge tag nobody filled in, or with a mail address: their people are sent on and "
        "not counted. Look at the mailer's tag. `campaign_id`, `visits`."
    ),
    Event.PURGED: "What was older than `[retention]` allows was deleted. Rows by table.",
    Event.PURGE_FAILED: "The purge failed; it is tried again. `error`.",
    Event.ASN_LOADED: "A network database has changed and was read again. `path`.",
    Event.ASN_FAILED: "A changed network database cannot be used; the one before still is. `path`, `error`.",
    Event.ASN_BLANK: "The network databases know none of the addresses so far: a wrong file, or "
    "`[server] trusted_proxies` lacks the front. `lookups`.",
    Event.GATEWAYS_FAILED: "A pass of gateway look-ups failed; it is tried again. `error`.",
    Event.MAIL_SIGNED: "A message had been signed before it came; [mail] signed says what becomes of such. "
    "`campaign`, `outcome` (`passed` as it came, or `refused`).",
    Event.RELAY_MESSAGE: "The last word on a message in the relay. `treatment`, `answer`, `code`, "
    "`campaign`, `bytes`.",
    Event.RELAY_UNTRACKED: "The relay passed a message of a campaign on as it came, or not at all. "
    "`treatment`, `campaign`, `error`.",
    Event.RELAY_REFUSED: "The relay refused a client, or further recipients of a message, once for each "
    "message, or could not agree with a client on TLS. `reason`, `client`.",
    Event.RELAY_UPSTREAM_FAILED: "The relay's upstream server cannot be used; mailers try later. `error`.",
    Event.RELAY_DELIVERIES_FAILED: "The relay could not record deliveries; it tries again with those that "
    "are not `lost`. `deliveries`, `lost`, `error`.",
    Event.RELAY_FAILED: "The relay met a fault of linkproxy; the mailer tries again later. `error`.",
}


def get_logger() -> Any:
    """Return the logger; its methods take an Event and the fields that EVENTS names."""
    return structlog.get_logger()


def configure_logging(level: str, form: str, stream: TextIO | None = None, *, worker: str = "") -> None:
    """Send structlog's and the standard library's records to one stream in one form.

    ``level`` and ``form`` are ``[log] level`` and ``[log] format``; the stream is standard error.
    ``worker`` is put into every record, for where several processes write.
    """
    out = cast("TextIO", LogStream(stream or sys.stderr))
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([_of(worker)] if worker else []),
    ]
    last = _renderers(form, colours=out.isatty())
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        # A line in one write: several workers share one log.
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


def _of(worker: str) -> structlog.typing.Processor:
    def put(_logger: object, _method: str, record: structlog.typing.EventDict) -> structlog.typing.EventDict:
        record["worker"] = worker
        return record

    return put


def _renderers(form: str, *, colours: bool) -> list[structlog.typing.Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True)]
    # Not rich's tracebacks: they print local variables, and so keys and addresses.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)]


# --- metrics -----------------------------------------------------------------------------------

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
_OPERATIONS: Final = ("open", "append", "settle", "purge")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``labels`` maps a label to every value that it can have.

    The label ``signal`` is closed too: the names of the shipped signals, given to ``Metrics``.
    """

    name: str  # attribute of Metrics; exported as linkproxy_<name>, counters with _total
    kind: type[Counter | Histogram]
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
        "engagements",
        Counter,
        "Words from targets about visits, by who sent them and what became of them.",
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
    engagements: Labelled[Counter]
    unsubscribe_surges: Counter
    unsubscribes: Labelled[Counter]
    asn_lookups: Labelled[Counter]
    asn_reloads: Labelled[Counter]
    gateway_lookups: Labelled[Counter]
    relay_messages: Labelled[Counter]
    relay_seconds: Histogram
    relay_refusals: Labelled[Counter]
    relay_connections: Labelled[Counter]
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
