"""What linkproxy writes to its log: the table of events, and how they are written.

Events are closed and stable, since people build filters on them. docs/metrics.md is generated from
the table below.
"""

from __future__ import annotations

import logging
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, cast

import structlog

from linkproxy.log_stream import LogStream
from linkproxy.model.shown import INSTEAD, UNSHOWABLE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO


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
    SIGNED_IN = "dashboard.signed_in"
    RECIPIENT_ERASED = "recipient.erased"
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
    WEBHOOK_FAILED = "webhook.failed"
    WEBHOOK_RECOVERED = "webhook.recovered"
    WEBHOOK_PAUSED = "webhook.paused"
    WEBHOOK_BEHIND = "webhook.behind"
    WEBHOOKS_FAILED = "webhooks.failed"
    UNSUBSCRIBE_SURGE = "unsubscribe.surge"
    REFERENCE_UNFILLED = "reference.unfilled"
    CAMPAIGN_UNKNOWN = "campaign.unknown"
    LINKS_UNFILED = "links.unfiled"
    PURGED = "purge.done"
    PURGE_FAILED = "purge.failed"
    ASN_LOADED = "asn.loaded"
    ASN_FAILED = "asn.failed"
    ASN_BLANK = "asn.blank"
    GATEWAYS_FAILED = "gateways.failed"
    INBOUND_CAMPAIGN_UNKNOWN = "inbound.campaign_unknown"
    INBOUND_MALFORMED = "inbound.malformed"
    INBOUND_RECIPIENT_UNKNOWN = "inbound.recipient_unknown"
    INBOUND_SUBSCRIPTION = "inbound.subscription"
    MAIL_SIGNED = "mail.signed"
    RELAY_MESSAGE = "relay.message"
    RELAY_UNTRACKED = "relay.untracked"
    RELAY_REFUSED = "relay.refused"
    RELAY_UPSTREAM_FAILED = "relay.upstream_failed"
    RELAY_DENIED = "relay.denied"
    RELAY_CERTIFICATE_READ = "relay.certificate_read"
    RELAY_CERTIFICATE_FAILED = "relay.certificate_failed"
    RELAY_DELIVERIES_FAILED = "relay.deliveries_failed"
    RELAY_FAILED = "relay.failed"


