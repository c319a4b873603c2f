"""How the pages of the dashboard are made: templates, the words in them, the headers that guard them."""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from linkproxy.query.export import brief_target, likelihood, printable
from linkproxy.server.answers import NOT_STORED, Reply
from linkproxy.server.dashboard import charts
from linkproxy.server.dashboard.reasons import REASONS
from linkproxy.server.pages import shipped_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from linkproxy.server.pages import Headers

_UNSAID: Final = "-"


@dataclass(frozen=True, slots=True)
class Page:
    """A page to be rendered: its template, what that shows, and the same for programs and terminals.

    ``call`` is path and query of the API call, ``command`` the words of the command.
    """

    template: str
    values: Mapping[str, Any]
    status: int = 200
    call: str = ""
    command: Sequence[str] = ()
    headers: Headers = field(default=())


class Frame:
    """Renders pages; ``brand`` is the sender's name, "" for none."""

    def __init__(self, brand: str) -> None:
        self._brand = brand
        self._environment = _environment()
        self._headers = _headers(str(self._environment.globals["style"]))

    def reply(self, page: Page, *, signed_in: bool) -> Reply:
        """Return a page as it is sent."""
        body = self._environment.get_template(page.template).render(
            page.values,
            brand=self._brand,
            signed_in=signed_in,
            call=page.call,
            command=page.command,
        )
        # What no text can be (half a surrogate pair) may stand in old rows, and is no UTF-8.
        return Reply(page.status, (*self._headers, *page.headers), body.encode("utf-8", "replace"))


@cache
def _environment() -> Environment:
    """Return the templates, all of them read: files of a later version do not fit this one's code."""
    folder = shipped_folder() / "dashboard"
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {
        "by_day": by_day,
        "charts": charts,
        "page_url": page_url,
        "path_of": campaign_path,
        "reason_words": REASONS,
        "style": Markup((folder / "style.css").read_text("utf-8")),  # noqa: S704  (our own; escaped it would be another style)
    }
    made.filters |= {
        "brief": brief_target,
        "count": count,
        "moment": moment,
        "percent": percent,
        "likelihood": likelihood,
        "quoted": shlex.quote,
        "text": printable,
        "weight": weight,
    }
    for name in made.list_templates(extensions=["html"]):
        made.get_template(name)
    return made


def campaign_path(name: str, rest: str = "") -> str:
    """Return the path of a campaign's page, or of one below it; names are arbitrary text."""
    return f"/campaigns/{quote(name, safe='')}{rest}"


def page_url(path: str, query: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> str:
    """Return a path with a query; parameters that are empty are left out."""
    pairs = query.items() if hasattr(query, "items") else query
    told = [(name, value) for name, value in pairs if value]
    return f"{path}?{urlencode(told)}" if told else path


def by_day(found: Mapping[str, Any], figure: str = "human_clicks") -> dict[str, int]:
    """Return one figure of a report by day."""
    return {row["day"]: row[figure] for row in found["by_day"]}


def count(value: float | None) -> str:
    """Return a number as tables show it, ``1,234``; "-" for none."""
    return _UNSAID if value is None else f"{value:,}"


def percent(rate: float | None) -> str:
    """Return a share as tables show it; "-" for none."""
    return _UNSAID if rate is None else f"{rate:.2%}"


def moment(time: str | None) -> str:
    """Return an ISO time of the API in UTC to the second; "-" for none."""
    return time[:19].replace("T", " ") if time else _UNSAID


def weight(decibans: float) -> str:
    """Return a weight with its sign; the true minus is as wide as the plus."""
    return f"{decibans:+.1f}".replace("-", "\N{MINUS SIGN}")


def _headers(style: str) -> Headers:
    """Return the headers of every page, which allow its own style and forms and nothing else.

    Referers go to our own pages only, not to targets; with ``no-referrer`` browsers would send
    ``Origin: null`` when somebody signs in (Fetch Standard, "append a request Origin header").
    """
    digest = base64.b64encode(sha256(style.encode()).digest()).decode("ascii")
    policy = (
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "img-src data:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", "; ".join(policy)),
        *NOT_STORED,
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
    )
