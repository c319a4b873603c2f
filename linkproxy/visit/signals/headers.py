"""What each browser engine sends on a navigation, and what it never sends.

From 50 captures of curl-impersonate (HTTPS, address-bar navigation) and browser-compat-data;
docs/judging.md has the table. Fetch Metadata and client hints are sent to trustworthy origins
only (W3C Fetch Metadata section 2), so over plain HTTP their absence says nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from linkproxy.visit import agents

if TYPE_CHECKING:
    from linkproxy.model import Profile, Visit

CHROMIUM_HINTS = 90  # client hints in every release channel
CHROMIUM_FETCH_METADATA = 80
FIREFOX_FETCH_METADATA = 90
SAFARI_FETCH_METADATA = (16, 4)

_BRAND_VERSION = re.compile(r'"(?:Chromium|HeadlessChrome)";v="(\d+)"')


def contradictions(visit: Visit) -> list[str]:
    """Return what speaks against the claimed browser; empty when not all headers are known."""
    profile = visit.profile
    agent = profile.agent or ""
    if not profile.complete or not agent.startswith("Mozilla/5.0 ("):
        return []
    found = agents.engine(agent)
    if not found.name:
        return []
    checks = (*_basics(profile), *_hints(profile, found), *_fetch_metadata(visit, found))
    return [text for wrong, text in checks if wrong]


def is_coherent(visit: Visit) -> bool:
    """Return whether every header of the claimed browser is there and nothing contradicts it."""
    profile = visit.profile
    found = agents.engine(profile.agent or "")
    if not found.name or not profile.complete or contradictions(visit):
        return False
    if not (_accepts_pages(profile) and profile.get("accept-language") and profile.get("accept-encoding")):
        return False
    mode, destination = profile.get("sec-fetch-mode"), profile.get("sec-fetch-dest")
    return mode in (None, "navigate") and destination in (None, "document", "iframe")


def _basics(profile: Profile) -> tuple[tuple[bool, str], ...]:
    encodings = (profile.get("accept-encoding") or "").lower()
    return (
        (profile.get("accept") is None, "no Accept"),
        (profile.get("accept-language") is None, "no Accept-Language"),
        ("gzip" not in encodings, "no compression accepted"),
    )


def _hints(profile: Profile, found: agents.Engine) -> tuple[tuple[bool, str], ...]:
    hints = profile.get("sec-ch-ua")
    brand = _BRAND_VERSION.search(hints or "")
    return (
        (hints is not None and found.name != "chromium", f"client hints from {found.name}"),
        ("HeadlessChrome" in (hints or ""), "client hints say HeadlessChrome"),
        (
            brand is not None and found.name == "chromium" and int(brand[1]) != found.major,
            "client hints and agent name different versions",
        ),
        (_platforms_differ(profile), "client hints and agent name different systems"),
    )


def _fetch_metadata(visit: Visit, found: agents.Engine) -> tuple[tuple[bool, str], ...]:
    profile = visit.profile
    if not visit.secure or found.embedded:
        # WebViews and in-app browsers differ by version and host program.
        return ()
    sends = {
        "chromium": found.major >= CHROMIUM_FETCH_METADATA,
        "firefox": found.major >= FIREFOX_FETCH_METADATA,
        "safari": (found.major, found.minor) >= SAFARI_FETCH_METADATA,
    }[found.name]
    hinted = found.name == "chromium" and found.major >= CHROMIUM_HINTS
    return (
        (sends and profile.get("sec-fetch-mode") is None, "no Sec-Fetch-Mode over TLS"),
        (hinted and profile.get("sec-ch-ua") is None, "no client hints over TLS"),
    )


def _accepts_pages(profile: Profile) -> bool:
    return "text/html" in (profile.get("accept") or "")


_SYSTEMS = (
    ('"Windows"', "Windows NT"),
    ('"macOS"', "Macintosh"),
    ('"Android"', "Android"),
    ('"Linux"', "Linux"),
)


def _platforms_differ(profile: Profile) -> bool:
    hint, agent = profile.get("sec-ch-ua-platform"), profile.agent or ""
    for name, word in _SYSTEMS:
        if hint == name:
            return word not in agent
    return False
