"""The private listener: who may ask, and how refusals look."""

from __future__ import annotations

import asyncio
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from aiohttp import web

from linkproxy.logs import Event, get_logger
from linkproxy.server import ops
from linkproxy.server.answers import NOT_STORED, Reply
from linkproxy.server.api import Call
from linkproxy.server.body import ApiError, fault_record, refusal, refuse_parameters
from linkproxy.server.bucket import Bucket
from linkproxy.server.click import SERVER, respond
from linkproxy.server.inbound import PATH as INBOUND
from linkproxy.server.json_lines import JSON_LINES, stream
from linkproxy.server.keys import find_key, key_given
from linkproxy.server.rights import RIGHTS, lacking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from linkproxy.config import Config
    from linkproxy.server.api import Answer, Api
    from linkproxy.server.dashboard.app import Dashboard
    from linkproxy.server.engagement import Engagements
    from linkproxy.server.inbound import Inbound
    from linkproxy.server.ops import Readiness
    from linkproxy.store.api import ApiKey, Store
    from linkproxy.telemetry import Metrics

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_API = "/api/"
_WANTS_KEY = "Authorization: Bearer with a key of this installation; `linkproxy keys add NAME`"
_WANTS_EITHER = (
    "Authorization: Basic with a key of this installation as the password, as in "
    "https://linkproxy:KEY@HOST/inbound/PROVIDER, or Bearer; `linkproxy keys add NAME`"
)
_KEY = web.RequestKey("_KEY", str)
"""The name of the API key of a request that was let in."""
_BEARER, _BASIC = "Bearer", 'Basic realm="linkproxy"'
# JSON writes a byte of HTML as up to six characters ("\u003c").
_ESCAPED = 6
_ROOM_BYTES = 1 << 20
_REFUSALS_PER_MINUTE = 30
_HEADERS = (*NOT_STORED, ("X-Content-Type-Options", "nosniff"))

DESCRIPTION = Reply(
    200,
    (("Content-Type", "application/json"), *_HEADERS),
    (resources.files("linkproxy.server") / "openapi.json").read_bytes(),
)
"""What all that this listener takes and answers looks like (OpenAPI 3.1), for programs that make clients."""


def private_app(
    config: Config,
    store: Store,
    api: Api,
    readiness: Readiness,
    metrics: Metrics,
    *,
    engagements: Engagements,
    inbound: Inbound,
    exposition: Callable[[], Reply],
    dashboard: Dashboard | None,
    clock: Callable[[], float],
) -> web.Application:
    """Return the application of the private listener; ``exposition`` returns what /metrics says."""
    refusals = Refusals(clock)
    known_host = _known_host(config.server.private_hosts, refusals)
    guards = [_counted(metrics), _enveloped, known_host, _keyed(store, refusals)]
    if dashboard:
        guards.append(_readable(dashboard.nothing))
    most_bytes = config.limits.mail_bytes * _ESCAPED + _ROOM_BYTES
    app = web.Application(middlewares=guards, client_max_size=most_bytes)
    _add_health(app, readiness, exposition)
    app.router.add_route("GET", "/api/v1/openapi.json", _described)
    for method, path, handler in (*api.routes, *engagements.routes, *inbound.routes):
        lines = api.streams.get((method, path))
        several = api.lists.get((method, path), "")
        app.router.add_route(method, _pattern(path), _called(handler, lines, most_bytes, several))
    for method, path, shown in dashboard.routes if dashboard else ():
        # Who may GET a page may ask for its head, too (RFC 9110 section 9.1).
        for asked in (method, "HEAD") if method == "GET" else (method,):
            app.router.add_route(asked, _pattern(path), shown)
    return app


def _pattern(path: str) -> str:
    # Names may have braces, at which aiohttp's own pattern stops.
    return path.replace("{name}", "{name:[^/]+}")


def waiting_app(
    config: Config,
    readiness: Readiness,
    metrics: Metrics,
    exposition: Callable[[], Reply],
    *,
    clock: Callable[[], float],
) -> web.Application:
    """Return the application of the private listener while there is no store: health and metrics."""
    known_host = _known_host(config.server.private_hosts, Refusals(clock))
    app = web.Application(middlewares=[_counted(metrics), _closed_after, _enveloped, known_host])
    _add_health(app, readiness, exposition)

    async def unavailable(_request: web.Request) -> web.StreamResponse:
        raise ApiError(503, "the store is not there yet; /readyz says why")

    app.router.add_route("*", "/{path:.*}", unavailable)
    return app


def _add_health(app: web.Application, readiness: Readiness, exposition: Callable[[], Reply]) -> None:
    async def healthz(_request: web.Request) -> web.StreamResponse:
        return respond(ops.ALIVE)

    async def readyz(_request: web.Request) -> web.StreamResponse:
        return respond(await readiness.reply(detail=True))

    async def counted(_request: web.Request) -> web.StreamResponse:
        return respond(exposition())

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", counted)


async def _described(request: web.Request) -> web.StreamResponse:
    refuse_parameters(request.query)
    return respond(DESCRIPTION)


def _called(
    handler: Callable[[Call], Awaitable[Answer]],
    lines: Callable[[], Callable[[bytes], Awaitable[Answer]]] | None,
    most_bytes: int,
    several: str,
) -> Handler:
    async def call(request: web.Request) -> web.StreamResponse:
        _refuse_coding(request)
        _refuse_doubles(request, several)
        if lines is not None and request.content_type in JSON_LINES:
            return await stream(request, lines(), most_bytes)
        body = await request.read()
        listed = request.query.getall(several, [])
        work = handler(Call(request.match_info, dict(request.query), body, request[_KEY], listed))
        answer = await (work if request.method == "GET" else whole(work))
        return _json(200, {"ok": True, **answer})

    under_way: set[asyncio.Future[Answer]] = set()

    def whole(work: Awaitable[Answer]) -> Awaitable[Answer]:
        """Do what writes to its end, also when its caller goes: nobody can tell how far it had come."""
        task = asyncio.ensure_future(work)
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        return asyncio.shield(task)

    return call


