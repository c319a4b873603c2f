"""The part of the JSON API that a reader's complaint is answered with: whose link, and why so judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linkproxy.query.explanation import explanation_record
from linkproxy.query.filters import unknown
from linkproxy.query.whose import NotOursError, whose, whose_record
from linkproxy.server.body import ApiError, refuse_parameters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.campaign.tokens import Keyring
    from linkproxy.server.api import Call
    from linkproxy.store.api import Store
    from linkproxy.visit.policy import Policy

    Answer = dict[str, Any]

_MOST_DIGITS = 18  # of what a store can number


class ReaderApi:
    """The handlers; each takes a Call and returns a JSON object, or raises ApiError."""

    def __init__(self, store: Store, policy: Policy, keyring: Keyring) -> None:
        self._store = store
        self._policy = policy
        self._keyring = keyring
        self.routes: Sequence[tuple[str, str, Callable[[Call], Awaitable[Answer]]]] = (
            ("GET", "/api/v1/visits/{visit_id}", self.explain),
            ("GET", "/api/v1/links/find", self.find),
        )

    async def explain(self, call: Call) -> Answer:
        """Return why a visit was judged as it was."""
        refuse_parameters(call.query)
        text = call.path["visit_id"]
        is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
        row = await self._store.get_visit(int(text)) if is_number else None
        if row is None:
            raise ApiError(
                404, f"visit_id: there is no visit {text[:60]!r} in the journal; GET /api/v1/visits"
            )
        return {"visit": explanation_record(row, self._policy)}

    async def find(self, call: Call) -> Answer:
        """Return what a tracked URL stands for; 404 says why it stands for nothing."""
        if faults := unknown(call.query, ("url",)):
            raise ApiError(400, *faults)
        url = call.query.get("url", "").strip()
        if not url:
            raise ApiError(400, "url: is missing; give the link as it stands in the mail, percent-encoded")
        try:
            found = await whose(self._store, self._keyring, url)
        except NotOursError as error:
            raise ApiError(404, *(f"url: {line}" for line in str(error).splitlines())) from None
        return {"link": whose_record(found)}
