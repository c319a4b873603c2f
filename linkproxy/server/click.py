"""The click path's edge: the one place that reads the framework's request for a tracked URL.

Everything that is not a path of ours by name comes through here, by whatever method: a HEAD or an
OPTIONS is evidence, and 405 would send people nowhere.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import HttpVersion10, web

from linkproxy.campaign.links import add_parameters
from linkproxy.model import Answer, AnswerKind, Judged, LinkKind, RawRequest, Stray, Unlogged
from linkproxy.server import wire
from linkproxy.server.answers import hop
from linkproxy.server.journal import Refused, Spilled
from linkproxy.visit import intake

if TYPE_CHECKING:
    from collections.abc import Callable

    from linkproxy.campaign.click_ids import ClickIds
    from linkproxy.model import Visit
    from linkproxy.server.answers import Answers, Brands, Reply
    from linkproxy.server.journal import Answered, Journal
    from linkproxy.server.pages import Headers
    from linkproxy.server.strays import StrayRate
    from linkproxy.store.api import Outcome
    from linkproxy.telemetry import Metrics
    from linkproxy.visit.intake import Gate

SERVER = wire.SERVER
MOST_BODY_BYTES = 4096
_BODY_SECONDS = 5.0
_TOLD = frozenset({AnswerKind.REDIRECT, AnswerKind.CONTINUED})


class Clicks:
    """Answers requests for tracked URLs."""

    def __init__(
        self,
        journal: Journal,
        gate: Gate,
        brands: Brands,
        *,
        click_ids: ClickIds,
        strays: StrayRate,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self.journal = journal
        self.gate = gate
        self._brands = brands
        self._click_ids = click_ids
        self._strays = strays
        self._metrics = metrics
        self.clock = clock

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the response to any request that no other page takes."""
        raw = await read_raw(request, self.clock())
        found = intake.read(raw, self.gate)
        match found:
            case None:
                return respond(self._brands.of_request(raw.headers).not_found)
            case Stray():
                return respond(await self._stray(found, raw))
            case _:
                return respond(await self._visit(found, raw))

    async def _stray(self, stray: Stray, raw: RawRequest) -> Reply:
        if self._strays.admits(stray.profile):
            await self.journal.note(stray)
        else:
            self._metrics.strays_dropped.inc()
        return self._brands.of_request(raw.headers).not_found

    async def _visit(self, visit: Visit, raw: RawRequest) -> Reply:
        outcome = await self.journal.submit(visit)
        return self.reply(outcome, visit, raw.headers, intake.path_of(raw.target))

    def reply(self, outcome: Outcome | Answered, visit: Visit, headers: Headers, path: str) -> Reply:
        """Return what a visit gets after what became of it; ``path`` is the one that it came for."""
        answers = self._brands.of_request(headers)
        match outcome:
            case Judged() as judged:
                answers = self._brands.of_campaign(judged.facts.campaign.base_url, headers)
                return self._reply(self._telling(judged), visit, path, answers)
            case Unlogged(answer=answer) | Spilled(answer=answer):
                return self._reply(answer, visit, path, answers)
            case Refused():
                return answers.unavailable
            case _:
                return answers.not_found

    def _telling(self, judged: Judged) -> Answer:
        """Return the answer, its target told of the visit if the campaign wants that."""
        answer, link, name = judged.answer, judged.facts.link, judged.facts.campaign.click_id
        if not name or answer.kind not in _TOLD or link is None or link.kind is not LinkKind.CONTENT:
            return answer
        click_id = self._click_ids.sign(judged.visit_id)
        return replace(answer, target=add_parameters(answer.target, ((name, click_id),)))

    def _reply(self, answer: Answer, visit: Visit, path: str, answers: Answers) -> Reply:
        if answer.kind is AnswerKind.HOP:
            return hop(path, intake.hop_from(path, visit.at, self.gate), secure=visit.secure)
        if answer.kind is AnswerKind.BAIT and visit.method == "POST":
            return answers.thanks
        return answers.reply(answer)


def respond(reply: Reply) -> web.Response:
    """Return a reply as aiohttp sends it; to HEAD it leaves the body out by itself."""
    return web.Response(status=reply.status, headers=(SERVER, *reply.headers), body=reply.body)


async def read_raw(request: web.BaseRequest, now: float) -> RawRequest:
    """Return what aiohttp holds of a request, as it was sent."""
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport else None
    version = request.version
    return RawRequest(
        method=request.method,
        target=request.raw_path,
        headers=tuple((_text(name), _text(value)) for name, value in request.raw_headers),
        peer=str(peer[0]) if peer else "",
        time=now,
        http_version=f"{version.major}.{version.minor}",
        secure=transport is not None and transport.get_extra_info("sslcontext") is not None,
        body=await _body(request) if request.method == "POST" else b"",
    )


async def _body(request: web.BaseRequest) -> bytes:
    """Return the first bytes of a body; a client that stalls is answered without them."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version > HttpVersion10:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = b""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while len(body) < MOST_BODY_BYTES:
                part = await request.content.read(MOST_BODY_BYTES - len(body))
                if not part:
                    break
                body += part
    except (TimeoutError, web.RequestPayloadError, ConnectionError):
        return body
    return body


def _text(value: bytes) -> str:
    return value.decode("ascii", "surrogateescape")
