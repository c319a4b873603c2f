"""What the name of a host tells: whose it is, and what kind of links is known to be on it."""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from importlib.resources import files
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from publicsuffixlist import PublicSuffixList

from linkproxy.campaign.links import HOST_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

_NUMERIC: Final = re.compile(r"(?:[0-9]+|0[xX][0-9A-Fa-f]*)(?:\.(?:[0-9]+|0[xX][0-9A-Fa-f]*)){0,3}\.?")
_WEB: Final = re.compile(r"https?://(?:[^/?#@]*@)?(\[[^\]/?#]*\]|[^:/?#]*)", re.IGNORECASE)
# What a reader takes for an address: a scheme, or www., or a name with a known ending.
_SHOWN: Final = re.compile(
    r"(https?://|www\.)?((?:[^\W_][\w-]*\.)+[^\W\d_][\w-]*[^\W_])(?::\d{1,5})?(?:[/?#]\S*)?",
    re.IGNORECASE,
)
# A name without a dot, and what routers, firms and developers end their own names with.
_LOCAL: Final = re.compile(r"\A[^.]*\Z|\.(?:localhost|local|internal|lan|test|home\.arpa)\Z")
_SHOWN_CHARACTERS: Final = 2048


def host_of(url: str) -> str:
    """Return the host of an http(s) URL in lower case, "" for anything else."""
    match = _WEB.match(url)
    host = match[1] if match else ""
    return host.lower().rstrip(".") if len(host) <= HOST_CHARACTERS else ""


def is_address(host: str) -> bool:
    """Tell whether a host is an IP address, in any spelling that browsers take for one."""
    if host.startswith("[") or _NUMERIC.fullmatch(host):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_local(host: str) -> bool:
    """Tell whether a host's name is known to some network alone (RFC 6761, RFC 6762, RFC 8375)."""
    return not is_address(host) and bool(_LOCAL.search(host))


@lru_cache(maxsize=4096)
def organisation(host: str) -> str:
    """Return the organisational domain: one label more than the public suffix (RFC 7489 section 3.2).

    ``click.brand.co.uk`` and ``brand.co.uk`` are one organisation, ``a.github.io`` and
    ``b.github.io`` two. An IP address, or a public suffix itself, stands for itself.
    """
    name = host.lower().rstrip(".")
    if is_address(name):
        return name
    return _suffixes().privatesuffix(name) or name


def same_organisation(host: str, other: str) -> bool:
    """Tell whether two hosts are under one organisational domain."""
    return organisation(host) == organisation(other)


def shown_host(text: str) -> str:
    """Return the host that a link's text shows when all of it looks like a URL; else ""."""
    stripped = text.strip().rstrip(".,;:!")
    match = _SHOWN.fullmatch(stripped) if len(stripped) <= _SHOWN_CHARACTERS else None
    if match is None:
        return ""
    host = match[2].lower()
    if not match[1] and _suffixes(known_only=True).publicsuffix(host) is None:
        return ""  # "Node.js" and "readme.txt" are no hosts
    return host


@cache
def _suffixes(*, known_only: bool = False) -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=not known_only)


@cache
def known_hosts() -> Mapping[str, AbstractSet[str]]:
    """Return what link_hosts.toml holds: ``shorteners``, ``trackers`` and ``gateways``."""
    tables = tomllib.loads((files("linkproxy.campaign") / "link_hosts.toml").read_text(encoding="utf-8"))
    return {name: frozenset(hosts) for name, hosts in tables.items()}


def is_among(host: str, kind: str) -> bool:
    """Tell whether a host, or a domain above it, is listed as a kind of link_hosts.toml."""
    listed = known_hosts()[kind]
    labels = host.split(".")
    return any(".".join(labels[start:]) in listed for start in range(len(labels) - 1))
