"""The part of the JSON API that answers what a person may ask for: their data, its end, no tracking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from linkproxy.logs import Event, get_logger
from linkproxy.query.filters import mail_domain
from linkproxy.server.body import ApiError, read_object, refuse_parameters
from linkproxy.server.recipients import erase_everything, find_recipient, read_recipient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from linkproxy.model import RecipientId
    from linkproxy.server.api import Call
    from linkproxy.server.body import Body
    from linkproxy.server.clerks import Clerks
    from linkproxy.store.api import Store
    from linkproxy.visit.policy import Policy

    Answer = dict[str, Any]

_ERASING_IS_OFF: Final = (
    "keys of the API may not erase people here; `linkproxy recipients erase` does it on the machine, and "
    "[privacy] erase_by_api = true lets keys do it that may everything"
)


class RecipientApi:
    """The handlers; each takes a Call and returns a JSON object, or raises ApiError.

    Whom it is about is in the body: paths are what fronts and proxies log.
    """

    def __init__(self, store: Store, clerks: Clerks, *, may_erase: bool) -> None:
        self._store = store
        self._clerks = clerks
        self._may_erase = may_erase
        self.routes: Sequence[tuple[str, str, Callable[[Call], Awaitable[Answer]]]] = (
            ("POST", "/api/v1/recipients/export", self.export),
            ("POST", "/api/v1/recipients/track", self.track),
            ("POST", "/api/v1/recipients/erase", self.erase),
        )

    async def export(self, call: Call) -> Answer:
        """Return everything stored about a recipient, by table."""
        refuse_parameters(call.query)
        body = read_object(call.body, ("recipient",))
        who = body.text("recipient", required=True)
        body.check()
        recipient = await find_recipient(self._store, who)
        if recipient is None:
            raise _nobody(who)
        return {"tables": await self._clerks.ask(_export, recipient.id)}

    async def track(self, call: Call) -> Answer:
        """Track a recipient or a mail domain, or do not."""
        refuse_parameters(call.query)
        body = read_object(call.body, ("recipient", "domain", "track"))
        whom, track = _whom(body), body.flag("track")
        if not body.has("track"):
            body.fault("track", "is missing")
        body.check()
        touched = await self._store.set_track(whom, track=track)
        if not touched and not whom.startswith("@"):
            raise _nobody(whom)
        return {"recipients": touched}

    async def erase(self, call: Call) -> Answer:
        """Delete everything stored about a recipient, where the configuration lets keys of the API do so."""
        if not self._may_erase:
            raise ApiError(403, _ERASING_IS_OFF)
        refuse_parameters(call.query)
        body = read_object(call.body, ("recipient", "yes"))
        who = body.text("recipient", required=True)
        if not body.flag("yes"):
            body.fault(
                "yes", "must be true: everything about the recipient is deleted, and cannot be restored"
            )
        body.check()
        erased = await erase_everything(self._store, who)
        if erased is None:
            raise _nobody(who)
        get_logger().info(
            Event.RECIPIENT_ERASED, key=call.key, **{name: n for name, n in erased.items() if n}
        )
        return {"erased": erased}


def _whom(body: Body) -> str:
    """Return for whom tracking is set, as the store takes it; note what is wrong."""
    who, domain = body.text("recipient"), body.text("domain")
    if bool(who) is bool(domain):
        body.fault("recipient", "give recipient or domain, one of them")
        return ""
    if who:
        draft = read_recipient(who)
        return draft.address or draft.reference
    try:
        return f"@{mail_domain(domain)}"
    except ValueError as error:
        body.fault("domain", str(error))
        return ""


def _nobody(who: str) -> ApiError:
    return ApiError(
        404, f"recipient: there is none {who[:120]!r}; give the address or reference that was mailed"
    )


async def _export(store: Store, recipient_id: RecipientId, _policy: Policy) -> dict[str, list[Answer]]:
    """Return it by a clerk: years of somebody's visits are many rows."""
    return await store.export_recipient(recipient_id)
