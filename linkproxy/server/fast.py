"""Tracked links straight from the socket: no request object, router, task or timer of a single visit.

A connection of the public listener begins here. A complete GET or HEAD of a tracked link without a
body, of ordinary lines (heads.py), is read, entered into the journal, and answered from the callback
of its commit. The first request that is anything else hands the connection to aiohttp, for good and
with all its bytes; there the same intake, journal and answers serve it (click.py). So aiohttp alone
decides on odd, broken, slow and hostile requests, and this file can stay simple.

Requests of one connection are taken one after the other, as aiohttp does. Several in one packet are
aiohttp's as well: what it makes of a broken one among them is for it alone to know.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Final

from aiohttp import web

from linkproxy.logs import Event, get_logger
from linkproxy.model import AnswerKind, Judged
from linkproxy.server.heads import LINE, Heads
from linkproxy.server.wire import Dated, Wire, wire
from linkproxy.visit import intake

if TYPE_CHECKING:
    from linkproxy.model import Visit
    from linkproxy.server.heads import Head
    from linkproxy.server.journal import Answered
    from linkproxy.server.listeners import Door
    from linkproxy.server.public import Public
    from linkproxy.store.api import Outcome
    from linkproxy.visit.intake import Caller

KEEP_ALIVE_SECONDS: Final = 3630.0  # longer than fronts keep theirs, so that they close first
HEAD_SECONDS: Final = 60.0  # for the head of the first request that aiohttp reads of a connection
MOST_HELD_BYTES: Final = 65536  # of requests that wait for the answer to the one before
MOST_REDIRECTS: Final = 20_000  # responses kept ready, about 600 bytes each
_SWEEPS: Final = 10  # in the time that a connection may be idle

_match: Final = LINE.match  # to look a method of an imported name up takes longer
_REDIRECT: Final = AnswerKind.REDIRECT  # asked of every visit, and looking a member up takes longer


class Connection(asyncio.Protocol):
    """One connection, until it is closed or handed to aiohttp."""

    __slots__ = (
        "_caller",
        "_ending",
        "_from",
        "_full",
        "_head",
        "_held",
        "_path",
        "_rest",
        "_sent_all",
        "_server",
        "_transport",
        "_visit",
        "idle_sweeps",
    )

    def __init__(self, server: PublicServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._visit: Visit | None = None  # under way
        self._path = ""
        self._head: Head | None = None  # of the newest request, and who sent it
        self._caller: Caller | None = None
        self._from: tuple[str, bool] | None = None  # the peer's address, and whether it spoke TLS to us
        self._rest: list[bytes] = []  # packets that came before the answer to the visit under way
        self._held = False  # nothing more is read, since too much waits already
        self._full = False  # the client does not take its answers
        self._sent_all = False  # the client asks nothing more, but may still read
        self._ending = False
        self.idle_sweeps = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # of a TCP listener, so it reads and writes
        self._server.begin(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._rest.clear()
        self._server.end(self)

    def data_received(self, data: bytes) -> None:
        self.idle_sweeps = 0
        if self._visit is None and not self._full:
            self._take(data)
            return
        self._rest.append(data)
        if not self._held and self._transport is not None and sum(map(len, self._rest)) > MOST_HELD_BYTES:
            self._held = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Keep the connection for what is still to be answered; TLS has none half closed (RFC 8446, 6.1)."""
        self._sent_all = True
        secure = self._from is not None and self._from[1]
        return not secure and (self._visit is not None or bool(self._rest))

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._rest and self._visit is None:
            self._take_rest()

    def finish(self) -> None:
        """Close the connection, after the answer that is under way."""
        self._ending = True
        if self._visit is None and self._transport is not None:
            self._close(self._transport)

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, data: bytes) -> None:
        """Begin with a request, or leave it to aiohttp."""
        server = self._server
        text = data.decode("latin-1")
        line = _match(text)
        head = None if line is None else server.heads.read(text, line.end())
        if line is None or head is None:
            self._hand_over(data)
            return
        if head is not self._head or self._caller is None:
            self._head, self._caller = head, self._called(head)
        asked = line.groups()
        visit = intake.visit_of(asked[2:], asked[0], server.clock(), self._caller, server.gate)
        if visit is None:
            self._hand_over(data)
            return
        self._visit, self._path = visit, asked[1]
        server.journal.enter(visit, self._told)

    def _take_rest(self) -> None:
        data = self._rest.pop(0)
        if self._held and not self._rest and self._transport is not None:
            self._held = False
            self._transport.resume_reading()
        self._take(data)

    def _called(self, head: Head) -> Caller:
        if self._from is None:
            transport = self._transport
            peer = transport.get_extra_info("peername") if transport else None
            secure = transport is not None and transport.get_extra_info("sslcontext") is not None
            self._from = str(peer[0]) if peer else "", secure
        host, secure = self._from
        return intake.caller_of(head.said, host, self._server.gate, secure=secure, http_version="1.1")

    def _told(self, outcome: Outcome | Answered) -> None:
        """Answer the visit under way; the journal has it, also when the visitor is gone."""
        visit, head, transport = self._visit, self._head, self._transport
        self._visit = None
        if visit is None or head is None:
            return
        close = head.close or self._server.door.closing
        response = self._server.response(outcome, visit, head, self._path, close=close)
        # uvloop raises when a closed transport is written to.
        if transport is None or transport.is_closing():
            return
        transport.write(response)
        if close or self._ending or (self._sent_all and not self._rest):
            self._close(transport)
        elif self._rest and not self._full:
            self._take_rest()

    def _close(self, transport: asyncio.Transport) -> None:
        """Close behind what is still to be sent; nobody would hear the answers to what waits."""
        self._rest.clear()
        transport.close()

    def _hand_over(self, data: bytes) -> None:
        transport, self._transport = self._transport, None
        if transport is None:
            return
        self._server.end(self)
        handler = self._server.handler()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        if self._held:
            transport.resume_reading()
        for packet in (data, *self._rest):
            handler.data_received(packet)
        if self._sent_all:
            handler.close()  # behind its answer, since nobody tells it of the end again


