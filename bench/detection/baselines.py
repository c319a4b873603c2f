"""Four ways of telling scanners that are in use, written anew from their public descriptions.

They get the same requests, with what such a program knows: method, headers, address, times, and
the other clicks of the message. Bait and changed links do not exist for them, so those requests are
left out. Where a description leaves something open, it is read in the method's favour.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import crawleruseragents

from bench.detection.truth import by_message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.detection.played import Asked, Played

CERTAIN = tuple(
    ipaddress.ip_network(text)
    for text in (
        "40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "52.238.78.88/32", "104.47.0.0/17",
        "2a01:111:f400::/48", "2a01:111:f403::/48",  # Exchange Online Protection
        "64.235.144.0/20", "209.222.80.0/21",  # Barracuda
    )
)  # fmt: skip
PROBABLE = tuple(ipaddress.ip_network(text) for text in ("150.70.0.0/16", "216.104.0.0/19", "40.94.0.0/16"))
_MARKERS = re.compile(
    r"bot|crawl|spider|preview|scan|headless|phantom|curl|wget|python|java/|go-http|okhttp|axios|libwww|"
    r"httpclient|node-fetch|facebookexternalhit|whatsapp|slack",
    re.IGNORECASE,
)
_AHEAD = ("sec-purpose", "purpose", "x-purpose", "x-moz")


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as a baseline sees it."""

    asked: Asked
    agent: str
    headers: Mapping[str, str]
    elapsed: float | None  # seconds since the time that was told as delivery; None: not told


def agent_list(seen: Seen, _others: Sequence[Seen]) -> bool:
    """Count what no list of crawlers names: Shlink, Umami and many others."""
    return seen.asked.request.method == "GET" and not listed(seen.agent)


def ten_seconds(seen: Seen, _others: Sequence[Seen]) -> bool:
    """Count what comes ten seconds after sending or later (Auxx; others use 1.5 to 5)."""
    return seen.asked.request.method == "GET" and (seen.elapsed is None or seen.elapsed >= 10.0)


def two_of_three(seen: Seen, _others: Sequence[Seen]) -> bool:
    """Count unless two of three hold: within 2 s, address listed, agent listed (Mautic 5).

    HEAD, speculation, GPC and DNT make a hit "not trackable" beforehand.
    """
    if seen.asked.request.method != "GET" or ahead(seen):
        return False
    if seen.headers.get("sec-gpc") == "1" or seen.headers.get("dnt") == "1":
        return False
    hints = (
        seen.elapsed is not None and seen.elapsed < 2.0,
        within(seen.asked.request.client, CERTAIN) or within(seen.asked.request.client, PROBABLE),
        listed(seen.agent),
    )
    return sum(hints) < 2


def networks_and_bursts(seen: Seen, others: Sequence[Seen]) -> bool:
    """Count unless listed, within 30 s (600 s from probable networks), or beside another link.

    Warmbly: agents and speculation, a catalogue of networks, 30 s after dispatch, and every member
    of a burst: another link of the message from the same source within 5 s.
    """
    request = seen.asked.request
    if request.method != "GET" or ahead(seen) or not seen.agent or _MARKERS.search(seen.agent):
        return False
    if within(request.client, CERTAIN):
        return False
    window = 600.0 if within(request.client, PROBABLE) else 30.0
    if seen.elapsed is not None and seen.elapsed < window:
        return False
    return not any(
        other.asked.link != seen.asked.link
        and other.asked.request.client == request.client
        and abs(other.asked.at - seen.asked.at) <= 5.0
        for other in others
    )


BASELINES = {
    "agent list": agent_list,
    "under 10 s": ten_seconds,
    "two of three": two_of_three,
    "networks, 30 s, 5 s bursts": networks_and_bursts,
}


def counted(played: Played, rule: Callable[[Seen, Sequence[Seen]], bool]) -> set[int]:
    """Return the id() of each request that a baseline counts."""
    found: set[int] = set()
    for number, asked in by_message(played.asked).items():
        links = played.scenes[number].links
        hidden = {*links.bait, *links.unsubscribe}
        told = played.told[number]
        since = told.delivered_at if told else None
        seen = [
            _see(one, since)
            for one in asked
            if one.link not in hidden
            and not one.request.spoil
            and one.hop == 0
            and one.request.method != "POST"
        ]
        found |= {id(one.asked) for one in seen if rule(one, seen)}
    return found


def _see(asked: Asked, since: float | None) -> Seen:
    headers = dict(asked.request.headers)
    return Seen(asked, headers.get("user-agent", ""), headers, None if since is None else asked.at - since)


def ahead(seen: Seen) -> bool:
    """Return whether a browser says that it only looks ahead."""
    values = " ".join(seen.headers.get(name, "") for name in _AHEAD)
    return any(word in values for word in ("prefetch", "prerender", "preview"))


@lru_cache(maxsize=4096)
def listed(agent: str) -> bool:
    """Return whether a list of crawlers, libraries and previewers has an agent, or it is empty."""
    return not agent or bool(_MARKERS.search(agent)) or bool(crawleruseragents.is_crawler(agent))


@lru_cache(maxsize=65536)
def within(client: str, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    """Return whether an address lies in any of some networks."""
    address = ipaddress.ip_address(client)
    return any(address in network for network in networks)
