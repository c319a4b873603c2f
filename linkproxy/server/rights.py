"""What each call of the private listener takes of an API key: one table for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from linkproxy.model import Right

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from linkproxy.store.api import ApiKey

_EVERYTHING: Final = ()
_READ: Final = (Right.READ,)
_SEND: Final = (Right.SEND,)
_READ_OR_SEND: Final = (Right.READ, Right.SEND)

RIGHTS: Mapping[tuple[str, str], Sequence[Right]] = {
    ("GET", "/api/v1/openapi.json"): tuple(right for right in Right if right is not Right.EVERYTHING),
    ("GET", "/api/v1/campaigns"): _READ_OR_SEND,
    ("POST", "/api/v1/campaigns"): _SEND,
    ("GET", "/api/v1/campaigns/{name}"): _READ_OR_SEND,
    ("PATCH", "/api/v1/campaigns/{name}"): _EVERYTHING,
    ("GET", "/api/v1/campaigns/{name}/audit"): _READ,
    ("GET", "/api/v1/campaigns/{name}/report"): _READ,
    ("POST", "/api/v1/rewrite"): _SEND,
    ("POST", "/api/v1/lint"): _READ_OR_SEND,
    ("POST", "/api/v1/deliveries"): (Right.SEND, Right.DELIVER),
    ("POST", "/inbound/{provider}"): (Right.DELIVER, Right.SEND),
    ("GET", "/api/v1/clicks"): _READ,
    ("GET", "/api/v1/feed"): _READ,
    ("GET", "/api/v1/retractions"): _READ,
    # Whom to send to no more is the mailer's to know.
    ("GET", "/api/v1/unsubscribes"): _READ_OR_SEND,
    ("GET", "/api/v1/visits"): _READ,
    ("GET", "/api/v1/visits/{visit_id}"): _READ,
    ("GET", "/api/v1/links/find"): _READ,
    ("POST", "/api/v1/engagement"): (Right.ENGAGE,),
    # A POST so that fronts do not log whom it is about; it changes nothing.
    ("POST", "/api/v1/recipients/export"): _READ,
    ("POST", "/api/v1/recipients/track"): _EVERYTHING,
    ("POST", "/api/v1/recipients/erase"): _EVERYTHING,
    ("GET", "/api/v1/webhooks"): _READ,
    ("GET", "/api/v1/profiles"): _READ,
    ("GET", "/api/v1/gateways"): _READ,
    # It asks other people's name servers, and stores what they say.
    ("POST", "/api/v1/gateways/refresh"): _EVERYTHING,
    ("GET", "/api/v1/compare"): _READ,
    ("GET", "/api/v1/accuracy"): _READ,
    ("GET", "/api/v1/bait"): _READ,
    ("GET", "/api/v1/shadow"): _READ,
}
"""Rights of which one suffices, by method and path. That to everything opens all, and what is not in here."""


def lacking(key: ApiKey, *rights: Right) -> str:
    """Return what a key may and what it would need, in words; empty where it has one of these rights."""
    enough = (*rights, Right.EVERYTHING)
    if key.may in enough:
        return ""
    return (
        f"the key {key.name!r} may {key.may} and no more; this takes one that may {' or '.join(enough)}: "
        f"`linkproxy keys add NAME --may {enough[0]}`"
    )
