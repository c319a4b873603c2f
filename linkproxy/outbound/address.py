"""Where webhooks may be: https, or this machine."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from linkproxy.campaign.links import authority_fault

_WEB = re.compile("(https?)://([^/?]*)", re.IGNORECASE)
_LOGIN = re.compile("(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*")  # RFC 3986 section 3.2.1
_UNFIT = (
    (re.compile(r".{2001}"), "has more than 2,000 characters"),
    (
        re.compile(r"[\x00-\x20\x7f-\x9f\\]"),
        "has blanks, backslashes or control characters; percent-encode them",
    ),
    (re.compile("#"), "has a fragment (#...), which is never sent"),
)


def url_fault(url: str, *, allow_http: bool = False) -> str | None:
    """Return why a webhook cannot be there; None if it can.

    What is sent names people and what they clicked: without https anybody on the way reads it.
    """
    for pattern, unfit in _UNFIT:
        if pattern.search(url):
            return unfit
    web = _WEB.match(url)
    if web is None:
        return "does not begin with https://"
    login, _, host = web[2].rpartition("@")
    if not _LOGIN.fullmatch(login):
        return "has a login with characters that stand for something else in a URL; percent-encode them"
    if fault := authority_fault(host):
        return fault
    if web[1].lower() == "https" or allow_http or is_here(urlsplit(url).hostname or ""):
        return None
    return "is http: recipients and clicks would be sent in the clear. Use https, or --allow-http"


def is_here(host: str) -> bool:
    """Tell whether a host is this machine, by its name or address."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 section 6.3
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
