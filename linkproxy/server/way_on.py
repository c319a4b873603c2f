"""Whether a page that must not stop anybody has a way on: a button that posts, or a link."""

from __future__ import annotations

from html.parser import HTMLParser

_BUTTONS = {"button": ("", "submit"), "input": ("submit", "image")}


def has_button(page: str) -> bool:
    """Tell whether a page can be posted to its own address, which is what its buttons do."""
    found = _read(page)
    return found.posts and found.buttons


def links_to(page: str, target: str) -> bool:
    """Tell whether a page has a link to ``target``."""
    return target in _read(page).links


def _read(page: str) -> _WaysOn:
    found = _WaysOn()
    found.feed(page)
    found.close()
    return found


class _WaysOn(HTMLParser):
    """Lenient: a button need not be inside its form (``form="..."`` names one from outside)."""

    def __init__(self) -> None:
        super().__init__()
        self.posts = False
        self.buttons = False
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.posts |= named.get("method", "").strip().lower() == "post" and not named.get("action")
        elif tag == "a":
            self.links.add(named.get("href", "").strip())
        elif tag in _BUTTONS:
            self.buttons |= named.get("type", "").strip().lower() in _BUTTONS[tag]
