"""Requests that were never received: read one from a line of JSON, and judge it.

The format is that of published request collections: an object with ``id``, ``method``,
``headers`` (list of [name, value]), ``ip``, ``asn`` (or ``asn_derived``), ``http_version``,
``ja4`` (the TLS fingerprint, also as ``fingerprint``), ``seconds_after_delivery``, ``partial``
(headers may be missing), ``at``, ``kind`` (marketing or transactional), ``domain`` (the
recipient's) and ``gateway`` (its name). All are optional; null and absent mean not known, which is
no evidence; other keys are ignored.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from linkproxy.model import (
    NO_DELIVERY,
    NOBODY,
    Campaign,
    CampaignId,
    CampaignKind,
    Delivery,
    DeliverySource,
    Facts,
    Link,
    LinkKey,
    LinkKind,
    LinkproxyError,
    LinkRole,
    Profile,
    Verdict,
    Visit,
)
from linkproxy.visit.facts import NO_SYSTEMS
from linkproxy.visit.intake import CROPPED_FINGERPRINT, TLS_FINGERPRINT, locate, profile_of
from linkproxy.visit.verdict import judge as judge_visit

if TYPE_CHECKING:
    from linkproxy.visit.facts import Systems
    from linkproxy.visit.policy import Policy

WHOLE_HEADERS = 3
"""A collection that does not say whether headers are missing: from this many on they are all there."""


class RequestError(LinkproxyError):
    """A line that is no request; the text says where and what is wrong."""


@dataclass(frozen=True, slots=True)
class Hypothetical:
    """A request that was never received, with what would have been known of it."""

    id: str | int | float  # as it was given; "" when it was not
    visit: Visit
    facts: Facts


def read(line: str, where: str, *, policy: Policy, now: float, systems: Systems = NO_SYSTEMS) -> Hypothetical:
    """Return the request on a line of JSON; raise RequestError with every fault of it.

    ``now`` is when it is taken to come, in epoch seconds, unless the line has an ``at``;
    ``systems`` are asked for the address when the line has no ``asn``.
    """
    try:
        row = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{where}: is not JSON: {error}") from None
    if not isinstance(row, dict):
        raise RequestError(f"{where}: must be an object, not {type(row).__name__}")
    faults = [f"{where}: {fault}" for fault in _faults(row)]
    if faults:
        raise RequestError("\n".join(faults))
    at = float(row.get("at") or now)
    client, network = locate(str(row.get("ip") or ""))
    # As access logs and HAR files write it, too: "HTTP/1.0", "HTTP/2.0", "h2".
    version = str(row.get("http_version") or "").upper().removeprefix("HTTP/").removeprefix("H")
    visit = Visit(
        at=at,
        method=str(row.get("method") or "GET").upper(),
        campaign_id=CampaignId(0),
        recipient_id=NOBODY,
        key=LinkKey(""),
        client=client,
        network=network,
        profile=_profile(row),
        http_version=version,
        # Browsers speak HTTP/2 and later over TLS only.
        secure=version[:1] in {"2", "3"},
    )
    asn = int(row.get("asn") or row.get("asn_derived") or systems.asn(client))
    domain = str(row.get("domain") or "")
    facts = replace(
        _facts(row, visit),
        zone=policy.networks.find(client, asn),
        asn=asn,
        listed=policy.operator.find(client, asn=asn, agent=visit.profile.agent, domain=domain),
        gateway=str(row.get("gateway") or ""),
    )
    return Hypothetical(_id(row.get("id")), visit, facts)


def _id(given: object) -> str | int | float:
    endless = isinstance(given, float) and not math.isfinite(given)  # 1e999
    if isinstance(given, str | int | float) and not isinstance(given, bool) and not endless:
        return given
    return "" if given is None else json.dumps(given)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no value of it")


def judge(request: Hypothetical, policy: Policy) -> Verdict:
    """Return the verdict on a request by itself."""
    return judge_visit(request.visit, request.facts, policy)


def _facts(row: dict[str, Any], visit: Visit) -> Facts:
    kind = CampaignKind(row.get("kind") or CampaignKind.MARKETING)
    link = Link(CampaignId(0), LinkKey(""), "", LinkKind.CONTENT, LinkRole.BODY, 0)
    seconds = row.get("seconds_after_delivery")
    delivery = (
        NO_DELIVERY if seconds is None else Delivery(visit.at - float(seconds), DeliverySource.PROVIDER)
    )
    return Facts(
        campaign=Campaign(CampaignId(0), "", kind),
        link=link,
        client=visit.client,
        network=visit.network,
        delivery=delivery,
    )


def _profile(row: dict[str, Any]) -> Profile:
    headers = tuple((str(name), str(value)) for name, value in row.get("headers") or ())
    partial = row.get("partial")
    complete = len(headers) >= WHOLE_HEADERS if partial is None else not partial
    found = profile_of(headers, complete=complete)
    known = found if headers or complete else replace(found, agent=None)
    said = str(row.get("ja4") or row.get("fingerprint") or "").strip()
    if not said:
        return known
    return replace(known, headers=(*known.headers, (TLS_FINGERPRINT, said[:CROPPED_FINGERPRINT])))


def _faults(row: dict[str, Any]) -> list[str]:
    faults = [
        f"{key} must be {what}, not {json.dumps(row[key])[:60]}"
        for key, (types, what) in _SHAPES.items()
        if row.get(key) is not None and not (isinstance(row[key], types) and not _is_odd(key, row[key]))
    ]
    if row.get("kind") not in (None, *CampaignKind):
        faults.append(f"kind must be marketing or transactional, not {json.dumps(row['kind'])[:60]}")
    return faults


_MOST = 253_402_300_799  # the last second of the year 9999; no number here is greater
_SHAPES: dict[str, tuple[tuple[type, ...], str]] = {
    "method": ((str,), "a text"),
    "headers": ((list,), "a list of [name, value] pairs"),
    "ip": ((str,), "a text"),
    "http_version": ((str, int, float), "a version"),
    "ja4": ((str,), "a text"),
    "fingerprint": ((str,), "a text"),
    "seconds_after_delivery": ((int, float), "a number of seconds"),
    "asn": ((int,), "a number"),
    "asn_derived": ((int,), "a number"),
    "domain": ((str,), "a text"),
    "gateway": ((str,), "a text"),
    "at": ((int, float), "a time in epoch seconds"),
}


def _is_odd(key: str, value: object) -> bool:
    if isinstance(value, bool) or (isinstance(value, int | float) and not abs(value) <= _MOST):
        return True
    if key != "headers" or not isinstance(value, list):
        return False
    return not all(isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in value)
