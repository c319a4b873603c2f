"""What a User-Agent says of itself: program or browser, which engine, how old."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

import crawleruseragents

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from linkproxy.visit.policy import Policy

_CRAWLERS: Final = tuple(str(item["pattern"]) for item in crawleruseragents.CRAWLER_USER_AGENTS_DATA)
_AT_ONCE: Final = 25  # of them in one pattern; all in one take longer
SOCIAL_PREVIEWERS = frozenset(
    str(item["pattern"])
    for item in crawleruseragents.CRAWLER_USER_AGENTS_DATA
    if "social-preview" in item.get("tags", ())
)
"""Entries of crawler-user-agents that come when a person pastes a link somewhere."""

_BRACKETS = re.compile(r"\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\]]*\]")
# The model of a telephone behind "Android 14; " and perhaps a language: a name that its maker chose.
_MODEL = re.compile(
    r"(\((?:Linux|Android)[^()]{0,40}?\bAndroid [\d.]+; (?:[a-z]{2}(?:[-_][A-Za-z]{2})?; )?)"
    r"[^();/@:]+(?= Build/|[;)])"
)
_ON_A_DESK = re.compile(r"Mozilla/5\.0 \((?:Windows NT|Macintosh|X11)\b")
_ALL_NAME = frozenset({"mozilla", "applewebkit", "khtml", "gecko", "version", "mobile", "safari"})
_SAFARI = frozenset({"version", "safari"})  # by its name alone it is what others are like
NO_BROWSER = "names no browser"
_PRODUCT = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)/(?=\S)")  # RFC 9110 section 10.1.5: product/version

YEAR_SECONDS = 365.25 * 86400
_BETWEEN_WORDS = re.compile(r"[\s;,()]")
CROPPED_WORD = 80
CROPPED = 600  # characters of an agent that are looked at; real ones stay below 400

_ENGINES = (
    # Order matters: Chromium's agents also say Safari, and all of them say Mozilla. Goanna (Pale Moon,
    # Basilisk) is kept up by itself; the old Firefox that it names is there for pages that look for one.
    ("", re.compile(r"\bGoanna/(\d{1,4})\b")),
    ("chromium", re.compile(r"\b(?:Chrome|Chromium|CriOS)/(\d{1,4})\b")),
    ("firefox", re.compile(r"\bFirefox/(\d{1,4})\b")),
    ("safari", re.compile(r"\bVersion/(\d{1,4})(?:\.(\d{1,4}))?.{0,40}\bSafari/")),
)
_WEBKIT_ON_IOS = re.compile(r"\((?:iPhone|iPad|iPod)")
# Chrome and Firefox on an iPad, and for "Request Desktop Site": a Mac's agent with a Safari of 2018 or none
# (developer.chrome.com, User-Agent Strings; firefox-ios, UserAgent.swift).
_DESKTOP_ON_IOS = re.compile(r"\(Macintosh;.*\b(?:CriOS|FxiOS)/")
# Android's WebView by its own marks: the second stays where an app gives it an agent of its own, and then it
# sends no client hints (developer.android.com, User-Agent Reduction on Android WebView).
_WEBVIEW = r"; ?wv\)|\bVersion/4\.0 Chrome/"
_APP = re.compile(_WEBVIEW + r"|\((?:iPhone|iPad|iPod)|\bElectron/")
_EMBEDDED = re.compile(
    # WebViews by their own marks, then apps and browsers that show pages in one or by a proxy.
    _WEBVIEW + r"|\bMobile/\w+$|FBA[NV]/|FB_IAB|Instagram|GSA/|MicroMessenger/|\bLine/|Snapchat"
    r"|Pinterest/|LinkedInApp|BytedanceWebview|musical_ly|TikTok|DuckDuckGo/|\bDdg/|Puffin/|Opera Mini"
    r"|UCBrowser/|UCMobile/|AirWatch|Intune|\bEdgW/|Electron/|Thunderbird/|\bBarcelona "
)


@dataclass(frozen=True, slots=True)
class Engine:
    """A browser engine as the agent names it; ``minor`` is known for Safari only."""

    name: str  # chromium, firefox, safari, or "" for none of them
    major: int = 0
    minor: int = 0
    embedded: bool = False  # a WebView or an in-app browser, whose headers vary


@lru_cache(maxsize=4096)
def engine(agent: str) -> Engine:
    """Return the engine that an agent claims; every browser on iOS is WebKit."""
    if _DESKTOP_ON_IOS.search(agent):
        return Engine("safari", embedded=True)
    embedded = _EMBEDDED.search(agent) is not None
    on_ios = _WEBKIT_ON_IOS.search(agent) is not None
    for name, pattern in _ENGINES:
        found = pattern.search(agent)
        if found and not (on_ios and name != "safari"):
            minor = int(found[2] or 0) if name == "safari" else 0
            return Engine(name, int(found[1]), minor, embedded)
    return Engine("safari" if on_ios else "", embedded=embedded or on_ios)


@lru_cache(maxsize=4096)
def crawler(agent: str, policy: Policy) -> str:
    """Return the entry of crawler-user-agents that an agent matches, else ""."""
    if any(_has(agent, word) for word in policy.agents["not_crawlers"]):
        return ""
    entries = _crawlers(_without_model(agent))
    return next((entry for entry in entries if entry not in policy.agents["not_listed"]), "")


def _crawlers(agent: str) -> Iterator[str]:
    """Yield the entries that an agent matches, in their order.

    As ``crawleruseragents.matching_crawlers``, which compiles all of them anew for every crawler: more
    than ``re`` keeps. Whoever sends another agent with each request would hold up everybody.
    """
    for first in range(0, len(_CRAWLERS), _AT_ONCE):
        some = _CRAWLERS[first : first + _AT_ONCE]
        if _compiled("|".join(some)).search(agent):
            yield from (entry for entry in some if _compiled(entry).search(agent))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@lru_cache(maxsize=4096)
def program(agent: str, policy: Policy) -> bool:
    """Return whether an agent is a program's by rules/agents.toml."""
    return matches(agent, policy.agents["programs"])


