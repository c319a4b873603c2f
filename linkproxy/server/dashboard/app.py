"""Who sees the dashboard: signing in with an API key, and how a page is asked for and answered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from linkproxy.logs import Event, get_logger
from linkproxy.model import Right
from linkproxy.server.body import ApiError, refusal
from linkproxy.server.bucket import Bucket
from linkproxy.server.click import read_raw, respond
from linkproxy.server.dashboard.frame import Frame, Page, page_url
from linkproxy.server.dashboard.sessions import SESSION_SECONDS, Sessions
from linkproxy.server.dashboard.views import Asked, Views
from linkproxy.server.keys import find_key
from linkproxy.server.rights import lacking
from linkproxy.store.api import StoreError
from linkproxy.visit.intake import caller_of, said_by

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from aiohttp import web

    from linkproxy.campaign.tokens import Keyring
    from linkproxy.model import RawRequest
    from linkproxy.server.api import Answer, Call
    from linkproxy.store.api import ApiKey, Store
    from linkproxy.visit.intake import Gate

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SIGN_IN: Final = "/sign-in"
_SIGN_OUT: Final = "/sign-out"
_WRONG_KEYS_PER_MINUTE: Final = 30
_COOKIES: Final = {False: "linkproxy", True: "__Host-linkproxy"}
"""By whether it comes over TLS; no other host can set one of the second name (RFC 6265bis section 4.1.3)."""

_TO_STRANGERS: Final = "The store fails. On the machine that linkproxy runs on, /readyz says why."
"""What the store itself says names files and hosts."""

_OWN_SITE: Final = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks: the API key that they signed in with, if they have."""

    key: ApiKey | None = None
    client: str = ""  # their address, past trusted fronts
    secure: bool = False  # they came over TLS


