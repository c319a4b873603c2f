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
_FETCH_METADATA = {
    "chromium": (CHROMIUM_FETCH_METADATA, 0),
    "firefox": (FIREFOX_FETCH_METADATA, 0),
    "safari": SAFARI_FETCH_METADATA,
}
SAFARI_WITHOUT_USER = 26  # captures up to here have no Sec-Fetch-User (browser-compat-data issue 27928)

FIRST_PRIORITY = {"chromium": 124, "firefox": 118, "safari": 17}
FIRST_ZSTD = {"chromium": 123, "firefox": 118, "safari": 18}
"""No capture of an older version has it; some of these versions have, some have not."""

ALWAYS_UPGRADES = {"chromium": 44, "firefox": 48}
"""From here on a navigation says Upgrade-Insecure-Requests; Safari says it over plain HTTP only."""

REDUCED = 120
"""From here on Chrome and Edge on a desk name no build (www.chromium.org/updates/ua-reduction).

Sites could ask for it until 113; others' browsers on the same engine, such as Yandex's, name it still.
"""

FIRST_CAPPED = {"chromium": 90, "firefox": 87, "safari": 14}
"""From here on agents name macOS 10.15 and Windows 10 however new the system is, since pages failed at a
macOS 11 (otsukare.info/2021/03/02/capping-user-agent-string; bugzilla 1679929 and 1693295). Of 3,061 agents
of Macs that came to pages 7 name more (npm, user-agents 2.1.198)."""

NAMES_PICTURES = 80
"""From here on Chromium's Accept for a page names image/webp; the first Edge borrowed names of older ones.

Firefox and Safari never name image/apng (developer.mozilla.org, List of default Accept values; captures).
"""

_NEWER_SYSTEM = re.compile(r"\((?:Macintosh; Intel Mac OS X|Windows NT) (?:1[1-9]|[2-9]\d)(?!\d)")
_NAMES_BUILD = re.compile(
    r"Mozilla/5\.0 \((?:Windows NT|Macintosh|X11)[^()]*\) AppleWebKit/537\.36 \(KHTML, like Gecko\) "
    r"Chrome/\d+\.(?!0\.0\.0 )\S+ Safari/537\.36(?: Edg/\S+)?"
)
# Chromium and Firefox ask for brotli over TLS alone, since boxes on the way broke it.
_BROTLI = re.compile(r"\bbr\b")
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
    checks = (
        *_basics(profile),
        *_accepts(profile, found),
        *_hints(profile, found),
        *_ages(profile, found),
        *_fetch_metadata(visit, found),
    )
    return [text for wrong, text in checks if wrong]


def is_disguised(visit: Visit) -> bool:
    """Return whether client hints tell of another browser than the agent does.

    A browser that is told to give another agent keeps its version, and often its system, in its hints
    (Chromium 156 with --user-agent, and under Playwright 1.65 and Puppeteer by extra headers).
    """
    profile = visit.profile
    found = agents.engine(profile.agent or "")
    return bool(found.name) and profile.complete and any(wrong for wrong, _ in _hints(profile, found))


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


def reads_pages(profile: Profile) -> bool:
    """Return whether a request asks for pages in a language, as whatever shows them to a person does."""
    return _accepts_pages(profile) and bool(profile.get("accept-language"))


def is_textual(visit: Visit) -> bool:
    """Return whether a text browser or an old telephone asks, by what it asks for."""
    agent = visit.profile.agent
    return bool(agent) and not str(agent).startswith("Mozilla/") and reads_pages(visit.profile)


def names_operator(profile: Profile) -> str:
    """Return the header by which a robot says whose it is, "" for none.

    Signature-Agent is that of browsers that programs drive and that sign what they send (Web Bot Auth,
    draft-ietf-webbotauth-httpsig-protocol); robots should send From, and people's browsers never do, but
    text browsers if they are told to (RFC 9110 section 10.1.2).
    """
    for name, browsers_alone in (("signature-agent", False), ("from", True)):
        value = profile.get(name)
        if value and not (browsers_alone and not (profile.agent or "").startswith("Mozilla/")):
            return f"{name}: {value[:60]}"
    return ""


def is_past_caches(profile: Profile) -> bool:
    """Return whether Chromium asks past all caches; a plain reload says max-age=0 and no Pragma."""
    said = (profile.get(name) or "" for name in ("cache-control", "pragma"))
    if not all("no-cache" in value for value in said):
        return False
    found = agents.engine(profile.agent or "")
    return found.name == "chromium" and not found.embedded


