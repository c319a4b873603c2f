"""The pages of the dashboard, each made of what a call of the JSON API answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from linkproxy.server.api import Call
from linkproxy.server.body import MOST_ROWS, ApiError
from linkproxy.server.dashboard.frame import Page, campaign_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from linkproxy.server.api import Answer

_API: Final = "/api/v1"
_CAMPAIGNS_A_PAGE: Final = 20
_ROWS_A_PAGE: Final = "50"
_ROWS_OF_TABLE: Final = 100
_YOUNG: Final = timedelta(days=2)
"""Between the first and the last day with a click, for these to be shown by hour."""

MOST_COMPARED: Final = 20
_LISTED_BY: Final = ("link", "domain", "next")
_NOTHING: Final[Mapping[str, Any]] = {"campaigns": (), "sentences": ()}
_VERDICTS: Final = ("human", "uncertain", "machine")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page is asked for: the names in its path, its query, and the API key of who asks."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    campaigns: Sequence[str]  # every ``campaign`` of the query
    key: str


class Views:
    """Each view returns a Page, or raises ApiError; ``calls`` are the API's handlers that read."""

    def __init__(self, calls: Mapping[str, Callable[[Call], Awaitable[Answer]]]) -> None:
        self._calls = calls
        self.routes: Sequence[tuple[str, Callable[[Asked], Awaitable[Page]]]] = (
            ("/", self.campaigns),
            ("/campaigns/{name}", self.report),
            ("/campaigns/{name}/clicks", self.clicks),
            ("/campaigns/{name}/visits", self.visits),
            ("/campaigns/{name}/bait", self.bait),
            ("/compare", self.compare),
            ("/visits/{visit_id}", self.explain),
        )

    async def campaigns(self, asked: Asked) -> Page:
        """Return the list of campaigns, those made last first, with the heads of their reports."""
        archived = asked.query.get("archived") == "1"
        query = {"archived": "true"} if archived else {}
        known = (await self._ask(asked, "/campaigns", query))["campaigns"][::-1]
        pages = max(1, -(-len(known) // _CAMPAIGNS_A_PAGE))
        page = min(pages, _number(asked.query.get("page", ""), usual=1))
        shown = known[(page - 1) * _CAMPAIGNS_A_PAGE : page * _CAMPAIGNS_A_PAGE]
        rows = [(campaign, await self._report(asked, campaign["name"])) for campaign in shown]
        return Page(
            "campaigns.html",
            {"rows": rows, "archived": archived, "page": page, "pages": pages, "known": len(known)},
            call=_url("/compare", query),
            command=("linkproxy", "compare", *(["--archived"] if archived else [])),
        )

    async def report(self, asked: Asked) -> Page:
        """Return what a campaign's visits come to."""
        name = asked.path["name"]
        found = await self._report(asked, name)
        told = await self._ask(asked, "/campaigns/{name}", {}, name=name)
        raw = asked.query.get("raw") == "1"
        return Page(
            "report.html",
            {
                "campaign": told["campaign"],
                "found": found,
                "hours": await self._hours(asked, name, found),
                "raw": raw,
                "most_rows": _ROWS_OF_TABLE,
            },
            call=_url(f"/campaigns/{quote(name, safe='')}/report"),
            command=("linkproxy", "report", *(["--raw"] if raw else []), *_arguments(name)),
        )

    async def compare(self, asked: Asked) -> Page:
        """Return the heads of the reports of some campaigns, side by side."""
        names = list(dict.fromkeys(name for name in asked.campaigns if name))
        if len(names) > MOST_COMPARED:
            raise ApiError(400, f"campaign: choose {MOST_COMPARED} at most; `linkproxy compare` takes more")
        pairs = [("campaign", name) for name in names]
        found = await self._ask(asked, "/compare", dict(pairs), listed=names) if names else _NOTHING
        rows = found["campaigns"]
        return Page(
            "compare.html",
            {
                "rows": rows,
                "sentences": found["sentences"],
                "most": max((_greatest(row) for row in rows), default=0),
                "most_rate": max((row["click_rate_high"] or 0 for row in rows), default=0),
                "against": [[("campaign", one) for one in _first(name, names)] for name in names],
            },
            call=_url("/compare", pairs) if names else "",
            command=("linkproxy", "compare", *_arguments(*names)),
        )

    async def clicks(self, asked: Asked) -> Page:
        """Return a page of a campaign's click log; with ``provisional`` also clicks not settled yet."""
        provisional = {"provisional": "true"} if asked.query.get("provisional") == "1" else {}
        return await self._listing(asked, "clicks", provisional)

    async def visits(self, asked: Asked) -> Page:
        """Return a page of a campaign's journal, of one verdict or of all."""
        verdict = asked.query.get("verdict", "")
        return await self._listing(asked, "visits", {"verdict": verdict} if verdict in _VERDICTS else {})

    async def explain(self, asked: Asked) -> Page:
        """Return why a visit was judged as it was."""
        number = asked.path["visit_id"]
        visit = (await self._ask(asked, "/visits/{visit_id}", {}, visit_id=number))["visit"]
        evidence = _evidence(visit)
        sources = {item["name"]: item["source"] for item in evidence if item["source"]}
        heaviest = max((abs(item["weight"]) for item in evidence), default=0)
        return Page(
            "visit.html",
            {"visit": visit, "most": heaviest, "sources": sources},
            call=_url(f"/visits/{visit['visit_id']}"),
            command=("linkproxy", "explain", str(visit["visit_id"])),
        )

    async def bait(self, asked: Asked) -> Page:
        """Return how many of a campaign's messages that machines visited had their bait followed."""
        query = {"campaign": asked.path["name"]}
        found = (await self._ask(asked, "/bait", query))["bait"]
        return Page(
            "bait.html",
            {"name": query["campaign"], "found": found},
            call=_url("/bait", query),
            command=("linkproxy", "bait", "--campaign", query["campaign"]),
        )

    async def _listing(self, asked: Asked, what: str, more: Mapping[str, str]) -> Page:
        name = asked.path["name"]
        given = {key: asked.query[key] for key in _LISTED_BY if asked.query.get(key)} | dict(more)
        query = {"campaign": name, **given, "limit": _ROWS_A_PAGE}
        answer = await self._ask(asked, f"/{what}", query)
        kept = {key: value for key, value in asked.query.items() if value and key != "next"}
        options = [
            part
            for key, value in query.items()
            if key not in {"limit", "next"}
            for part in ((f"--{key}",) if value == "true" else (f"--{key}", value))
        ]
        return Page(
            f"{what}.html",
            {
                "name": name,
                "rows": answer[what],
                "given": given,
                "kept": kept,
                "next": answer["next"] or "",
                "here": campaign_path(name, f"/{what}"),
            },
            call=_url(f"/{what}", query),
            command=("linkproxy", what, *options),
        )

    async def _hours(self, asked: Asked, name: str, found: Mapping[str, Any]) -> dict[str, int]:
        """Return the clicks of a young campaign by hour, as the click log has them; {} for an old one."""
        days = [date.fromisoformat(row["day"]) for row in found["by_day"] if row["human_clicks"]]
        if not days or max(days) - min(days) > _YOUNG or found["human_clicks"] > MOST_ROWS:
            return {}
        query = {"campaign": name, "limit": str(MOST_ROWS)}
        clicks = (await self._ask(asked, "/clicks", query))["clicks"]
        # Fewer after a purge, or another one by now: they would not add up to what the report says.
        if len(clicks) != found["human_clicks"]:
            return {}
        return dict(Counter(f"{click['at'][:13]}:00" for click in clicks))

    async def _report(self, asked: Asked, name: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self._ask(asked, "/campaigns/{name}/report", {}, name=name))["report"]
        return found

    async def _ask(
        self,
        asked: Asked,
        path: str,
        query: Mapping[str, str],
        *,
        listed: Sequence[str] = (),
        **names: str,
    ) -> Answer:
        return await self._calls[_API + path](Call(names, query, b"", asked.key, listed))


def _arguments(*names: str) -> tuple[str, ...]:
    """Return names as a command takes them, which would read one that begins with - as an option."""
    return ("--", *names) if any(name.startswith("-") for name in names) else names


def _first(name: str, names: Sequence[str]) -> list[str]:
    """Return the names with this one before the others."""
    return [name, *(one for one in names if one != name)]


def _url(path: str, query: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> str:
    return f"GET {_API}{path}" + (f"?{urlencode(query)}" if query else "")


def _number(text: str, *, usual: int) -> int:
    """Return a number from 1 on as a query has it."""
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else usual


def _greatest(row: Mapping[str, Any]) -> int:
    """Return the greatest number of clicks that a row of campaigns side by side speaks of."""
    greatest: int = max(1, row["human_clicks"], row["interval_high"] or 0)
    return greatest


def _evidence(visit: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [item for verdict in (visit["first"], visit["settled"]) if verdict for item in verdict["signals"]]
