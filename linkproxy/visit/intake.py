"""Read a request: is it for a tracked URL, of whom, and from where."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from linkproxy.model import (
    NOBODY,
    CampaignId,
    LinkKey,
    Profile,
    RawRequest,
    Stray,
    StrayReason,
    TokenForm,
    TokenIds,
    Visit,
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TRACKED = re.compile(r"(/([A-Za-z0-9_-]{24})/([A-Za-z0-9]{4})(?:/([^/~][^/]{0,199}))?)(?:/~([^/]{0,200}))?")
"""Path, token, key, reference, nonce. Whatever stands behind ``/~`` leads straight on."""

_TILDE = re.compile("%7e", re.IGNORECASE)
ALIKE = re.compile(r"/[A-Za-z0-9_%'\"-]{16,80}(?:/.*)?", re.DOTALL)
"""Paths whose first part could have been a token once; other unknown paths are nobody's business."""

CROPPED_TARGET = 300
CROPPED_VALUE = 600
MOST_HEADERS = 48
CROPPED_FINGERPRINT = 100
ONE_CLICK = b"List-Unsubscribe=One-Click"  # RFC 8058 section 3.1
HOP_COOKIE = "hop"  # its value is 1 for everybody
TLS_FINGERPRINT = ":tls-fingerprint"
"""Where a profile keeps a trusted front's word; no client can send a header of such a name."""

PROFILE_HEADERS = frozenset(
    {
        "user-agent", "accept", "accept-language", "accept-encoding", "accept-charset",
        "upgrade-insecure-requests", "te", "priority", "dnt", "sec-gpc", "from",
        "purpose", "x-purpose", "x-moz", "x-requested-with", "x-native-host", "x-fb-http-engine",
        "save-data", "range", "pragma", "cache-control",
    }
)  # fmt: skip
"""What tells clients apart without telling people apart; ``sec-*`` belongs to it too. Anything
else (cookies, referrers, forwarding, identifiers of proxies) is neither judged nor stored."""


class Tokens(Protocol):
    """Who can tell true tokens and references from others: ``campaign.tokens.Keyring``."""

    def read(self, token: str, form: TokenForm) -> TokenIds | None: ...

    def check_reference(self, text: str) -> tuple[str, bool] | None: ...

    def sign_hop(self, path: str, at: float) -> str: ...

    def read_hop(self, path: str, nonce: str) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Gate:
    """What intake must know of the installation."""

    tokens: Tokens
    trusted_proxies: tuple[Network, ...] = ()
    secure: bool = False  # tracked URLs begin with https://
    client_header: str = "x-forwarded-for"  # the one that trusted proxies set
    fingerprint_header: str = ""  # in lower case; "": none says a TLS fingerprint


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, past the trusted proxies."""

    client: str
    network: str
    secure: bool
    direct: bool  # no front stood between, so the HTTP version is the client's own


def read(raw: RawRequest, gate: Gate) -> Visit | Stray | None:
    """Return the visit, or the stray, that a request is; None if it has nothing to do with links."""
    path = _path(raw.target)
    found = TRACKED.fullmatch(path)
    if not found:
        return _stray(raw, gate, StrayReason.MALFORMED) if ALIKE.fullmatch(path) else None
    tracked, token, key, rest, nonce = found.groups()
    merged = rest is not None
    ids = gate.tokens.read(token, TokenForm.REFERENCE if merged else TokenForm.MESSAGE)
    if ids is None:
        return _stray(raw, gate, StrayReason.BAD_MAC)
    reference, verified = "", True
    if merged:
        reference, verified = gate.tokens.check_reference(rest) or ("", False)
    origin = _origin(raw, gate)
    return Visit(
        at=raw.time,
        method=raw.method.upper()[:16],
        campaign_id=ids.campaign_id,
        recipient_id=ids.recipient_id,
        key=LinkKey(key),
        client=origin.client,
        network=origin.network,
        profile=_profile(raw, gate, origin),
        http_version=raw.http_version if origin.direct else "",
        secure=origin.secure,
        reference=reference,
        verified=verified,
        one_click=raw.method == "POST" and ONE_CLICK in raw.body,
        token=token,
        hop_at=None if nonce is None else gate.tokens.read_hop(tracked, nonce) or 0.0,
        hop_cookie=_has_hop_cookie(raw.headers),
    )


def client_of(raw: RawRequest, gate: Gate) -> tuple[str, str]:
    """Return the address that a request came from and its network, "" when they are unknown."""
    origin = _origin(raw, gate)
    return origin.client, origin.network


def hop_of(raw: RawRequest, gate: Gate) -> tuple[str, str]:
    """Return the path of a tracked URL, and where its extra hop leads, relative to that path.

    Relative (RFC 9110 section 10.2.2), so that it also works behind a front that cuts off a prefix.
    """
    path = _path(raw.target)
    return path, f"{path.rsplit('/', 1)[1]}/~{gate.tokens.sign_hop(path, raw.time)}"


def _has_hop_cookie(headers: tuple[tuple[str, str], ...]) -> bool:
    pairs = (pair.strip() for value in _values(headers, "cookie") for pair in value.split(";"))
    return f"{HOP_COOKIE}=1" in pairs


def _profile(raw: RawRequest, gate: Gate, origin: Origin) -> Profile:
    """Return a request's profile; a TLS fingerprint is believed from a trusted front alone."""
    profile = profile_of(raw.headers)
    if origin.direct or not gate.fingerprint_header:
        return profile
    said = [value.strip() for value in _values(raw.headers, gate.fingerprint_header)]
    if not said or not said[-1]:
        return profile
    return replace(profile, headers=(*profile.headers, (TLS_FINGERPRINT, said[-1][:CROPPED_FINGERPRINT])))


