"""Links of one message, each followed by a client of its own within seconds of the others.

A scanner that changes address and headers with every request is no burst: no two of its visits have
anything in common but their message and their time.
"""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import TYPE_CHECKING

from linkproxy.model import AnswerKind, Family, LinkKind, ZoneRole
from linkproxy.visit.signals.pace import asked_at, within
from linkproxy.visit.signals.table import Finding, Look, Signal

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from linkproxy.model import LinkKey, Sibling, Visit

NAME = "message.scattered"

MOST_HELD = 2
"""Who follows more links is a client to be judged by its own burst, and says nothing of others beside it."""

MOST_FOLLOWERS = 2
"""A link that more clients follow at a time is a popular one: many people read what is sent to a list."""


FEWEST_OTHERS = 2
"""Of two visits that have nothing in common one may as well be a person's, whatever the curve says."""


def is_scattered(look: Look) -> bool:
    """Tell whether a visit is one of several that have no client in common."""
    return _found(look) is not None


def _scattered(look: Look) -> Finding | None:
    found = _found(look)
    if found is None:
        return None
    weight, window, count = found
    return Finding(weight, f"{count} links within {window:.0f} s, each from another network by other headers")


def _found(look: Look) -> tuple[float, float, int] | None:
    """Return the heaviest row of the curve that is reached: its weight, its seconds, and how many links."""
    curve = look.policy.rules[NAME].values["curve"]
    near = _beside(look, max((window for window, _, _ in curve), default=0.0))
    if not near:
        return None
    at = asked_at(look.visit)
    nearest: dict[LinkKey, float] = {look.visit.key: 0.0}
    for item in sorted(near, key=lambda item: abs(asked_at(item) - at)):
        nearest.setdefault(item.key, asked_at(item) - at)
    moments = sorted(nearest.values())
    clients = min(
        len({look.facts.network, *(item.network for item in near)}),
        len({look.facts.profile_id, *(item.profile_id for item in near)}),
    )
    reached = [
        (weight, window, count)
        for window, least, weight in curve
        if least <= (count := min(clients, within(moments, window)))
    ]
    return max(reached, key=itemgetter(0), default=None)


def _beside(look: Look, seconds: float) -> list[Sibling]:
    """Return the visits to other links by clients that keep to a link or two; none if this one does not."""
    visit, facts = look.visit, look.facts
    through_people = facts.zone is not None and facts.zone.role is ZoneRole.PEOPLE
    if visit.method == "POST" or through_people or not (facts.network and facts.profile_id):
        return []
    at = asked_at(visit)
    near = [item for item in facts.siblings if abs(asked_at(item) - at) <= seconds and _is_followed(item)]
    if len(near) < FEWEST_OTHERS:
        return []
    followed = [item for item in facts.siblings if _is_followed(item)]
    by_network = _links_of((facts.network, visit), ((item.network, item) for item in followed))
    by_headers = _links_of((facts.profile_id, visit), ((item.profile_id, item) for item in followed))
    followers = _followers(look, near)
    if (
        followers[visit.key] > MOST_FOLLOWERS
        or max(len(by_network[facts.network]), len(by_headers[facts.profile_id])) > MOST_HELD
    ):
        return []
    return [
        item
        for item in near
        if item.key != visit.key
        and item.network != facts.network
        and item.profile_id != facts.profile_id
        and max(len(by_network[item.network]), len(by_headers[item.profile_id])) <= MOST_HELD
        and followers[item.key] <= MOST_FOLLOWERS
    ]


def _is_followed(item: Sibling) -> bool:
    known = item.network and item.profile_id
    return bool(known) and (
        item.kind is not LinkKind.OPEN and item.method != "POST" and item.answer is not AnswerKind.RETRY
    )


def _links_of(
    own: tuple[Hashable, Visit], others: Iterable[tuple[Hashable, Sibling]]
) -> Mapping[Hashable, set[LinkKey]]:
    """Return the links that were followed, by what the visits have in common."""
    links: defaultdict[Hashable, set[LinkKey]] = defaultdict(set)
    links[own[0]].add(own[1].key)
    for common, item in others:
        links[common].add(item.key)
    return links


def _followers(look: Look, near: Iterable[Sibling]) -> Mapping[LinkKey, int]:
    """Return from how many networks each link was followed; who comes back over an extra hop did before."""
    networks: defaultdict[LinkKey, set[str]] = defaultdict(set)
    networks[look.visit.key].add(look.facts.network)
    for item in near:
        if item.hop_at is None:
            networks[item.key].add(item.network)
    return defaultdict(int, {key: len(found) for key, found in networks.items()})


SIGNALS = (
    Signal(
        NAME,
        Family.MESSAGE,
        "Different links of the message within seconds, each from another network by other headers.",
        _scattered,
    ),
)
