"""Play a population against a real server: real HTTP, and a clock that only this module sets.

The server runs in this process, behind what it takes for its own TLS front: clients' addresses and
schemes arrive in X-Forwarded-For and X-Forwarded-Proto from 127.0.0.1, which it is told to trust.
Requests go out one by one in order of time, and every one has a time of its own: that is how the
journal's entries find back to what they were planned as.
"""

from __future__ import annotations

import heapq
import itertools
import math
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from bench.detection import mails, population
from bench.detection.actors_machines import BY_NAME as MACHINES
from bench.detection.actors_people import BY_NAME as PEOPLE
from bench.detection.played import Asked, Played
from bench.detection.tokens import spoilt
from bench.detection.traffic import MailKind, Scene
from bench.detection.wire import Wire
from linkproxy.cli.init import installation
from linkproxy.config import load
from linkproxy.logs import configure_logging
from linkproxy.model import (
    NOBODY,
    Campaign,
    CampaignId,
    CampaignKind,
    Delivery,
    DeliverySource,
    LinkproxyError,
)
from linkproxy.query.reports import report
from linkproxy.server.app import running
from linkproxy.server.rewriter import Rewriter
from linkproxy.server.settler import settle_due
from linkproxy.store.api import DeliveryDraft, Filter, RecipientDraft

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.detection.population import Letter, Mailing
    from bench.detection.traffic import Links
    from bench.detection.wire import Reply
    from linkproxy.config import Config
    from linkproxy.model import RecipientId
    from linkproxy.server.app import Server

SETTLE_SECONDS = 5.0
"""How often the settle loop runs, by the injected clock."""

APART_SECONDS = 1e-5
HOPS = 3
ROUND_TRIP = (0.03, 0.25)  # seconds until a client has followed a redirect
_NEVER = 4.0e9
_KINDS = {
    MailKind.MANY: CampaignKind.MARKETING,
    MailKind.SINGLE: CampaignKind.MARKETING,
    MailKind.TRANSACTIONAL: CampaignKind.TRANSACTIONAL,
}


@dataclass
class Clock:
    """A clock that is set by hand; the server under it runs as under any other."""

    now: float

    def __call__(self) -> float:
        """Return the time set, in epoch seconds."""
        return self.now