class PublicServer(web.Server):
    """What makes the connections of the public listener, as aiohttp's own server does."""

    def __init__(self, public: Public, door: Door, *, line_bytes: int) -> None:
        super().__init__(
            self._asked,
            access_log=None,
            max_line_size=line_bytes,
            max_field_size=line_bytes,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            # Unpacking holds everybody up: 16 kB become 16 MB, also of a body that nobody reads.
            auto_decompress=False,
        )
        self.door = door
        self.journal, self.gate, self.clock = public.clicks.journal, public.clicks.gate, public.clicks.clock
        self.heads = Heads(self.gate)
        self._public = public
        self._begun: set[Connection] = set()
        # Those of aiohttp that have not had the head of a request yet.
        self._headless: dict[web.RequestHandler, asyncio.TimerHandle] = {}
        self._emptied = asyncio.Event()
        self._sweeper: asyncio.TimerHandle | None = None
        self._redirects: OrderedDict[str, Wire] = OrderedDict()
        self._dated = Dated()
        self._statuses: list[str] = []  # of answers that are not counted yet

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        if self._public.log_requests:
            return self.handler()
        return Connection(self)  # type: ignore[return-value]  # asyncio wants a protocol, and this is one

    def handler(self) -> web.RequestHandler:
        """Return aiohttp's own protocol, which would wait for the rest of a request for ever."""
        made = super().__call__()
        loop = asyncio.get_running_loop()
        self._headless[made] = loop.call_later(HEAD_SECONDS, self._need_head, made)
        return made

    @property
    def connections(self) -> list[web.RequestHandler]:
        """Return the open connections, also those that aiohttp has not met."""
        return [*super().connections, *self._begun]  # type: ignore[list-item]  # to be counted

    def begin(self, connection: Connection) -> None:
        """Take note of a connection."""
        self._begun.add(connection)
        if self._sweeper is None:
            self._sweep_later()

    def end(self, connection: Connection) -> None:
        """Forget a connection."""
        self._begun.discard(connection)
        if not self._begun:
            self._emptied.set()

    def response(
        self, outcome: Outcome | Answered, visit: Visit, head: Head, path: str, *, close: bool
    ) -> bytes:
        """Return what goes over the wire; whatever fails, it is an answer."""
        try:
            found = self._wire(outcome, visit, head, path)
        except Exception as error:  # noqa: BLE001  (no trace reaches a visitor, and nobody hangs)
            get_logger().error(Event.REQUEST_FAILED, listener="public", error=repr(error))
            found = wire(self._public.unavailable, to_head=visit.method == "HEAD")
        if not self._statuses:
            asyncio.get_running_loop().call_soon(self._count)
        self._statuses.append(found.status)
        return self._dated.bytes_of(found, close=close)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self._need_no_head(handler)
        super().connection_lost(handler, exc)

    def pre_shutdown(self) -> None:
        for connection in list(self._begun):
            connection.finish()
        super().pre_shutdown()

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  (aiohttp's signature)
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._begun:
            self._emptied.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._emptied.wait()
            except TimeoutError:
                for connection in list(self._begun):
                    connection.abort()
        await super().shutdown(timeout)

    def _wire(self, outcome: Outcome | Answered, visit: Visit, head: Head, path: str) -> Wire:
        """Return the response to a visit; a redirect that is the same for everybody is kept ready."""
        if (
            not isinstance(outcome, Judged)
            or outcome.answer.kind is not _REDIRECT
            or visit.method != "GET"
            or outcome.facts.campaign.click_id
        ):
            reply = self._public.clicks.reply(outcome, visit, head.headers, path)
            return wire(reply, to_head=visit.method == "HEAD")
        target = outcome.answer.target
        found = self._redirects.get(target)
        if found is None:
            if len(self._redirects) >= MOST_REDIRECTS:
                self._redirects.popitem(last=False)
            reply = self._public.clicks.reply(outcome, visit, head.headers, path)
            found = self._redirects[target] = wire(reply, to_head=False)
        return found

    async def _asked(self, request: web.BaseRequest) -> web.StreamResponse:
        self._need_no_head(request.protocol)
        return await self._public(request)

    def _need_head(self, handler: web.RequestHandler) -> None:
        del self._headless[handler]
        if handler.transport is not None:
            handler.transport.close()

    def _need_no_head(self, handler: web.RequestHandler) -> None:
        if (timer := self._headless.pop(handler, None)) is not None:
            timer.cancel()

    def _count(self) -> None:
        for status, count in Counter(self._statuses).items():
            self._public.count(status, count)
        self._statuses.clear()

    def _sweep_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(KEEP_ALIVE_SECONDS / _SWEEPS, self._sweep)

    def _sweep(self) -> None:
        """Close what is idle: one timer for all connections."""
        for connection in list(self._begun):
            connection.idle_sweeps += 1
            if connection.idle_sweeps > _SWEEPS:
                connection.finish()
        self._sweep_later()
