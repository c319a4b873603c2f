"""The part of the JSON API that looks back: reports, campaigns side by side, accuracy, bait, shadow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linkproxy.query.accuracy import accuracy_record, measure
from linkproxy.query.bait import bait_record
from linkproxy.query.bait import measure as catches
from linkproxy.query.compare import COMPARED_COLUMNS, compared, sentences
from linkproxy.query.export import record
from linkproxy.query.filters import FilterError, read_filter, unknown
from linkproxy.query.reports import report, report_record
from linkproxy.query.shadow import shadow_record
from linkproxy.server.body import MOST_ROWS, ApiError, read_flag
from linkproxy.server.campaigns import known_campaign

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from linkproxy.model import Campaign
    from linkproxy.server.api import Call
    from linkproxy.server.clerks import Clerks
    from linkproxy.store.api import Filter, Store
    from linkproxy.visit.policy import Policy

    Answer = dict[str, Any]

_SHADOW_ROWS = "100"


class ReviewApi:
    """The handlers; each takes a Call and returns a JSON object, or raises ApiError."""

    def __init__(self, store: Store, clerks: Clerks, clock: Callable[[], float]) -> None:
        self._store = store
        self._clerks = clerks
        self._clock = clock
        self.routes: Sequence[tuple[str, str, Callable[[Call], Awaitable[Answer]]]] = (
            ("GET", "/api/v1/campaigns/{name}/report", self.report),
            ("GET", "/api/v1/compare", self.compare),
            ("GET", "/api/v1/accuracy", self.accuracy),
            ("GET", "/api/v1/bait", self.bait),
            ("GET", "/api/v1/shadow", self.shadow),
        )

    async def report(self, call: Call) -> Answer:
        """Return what a campaign's visits come to."""
        self._read(call.query, ())
        campaign = await known_campaign(self._store, call.path["name"])
        return {"report": await self._clerks.ask(_report, campaign)}

    async def compare(self, call: Call) -> Answer:
        """Return the heads of the reports of the campaigns named, or of those that were made in a span."""
        query = dict(call.query)
        archived = read_flag(query, "archived")
        if faults := unknown(query, ("campaign", "since", "until", "archived")):
            raise ApiError(400, *faults)
        span = self._read({name: query[name] for name in query if name != "campaign"}, ("since", "until"))
        named = [name for name in dict.fromkeys(call.listed) if name]
        known = [await known_campaign(self._store, name) for name in named] or [
            one for one in await self._store.list_campaigns() if archived or one.archived_at is None
        ]
        shown = [one for one in known if span.spans(one.created_at)]
        return await self._clerks.ask(_compare, (shown, len(named) > 1))

    async def accuracy(self, call: Call) -> Answer:
        """Return how often the judge was right, as far as labels tell."""
        where = await self._read_known(call.query, ("campaign", "since", "until"))
        return {"accuracy": await self._clerks.ask(_accuracy, where)}

    async def bait(self, call: Call) -> Answer:
        """Return how many of the messages that machines visited had their bait followed."""
        where = await self._read_known(call.query, ("campaign", "since", "until"))
        return {"bait": await self._clerks.ask(_bait, where)}

    async def shadow(self, call: Call) -> Answer:
        """Return what the shadow policy said beside the live one."""
        query = {**call.query, "limit": call.query.get("limit") or _SHADOW_ROWS}
        where = await self._read_known(query, ("campaign", "since", "until", "limit"))
        if (where.limit or 0) > MOST_ROWS:
            raise ApiError(400, f"limit: {where.limit} is not a whole number from 0 to {MOST_ROWS}")
        return await shadow_record(self._store, where)

    async def _read_known(self, query: Mapping[str, str], names: Sequence[str]) -> Filter:
        where = self._read(query, names)
        if where.campaign:
            await known_campaign(self._store, where.campaign)
        return where

    def _read(self, query: Mapping[str, str], names: Sequence[str]) -> Filter:
        faults = unknown(query, names)
        try:
            where = read_filter({name: query[name] for name in names if name in query}, now=self._clock())
        except FilterError as error:
            raise ApiError(400, *faults, *error.faults) from None
        if faults:
            raise ApiError(400, *faults)
        return where


# --- what clerks do ----------------------------------------------------------------------------


async def _report(store: Store, campaign: Campaign, policy: Policy) -> Answer:
    return report_record(await report(store, campaign, policy))


async def _compare(store: Store, given: tuple[Sequence[Campaign], bool], policy: Policy) -> Answer:
    campaigns, named = given
    rows, found = [], []
    async for row in compared(store, campaigns, policy, named=named):
        found.append(record(row, COMPARED_COLUMNS))
        rows += [row] if named else []  # all of a large store's would fill the memory
    return {"campaigns": found, "sentences": sentences(rows)}


async def _accuracy(store: Store, where: Filter, policy: Policy) -> Answer:
    return accuracy_record(await measure(store, where, policy))


async def _bait(store: Store, where: Filter, policy: Policy) -> Answer:
    return bait_record(await catches(store, where, policy))
