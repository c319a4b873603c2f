"""Read a request: is it for a tracked URL, of whom, and from where."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol

from linkproxy.model import (
    NOBODY,
    CampaignId,
    Profile,
    RawRequest,
    Stray,
    StrayReason,
    TokenForm,
    TokenIds,
    Visit,
)
from linkproxy.model.lean import lean
from linkproxy.visit.networks import Prefixes, Ranges, ipv4

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Headers = tuple[tuple[str, str], ...]
Lines = Iterable[tuple[str, str]]
Named = dict[str, list[str]]
"""Values by lower-case name, in their order."""

TRACKED = re.compile(r"(/([A-Za-z0-9_-]{24})/([A-Za-z0-9]{4})(?:/([^/~][^/]{0,199}|))?)(?:/~([^/]{0,200}))?")
"""Path, token, key, reference, nonce. Whatever stands behind ``/~`` leads straight on. A reference is
empty where a mailer had nothing to fill in for its contact."""

_TILDE = re.compile("%7e", re.IGNORECASE)
_POINTS = r"[.,;:!*)\]>]|%2A|%5D|%3E"
"""What a mail program that finds links in a text takes along: the end of a sentence, of brackets, or of
*bold words*."""
_MARKS = r"[_=~`|}\\-]|%(?:0[9AD]|20|3[CD]|5[CF]|60|7[BCD])"
"""Likewise other marks, blanks, ends of lines and of encoded ones, and what stands before a tag. No quotes:
those are what scanners try."""
_BEYOND = r"%[89A-F][0-9A-F]|[^\x00-\x7f]"
"""Likewise punctuation of other scripts, an emoji, and in Chinese or Japanese the words that follow."""
_TAKEN_ALONG = re.compile(
    rf"(/[A-Za-z0-9_-]{{24}}/[A-Za-z0-9]{{4}})(?:{_POINTS}|{_MARKS}|{_BEYOND})*(?:&[^/]*)?", re.IGNORECASE
)
"""Also parameters that somebody appended who took it that there were some already."""
# Without what is beyond ASCII: of a name that was filled in, half would be somebody else's reference.
_POINTED_REFERENCE = re.compile(rf"(.*?)(?:{_POINTS})+", re.IGNORECASE)

ALIKE = re.compile(r"/[A-Za-z0-9_%'\"-]{16,80}(?:/.*)?", re.DOTALL)
"""Paths whose first part could have been a token once; other unknown paths are nobody's business."""

_PLAIN = re.compile(r"[A-Za-z0-9._~-]*")  # what keys, references and nonces are made of
_KEY_BEFORE = re.compile(r"[A-Za-z0-9]{4}(?![A-Za-z0-9@]|%40)")

CROPPED_TARGET = 300
CROPPED_VALUE = 600
MOST_HEADERS = 48
MOST_PROFILE_CHARACTERS = 4096  # of all names and values; browsers that tell everything stay below 2,000
MOST_PEERS = 16384
MOST_PROFILES = 2048  # remembered, so that the same headers are the same object; 35 MB at the very worst
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
        "signature-agent",
        "save-data", "range", "pragma", "cache-control",
    }
)  # fmt: skip
"""What tells clients apart without telling people apart; ``sec-*`` belongs to it too. Anything
else (cookies, referrers, forwarding, identifiers of proxies) is neither judged nor stored."""


# To read a member off its class costs 0.08 us before Python 3.12.
_MESSAGE, _REFERENCE = TokenForm.MESSAGE, TokenForm.REFERENCE


class Tokens(Protocol):
    """Who can tell true tokens and references from others: ``campaign.tokens.Keyring``."""

    def read(self, token: str, form: TokenForm) -> TokenIds | None: ...

    def check_reference(self, text: str) -> tuple[str, bool] | None: ...

    def sign_hop(self, path: str, at: float) -> str: ...

    def read_hop(self, path: str, nonce: str) -> float | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Trusted:
    """Networks whose word on clients is believed."""

    networks: tuple[Network, ...]
    ranges: Ranges[bool]  # the same for IPv4, looked up quickly however many there are

    @classmethod
    def of(cls, networks: tuple[Network, ...]) -> Trusted:
        return cls(networks, Ranges.of(Prefixes.of((network, True) for network in networks)))


