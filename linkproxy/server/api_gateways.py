"""The part of the JSON API that tells who scans for recipients' domains, and asks again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linkproxy.model.names import domain_name
from linkproxy.query.export import record
from linkproxy.query.gateways import GATEWAY_COLUMNS
from linkproxy.server.body import read_object, refuse_parameters
from linkproxy.server.gateways import look_up_due, look_up_each, name_again
from linkproxy.server.wiring import mx_resolver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.config import Config
    from linkproxy.server.api import Call
    from linkproxy.store.api import Store
    from linkproxy.visit.gateways import Gateways

    Answer = dict[str, Any]

_MOST_DOMAINS = 1000


class GatewayApi:
    """The handlers; each takes a Call and returns a JSON object, or raises ApiError."""

    def __init__(self, store: Store, gateways: Gateways, config: Config, clock: Callable[[], float]) -> None:
        self._store = store
        self._gateways = gateways
        self._config = config
        self._clock = clock
        self.routes: Sequence[tuple[str, str, Callable[[Call], Awaitable[Answer]]]] = (
            ("GET", "/api/v1/gateways", self.list_gateways),
            ("POST", "/api/v1/gateways/refresh", self.refresh),
        )

    async def list_gateways(self, call: Call) -> Answer:
        """Return the recipients' domains with their gateways, and how many of them are due."""
        refuse_parameters(call.query)
        known = await self._store.list_gateways()
        now = self._clock()
        return {
            "lookup": self._config.gateways.lookup,
            "due": sum(row.expires_at <= now for row in known),
            "gateways": [record(row, GATEWAY_COLUMNS) for row in known],
        }

    async def refresh(self, call: Call) -> Answer:
        """Ask the DNS for what is due, for the domains given, or for all."""
        body = read_object(call.body or b"{}", ("domains", "all"))
        wanted = body.texts("domains", most=_MOST_DOMAINS)
        everything = body.flag("all")
        if everything and body.has("domains"):
            body.fault("all", "give domains or all, not both")
        known = {row.domain: row for row in await self._store.list_gateways()}
        names = dict.fromkeys(domain_name(name) for name in wanted)
        for name in names:
            if name not in known:
                body.fault("domains", f"no recipient has the domain {name[:120]}")
        body.check()
        rules, resolver, now = self._gateways, mx_resolver(self._config), self._clock()
        await name_again(self._store, rules)
        if everything or names:
            asked = list(known.values()) if everything else [known[name] for name in names]
            found = await look_up_each(self._store, asked, resolver, rules, now)
        else:
            found = await look_up_due(self._store, resolver, rules, now)
        return {"looked_up": found.total(), "outcomes": {key.value: count for key, count in found.items()}}