EVENTS: Final[Mapping[Event, str]] = {
    Event.LISTENING: "A listener is up. `listener`, `address`.",
    Event.STOPPING: "A stop was asked for; no new connection is taken. `signal`.",
    Event.STOPPED: "Everything is flushed and closed; with `incomplete`, a request was cut off.",
    Event.RELOADED: "SIGHUP: new workers serve by the settings read anew; the old ones end. `workers`.",
    Event.RELOAD_FAILED: "SIGHUP: the new settings cannot be used; those before still are. `error`.",
    Event.WORKER_DIED: "A worker ended by itself; it is started again after `seconds`. `died`, `status`.",
    Event.WORKER_LOOPING: "A worker dies again and again; it is still tried. `died`, `deaths` in a row.",
    Event.WORKER_HUNG: "A worker gave no sign of life for a minute, or did not end when told, and is killed. "
    "`died`.",
    Event.REQUEST: "One request, with `[server] request_log`. `listener`, `method`, `status`, `seconds`.",
    Event.REQUEST_FAILED: "A request met a fault of linkproxy; the client got a 503, on the private "
    "listener a 500. `listener`, `error`.",
    Event.PAGE_FAILED: "Your template of the neutral page fails for a target; linkproxy's is shown. The same "
    "is told once a minute. `error`.",
    Event.API_REFUSED: "The private listener refused a caller; thirty a minute of each reason are told. "
    "`reason` (`host`, `key`, `right`), `client`; with `right`, `key`, the name of the API key that may not "
    "do this.",
    Event.SIGNED_IN: "Somebody signed in to the dashboard. `key`, the name of the API key; `client`.",
    Event.RECIPIENT_ERASED: "Everything about a recipient was deleted by the API. `key`, the name of the API "
    "key; rows by table. Of whom is not told: it would be kept here.",
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
        "A settle pass, or a message of it, failed; it is tried again, logged once a minute. `error`."
    ),
    Event.SHADOW_FAILED: "The shadow policy could not judge a message; nothing live is touched. `error`.",
    Event.WEBHOOK_FAILED: "A webhook did not take a message; it is sent again, and nothing is lost. "
    "`webhook`, `error`, `failures` in a row, `retry_seconds`.",
    Event.WEBHOOK_RECOVERED: "A webhook takes messages again. `webhook`, `failures` that it had in a row.",
    Event.WEBHOOK_PAUSED: "A webhook answered 410 (`reason` gone), or failed for five days (failing), and is "
    "told nothing until `linkproxy webhooks resume`. `webhook`, `reason`, `error`.",
    Event.WEBHOOK_BEHIND: "A webhook that is paused or fails was not told of clicks that `[retention] "
    "clicks_days` soon has purged; told once a day. `webhook`, `days_left`.",
    Event.WEBHOOKS_FAILED: "A pass of webhooks failed by a fault of the store or of linkproxy; it is tried "
    "again, logged once a minute. `error`.",
    Event.UNSUBSCRIBE_SURGE: (
        "Many recipients of one domain come for unsubscribe links at once, as scanners do. "
        "`campaign_id`, `recipients`."
    ),
    Event.REFERENCE_UNFILLED: (
        "Links came whose merge tag nobody filled in, or with a mail address: their people are sent on and "
        "not counted. Look at the mailer's tag. `campaign_id`, `visits`."
    ),
    Event.CAMPAIGN_UNKNOWN: (
        "True links of a campaign that the store does not know: their readers get a 404. Was a backup "
        "restored that is older than the campaign, or do two installations have the same signing keys? "
        "`campaign_id`, `visits`."
    ),
    Event.LINKS_UNFILED: "A link file (`[store] link_files`) cannot be kept; the store has the links. They "
    "are filed with the campaign's next change, or once a day. The same is told once a minute. `error`.",
    Event.PURGED: "What was older than `[retention]` allows was deleted. Rows by table.",
    Event.PURGE_FAILED: "The purge failed; it is tried again. `error`.",
    Event.ASN_LOADED: "A network database has changed and was read again. `path`.",
    Event.ASN_FAILED: "A changed network database cannot be used; the one before still is. `path`, `error`.",
    Event.ASN_BLANK: "The network databases know none of the addresses so far: a wrong file, or "
    "`[server] trusted_proxies` lacks the front. `lookups`.",
    Event.GATEWAYS_FAILED: "A pass of gateway look-ups failed; it is tried again. `error`.",
    Event.INBOUND_CAMPAIGN_UNKNOWN: "A provider told of deliveries of a campaign that there is not: "
    "`linkproxy_campaign` of the mail names another. The same is told once a minute. `provider`, `campaign`.",
    Event.INBOUND_MALFORMED: "A provider told of a delivery that cannot be recorded, or sent no JSON. The "
    "same is told once a minute. `provider`, `error`.",
    Event.INBOUND_RECIPIENT_UNKNOWN: "A provider told of deliveries to addresses that no link was made for: "
    "those of people who were erased, or the mail has references in its links, and no `linkproxy_recipient` "
    "attached. The same is told once a minute. `provider`, `campaign`.",
    Event.INBOUND_SUBSCRIPTION: "Amazon SNS asks whether it may send the events of `topic`. If you made that "
    "subscription, open `url` to confirm it. `provider`.",
    Event.MAIL_SIGNED: "A message had been signed before it came; [mail] signed says what becomes of such. "
    "`campaign`, `outcome` (`passed` as it came, or `refused`).",
    Event.RELAY_MESSAGE: "The last word on a message in the relay. `treatment`, `answer`, `code`, "
    "`campaign`, `bytes`.",
    Event.RELAY_UNTRACKED: "The relay passed a message of a campaign on as it came, or not at all. "
    "`treatment`, `campaign`, `error`.",
    Event.RELAY_REFUSED: "The relay refused a client, or further recipients of a message, once for each "
    "message, or could not agree with a client on TLS. `reason`, `client`.",
    Event.RELAY_UPSTREAM_FAILED: "The relay's upstream server cannot be used; mailers try later. The same is "
    "told once a minute. `error`.",
    Event.RELAY_DENIED: "The relay's upstream server will not relay for it, or wants another login; mailers "
    "try later. The same is told once a minute. `error`.",
    Event.RELAY_CERTIFICATE_READ: "SIGHUP: the relay shows new clients the certificate read anew. `ends`.",
    Event.RELAY_CERTIFICATE_FAILED: "SIGHUP: the relay's certificate cannot be used; the one before is. "
    "`error`.",
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


def _shown(_logger: object, _method: str, record: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Leave out what steers a terminal: mailers and servers said some of it. JSON escapes it anyway."""
    return {name: _plain(value) if isinstance(value, str) else value for name, value in record.items()}


def _plain(text: str) -> str:
    return UNSHOWABLE.sub(lambda found: found[0] if found[0] in "\t\n" else INSTEAD, text)


def _renderers(form: str, *, colours: bool) -> list[structlog.typing.Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True)]
    # Not rich's tracebacks: they print local variables, and so keys and addresses.
    plain = structlog.dev.plain_traceback
    return [_shown, structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)]