@dataclass(frozen=True, slots=True)
class Gate:
    """What intake must know of the installation."""

    tokens: Tokens
    trusted_proxies: tuple[Network, ...] = ()
    secure: bool = False  # tracked URLs begin with https://
    client_header: str = "x-forwarded-for"  # the one that trusted proxies set
    fingerprint_header: str = ""  # in lower case; "": none says a TLS fingerprint
    trusted: Trusted = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trusted", Trusted.of(self.trusted_proxies))


@lean(frozen=True, slots=True)
class Said:
    """What header lines say, whoever sent them: the same lines always say the same."""

    profile: Profile
    fingerprinted: Profile  # with the word of a front on TLS, to be believed from a trusted one alone
    hop_cookie: bool
    hops: tuple[str, ...]  # addresses that fronts name, the client's own first
    scheme: str


@lean(frozen=True, slots=True)
class Caller:
    """Who sends requests, and by what: the same lines from the same peer are the same caller."""

    client: str  # address past the trusted proxies, "" when unknown
    network: str
    profile: Profile
    http_version: str  # "" behind a front, which speaks its own
    secure: bool
    hop_cookie: bool


def read(raw: RawRequest, gate: Gate) -> Visit | Stray | None:
    """Return the visit, or the stray, that a request is; None if it has nothing to do with links."""
    path = path_of(raw.target)
    asked = TRACKED.fullmatch(path)
    if asked is None and not ALIKE.fullmatch(path):
        return None
    caller = _caller(raw, gate)
    method = raw.method.upper()[:16]
    visit = None if asked is None else visit_of(asked.groups(), method, raw.time, caller, gate)
    if visit is None:
        reason = StrayReason.MALFORMED if asked is None else StrayReason.BAD_MAC
        return _stray(raw, path, caller, reason)
    return replace(visit, one_click=True) if raw.method == "POST" and ONE_CLICK in raw.body else visit


def visit_of(asked: tuple[Any, ...], method: str, at: float, caller: Caller, gate: Gate) -> Visit | None:
    """Return the visit that the groups of ``TRACKED`` stand for; None if the token is not true."""
    tracked, token, key, rest, nonce = asked
    ids = gate.tokens.read(token, _MESSAGE if rest is None else _REFERENCE)
    if ids is None and not rest:
        # The slash at the end was lost or added on the way; ``hop_from`` leaves it out, too.
        rest = "" if rest is None else None
        ids = gate.tokens.read(token, _MESSAGE if rest is None else _REFERENCE)
    if ids is None:
        return None
    campaign_id, recipient_id, _ = ids
    reference, verified = "", True
    if rest is not None:
        reference, verified = _reference(rest, gate.tokens)
    # By place, in the order of the fields: it is made for every click, and names cost time.
    return Visit(
        at, method, campaign_id, recipient_id, key,
        caller.client, caller.network, caller.profile, caller.http_version, caller.secure,
        reference, verified, False, token,
        None if nonce is None else gate.tokens.read_hop(tracked, nonce) or 0.0,
        caller.hop_cookie,
    )  # fmt: skip


def _reference(text: str, tokens: Tokens) -> tuple[str, bool]:
    """Return the reference that stands in a path, and whether it is signed; ("", False) for none.

    A plain one may end with a full stop of its own, so there the sentence's is a part of it.
    """
    found = tokens.check_reference(text)
    if found and (found[1] or text[-1] != "."):
        return found
    pointed = _POINTED_REFERENCE.fullmatch(text)
    bare = tokens.check_reference(pointed[1]) if pointed else None
    return bare if bare and (bare[1] or not found) else found or ("", False)