def comes_from_a_page(profile: Profile) -> bool:
    """Return whether a browser says that another site's page led here, as webmail does."""
    return profile.get("sec-fetch-site") == "cross-site" and profile.get("sec-fetch-mode") == "navigate"


def is_driven(visit: Visit) -> bool:
    """Return whether scanners that drive a browser make such requests: Chromium on a desk opens a URL."""
    driven = agents.driven(visit.profile.agent or "")
    return driven and not comes_from_a_page(visit.profile) and is_coherent(visit)


def _basics(profile: Profile) -> tuple[tuple[bool, str], ...]:
    encodings = (profile.get("accept-encoding") or "").lower()
    return (
        (profile.get("accept") is None, "no Accept"),
        (profile.get("accept-language") is None, "no Accept-Language"),
        ("gzip" not in encodings, "no compression accepted"),
    )


def _accepts(profile: Profile, found: agents.Engine) -> tuple[tuple[bool, str], ...]:
    """Check as what a page is asked for: each engine names kinds of pictures along with it."""
    accept = profile.get("accept")
    if accept is None or found.embedded:
        return ()
    names = found.name == "chromium" and found.major >= NAMES_PICTURES
    return (
        (names and "image/webp" not in accept, "no image/webp in Accept"),
        (found.name != "chromium" and "image/apng" in accept, f"Chromium's Accept from {found.name}"),
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
        (_devices_differ(profile), "client hints say mobile, the agent does not"),
    )


def _ages(profile: Profile, found: agents.Engine) -> tuple[tuple[bool, str], ...]:
    """Check what came with certain versions: an agent that names an old one may not be its own."""
    if found.embedded:
        return ()
    encodings = (profile.get("accept-encoding") or "").lower()
    upgrades = found.major >= ALWAYS_UPGRADES.get(found.name, found.major + 1)
    return (
        (
            profile.get("priority") is not None and found.major < FIRST_PRIORITY[found.name],
            f"Priority from {found.name} {found.major}",
        ),
        (
            "zstd" in encodings and found.major < FIRST_ZSTD[found.name],
            f"zstd accepted by {found.name} {found.major}",
        ),
        (upgrades and profile.get("upgrade-insecure-requests") is None, "no Upgrade-Insecure-Requests"),
        (
            found.major >= REDUCED and _NAMES_BUILD.fullmatch(profile.agent or "") is not None,
            f"a build of Chrome {found.major}, which names none",
        ),
        (
            found.major >= FIRST_CAPPED[found.name] and _NEWER_SYSTEM.search(profile.agent or "") is not None,
            f"a newer system than {found.name} {found.major} ever names",
        ),
    )


def _fetch_metadata(visit: Visit, found: agents.Engine) -> tuple[tuple[bool, str], ...]:
    profile = visit.profile
    if found.embedded:
        # WebViews and in-app browsers differ by version and host program.
        return ()
    sends, encodings = sends_fetch_metadata(found), (profile.get("accept-encoding") or "").lower()
    if not visit.secure:
        # With Fetch Metadata it did come over TLS, and the front does not say so.
        unspoken = sends and profile.get("sec-fetch-mode") is None
        return ((unspoken and _BROTLI.search(encodings) is not None, "br accepted over plain HTTP"),)
    hinted = found.name == "chromium" and found.major >= CHROMIUM_HINTS
    mode = profile.get("sec-fetch-mode")
    return (
        (sends and mode is None, "no Sec-Fetch-Mode over TLS"),
        # What takes all of these headers away takes Chromium's hints, too, so that two things are missing.
        (sends and not hinted and profile.get("sec-fetch-site") is None, "no Sec-Fetch-Site over TLS"),
        # Whoever follows a link navigates; pictures and scripts do not (W3C Fetch Metadata section 2.2).
        (mode not in (None, "navigate"), f"Sec-Fetch-Mode {mode}, which is no navigation"),
        (hinted and profile.get("sec-ch-ua") is None, "no client hints over TLS"),
        (
            found.name == "safari"
            and found.major <= SAFARI_WITHOUT_USER
            and profile.get("sec-fetch-user") is not None,
            "Sec-Fetch-User from Safari",
        ),
    )


def sends_fetch_metadata(found: agents.Engine) -> bool:
    """Return whether a version of an engine says over TLS that it navigates."""
    return (found.major, found.minor) >= _FETCH_METADATA[found.name]


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


def _devices_differ(profile: Profile) -> bool:
    agent = profile.agent or ""
    return profile.get("sec-ch-ua-mobile") == "?1" and "Mobile" not in agent and "Android" not in agent
