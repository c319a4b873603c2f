"""Filters as users write them: names, domains, times. Shared by the commands and the API."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from linkproxy.model import DeliverySource, LinkproxyError, VerdictKind
from linkproxy.model.names import domain_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from linkproxy.model import Delivery
    from linkproxy.store.api import Filter

_SPAN = re.compile(r"([+-]?)(\d{1,9}(?:\.\d{1,3})?)(s|m|h|d|w)(\s+ago)?")
_SPAN_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_AHEAD_SECONDS = 86400.0  # the clock of another machine may be ahead
_SKEW_SECONDS = 600.0  # by which clocks that tell of one message may differ
_BLANK_OFFSET = re.compile(r"(\dT[\d:.]+) (\d{2}:?\d{2})\Z")
_DAY_WORDS = {"today": 0, "yesterday": -1}
_KEY = re.compile(r"[A-Za-z0-9]{4}")
_DOMAIN = re.compile(r"[^\s@/\\<>\x00-\x1f\x7f]{1,253}")
NOT_SO_FAR = (
    "this store has not come so far: it is another one, or a backup was restored without `linkproxy store "
    "skip-ids`; begin anew without it"
)
_TIME_FORMS = (
    "a date (2026-05-01), a date and time (2026-05-01T09:30:00Z), `now`, `today`, `yesterday`, "
    "or a span such as -2h or -7d"
)


class FilterError(LinkproxyError):
    """A filter that cannot be read; ``faults`` holds one sentence for each, the text all of them."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


def read_time(text: str, *, now: float) -> float:
    """Return the time that ISO 8601 text, ``now``, ``today`` or a span before now stands for.

    A date stands for its first moment; without an offset, times are UTC. The + of an offset may be
    a blank, which is what it means in a query. Raises ValueError that lists the forms.
    """
    word = text.strip().lower()
    if word == "now":
        return now
    if word in _DAY_WORDS:
        midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight + timedelta(days=_DAY_WORDS[word])).timestamp()
    if span := _SPAN.fullmatch(word):
        seconds = float(span[2]) * _SPAN_SECONDS[span[3]]
        return now + seconds if span[1] == "+" else now - seconds
    try:
        moment = datetime.fromisoformat(_BLANK_OFFSET.sub(r"\1+\2", text.strip()))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:60]!r} is not {_TIME_FORMS}") from None


def can_have_been(at: float, *, now: float) -> bool:
    """Tell whether something can have happened then; milliseconds taken for seconds are far ahead."""
    return 0 < at < now + _AHEAD_SECONDS


def delivery_fault(delivery: Delivery, *, now: float) -> str | None:
    """Return why nobody can have accepted mail then, as a phrase for the user; None if somebody can.

    A time zone that was left out makes a time some hours ahead, and every click of those hours one
    before delivery. Only the begin of a mailing may be told in advance. What cannot have been at
    all is for ``can_have_been`` to tell.
    """
    ahead = delivery.delivered_at - now
    if delivery.source is DeliverySource.CAMPAIGN or not _SKEW_SECONDS < ahead < _AHEAD_SECONDS:
        return None
    return (
        f"{format_time(delivery.delivered_at)} is {ahead / 60:,.0f} minutes ahead, so no mail was accepted "
        "then; a time without an offset is UTC"
    )


def format_time(at: float | None) -> str:
    """Return ISO 8601 in UTC with milliseconds, ``2026-05-01T09:30:00.000Z``; "" for None."""
    if at is None:
        return ""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def short_time(at: float) -> str:
    """Return a time in UTC to the second, as a table shows it."""
    return format_time(at)[:19].replace("T", " ")


_FIRST_AT, _LAST_AT = 0.0, 253_402_300_799.0  # what calendars and databases hold


def _text(text: str, _now: float) -> str:
    return text.strip()


def _key(text: str, _now: float) -> str:
    if not _KEY.fullmatch(text.strip()):
        raise ValueError(f"{text[:60]!r} is not a link key of four letters or digits; see `campaign show`")
    return text.strip()


def mail_domain(text: str) -> str:
    """Return a mail domain in its stored spelling; ValueError says what is none."""
    domain = domain_name(text)
    if not _DOMAIN.fullmatch(domain):
        raise ValueError(f"{text[:60]!r} is not a mail domain such as example.com")
    return domain


def _time(text: str, now: float) -> float:
    at = read_time(text, now=now)
    if not _FIRST_AT <= at <= _LAST_AT:
        raise ValueError(f"{text[:60]!r} is no time of the years 1970 to 9999")
    return at


def _verdict(text: str, _now: float) -> VerdictKind:
    try:
        return VerdictKind(text.strip().lower())
    except ValueError:
        raise ValueError(f"{text[:60]!r} is not one of {', '.join(VerdictKind)}") from None


def _whole(text: str, _now: float) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text.strip()):
        raise ValueError(f"{text[:60]!r} is not a whole number of 1 to 18 digits")
    return int(text)


_FIELDS: Mapping[str, tuple[str, Callable[[str, float], Any]]] = {
    "campaign": ("campaign", _text),
    "link": ("key", _key),
    "recipient": ("recipient", _text),
    "domain": ("domain", lambda text, _now: mail_domain(text)),
    "since": ("since", _time),
    "until": ("until", _time),
    "verdict": ("verdict", _verdict),
    "after": ("after_id", _whole),
    "limit": ("limit", _whole),
}
"""What a user may filter by: name -> (field of Filter, reader)."""

FILTER_NAMES = tuple(_FIELDS)


def unknown(given: Iterable[str], names: Sequence[str]) -> list[str]:
    """Return a sentence for each filter that is none of ``names``."""
    there = ", ".join(names) or "none"
    return [f"{name}: there is no such filter; there are {there}" for name in given if name not in names]


def read_filter(given: Mapping[str, str | None], *, now: float) -> Filter:
    """Return the filter that a user's words stand for; None and "" do not restrict.

    Raises FilterError with all faults at once.
    """
    from linkproxy.store.api import Filter

    faults = unknown(given, FILTER_NAMES)
    fields: dict[str, Any] = {}
    for name, text in given.items():
        if text and name in _FIELDS:
            field, read = _FIELDS[name]
            try:
                fields[field] = read(text, now)
            except ValueError as error:
                faults.append(f"{name}: {error}")
    since, until = fields.get("since"), fields.get("until")
    if since is not None and until is not None and since >= until:
        faults.append(f"since: {format_time(since)} is not before until: {format_time(until)}")
    if faults:
        raise FilterError(faults)
    return replace(Filter(), **fields)