def said_by(headers: Headers, gate: Gate) -> Said:
    """Return what the headers of a request say."""
    profile, named = profile_of(headers), _by_name(headers)
    hops, scheme = _forwarded(named, gate.client_header) if gate.trusted_proxies else ((), "")
    return Said(profile, _fingerprinted(profile, named, gate), _has_hop_cookie(named), hops, scheme)


def said_beside(said: Said, headers: Lines, gate: Gate) -> Said:
    """Return what headers say that have no part in profiles, together with all others of a request."""
    named = _by_name(headers)
    hops, scheme = _forwarded(named, gate.client_header) if gate.trusted_proxies else ((), "")
    return Said(said.profile, said.fingerprinted, _has_hop_cookie(named), hops, scheme or said.scheme)


def caller_of(said: Said, peer: str, gate: Gate, *, secure: bool, http_version: str) -> Caller:
    """Return who sent a request; ``secure`` if the socket itself spoke TLS."""
    trusted = gate.trusted
    client, network, believed = _place(peer, trusted)
    if not believed:
        return Caller(client, network, said.profile, http_version, secure or gate.secure, said.hop_cookie)
    for hop in reversed(said.hops):
        client, network, believed = _place(hop, trusted)
        if not believed:
            break
    tls = said.scheme == "https" if said.scheme else (secure or gate.secure)
    return Caller(client, network, said.fingerprinted, "", tls, said.hop_cookie)


def client_of(raw: RawRequest, gate: Gate) -> tuple[str, str]:
    """Return the address that a request came from and its network, "" when they are unknown."""
    caller = _caller(raw, gate)
    return caller.client, caller.network


def _caller(raw: RawRequest, gate: Gate) -> Caller:
    said = said_by(raw.headers, gate)
    return caller_of(said, raw.peer, gate, secure=raw.secure, http_version=raw.http_version)


def hop_from(path: str, at: float, gate: Gate) -> str:
    """Return where the extra hop of a tracked path leads, relative to it.

    Relative (RFC 9110 section 10.2.2), so that it also works behind a front that cuts off a prefix. What
    is before a colon in its first part would be a scheme (RFC 3986 section 4.2). Behind a slash at the end
    it would begin with one, which not every client keeps.
    """
    if path.endswith("/"):
        return f"~{gate.tokens.sign_hop(path[:-1], at)}"
    last = path.rsplit("/", 1)[1]
    return f"{'./' if ':' in last else ''}{last}/~{gate.tokens.sign_hop(path, at)}"


def _has_hop_cookie(named: Named) -> bool:
    cookies = named.get("cookie")
    return cookies is not None and f"{HOP_COOKIE}=1" in map(str.strip, ";".join(cookies).split(";"))


def _fingerprinted(profile: Profile, named: Named, gate: Gate) -> Profile:
    if not gate.fingerprint_header:
        return profile
    said = [value.strip() for value in named.get(gate.fingerprint_header, ())]
    if not said or not said[-1]:
        return profile
    return _same((*profile.headers, (TLS_FINGERPRINT, said[-1][:CROPPED_FINGERPRINT])), True)


def profile_of(headers: Headers, *, complete: bool = True) -> Profile:
    """Return the profile of a request's headers: lower-case, cropped, without what is personal.

    Headers that were seen lately give the same object, so that others can remember by identity.
    """
    kept = tuple(
        (name, value[:CROPPED_VALUE])
        for name, value in ((name.lower(), value) for name, value in headers)
        if name in PROFILE_HEADERS or name.startswith("sec-")
    )[:MOST_HEADERS]
    return _same(_fitting(kept), complete)


def _fitting(headers: Headers) -> Headers:
    """Return the first headers that a profile has room for: anyone may send names of any length."""
    room = MOST_PROFILE_CHARACTERS
    for place, (name, value) in enumerate(headers):
        room -= len(name) + len(value)
        if room < 0:
            return headers[:place]
    return headers