def configure(folder: Path, policy: str, store_url: str = "") -> Config:
    """Return the configuration of a fresh installation with a policy laid over the shipped one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in installation().items():
        (folder / name).write_text(text, "utf-8")
    (folder / "policy-overlay.toml").write_text(policy, "utf-8")
    changes = {
        "LINKPROXY__SERVER__PUBLIC_HOST": "127.0.0.1",
        "LINKPROXY__SERVER__PUBLIC_PORT": "0",
        "LINKPROXY__SERVER__PRIVATE_PORT": "0",
        "LINKPROXY__SERVER__TRUSTED_PROXIES": "127.0.0.1",
        "LINKPROXY__STORE__SYNCHRONOUS": "normal",
        "LINKPROXY__LIMITS__STRAYS_PER_MINUTE": "100000",
        "LINKPROXY__LOG__LEVEL": "error",
    }
    if store_url:
        changes["LINKPROXY__STORE__URL"] = store_url
    if policy:
        changes["LINKPROXY__JUDGE__POLICY_FILE"] = str(folder / "policy-overlay.toml")
    return load(folder / "config.toml", changes)


async def play(
    letters: Sequence[Letter],
    folder: Path,
    *,
    policy: str = "",
    progress: Callable[[int, int], None] = lambda _done, _left: None,
    intervals: bool = False,
    store_url: str = "",
    nodes: int = 1,
) -> Played:
    """Return what became of every request that these mails bring about.

    With several ``nodes``, which share a PostgreSQL ``store_url``, requests go to each in turn.
    """
    config = configure(folder, policy, store_url)
    configure_logging(config.log.level, config.log.format)
    clock = Clock(population.START - 3600.0)
    async with AsyncExitStack() as stack:
        servers = []
        for number in range(nodes):
            spill = config.store.model_copy(update={"spill_path": str(folder / f"{number}.spill")})
            node = config.model_copy(update={"store": spill})
            servers.append(await stack.enter_async_context(running(node, clock=clock)))
        for server in servers:
            # Its loop would settle by this machine's speed; below it is the clock that says when.
            if server.services.settler is not None:
                await server.services.settler.close()
        stage = _Stage(servers, clock)
        await stage.send(letters)
        await stage.act(progress)
        await stage.collect()
        if intervals:
            await stage.report()
    return stage.played


class _Stage:
    """Running servers, their mail, and the requests still to come; the first server does all but answer."""

    def __init__(self, servers: Sequence[Server], clock: Clock) -> None:
        self._servers, self._clock = servers, clock
        self._server = server = servers[0]
        self._store = server.services.store
        self._rewriter = Rewriter(self._store, server.services.keyring, clock)
        self._tokens: list[str] = []
        self._queue: list[tuple[float, int, Asked]] = []
        self._order = itertools.count()
        self._due: list[float] = []
        self._campaigns: list[Campaign] = []
        self.played = Played()

    # --- the mail -----------------------------------------------------------------------------------

    async def send(self, letters: Sequence[Letter]) -> None:
        """Register campaigns, recipients and deliveries, and plan what everyone does."""
        mailings = {
            each: await self._campaign(each) for each in dict.fromkeys(one.mailing for one in letters)
        }
        addresses = list(dict.fromkeys(letter.reader.address for letter in letters))
        recipients = await self._rewriter.register([RecipientDraft(address) for address in addresses])
        known = {item.address: item.id for item in recipients}
        deliveries = []
        for letter in letters:
            campaign, links = mailings[letter.mailing]
            recipient = known[letter.reader.address]
            told = population.told(letter)
            self._plan(letter, links, told)
            self._tokens.append(self._rewriter.token(campaign, recipient).decode())
            if told is not None:
                whom: RecipientId = NOBODY if told.source is DeliverySource.CAMPAIGN else recipient
                deliveries.append(DeliveryDraft(campaign.id, whom, told))
        await self._store.add_deliveries(deliveries)

    async def _campaign(self, mailing: Mailing) -> tuple[Campaign, Links]:
        campaign = await self._store.add_campaign(
            Campaign(
                CampaignId(0),
                mailing.name,
                _KINDS[mailing.mail],
                base_url=self._server.addresses.public,
                rewrite_unsubscribe=True,
                created_at=self._clock.now,
            )
        )
        await self._rewriter.prepare(campaign, mails.HTML[mailing.mail].encode())
        self._campaigns.append(campaign)
        return campaign, mails.links_of(await self._store.list_links(campaign.id), mailing.mail)

    def _plan(self, letter: Letter, links: Links, told: Delivery | None) -> None:
        reader, mailing = letter.reader, letter.mailing
        scene = Scene(
            mailing.name,
            mailing.mail,
            reader.domain,
            reader.person,
            reader.address,
            links,
            mailing.stream.secure,
            letter.sent,
            letter.arrived,
            mailing.mail is not MailKind.MANY and reader.domain.readers >= population.KNOWN_READERS,
            Random(f"scene {letter.seed}"),
        )
        number = len(self.played.scenes)
        self.played.scenes.append(scene)
        self.played.told.append(told)
        planned = PEOPLE[reader.person].act(scene) if letter.clicks else []
        if reader.domain.scanner:
            clicks = [request for request in planned if request.click >= 0]
            planned += MACHINES[reader.domain.scanner].act(scene, clicks)
        for request in planned:
            self._push(Asked(number, request, letter.arrived + request.after, "", request.key))

    # --- the visits ---------------------------------------------------------------------------------

    def _push(self, asked: Asked) -> None:
        heapq.heappush(self._queue, (asked.at, next(self._order), asked))

    async def act(self, progress: Callable[[int, int], None]) -> None:
        """Make every request at its time, and settle in between and at the end."""
        async with AsyncExitStack() as stack:
            wires = [await stack.enter_async_context(Wire(item.addresses.public)) for item in self._servers]
            turns = itertools.cycle(wires)
            while self._queue:
                at, _, asked = heapq.heappop(self._queue)
                await self._settle(until=at)
                asked.at = self._clock.now = max(at, self._clock.now + APART_SECONDS)
                await self._ask(next(turns), asked)
                self.played.asked.append(asked)
                heapq.heappush(self._due, self._hold_ends(asked.at))
                progress(len(self.played.asked), len(self._queue))
        await self._settle(until=_NEVER)

    async def _ask(self, wire: Wire, asked: Asked) -> None:
        scene, request = self.played.scenes[asked.message], asked.request
        token = spoilt(self._tokens[asked.message], request.spoil)
        asked.target = asked.target or f"/{token}/{request.key}"
        headers = [*request.headers, ("x-forwarded-for", request.client)]
        headers.append(("x-forwarded-proto", "https" if scene.secure else "http"))
        if asked.cookie:
            headers.append(("cookie", asked.cookie))
        reply = await wire.ask(request.method, asked.target, tuple(headers))
        asked.status, asked.location = reply.status, _path_or_url(asked.target, reply.location)
        self._react(asked, reply, scene)

    def _react(self, asked: Asked, reply: Reply, scene: Scene) -> None:
        """Go where a client goes next: round the extra hop, or on by Continue."""
        request = asked.request
        if asked.location.startswith("/") and asked.hop < HOPS:
            later = asked.at + scene.chance.uniform(*ROUND_TRIP)
            cookie = reply.cookie if request.cookies else ""
            self._push(
                Asked(asked.message, request, later, asked.location, asked.link, asked.hop + 1, cookie)
            )
        shown = reply.status == 200 and request.method == "GET" and request.presses is not None
        content = request.key not in (*scene.links.bait, *scene.links.unsubscribe)
        if shown and content and request.presses is not None:
            pressed = replace(request, method="POST", presses=None)
            self._push(Asked(asked.message, pressed, asked.at + request.presses, asked.target, asked.link))

    def _hold_ends(self, at: float) -> float:
        hold = self._server.services.policy.hold_seconds
        return math.ceil((at + hold) / SETTLE_SECONDS) * SETTLE_SECONDS + APART_SECONDS

    async def _settle(self, until: float) -> None:
        while self._due and self._due[0] <= until:
            at = heapq.heappop(self._due)
            while self._due and self._due[0] == at:
                heapq.heappop(self._due)
            self._clock.now = max(self._clock.now, at)
            made_of = self._server.services
            await settle_due(self._store, made_of.policy, self._clock.now, tokens=made_of.keyring.tokens_of)

    # --- what came of it ----------------------------------------------------------------------------

    async def collect(self) -> None:
        """Find each request's entry in the journal, and the clicks."""
        by_time = {asked.at: asked for asked in self.played.asked}
        by_visit = {}
        async for row in self._store.visits(Filter()):
            asked = by_time[row.entry.visit.at]
            asked.entry = row.entry
            by_visit[row.entry.visit_id] = asked
        async for click in self._store.clicks(Filter()):
            by_visit[click.visit_id].clicked = True
        lost = sum(asked.entry is None and not asked.request.spoil for asked in self.played.asked)
        if lost:
            raise LinkproxyError(
                f"{lost} of {len(by_time)} visits are not in the journal; the server's log says why"
            )

    async def report(self) -> None:
        """Note the interval that each campaign's report gives for its human clicks."""
        for campaign in self._campaigns:
            made = await report(self._store, campaign, self._server.services.policy)
            self.played.reports[campaign.name] = made


def _path_or_url(target: str, location: str) -> str:
    """Return where a redirect leads: a path for one of the server's own, else the URL."""
    base = "http://server.invalid"
    return urljoin(f"{base}{target}", location).removeprefix(base) if location else ""
