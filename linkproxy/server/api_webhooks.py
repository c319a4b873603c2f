"""The part of the JSON API that tells how webhooks are doing.

They are made by the command line alone: no API key can have people's clicks sent elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linkproxy.query.export import record
from linkproxy.query.webhooks import WEBHOOK_COLUMNS, webhook_states
from linkproxy.server.body import refuse_parameters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.server.api import Call
    from linkproxy.store.api import Store

    Answer = dict[str, Any]


class WebhookApi:
    """The handlers; each takes a Call and returns a JSON object, or raises ApiError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.routes: Sequence[tuple[str, str, Callable[[Call], Awaitable[Answer]]]] = (
            ("GET", "/api/v1/webhooks", self.list_webhooks),
        )

    async def list_webhooks(self, call: Call) -> Answer:
        """Return all webhooks by name."""
        refuse_parameters(call.query)
        return {"webhooks": [record(row, WEBHOOK_COLUMNS) for row in await webhook_states(self._store)]}
