"""Campaigns as the outside writes and reads them: checking a new one, showing those there are."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from linkproxy.campaign.links import target_fault
from linkproxy.model import BASE_URL
from linkproxy.query.filters import format_time
from linkproxy.server.body import ApiError

if TYPE_CHECKING:
    from linkproxy.model import Campaign, Link
    from linkproxy.store.api import Store

_NAME = re.compile(r"[^\x00-\x1f\x7f\s](?:[^\x00-\x1f\x7f]{0,98}[^\x00-\x1f\x7f\s])?")

_STEPS = frozenset({".", ".."})
"""Browsers and HTTP clients leave these out of a path, also encoded (URL Standard, section 4.4)."""


def name_fault(name: str) -> str | None:
    """Return why this cannot be a campaign's name: it would not survive a command line, or a URL."""
    if name in _STEPS:
        return f"{name!r}: a path leads elsewhere by it; add a letter or digit"
    if _NAME.fullmatch(name):
        return None
    return (
        f"{name[:120]!r}: use 1 to 100 characters, without blanks at either end, line breaks or control "
        "characters"
    )


def base_url_fault(url: str) -> str | None:
    """Return why tracked URLs cannot begin with this; None when they can."""
    fault = target_fault(url)
    if fault is None:
        parts = urlsplit(url)
        if parts.path or parts.query or parts.fragment or "?" in url or "#" in url:
            fault = "has more than scheme and host"
        elif not url.isascii():
            fault = "is not ASCII; write the host in its xn-- form"
        elif not BASE_URL.fullmatch(url):
            fault = "has characters that every mail client would not take: letters, digits and :/._~- only"
    return f"{url[:80]!r} {fault}; write it as https://click.example.com" if fault else None


_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_UTM_CHARACTERS = 500
"""Far more than anybody counts by; five of them leave room for the target in what proxies take."""


def utm_fault(value: str) -> str | None:
    """Return why targets cannot be given this UTM value."""
    if len(value) > _UTM_CHARACTERS:
        return f"is longer than {_UTM_CHARACTERS} characters"
    return "has control characters" if _CONTROLS.search(value) else None


_CLICK_ID = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")


def click_id_fault(name: str) -> str | None:
    """Return why targets cannot be given the click id under this name; "" is no name and no fault."""
    if not name or (_CLICK_ID.fullmatch(name) and not name.lower().startswith("utm_")):
        return None
    return f"{name[:80]!r}: use a letter and up to 39 more of A-Z a-z 0-9 _ . -, and none of the utm_ names"


async def known_campaign(store: Store, name: str, *, status: int = 404) -> Campaign:
    """Return a campaign by name; raise ApiError with ``status`` when there is none."""
    # PostgreSQL takes no NUL in text, and would say that the store fails.
    found = None if "\0" in name else await store.find_campaign(name.strip())
    if found is None:
        raise ApiError(status, f"campaign: there is none named {name[:120]!r}; GET /api/v1/campaigns")
    return found


def campaign_record(campaign: Campaign) -> dict[str, Any]:
    """Return a campaign as JSON shows it."""
    record = asdict(campaign)
    record.pop("id")
    archived_at = None if campaign.archived_at is None else format_time(campaign.archived_at)
    return record | {"created_at": format_time(campaign.created_at), "archived_at": archived_at}


def link_record(link: Link) -> dict[str, Any]:
    """Return a row of a link table as JSON shows it."""
    record = asdict(link)
    record.pop("campaign_id")
    return record