def is_browser(agent: str, policy: Policy) -> bool:
    """Return whether an agent has the shape of a browser's, or is on the list of those that have not."""
    return agent.startswith("Mozilla/") or matches(agent, policy.agents["browsers"])


@lru_cache(maxsize=4096)
def robot_word(agent: str, policy: Policy) -> str:
    """Return what in an agent names a robot or its operator (a word, a URL, a mail address), else "".

    Whole, as it stands there: the word is ``bot``, the robot ``NewThingBot/1.0``.
    """
    if any(_has(agent, word) for word in policy.agents["not_crawlers"]):
        return ""
    text = _without_model(agent)
    found = _union(policy.agents["robot_words"]).search(text)
    if not found or not policy.agents["robot_words"]:
        return ""
    behind = _BETWEEN_WORDS.search(text, found.end())
    before = max(text.rfind(mark, 0, found.start()) for mark in " ;,()") + 1
    return text[before : behind.start() if behind else None][:CROPPED_WORD]


@lru_cache(maxsize=4096)
def unknown_product(agent: str, policy: Policy) -> str:
    """Return the first product of a browser-like agent that no browser or app for people names, else "".

    On a desk a word that is no product counts as one, and so does it to name no browser (`NO_BROWSER`).
    In a WebView and in Electron the product is the app's own, as their makers mean it to be.
    """
    if not agent.startswith("Mozilla/5.0 (") or _APP.search(agent):
        return ""
    known = {name.lower() for name in policy.agents["products"]}
    said = _BRACKETS.sub(" ", agent[:CROPPED])
    named = _PRODUCT.findall(said)
    unknown = next((name for name in named if name.lower() not in known), "")
    if unknown or not known or not _ON_A_DESK.match(agent):
        return unknown
    words = (word for word in said.split() if "/" not in word and word.lower() not in known)
    return next(words, "") or ("" if _names_a_browser(agent, named) else NO_BROWSER)


def _names_a_browser(agent: str, named: Sequence[str]) -> bool:
    """Return whether an agent of a desk says which browser it is; apps on a Mac may name the engine alone."""
    names = {name.lower() for name in named}
    ends_behind_engine = "safari" not in names and agent.startswith("Mozilla/5.0 (Macintosh")
    return bool(names - _ALL_NAME) or names >= _SAFARI or "Trident/" in agent or ends_behind_engine


def handheld(agent: str) -> bool:
    """Return whether an agent is a telephone's or a tablet's."""
    return "Mobile" in agent or "Android" in agent or _WEBKIT_ON_IOS.search(agent) is not None


def driven(agent: str) -> bool:
    """Return whether a browser is of the kind that scanners are known to drive: Chromium on a desk."""
    return engine(agent).name == "chromium" and not handheld(agent)


def matches(agent: str, patterns: Sequence[str]) -> bool:
    """Return whether any of the patterns is in an agent; case does not matter."""
    # An empty list is an empty pattern, which would be in every agent.
    return bool(patterns) and _union(tuple(patterns)).search(agent[:CROPPED]) is not None


def age_years(found: Engine, at: float, policy: Policy) -> float:
    """Return how many years before ``at`` an engine's version came out; 0 if not known.

    The age of a version that is the last one for systems still in use counts half. A version that came
    out after the table was written is of unknown age, or every browser would grow old with the table.
    """
    table = policy.engines.get(found.name)
    if not table or not found.major or found.major > int(table[-1][0]):
        return 0.0
    years = max(0.0, (at - _released(found.major, table)) / YEAR_SECONDS)
    last = policy.engines.get(f"last_{found.name}", ())
    return years / 2 if found.major in last else years


def years_old(agent: str, at: float, policy: Policy) -> float:
    """Return how many years old the engine counts that an agent names; 0 if not known.

    Browsers that keep an engine of their own for years are half as old as it is.
    """
    years = age_years(engine(agent), at, policy)
    return years / 2 if years and matches(agent, policy.agents["own_engines"]) else years


def is_dead(agent: str, at: float, policy: Policy) -> bool:
    """Return whether nobody browses any more with the engine that an agent names.

    As ``request.engine-dead`` weighs most; the last versions for old systems are never dead, nor are
    engines that a browser or device keeps.
    """
    found = engine(agent)
    if age_years(found, at, policy) < policy.rules["request.engine-dead"].values["max_years"]:
        return False
    is_last = found.major in policy.engines.get(f"last_{found.name}", ())
    return not is_last and not matches(agent, policy.agents["own_engines"])


def _released(major: int, table: list[list[int | str]]) -> float:
    versions = [int(row[0]) for row in table]
    times = [datetime.fromisoformat(str(row[1])).replace(tzinfo=UTC).timestamp() for row in table]
    place = bisect.bisect_right(versions, major)
    if place == 0:
        return times[0]
    if place == len(versions):
        return times[-1]
    low, high = versions[place - 1], versions[place]
    return times[place - 1] + (times[place] - times[place - 1]) * (major - low) / (high - low)


def _without_model(agent: str) -> str:
    """Return an agent with the K for its model that Chrome writes: some are called as robots are."""
    return _MODEL.sub(r"\1K", agent[:CROPPED], count=1)


def _has(agent: str, word: str) -> bool:
    return word.lower() in agent.lower()


@lru_cache(maxsize=16)
def _union(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)
