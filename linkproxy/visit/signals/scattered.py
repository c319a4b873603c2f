"""Links of one message, followed within seconds by ever other clients.

A scanner that changes address and headers from request to request is no burst: its visits have
nothing in common but their message and their time.
"""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import TYPE_CHECKING

from linkproxy.model import AnswerKind, Family, LinkKind, ZoneRole
from linkproxy.visit.signals.pace import asked_at, within
from linkproxy.visit.signals.table import Finding, Look, Signal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from linkproxy.model import LinkKey, Sibling

NAME = "message.scattered"

MOST_HELD = 2
"""A client, which is headers at a network, that follows more links is judged by its own burst."""

MOST_FOLLOWERS = 2
"""A link that more networks follow at a time is a popular one: many people read what is sent to a list."""

FEWEST_CLIENTS = 3
"""Of two clients that have nothing in common one may as well be a person, whatever the curve says."""

LINKS_A_CLIENT = 3
"""Some scanners draw addresses and headers from a small pool, so there are more links than clients."""


def is_scattered(look: Look) -> bool:
    """Tell whether a visit is one of several that have no client in common."""
    return _found(look) is not None


def _scattered(look: Look) -> Finding | None:
    found = _found(look)
    if found is None:
        return None
    weight, window, count = found
    return Finding(
        weight, f"{count} links within {window:g} s, from ever other networks by ever other headers"
    )


def _found(look: Look) -> tuple[float, float, int] | None:
    """Return the heaviest row of the curve that is reached: its weight, its seconds, and how many links."""
    if len(look.facts.siblings) + 1 < FEWEST_CLIENTS:
        return None
    curve = look.policy.rules[NAME].values["curve"]
    near = _beside(look, max((window for window, _, _ in curve), default=0.0))
    if not near:
        return None
    at = asked_at(look.visit)
    nearest: dict[LinkKey, float] = {look.visit.key: 0.0}
    for item in sorted(near, key=lambda item: abs(asked_at(item) - at)):
        nearest.setdefault(item.key, asked_at(item) - at)
    moments = sorted(nearest.values())
    clients = _clients(look, near)
    if clients < FEWEST_CLIENTS:
        return None
    reached = [
        (weight, window, count)
        for window, least, weight in curve
        if least <= (count := min(LINKS_A_CLIENT * clients, within(moments, window)))
    ]
    return max(reached, key=itemgetter(0), default=None)


def _clients(look: Look, near: Iterable[Sibling]) -> int:
    """Return how many clients there are that differ in both their network and their headers, at the most."""
    networks, headers = {look.facts.network}, {look.facts.profile_id}
    for item in near:
        networks.add(item.network)
        headers.add(item.profile_id)
    return min(len(networks), len(headers))


def _beside(look: Look, seconds: float) -> list[Sibling]:
    """Return the visits to other links by clients that keep to a link or two; none if this one does not."""
    visit, facts = look.visit, look.facts
    through_people = facts.zone is not None and facts.zone.role is ZoneRole.PEOPLE
    if visit.method == "POST" or through_people or not (facts.network and facts.profile_id):
        return []
    at = asked_at(visit)
    near = [item for item in facts.siblings if abs(asked_at(item) - at) <= seconds and _is_followed(item)]
    if len(near) + 1 < FEWEST_CLIENTS:
        return []
    followers, held = _followers(look, near), _held(look)
    own = (facts.network, facts.profile_id)
    if followers[visit.key] > MOST_FOLLOWERS or held[own] > MOST_HELD:
        return []
    return [
        item
        for item in near
        if item.key != visit.key
        and (item.network, item.profile_id) != own
        and held[item.network, item.profile_id] <= MOST_HELD
        and followers[item.key] <= MOST_FOLLOWERS
    ]


def _held(look: Look) -> Mapping[tuple[str, int], int]:
    """Return how many links each client followed, this visit's included."""
    links: defaultdict[tuple[str, int], set[LinkKey]] = defaultdict(set)
    links[look.facts.network, look.facts.profile_id].add(look.visit.key)
    for item in look.facts.siblings:
        if _is_followed(item):
            links[item.network, item.profile_id].add(item.key)
    return {client: len(keys) for client, keys in links.items()}


def _is_followed(item: Sibling) -> bool:
    known = item.network and item.profile_id
    return bool(known) and (
        item.kind is not LinkKind.OPEN and item.method != "POST" and item.answer is not AnswerKind.RETRY
    )


def _followers(look: Look, near: Iterable[Sibling]) -> Mapping[LinkKey, int]:
    """Return from how many networks each link was followed; who comes back over an extra hop did before."""
    networks: defaultdict[LinkKey, set[str]] = defaultdict(set)
    networks[look.visit.key].add(look.facts.network)
    for item in near:
        if item.hop_at is None:
            networks[item.key].add(item.network)
    return defaultdict(int, {key: len(found) for key, found in networks.items()})


SIGNALS = (Signal(NAME, Family.MESSAGE, _scattered),)
