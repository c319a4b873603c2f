"""What a page holds: ways on, which keep it from stopping anybody, and parts that its policy blocks."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_BUTTONS: Final = {"button": ("", "submit"), "input": ("submit", "image")}
_LOADING: Final = frozenset({"audio", "embed", "iframe", "link", "object", "script", "video"})
_STYLE_LOADS: Final = re.compile(r"@import\b[^;]*|url\(\s*[\"']?(?!data:)[^)]*\)?", re.IGNORECASE)
_SHOWN_CHARACTERS: Final = 100


def has_button(page: str) -> bool:
    """Tell whether a page can be posted to its own address, which is what its buttons do."""
    found = _read(page)
    return found.posts and found.buttons


def links_to(page: str, target: str) -> bool:
    """Tell whether a page has a link to ``target``."""
    return target in _read(page).links


def blocked(page: str) -> list[str]:
    """Return what of a page has no effect under the policy of ``pages.py``, as it is written there."""
    return [part[:_SHOWN_CHARACTERS] for part in dict.fromkeys(_read(page).blocked)]


def _read(page: str) -> _Parts:
    found = _Parts()
    found.feed(page)
    found.close()
    return found


class _Parts(HTMLParser):
    """Lenient: a button need not be inside its form (``form="..."`` names one from outside)."""

    def __init__(self) -> None:
        super().__init__()
        self.posts = False
        self.buttons = False
        self.links: set[str] = set()
        self.blocked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.posts |= named.get("method", "").strip().lower() == "post" and not named.get("action")
        elif tag == "a":
            self.links.add(named.get("href", "").strip())
        elif tag in _BUTTONS:
            self.buttons |= named.get("type", "").strip().lower() in _BUTTONS[tag]
        if _is_blocked(tag, named):
            self.blocked.append(self.get_starttag_text() or tag)

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "style":
            self.blocked += _STYLE_LOADS.findall(data)


def _is_blocked(tag: str, named: dict[str, str]) -> bool:
    if tag in _LOADING or "style" in named or any(name.startswith("on") for name in named):
        return True
    return tag == "img" and not named.get("src", "").strip().lower().startswith("data:")