def _refuse_coding(request: web.Request) -> None:
    # Nothing is unpacked (listeners.py), so it would not be JSON.
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ApiError(415, "Content-Encoding: bodies are not taken compressed")


def _refuse_doubles(request: web.Request, several: str) -> None:
    doubled = {name for name in request.query if name != several and len(request.query.getall(name)) > 1}
    if doubled:
        raise ApiError(400, *(f"{name}: is given twice" for name in sorted(doubled)))


# --- who may ask -------------------------------------------------------------------------------


class Refusals:
    """Logs who was refused, of each reason so many a minute: where /inbound/ is published anybody may ask."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._logged: dict[str, Bucket] = {}

    def log(self, request: web.Request, reason: str, **told: str) -> None:
        """Log a refusal, unless there were too many of its reason."""
        if reason not in self._logged:
            self._logged[reason] = Bucket(_REFUSALS_PER_MINUTE, self._clock)
        if self._logged[reason].take():
            get_logger().warning(Event.API_REFUSED, reason=reason, **told, client=request.remote)


def _known_host(hosts: list[str], refusals: Refusals) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Refuse other names for this machine than the configured ones.

    Else a page in an operator's browser could reach the listener under a name of its own (DNS
    rebinding). /healthz says nothing, so that probes may ask by any name.
    """
    allowed = frozenset(hosts)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path != "/healthz" and ops.host_asked(request.headers.get("Host", "")) not in allowed:
            refusals.log(request, "host")
            raise ApiError(
                421, "Host: not a name of this listener; [server] private_hosts lists those it answers to"
            )
        return await handler(request)

    return check


def _keyed(store: Store, refusals: Refusals) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Let nobody use the API, or speak for a provider, without a key, and none do what its key may not."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        basic = request.path.startswith(INBOUND)
        if basic or request.path.startswith(_API):
            authorization = request.headers.get("Authorization", "")
            given = key_given(authorization, basic=basic)
            found = None if given is None else find_key(given, await store.list_api_keys())
            if found is None:
                # Amazon SNS asks without a password first, each time, and a refusal tells it to give one.
                if authorization or not basic:
                    refusals.log(request, "key")
                raise ApiError(401, _WANTS_EITHER if basic else _WANTS_KEY)
            _refuse_beyond(request, found, refusals)
            request[_KEY] = found.name
        return await handler(request)

    return check


def _refuse_beyond(request: web.Request, key: ApiKey, refusals: Refusals) -> None:
    """Refuse what a key may not do; that there is no such path or method is told to all that have one."""
    resource = request.match_info.route.resource
    if resource is None:
        return
    if fault := lacking(key, *RIGHTS.get((request.method, resource.canonical), ())):
        refusals.log(request, "right", key=key.name)
        raise ApiError(403, fault)


def _counted(metrics: Metrics) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        metrics.http_responses.labels(listener="private", status=f"{response.status // 100}xx").inc()
        return response

    return count


@web.middleware
async def _closed_after(request: web.Request, handler: Handler) -> web.StreamResponse:
    """End the connection: the next request is for who has the store."""
    response = await handler(request)
    response.force_close()
    return response


# --- how refusals look -------------------------------------------------------------------------


@web.middleware
async def _enveloped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong into the one shape of error."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001  (no trace leaves the process)
        if (told := refusal(error)) is not None:
            challenge = _BASIC if request.path.startswith(INBOUND) else _BEARER
            return _error(told.status, *told.errors, retry_seconds=told.retry_seconds, challenge=challenge)
        for kind, answer in _REFUSALS:
            if isinstance(error, kind):
                return answer(error)
        get_logger().error(Event.REQUEST_FAILED, listener="private", error=repr(error))
        return _error(500, "a fault of linkproxy; its log says more")


def _readable(nothing: Reply) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Tell a reader's browser by a page that an address is none; programs get the one shape of error."""

    @web.middleware
    async def tell(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            for_programs = request.path.startswith((_API, INBOUND))
            if for_programs or "text/html" not in request.headers.get("Accept", ""):
                raise
            return respond(nothing)

    return tell


def _other_method(error: web.HTTPMethodNotAllowed) -> web.Response:
    told = ", ".join(sorted(error.allowed_methods))
    response = _error(405, f"not by {error.method}; this path takes {told}")
    response.headers["Allow"] = error.headers["Allow"]
    return response


_REFUSALS: tuple[tuple[type[Exception], Callable[[Any], web.Response]], ...] = (
    (
        web.HTTPRequestEntityTooLarge,
        lambda _: _error(413, "the body is larger than [limits] mail_bytes allows"),
    ),
    (web.HTTPNotFound, lambda _: _error(404, "there is no such path; docs/api.md has all of them")),
    (web.HTTPMethodNotAllowed, _other_method),
    (web.HTTPException, lambda error: _error(error.status, error.reason)),
)
"""What to answer where the framework refuses; the first that fits counts."""


def _error(
    status: int, *errors: str, retry_seconds: int | None = None, challenge: str = _BEARER
) -> web.Response:
    response = _json(status, fault_record(status, *errors))
    if retry_seconds is not None:
        response.headers["Retry-After"] = str(retry_seconds)
    if status == 401:
        response.headers["WWW-Authenticate"] = challenge
    return response


def _json(status: int, value: Answer) -> web.Response:
    return web.Response(
        status=status,
        headers=dict((SERVER, *_HEADERS)),
        body=json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n",
        content_type="application/json",
    )
