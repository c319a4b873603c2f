"""What targets tell of visits: the beacon of their pages, and calls of their servers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from linkproxy.model import Engagement, EngagementKind
from linkproxy.server.answers import NOT_STORED, Reply
from linkproxy.server.body import read_object
from linkproxy.server.click import read_raw
from linkproxy.store.afterlife import EngagementOutcome
from linkproxy.store.api import StoreError
from linkproxy.visit.intake import client_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiohttp import web

    from linkproxy.campaign.click_ids import ClickIds
    from linkproxy.model import RawRequest
    from linkproxy.server.api import Call
    from linkproxy.server.bucket import Bucket
    from linkproxy.store.api import Store
    from linkproxy.telemetry import Metrics
    from linkproxy.visit.intake import Gate

SCRIPT_PATH, BEACON_PATH = "/b.js", "/b"
MOST_SECONDS = 86_400.0
MOST_PAGES = 1_000

_FIELDS = ("click_id", "seconds_on_page", "pages")
# A page of any site may tell us, and learns nothing from the answer.
_ANY_SITE = ("Access-Control-Allow-Origin", "*")
_HEARD = Reply(204, (*NOT_STORED, _ANY_SITE))
_MAY_TELL = Reply(
    204,
    (
        _ANY_SITE,
        ("Access-Control-Allow-Methods", "POST"),
        ("Access-Control-Allow-Headers", "content-type"),
        ("Access-Control-Max-Age", "86400"),
    ),
)
_BY_POST_ALONE = Reply(405, (*NOT_STORED, ("Allow", "POST, OPTIONS")))
SCRIPT = Reply(
    200,
    (
        ("Content-Type", "text/javascript; charset=utf-8"),
        ("Cache-Control", "public, max-age=86400"),
        ("Cross-Origin-Resource-Policy", "cross-origin"),
        ("X-Content-Type-Options", "nosniff"),
    ),
    (resources.files("linkproxy.server") / "b.js").read_bytes(),
)
"""What a target's page includes to tell us; under 1 kB, and it keeps nothing in the browser."""


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody says of a visit."""

    click_id: str
    seconds_on_page: float
    pages: int


class Engagements:
    """Hears what is told of visits; whoever tells it is told nothing back but that it was heard."""

    def __init__(
        self,
        store: Store,
        click_ids: ClickIds,
        gate: Gate,
        *,
        beacons: Bucket,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._click_ids = click_ids
        self._gate = gate
        self._beacons = beacons
        self._metrics = metrics
        self._clock = clock
        self.routes: Sequence[tuple[str, str, Callable[[Call], Awaitable[dict[str, Any]]]]] = (
            ("POST", "/api/v1/engagement", self.call),
        )

    async def beacon(self, request: web.BaseRequest) -> Reply:
        """Answer a request for the beacon's path."""
        if request.method == "OPTIONS":
            return _MAY_TELL
        if request.method != "POST":
            return _BY_POST_ALONE
        outcome = await self._of_beacon(await read_raw(request, self._clock()))
        self._count(EngagementKind.BEACON, outcome)
        return _HEARD

    async def call(self, call: Call) -> dict[str, Any]:
        """Take the word of a target's own server."""
        body = read_object(call.body, _FIELDS)
        told = Told(
            body.text("click_id", required=True),
            body.number("seconds_on_page", most=MOST_SECONDS),
            int(body.number("pages", most=MOST_PAGES, usual=1)),
        )
        body.check()
        outcome = await self._of_call(told)
        self._count(EngagementKind.CALL, outcome)
        return {"recorded": outcome in {EngagementOutcome.KEPT, EngagementOutcome.UNCHANGED}}

    async def _of_beacon(self, raw: RawRequest) -> str:
        if any(name.lower() in {"sec-gpc", "dnt"} and value.strip() == "1" for name, value in raw.headers):
            return "declined"
        told = _read(raw.body)
        if told is None:
            return "malformed"
        visit_id = self._click_ids.read(told.click_id)
        if visit_id is None:
            return "forged"
        # Behind that, so that whoever has no click id cannot use the limit up.
        if not self._beacons.take():
            return "dropped"
        try:
            return await self._keep(visit_id, told, EngagementKind.BEACON, *client_of(raw, self._gate))
        except StoreError:
            # Evidence that did not come is no evidence; a page must not notice our troubles.
            return "failed"

    async def _of_call(self, told: Told) -> str:
        visit_id = self._click_ids.read(told.click_id)
        return "forged" if visit_id is None else await self._keep(visit_id, told, EngagementKind.CALL)

    async def _keep(
        self, visit_id: int, told: Told, kind: EngagementKind, client: str = "", network: str = ""
    ) -> str:
        now = self._clock()
        engagement = Engagement(visit_id, kind, now, now, told.seconds_on_page, told.pages, network)
        return await self._store.add_engagement(engagement, client=client)

    def _count(self, kind: EngagementKind, outcome: str) -> None:
        self._metrics.engagements.labels(kind=kind, outcome=outcome).inc()


def _read(body: bytes) -> Told | None:
    """Return what a beacon's form says; None for anything else."""
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=8)
        (click_id,), (seconds,), (pages,) = (fields[name] for name in _FIELDS)
        told = Told(click_id, float(seconds), int(pages))
    except (ValueError, KeyError):
        return None
    if not (math.isfinite(told.seconds_on_page) and 0 <= told.seconds_on_page <= MOST_SECONDS):
        return None
    return told if 1 <= told.pages <= MOST_PAGES else None
