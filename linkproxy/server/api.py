"""The JSON API: what programs ask and tell. docs/api.md is its reference."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from linkproxy.model import (
    NOBODY,
    BaitPlaces,
    BaitStyle,
    Campaign,
    CampaignId,
    CampaignKind,
    Delivery,
    DeliverySource,
    MachineAnswer,
    Utm,
)
from linkproxy.query.export import (
    AUDIT_COLUMNS,
    CLICK_COLUMNS,
    FEED_COLUMNS,
    RETRACTION_COLUMNS,
    UNSUBSCRIBE_COLUMNS,
    VISIT_COLUMNS,
    record,
)
from linkproxy.query.filters import NOT_SO_FAR, FilterError, delivery_fault, read_filter, unknown
from linkproxy.server.api_gateways import GatewayApi
from linkproxy.server.api_lint import LintApi
from linkproxy.server.api_mail import MailApi, read_drafts
from linkproxy.server.api_readers import ReaderApi
from linkproxy.server.api_recipients import RecipientApi
from linkproxy.server.api_review import ReviewApi
from linkproxy.server.api_webhooks import WebhookApi
from linkproxy.server.body import MOST_ROWS, ApiError, Body, read_flag, read_object, refuse_parameters
from linkproxy.server.campaigns import (
    base_url_fault,
    campaign_record,
    click_id_fault,
    known_campaign,
    link_record,
    name_fault,
    utm_fault,
)
from linkproxy.server.profiles import profile_records
from linkproxy.store.api import DeliveryDraft, DuplicateError, RecipientDraft

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from linkproxy.campaign.tokens import Keyring
    from linkproxy.config import Config
    from linkproxy.query.export import Column
    from linkproxy.server.clerks import Clerks
    from linkproxy.server.rewriter import Rewriter
    from linkproxy.store.api import Filter, Store
    from linkproxy.visit.policy import Policy

    Rows = Callable[[Filter], AsyncIterator[Any]]

MOST_DELIVERIES = 10_000
_DELIVERIES_TOGETHER = 500
"""Deliveries of one write: visits wait for it, as they would for seconds if all were written at once."""

_PAGE = 100
_CAMPAIGN = (
    *(
        "name",
        "kind",
        "base_url",
        "machine_answer",
        "bait_style",
        "bait_places",
        "utm",
        "rewrite_unsubscribe",
    ),
    *("click_id", "leave_shown_urls", "opens", "list_unsubscribe"),
)
_FILTERS = ("campaign", "link", "recipient", "domain", "since", "until")
_UTM = tuple(field.name for field in fields(Utm))
_NOW = "now"
_NEXT = re.compile(rb"(after|feed|unsubscribe):([0-9]{1,18})")

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the API, as its handler needs it."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    key: str = ""  # name of the API key that it came with
    listed: Sequence[str] = ()  # values of the parameter that may be given several times, in their order


class Api:
    """The handlers; each takes a Call and returns a JSON object, or raises ApiError.

    ``questions`` are the clerks that go over the journal, ``mail`` those that read mail: a mail does not
    wait for a question that takes minutes.
    """

    def __init__(
        self,
        store: Store,
        rewriter: Rewriter,
        policy: Policy,
        config: Config,
        clock: Callable[[], float],
        *,
        keyring: Keyring,
        questions: Clerks,
        mail: Clerks,
    ) -> None:
        self._store = store
        self._policy = policy
        self._config = config
        self._clock = clock
        mails = MailApi(store, rewriter, mail, config)
        self.streams: Mapping[tuple[str, str], Callable[[], Callable[[bytes], Awaitable[Answer]]]] = {
            ("POST", "/api/v1/rewrite"): mails.lines
        }
        """What answers a route's body of JSON Lines, anew for each request."""
        self.lists: Mapping[tuple[str, str], str] = {("GET", "/api/v1/compare"): "campaign"}
        """The parameter of a route that may be given several times; any other only once."""
        self.routes: Sequence[tuple[str, str, Callable[[Call], Awaitable[Answer]]]] = (
            ("GET", "/api/v1/campaigns", self.list_campaigns),
            ("POST", "/api/v1/campaigns", self.add_campaign),
            ("GET", "/api/v1/campaigns/{name}", self.show_campaign),
            ("PATCH", "/api/v1/campaigns/{name}", self.change_campaign),
            ("GET", "/api/v1/campaigns/{name}/audit", self.list_audit),
            *mails.routes,
            ("POST", "/api/v1/deliveries", self.add_deliveries),
            ("GET", "/api/v1/clicks", self.list_clicks),
            ("GET", "/api/v1/feed", self._lister(_FEED, store.feed)),
            ("GET", "/api/v1/retractions", self._lister(_RETRACTIONS, store.retractions)),
            ("GET", "/api/v1/unsubscribes", self._lister(_UNSUBSCRIBES, store.unsubscribes)),
            ("GET", "/api/v1/visits", self._lister(_VISITS, store.visits)),
            *ReaderApi(store, policy, keyring).routes,
            *RecipientApi(store, questions, may_erase=config.privacy.erase_by_api).routes,
            *ReviewApi(store, questions, clock).routes,
            *LintApi(store, mail, config).routes,
            *GatewayApi(store, policy.gateways, config, clock).routes,
            *WebhookApi(store).routes,
            ("GET", "/api/v1/profiles", self.list_profiles),
        )

    # --- campaigns -----------------------------------------------------------------------------

    async def list_campaigns(self, call: Call) -> Answer:
        """Return the campaigns, archived ones too if ``archived``."""
        if faults := unknown(call.query, ("archived",)):
            raise ApiError(400, *faults)
        archived = read_flag(dict(call.query), "archived")
        campaigns = await self._store.list_campaigns()
        shown = [item for item in campaigns if archived or item.archived_at is None]
        return {"campaigns": [campaign_record(item) for item in shown]}

    async def show_campaign(self, call: Call) -> Answer:
        """Return one campaign and its link table."""
        refuse_parameters(call.query)
        campaign = await known_campaign(self._store, call.path["name"])
        links = await self._store.list_links(campaign.id)
        return {"campaign": campaign_record(campaign), "links": [link_record(link) for link in links]}

    async def list_audit(self, call: Call) -> Answer:
        """Return which targets of a campaign were changed after sending, and by whom."""
        refuse_parameters(call.query)
        campaign = await known_campaign(self._store, call.path["name"])
        return {
            "changes": [record(entry, AUDIT_COLUMNS) for entry in await self._store.list_audit(campaign.id)]
        }

    async def add_campaign(self, call: Call) -> Answer:
        """Make a campaign; what is not given is as the configuration says."""
        usual = self._config.campaign
        body = read_object(call.body, _CAMPAIGN)
        given = body.text("name", required=True)
        name = given.strip()
        base_url = body.text("base_url").strip().rstrip("/") or self._config.server.base_url
        campaign = Campaign(
            id=CampaignId(0),
            name=name,
            kind=body.choice("kind", CampaignKind(usual.kind)),
            base_url=base_url,
            machine_answer=body.choice("machine_answer", MachineAnswer(usual.machine_answer)),
            bait_style=body.choice("bait_style", BaitStyle(usual.bait_style)),
            bait_places=body.choice("bait_places", BaitPlaces(usual.bait_places)),
            utm=Utm(**body.mapping("utm", _UTM)),
            rewrite_unsubscribe=body.flag("rewrite_unsubscribe"),
            leave_shown_urls=body.flag("leave_shown_urls"),
            opens=body.flag("opens"),
            list_unsubscribe=body.flag("list_unsubscribe"),
            created_at=self._clock(),
            click_id=body.text("click_id").strip(),
        )
        if fault := click_id_fault(campaign.click_id):
            body.fault("click_id", fault)
        for field in _UTM:
            if fault := utm_fault(getattr(campaign.utm, field)):
                body.fault(f"utm.{field}", fault)
        if given and (fault := name_fault(name)):
            body.fault("name", fault)
        if fault := base_url_fault(base_url):
            body.fault("base_url", fault)
        body.check()
        try:
            return {"campaign": campaign_record(await self._store.add_campaign(campaign))}
        except DuplicateError as error:
            raise ApiError(409, str(error)) from None

    async def change_campaign(self, call: Call) -> Answer:
        """Rename a campaign, archive it, or bring it back."""
        refuse_parameters(call.query)
        body = read_object(call.body, ("name", "archived"))
        given, archived = body.text("name"), body.flag("archived")
        if given and (fault := name_fault(given.strip())):
            body.fault("name", fault)
        body.check()
        was = campaign = await known_campaign(self._store, call.path["name"])
        if given:
            campaign = replace(campaign, name=given.strip())
        if body.has("archived") and archived is not (campaign.archived_at is not None):
            campaign = replace(campaign, archived_at=self._clock() if archived else None)
        try:
            return {"campaign": campaign_record(await self._store.change_campaign(was, campaign))}
        except DuplicateError as error:
            raise ApiError(409, str(error)) from None

    # --- deliveries ----------------------------------------------------------------------------

    async def add_deliveries(self, call: Call) -> Answer:
        """Record when messages, or a whole campaign, were accepted."""
        body = read_object(call.body, ("campaign", "delivered_at", "source", "deliveries"))
        name = body.text("campaign", required=True)
        whole = self._delivery(body, DeliverySource.CAMPAIGN)
        items = body.objects("deliveries", ("recipient", "delivered_at", "source"), most=MOST_DELIVERIES)
        told: list[tuple[RecipientDraft, Delivery]] = []
        for item in items:
            usual = whole.source if body.has("source") else DeliverySource.PROVIDER
            who = item.text("recipient", required=True)
            drafts = read_drafts(item, [who] if who else [])
            delivery = self._delivery(item, usual)
            if not item.has("delivered_at"):
                delivery = replace(delivery, delivered_at=whole.delivered_at)
            self._check_delivery(item, delivery)
            told += [(draft, delivery) for draft in drafts]
            body.absorb(item)
        if not body.has("deliveries"):
            self._check_delivery(body, whole)
        body.check()
        campaign = await known_campaign(self._store, name, status=400)
        if not body.has("deliveries"):
            recorded = await self._store.add_deliveries([DeliveryDraft(campaign.id, NOBODY, whole)])
            return {"given": 1, "recorded": recorded}
        recorded = 0
        for start in range(0, len(told), _DELIVERIES_TOGETHER):
            recorded += await self._record(campaign, told[start : start + _DELIVERIES_TOGETHER])
        return {"given": len(told), "recorded": recorded}

    async def _record(self, campaign: Campaign, told: Sequence[tuple[RecipientDraft, Delivery]]) -> int:
        people = await self._store.register_recipients([draft for draft, _ in told])
        return await self._store.add_deliveries(
            [
                DeliveryDraft(campaign.id, person.id, delivery)
                for person, (_, delivery) in zip(people, told, strict=True)
            ]
        )

    def _delivery(self, body: Body, usual: DeliverySource) -> Delivery:
        source = body.choice("source", usual)
        if source is DeliverySource.NONE:
            body.fault("source", "none says nothing; leave the delivery out")
        return Delivery(body.time("delivered_at", now=self._clock()), source)

    def _check_delivery(self, body: Body, delivery: Delivery) -> None:
        if fault := delivery_fault(delivery, now=self._clock()):
            body.fault("delivered_at", fault)

    # --- what came in --------------------------------------------------------------------------

    async def list_clicks(self, call: Call) -> Answer:
        """Return a page of clicks, settled ones unless ``provisional``."""
        query = dict(call.query)
        provisional = read_flag(query, "provisional")
        return await self._page(_CLICKS, partial(self._store.clicks, provisional=provisional), query)

    async def list_profiles(self, call: Call) -> Answer:
        """Return what recipient domains and gateways have taught."""
        return await profile_records(self._store, self._policy, call.query, self._clock())

    def _lister(self, listing: _Listing, rows: Rows) -> Callable[[Call], Awaitable[Answer]]:
        async def page(call: Call) -> Answer:
            return await self._page(listing, rows, dict(call.query))

        return page

    async def _page(self, listing: _Listing, rows: Rows, query: dict[str, str]) -> Answer:
        """Return one page, when there may be more the token of the next, and where to resume later.

        An unknown campaign is a 404 and no empty page.
        """
        if query.get("campaign"):
            await known_campaign(self._store, query["campaign"])
        faults = unknown(query, (*listing.filters, "limit", "next"))
        limit = _limit(query.pop("limit", "") or str(_PAGE), faults)
        # Asked before the rows: what comes meanwhile is among them, or for the next time.
        end: int | None = getattr(await self._store.ends(), listing.end) if listing.end else None
        begin = query.pop("next", "")
        after = end if end is not None and begin == _NOW else _read_next(begin, listing.counter, faults)
        if end is not None and after > end:
            faults.append(f"next: {NOT_SO_FAR}")
        where = {name: query[name] for name in listing.filters if name in query}
        try:
            found = read_filter({**where, "after": str(after), "limit": str(limit + 1)}, now=self._clock())
        except FilterError as error:
            raise ApiError(400, *faults, *error.faults) from None
        if faults:
            raise ApiError(400, *faults)
        shown: list[Answer] = [record(row, listing.columns) async for row in rows(found)]
        more = len(shown) > limit
        shown = shown[:limit]
        last = shown[-1][listing.number] if shown else 0
        answer = {listing.title: shown, "next": _write_next(listing.counter, last) if more else None}
        if end is not None:
            answer["resume"] = answer["next"] or _write_next(listing.counter, max(end, last))
        return answer