@lru_cache(maxsize=MOST_PROFILES)
def _same(kept: Headers, complete: bool) -> Profile:  # noqa: FBT001  (lru_cache is quickest by place)
    agent = next((value for name, value in kept if name == "user-agent"), None)
    return Profile(kept, agent if agent is not None or not complete else "", complete)


def locate(text: str) -> tuple[str, str]:
    """Return (address, its /24 or /64 network), normalised; ("", "") for what is no address.

    IPv4 mapped into IPv6 is IPv4 (RFC 4291 section 2.5.5.2); zones and ports are dropped.
    """
    return _place(text, _NOBODY)[:2]


_NOBODY = Trusted.of(())


@lru_cache(maxsize=MOST_PEERS)
def _place(text: str, trusted: Trusted) -> tuple[str, str, bool]:
    """Return what ``locate`` does, and whether the address is a trusted one."""
    number = ipv4(text)
    if number is not None:  # in the usual spelling, as most are
        return text, f"{text[: text.rindex('.')]}.0/24", trusted.ranges.find(number) is not None
    address = _address(text)
    if address is None:
        return "", "", False
    believed, plain = any(address in network for network in trusted.networks), str(address)
    if address.version == 4:
        return plain, f"{plain.rpartition('.')[0]}.0/24", believed
    return plain, f"{ipaddress.IPv6Address(int(address) >> 64 << 64)}/64", believed


def path_of(target: str) -> str:
    """Return the path that a request target asks for, as links are written."""
    if not target.startswith("/") and "://" in target:
        # Absolute form, RFC 9112 section 3.2.2: servers must accept it.
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    # Some clients and proxies percent-encode what need not be (RFC 3986 section 2.3).
    path = _TILDE.sub("~", target.partition("?")[0])
    longer = _TAKEN_ALONG.fullmatch(path)
    return longer[1] if longer else path


def _stray(raw: RawRequest, path: str, caller: Caller, reason: StrayReason) -> Stray:
    return Stray(
        at=raw.time,
        reason=reason,
        method=raw.method.upper()[:16],
        target=_kept(path)[:CROPPED_TARGET],
        client=caller.client,
        network=caller.network,
        profile=caller.profile,
        campaign_id=CampaignId(0),
        recipient_id=NOBODY,
    )


def _kept(path: str) -> str:
    """Return what is kept of a stray's path: a ``-`` stands for what may be a mail address."""
    root, token, *behind = path.split("/")
    for place, part in enumerate(behind):
        if not _PLAIN.fullmatch(part):
            key = _KEY_BEFORE.match(part) if place == 0 else None
            behind[place] = f"{key[0] if key else ''}-"
    return "/".join([root, token, *behind])


def _forwarded(named: Named, client_header: str) -> tuple[tuple[str, ...], str]:
    """Return the hops from the client on, and the scheme, as the last trusted proxy saw them."""
    if client_header == "forwarded":
        elements = [part for value in named.get("forwarded", ()) for part in value.split(",")]
        pairs = [_parameters(element) for element in elements]
        return tuple(pair.get("for", "") for pair in pairs), pairs[-1].get("proto", "") if pairs else ""
    lists = named.get(client_header)
    hops = tuple(map(str.strip, ",".join(lists).split(","))) if lists is not None else ()
    schemes = named.get("x-forwarded-proto")
    return hops, schemes[-1].split(",")[-1].strip().lower() if schemes else ""


def _parameters(element: str) -> dict[str, str]:
    """Return the pairs of one element of Forwarded (RFC 7239 section 4)."""
    pairs = (pair.partition("=") for pair in element.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _by_name(headers: Lines) -> Named:
    found: Named = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return found


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    text = text.partition("%")[0]
    try:
        if ":" not in text:
            return ipaddress.IPv4Address(text)
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address