def profile_of(headers: tuple[tuple[str, str], ...], *, complete: bool = True) -> Profile:
    """Return the profile of a request's headers: lower-case, cropped, without what is personal."""
    kept = tuple(
        (name, value[:CROPPED_VALUE])
        for name, value in ((name.lower(), value) for name, value in headers)
        if name in PROFILE_HEADERS or name.startswith("sec-")
    )[:MOST_HEADERS]
    agent = next((value for name, value in kept if name == "user-agent"), None)
    return Profile(kept, agent if agent is not None or not complete else "", complete)


def network_of(client: str) -> str:
    """Return the /24 or /64 that an address belongs to, "" for what is no address."""
    return locate(client)[1]


@lru_cache(maxsize=16384)
def locate(text: str) -> tuple[str, str]:
    """Return (address, its /24 or /64 network), normalised; ("", "") for what is no address.

    IPv4 mapped into IPv6 is IPv4 (RFC 4291 section 2.5.5.2); zones and ports are dropped.
    """
    address = _address(text)
    if address is None:
        return "", ""
    bits = 24 if address.version == 4 else 64
    return str(address), str(ipaddress.ip_network((address, bits), strict=False))


def _path(target: str) -> str:
    if not target.startswith("/") and "://" in target:
        # Absolute form, RFC 9112 section 3.2.2: servers must accept it.
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    # Some clients and proxies percent-encode what need not be (RFC 3986 section 2.3).
    return _TILDE.sub("~", target.partition("?")[0])


def _stray(raw: RawRequest, gate: Gate, reason: StrayReason) -> Stray:
    origin = _origin(raw, gate)
    return Stray(
        at=raw.time,
        reason=reason,
        method=raw.method.upper()[:16],
        target=raw.target[:CROPPED_TARGET],
        client=origin.client,
        network=origin.network,
        profile=profile_of(raw.headers),
        campaign_id=CampaignId(0),
        recipient_id=NOBODY,
    )


def _origin(raw: RawRequest, gate: Gate) -> Origin:
    trusted = _trusts(raw.peer, gate.trusted_proxies)
    if not trusted:
        return Origin(*locate(raw.peer), secure=raw.secure or gate.secure, direct=True)
    hops, scheme = _forwarded(raw.headers, gate.client_header)
    client = raw.peer
    for hop in reversed(hops):
        client = hop
        if not _trusts(hop, gate.trusted_proxies):
            break
    secure = scheme == "https" if scheme else (raw.secure or gate.secure)
    return Origin(*locate(client), secure=secure, direct=False)


def _forwarded(headers: tuple[tuple[str, str], ...], client_header: str) -> tuple[list[str], str]:
    """Return the hops from the client on, and the scheme, as the last trusted proxy saw them."""
    if client_header == "forwarded":
        elements = [part for value in _values(headers, "forwarded") for part in value.split(",")]
        pairs = [_parameters(element) for element in elements]
        return [pair.get("for", "") for pair in pairs], pairs[-1].get("proto", "") if pairs else ""
    hops = [hop.strip() for value in _values(headers, client_header) for hop in value.split(",")]
    schemes = _values(headers, "x-forwarded-proto")
    return hops, schemes[-1].split(",")[-1].strip().lower() if schemes else ""


def _parameters(element: str) -> dict[str, str]:
    """Return the pairs of one element of Forwarded (RFC 7239 section 4)."""
    pairs = (pair.partition("=") for pair in element.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _values(headers: tuple[tuple[str, str], ...], name: str) -> list[str]:
    return [value for key, value in headers if key.lower() == name]


@lru_cache(maxsize=16384)
def _trusts(text: str, networks: tuple[Network, ...]) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