@dataclass(frozen=True, slots=True)
class _Listing:
    """What is listed page by page, in the order of the number in the first column.

    ``counter`` is what gives those numbers out. ``end``, of ``Ends``, is how far that has come, where who
    goes on behind it misses nothing.
    """

    title: str
    columns: Sequence[Column[Any]]
    filters: Sequence[str] = _FILTERS
    counter: str = "after"
    end: str = ""

    @property
    def number(self) -> str:
        return self.columns[0].name


_CLICKS = _Listing("clicks", CLICK_COLUMNS, (*_FILTERS, "provisional"))
_FEED = _Listing("feed", FEED_COLUMNS, counter="feed", end="feed")
_RETRACTIONS = _Listing("retractions", RETRACTION_COLUMNS)
_UNSUBSCRIBES = _Listing(
    "unsubscribes",
    UNSUBSCRIBE_COLUMNS,
    ("campaign", "recipient", "domain", "since", "until"),
    counter="unsubscribe",
    end="unsubscribe",
)
_VISITS = _Listing("visits", VISIT_COLUMNS, (*_FILTERS, "verdict"), end="visit")


def _limit(text: str, faults: list[str]) -> int:
    if len(text) <= 4 and text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_ROWS:
        return int(text)
    faults.append(f"limit: {text[:60]!r} is not a whole number from 1 to {MOST_ROWS}")
    return _PAGE


def _write_next(counter: str, number: int) -> str:
    return base64.urlsafe_b64encode(f"{counter}:{number}".encode()).decode().rstrip("=")


def _read_next(text: str, counter: str, faults: list[str]) -> int:
    if not text:
        return 0
    try:
        found = _NEXT.fullmatch(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        found = None
    if found is None or found[1].decode() != counter:
        faults.append("next: send back what the page before gave as next, as it was")
        return 0
    return int(found[2])