class Dashboard:
    """The routes, each a method, a path, and what answers aiohttp's request."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        calls: Mapping[str, Callable[[Call], Awaitable[Answer]]],
        *,
        brand: str,
        gate: Gate,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._sessions = Sessions(keyring, clock)
        self._frame = Frame(brand)
        # The world's own https says nothing of how this listener is reached.
        self._gate = replace(gate, secure=False)
        self._clock = clock
        self._wrong_keys = Bucket(_WRONG_KEYS_PER_MINUTE, clock)
        views = Views(calls).routes
        self.routes: Sequence[tuple[str, str, Handler]] = (
            ("GET", _SIGN_IN, self._told(self._show_sign_in)),
            ("POST", _SIGN_IN, self._told(self._sign_in)),
            ("POST", _SIGN_OUT, self._told(self._sign_out)),
            *(("GET", path, self._told(self._view(view))) for path, view in views),
        )
        nothing = _fault_page(ApiError(404, "There is no such page."))
        self.nothing = self._frame.reply(nothing, signed_in=False)
        """What a browser gets for an address that is no page."""

    # --- signing in and out --------------------------------------------------------------------

    async def _show_sign_in(self, request: web.Request, reader: Reader) -> Page:
        onward = _own_path(request.query.get("next", ""))
        return _go(onward) if reader.key else _sign_in_page(onward)

    async def _sign_in(self, request: web.Request, reader: Reader) -> Page:
        raw = await read_raw(request, self._clock())
        if fault := _foreign(raw):
            return _refused(reader, "origin", _sign_in_page("/", fault, 403))
        fields = parse_qs(raw.body.decode("utf-8", "replace"))
        key, onward = (fields.get(name, [""])[0].strip() for name in ("key", "next"))
        onward = _own_path(onward)
        found = find_key(key, await self._store.list_api_keys())
        if found is None:
            if not self._wrong_keys.take():
                return _sign_in_page(onward, "Too many wrong keys came. Wait a minute.", 429)
            fault = "No key of this installation. `linkproxy keys list` shows their names."
            return _refused(reader, "key", _sign_in_page(onward, fault, 403))
        if fault := lacking(found, Right.READ):
            return _refused(reader, "right", _sign_in_page(onward, fault, 403))
        get_logger().info(Event.SIGNED_IN, key=found.name, client=reader.client)
        session = self._sessions.open(found)
        return _go(onward, _cookie(session, SESSION_SECONDS, secure=reader.secure))

    async def _sign_out(self, request: web.Request, reader: Reader) -> Page:
        raw = await read_raw(request, self._clock())
        if fault := _foreign(raw):
            return _refused(reader, "origin", _sign_in_page("/", fault, 403))
        return _go(_SIGN_IN, _cookie("", 0, secure=reader.secure))

    # --- pages ---------------------------------------------------------------------------------

    def _view(
        self, view: Callable[[Asked], Awaitable[Page]]
    ) -> Callable[[web.Request, Reader], Awaitable[Page]]:
        async def show(request: web.Request, reader: Reader) -> Page:
            if reader.key is None:
                here = request.raw_path
                if request.headers.get("Sec-Fetch-Site") == "cross-site":
                    return _come_again(here)
                return _go(page_url(_SIGN_IN, {"next": "" if here == "/" else here}))
            query = request.query
            campaigns = query.getall("campaign", [])
            return await view(Asked(request.match_info, dict(query), campaigns, reader.key.name))

        return show

    def _told(self, handler: Callable[[web.Request, Reader], Awaitable[Page]]) -> Handler:
        """Return what answers by a page, also where something is refused."""

        async def answer(request: web.Request) -> web.StreamResponse:
            reader = Reader()
            try:
                reader = await self._reader(request)
                page = await handler(request, reader)
            except Exception as error:
                told = refusal(error)
                if told is None:
                    raise
                if reader.key is None and isinstance(error, StoreError):
                    told = ApiError(told.status, _TO_STRANGERS)
                page = _fault_page(told)
            return respond(self._frame.reply(page, signed_in=reader.key is not None))

        return answer

    async def _reader(self, request: web.Request) -> Reader:
        transport = request.transport
        peer = transport.get_extra_info("peername") if transport else None
        said = said_by(tuple(request.headers.items()), self._gate)
        caller = caller_of(said, str(peer[0]) if peer else "", self._gate, secure=False, http_version="")
        session = request.cookies.get(_COOKIES[caller.secure], "")
        known = await self._store.list_api_keys() if session else []
        key = self._sessions.key_of(session, known)
        may = key is not None and not lacking(key, Right.READ)
        return Reader(key if may else None, caller.client, caller.secure)


def _refused(reader: Reader, reason: str, page: Page) -> Page:
    get_logger().warning(Event.API_REFUSED, reason=reason, client=reader.client)
    return page


def _sign_in_page(onward: str, fault: str = "", status: int = 200) -> Page:
    return Page("sign_in.html", {"onward": onward, "fault": fault}, status)


def _fault_page(error: ApiError) -> Page:
    retry = error.retry_seconds
    headers = (("Retry-After", str(retry)),) if retry is not None else ()
    values = {"title": HTTPStatus(error.status).phrase, "errors": error.errors, "retry": retry}
    return Page("fault.html", values, error.status, headers=headers)


def _go(path: str, *headers: tuple[str, str]) -> Page:
    return Page("onward.html", {"path": path}, 303, headers=(("Location", path), *headers))


def _come_again(path: str) -> Page:
    """Return a page that loads another at once: by a link on another site no session comes along.

    What our own page asks for is the own site's, with the cookie (RFC 6265bis, section 5.2).
    """
    return Page("onward.html", {"path": _own_path(path)})


def _cookie(session: str, seconds: int, *, secure: bool) -> tuple[str, str]:
    parts = (f"{_COOKIES[secure]}={session}", f"Max-Age={seconds}", "Path=/", "HttpOnly", "SameSite=Strict")
    return "Set-Cookie", "; ".join((*parts, *(["Secure"] if secure else [])))


def _own_path(text: str) -> str:
    """Return a path of ours to go on to after signing in; "/" for anything that may lead elsewhere."""
    # Browsers take a backslash for a slash, and leave out tabs and line ends (URL Standard, section 4.4).
    is_own = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if is_own and text.isascii() else "/"


def _foreign(raw: RawRequest) -> str:
    """Return what is wrong with a form that another site has sent; "" for one of ours.

    Browsers say it by Sec-Fetch-Site where they trust the connection (Fetch Metadata, section 2), and
    by Origin otherwise. Programs say neither, and have no session that could be abused.
    """
    named = {name.lower(): value.strip().lower() for name, value in raw.headers}
    if site := named.get("sec-fetch-site"):
        own = site in _OWN_SITE
    elif origin := named.get("origin"):
        own = origin.partition("://")[2] == named.get("host")
    else:
        own = True
    return "" if own else "The form came from another site. Open this page by its own address."
